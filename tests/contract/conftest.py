"""The two sides of the conformance suite: the embedded store, and the real client where it is installed."""

from __future__ import annotations

import contextlib
import importlib.util
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from framework.stores.local.store import LocalFeatureStore
from framework.stores.local.tables import LocalTables
from tests.contract.standin import LENIENT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pyspark.sql import SparkSession

    from framework.core.ports import FeatureStore, Tables

INSTALLED = (
    importlib.util.find_spec("databricks.feature_engineering") is not None
    if importlib.util.find_spec("databricks")
    else False
)
SIDES = ["embedded", "client"] if INSTALLED else ["embedded"]


@dataclass(frozen=True)
class Side:
    """One adapter, open: its store, its tables, and its name."""

    name: str
    store: FeatureStore
    tables: Tables


@pytest.fixture(scope="session")
def needs_client() -> None:
    """Skip, and say so, where the client is not installed."""
    if not INSTALLED:
        pytest.skip("the real client is not installed: `make contract` runs this too")


@pytest.fixture(scope="session")
def mlflow_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One MLflow for both sides, so that each can score what the other logged."""
    import mlflow

    home = tmp_path_factory.mktemp("mlflow")
    uri = f"sqlite:///{home / 'mlflow.db'}"
    before = mlflow.get_tracking_uri(), mlflow.get_registry_uri()
    with pytest.MonkeyPatch.context() as patch:
        # Workers of a Spark Connect session ask the environment, not this process.
        patch.setenv("MLFLOW_TRACKING_URI", uri)
        patch.setenv("MLFLOW_REGISTRY_URI", uri)
        mlflow.set_tracking_uri(uri)
        mlflow.set_registry_uri(uri)
        mlflow.set_experiment(experiment_id=mlflow.create_experiment("contract", (home / "artifacts").as_uri()))
        yield home
    mlflow.set_tracking_uri(before[0])
    mlflow.set_registry_uri(before[1])


@contextlib.contextmanager
def opened(name: str, root: Path, spark: Callable[[], SparkSession]) -> Iterator[Side]:
    """Open one side below a folder, with the schema ``main.ml``."""
    if name == "embedded":
        tables = LocalTables(root, spark)
        yield Side(name, LocalFeatureStore(tables, spark), tables)
        return
    from framework.stores.databricks.staging import Staging
    from framework.stores.databricks.store import DatabricksFeatureStore
    from framework.stores.databricks.tables import DatabricksTables
    from tests.conftest import NOW
    from tests.contract.standin.catalog import UnityCatalog
    from tests.contract.standin.client import connected
    from tests.contract.standin.session import StandinSession

    real = spark()  # before the client's environment: what the session adds to it must stay
    catalog = UnityCatalog(root)
    catalog.create_schema("main.ml")
    with connected(catalog) as client:
        session: Any = StandinSession(real, catalog)
        staging = Staging("main.ml", lambda: session, "contract", NOW)
        tables_of_unity = DatabricksTables(lambda: session, staging.stage)
        yield Side(name, DatabricksFeatureStore(tables_of_unity, lambda: session, lambda: client), tables_of_unity)
        staging.clear()


@pytest.fixture(params=SIDES)
def side(request: pytest.FixtureRequest, tmp_path: Path, lazy_spark: Callable[[], SparkSession]) -> Iterator[Side]:
    """One side, empty."""
    with opened(request.param, tmp_path / "tables", lazy_spark) as found:
        yield found


@pytest.fixture
def lazy_spark(request: pytest.FixtureRequest) -> Callable[[], SparkSession]:
    """Return the session on first use: the embedded side rarely needs one."""
    return lambda: request.getfixturevalue("spark")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say where the stand-in proves less than a workspace would."""
    if INSTALLED:
        terminalreporter.section("where the stand-in is more lenient than Unity Catalog")
        for line in LENIENT:
            terminalreporter.write_line(f"- {line}")

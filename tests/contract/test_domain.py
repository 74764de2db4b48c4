"""One domain, trained and scored twice: embedded, and through the real client over the stand-in."""

from __future__ import annotations

import contextlib
import dataclasses
from datetime import date
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from domains.simulator.write import simulate
from framework.base.clock import Clock
from framework.core.config import Settings
from framework.core.plugins import discover
from framework.core.ports import LoggedModel
from framework.core.results import Status, UnitResult
from framework.run.pipeline import Pipeline
from tests.conftest import NOW
from tests.contract.test_models import content, files, folder_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pyspark.sql import SparkSession

    from framework.gold.runtime import Runtime

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("needs_client")]

LAST_DAY = date(2026, 10, 27)
GIVEN: dict[str, Any] = {"as_of": LAST_DAY.isoformat(), "domains": ("quality",), "incomplete_days": 1}
PROVENANCE = ["scored_at", "scoring_run_id", "training_run_id"]
PLUGINS = discover(strict=True)
MODELS = PLUGINS.select_models(GIVEN["domains"], ())


@dataclasses.dataclass(frozen=True)
class Finished:
    """What a run left: its results, its tables' rows in key order, its models' files and the training data's hash."""

    results: list[UnitResult]
    tables: dict[str, pd.DataFrame]
    folders: dict[str, Path]
    hashes: dict[str, str]


@pytest.fixture(scope="module")
def runs(
    tmp_path_factory: pytest.TempPathFactory, spark: SparkSession, open_runtime: Callable[..., Runtime]
) -> Iterator[tuple[Finished, Finished]]:
    """Features, training and scoring on both adapters, each with an MLflow of its own."""
    gold = tmp_path_factory.mktemp("gold")
    simulate(gold, scale=0.05, last_day=LAST_DAY)
    ours = finish(open_runtime(gold, tmp_path_factory.mktemp("embedded"), PLUGINS, **GIVEN))
    with workspace(gold, tmp_path_factory.mktemp("workspace"), spark) as runtime:
        yield ours, finish(runtime)


@contextlib.contextmanager
def workspace(gold: Path, home: Path, spark: SparkSession) -> Iterator[Runtime]:
    """Open the production runtime over the stand-in."""
    from framework.registry.versions import ModelRegistry
    from framework.run.opening import with_monitor
    from framework.stores.databricks.opening import assembled
    from tests.contract.standin.catalog import UnityCatalog
    from tests.contract.standin.client import connected
    from tests.contract.standin.session import StandinSession

    settings = Settings.parse({"gold": str(gold), "home": home, "platform": "databricks"} | GIVEN, "test")
    catalog = UnityCatalog(home / "tables")
    catalog.create_schema(settings.schema_path)

    def registry(_: Settings) -> ModelRegistry:
        import mlflow

        mlflow.set_tracking_uri(f"sqlite:///{home / 'mlflow.db'}")
        mlflow.set_registry_uri(f"sqlite:///{home / 'mlflow.db'}")
        return ModelRegistry(settings.schema_path, (home / "artifacts").as_uri(), tags_in_search=False)

    session: Any = StandinSession(spark, catalog)
    with connected(catalog) as client:
        clock = Clock(NOW)
        opened = assembled(settings, PLUGINS, clock, spark=lambda: session, client=lambda: client, registry=registry)
        yield with_monitor(opened)


def finish(runtime: Runtime) -> Finished:
    """Run everything, and gather what it left."""
    results = Pipeline(runtime).run()
    registry = runtime.registry
    served = {model: registry.served(model) for model in MODELS}
    tables = {}
    for name in runtime.tables.names(runtime.settings.schema_path):
        if name != "run_ledger":
            rows = runtime.tables.read(runtime.feature_table(name)).to_pandas()
            rows = rows[[column for column in sorted(rows.columns) if column not in PROVENANCE]]
            tables[name] = rows.loc[rows.astype(str).sort_values(list(rows.columns)).index].reset_index(drop=True)
    runs = {model: registry.client.get_run(found.training_run_id) for model, found in served.items() if found}
    return Finished(
        results,
        tables,
        {m: folder_of(LoggedModel(model_uri="", name=f.name, version=f.version)) for m, f in served.items() if f},
        {model: run.data.params["dataset.hash"] for model, run in runs.items()},
    )


def test_every_unit_ends_well_on_both_sides(runs: tuple[Finished, Finished]) -> None:
    for run in runs:
        assert [result.reason for result in run.results if result.status is Status.FAILED] == []
        assert len(run.results) == 1 + 3 * len(MODELS) + 1  # features; train, score, monitor; alerts
        assert set(run.folders) == set(MODELS)


def test_results_have_the_same_figures(runs: tuple[Finished, Finished]) -> None:
    # What a result was made of names the platform among the settings, and its tables by their versions.
    ours, theirs = ([dataclasses.replace(result, seconds=0.0, made_of="") for result in run.results] for run in runs)
    assert ours == theirs


def test_training_sets_are_equal(runs: tuple[Finished, Finished]) -> None:
    ours, theirs = runs
    assert ours.hashes == theirs.hashes


def test_features_and_predictions_are_equal(runs: tuple[Finished, Finished]) -> None:
    ours, theirs = runs
    predictions = {f"{PLUGINS.trainers[model].item.spec.use_case}_predictions" for model in MODELS}
    assert set(ours.tables) == set(theirs.tables)
    assert predictions | {"quality_features"} <= set(ours.tables)
    for name, rows in ours.tables.items():
        assert len(rows) > 0, name
        # Sums of a drift are added up in the order in which rows come, which no engine promises.
        exact = name != "model_drift"
        pd.testing.assert_frame_equal(rows, theirs.tables[name], **({"check_exact": True} if exact else {"rtol": 1e-9}))


def test_artefact_trees_are_equal(runs: tuple[Finished, Finished]) -> None:
    ours, theirs = runs
    for model in MODELS:
        names = files(ours.folders[model])
        assert names == files(theirs.folders[model])
        for name in names:
            if name != "registered_model_meta":
                one, two = (run.folders[model] / name for run in runs)
                binary = name.endswith(".pkl")
                assert (one.read_bytes() == two.read_bytes()) if binary else (content(one) == content(two)), name

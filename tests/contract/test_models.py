"""Models on both sides: logged with their lookups, registered with their evidence, scored from keys by either side."""

from __future__ import annotations

import contextlib
import inspect
import json
import re
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pytest
import yaml

from framework.base.errors import FeatureStoreError
from framework.core.ports import FeatureLookup, LoggedModel
from framework.registry.models import TAG_LENGTH, tags_of
from framework.stores.arrow import to_arrow, to_pandas
from tests.contract.conftest import Side, opened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pyspark.sql import SparkSession

pytestmark = pytest.mark.usefixtures("mlflow_home")

JOBS, DAYS = "main.ml.jobs", "main.ml.days"
WEIGHTS = {"cost": 2.0, "rate": 1.0}
RESULT = "struct<prediction:double,reason:string>"
LONG = json.dumps(list(range(500)))
KEYS = pd.DataFrame({"job": ["a", "b", "a"], "day": [date(2026, 10, 1), date(2026, 10, 1), date(2026, 10, 3)]})
EXPECTED = [2.1, 4.0, 2.0]
IDENTITIES = re.compile(
    r"(?m)^(run_id|model_id|model_uuid|utc_time_created|artifact_path|model_size_bytes|databricks_runtime): .*$"
    r"|(?m:^\s+(uri|model_code_path): .*$)|(?m:^- table_id: .*$)|(?m:^\s+table_id: .*$)"
)
"""Lines that name one logging: ids, times, sizes, and where the client had its scratch folder."""


def fill(side: Side) -> None:
    """Create a plain and a time-series table, alike on each side."""
    side.store.create_table(name=JOBS, primary_keys=["job"], df=pa.table({"job": ["a", "b"], "cost": [1.0, 2.0]}))
    day = pa.array([date(2026, 10, 1), date(2026, 10, 1)], pa.date32())
    rates = pa.table({"job": ["a", "b"], "day": day, "rate": pa.array([0.1, None], pa.float64())})
    side.store.create_table(name=DAYS, primary_keys=["job", "day"], timeseries_column="day", df=rates)


def log(side: Side, folder: Path, name: str, **changes: Any) -> LoggedModel:
    """Log and register the served model with lookups into both tables."""
    import mlflow
    from mlflow.types import ColSpec, Schema

    weights = folder / "weights.json"
    weights.write_text(json.dumps(WEIGHTS))
    lookups = [
        FeatureLookup(table_name=JOBS, lookup_key=["job"], feature_names=["cost"]),
        FeatureLookup(
            table_name=DAYS, lookup_key=["job"], timestamp_lookup_key="day", lookback_window=timedelta(0),
            feature_names=["rate"],
        ),
    ]  # fmt: skip
    made = side.store.create_training_set(
        df=KEYS.assign(y=0.5), feature_lookups=lookups, label="y", exclude_columns=["job", "day"]
    )
    options: dict[str, Any] = {
        "model": str(Path(__file__).with_name("served.py")),
        "artifact_path": "model",
        "training_set": made,
        "registered_model_name": name,
        "artifacts": {"weights": str(weights)},
        "output_schema": Schema([ColSpec("double", "prediction"), ColSpec("string", "reason")]),
        "pip_requirements": ["pandas==2.3.3", "mlflow==3.17.2"],
        "input_example": pd.DataFrame({"cost": [1.0], "rate": [0.5]}),
        "tags": {"verdict": "passed", "result": LONG},
    }
    with mlflow.start_run():
        return side.store.log_model(**(options | changes))


def scored(side: Side, logged: LoggedModel) -> pd.DataFrame:
    """Score the keys with a version."""
    uri = f"models:/{logged.name}/{logged.version}"
    answers = side.store.score_batch(model_uri=uri, df=KEYS, result_type=RESULT)
    return to_pandas(to_arrow(answers)).sort_values(["day", "job"]).reset_index(drop=True)


def folder_of(logged: LoggedModel) -> Path:
    """Return the version's files."""
    import mlflow

    return Path(mlflow.artifacts.download_artifacts(f"models:/{logged.name}/{logged.version}"))


def test_a_version_scores_from_keys_alone(side: Side, tmp_path: Path) -> None:
    fill(side)
    found = scored(side, log(side, tmp_path, f"main.ml.{side.name}_keys"))
    assert list(found.columns) == ["job", "day", "prediction", "reason"]
    assert found["prediction"].tolist() == pytest.approx(EXPECTED)
    assert found["day"].tolist() == sorted(KEYS["day"])
    assert set(found["reason"]) == {"cost"}


def test_versions_count_up_and_carry_their_evidence(side: Side, tmp_path: Path) -> None:
    import mlflow

    fill(side)
    name = f"main.ml.{side.name}_versions"
    first, second = log(side, tmp_path, name), log(side, tmp_path, name)
    assert (first.version, second.version) == (1, 2)
    stored = mlflow.MlflowClient().get_model_version(name, str(second.version))
    assert max(map(len, stored.tags.values())) <= TAG_LENGTH
    assert tags_of(stored) == {"verdict": "passed", "result": LONG}
    info = mlflow.models.get_model_info(f"models:/{name}/2")
    assert {column.name: column.required for column in info.signature.inputs} == {
        "job": True,
        "cost": False,
        "rate": False,
    }
    assert info.signature.outputs.input_names() == ["prediction", "reason"]


def test_what_cannot_be_logged_or_scored_is_refused(side: Side, tmp_path: Path) -> None:
    fill(side)
    name = f"main.ml.{side.name}_refused"
    with pytest.raises(FeatureStoreError, match="training set"):
        log(side, tmp_path, name, training_set=object())
    logged = log(side, tmp_path, name)
    uri = f"models:/{logged.name}/{logged.version}"
    for frame in (KEYS[["day"]], KEYS.assign(prediction=1.0)):
        with pytest.raises(Exception, match=r"job|prediction"):  # the embedded side says it as a ScoringError
            to_arrow(side.store.score_batch(model_uri=uri, df=frame, result_type=RESULT))


# ---------------------------------------------------------------- both sides at once


@pytest.fixture
def both(needs_client: None, tmp_path: Path, lazy_spark: Callable[[], SparkSession]) -> Iterator[tuple[Side, Side]]:
    """Both sides, with the same tables."""
    with contextlib.ExitStack() as stack:
        sides = [stack.enter_context(opened(name, tmp_path / name, lazy_spark)) for name in ("embedded", "client")]
        for side in sides:
            fill(side)
        yield sides[0], sides[1]


def test_both_sides_write_the_same_artefact(both: tuple[Side, Side], tmp_path: Path) -> None:
    ours, theirs = (folder_of(log(side, tmp_path, f"main.ml.{side.name}_artefact")) for side in both)
    assert files(ours) == files(theirs)
    for name in files(ours):
        if name != "registered_model_meta":  # the name and version of each
            assert content(ours / name) == content(theirs / name), name


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def content(file: Path) -> Any:
    text = IDENTITIES.sub("", file.read_text())
    return yaml.safe_load(text) if file.suffix in (".yaml", "") else text


def test_each_side_scores_what_the_other_logged(both: tuple[Side, Side], tmp_path: Path) -> None:
    ours, theirs = both
    crossed = [scored(theirs, log(ours, tmp_path, "main.ml.crossed_ours"))]
    crossed += [scored(ours, log(theirs, tmp_path, "main.ml.crossed_theirs"))]
    for found in crossed:
        assert found["prediction"].tolist() == pytest.approx(EXPECTED)


def test_every_call_of_ours_fits_the_clients_signatures(
    needs_client: None, tmp_path: Path, lazy_spark: Callable[[], SparkSession], monkeypatch: pytest.MonkeyPatch
) -> None:
    from databricks.feature_engineering import FeatureEngineeringClient as Client

    called: dict[str, set[str]] = {}
    verbs = {"create_table", "write_table", "read_table", "create_training_set", "log_model", "score_batch"}
    for verb in verbs:
        monkeypatch.setattr(Client, verb, recorded(getattr(Client, verb), called))
    with opened("client", tmp_path / "tables", lazy_spark) as side:
        fill(side)
        assert side.store.read_table(name=JOBS).count() == 2
        scored(side, log(side, tmp_path, "main.ml.bound"))
    assert set(called) == {
        "create_table",
        "write_table",
        "read_table",
        "create_training_set",
        "log_model",
        "score_batch",
    }
    # What a method does not name goes on to MLflow's save_model, or to the training set.
    loose = {verb: names for verb, names in called.items() if names}
    assert loose == {"log_model": {"artifacts", "output_schema", "pip_requirements", "signature", "input_example"}}


def recorded(method: Any, called: dict[str, set[str]]) -> Any:
    """Wrap a method: bind each call to its signature, and note the keywords that only ``**kwargs`` takes."""
    signature = inspect.signature(method)

    def call(self: Any, *args: Any, **given: Any) -> Any:
        assert args == (), "all arguments are keyword-only"
        bound = signature.bind(self, **given)
        called.setdefault(method.__name__, set()).update(bound.arguments.get("kwargs", {}))
        return method(self, **given)

    return call

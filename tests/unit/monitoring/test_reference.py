"""What a version saw, kept beside its training, and its drift measured against it: the real pipeline without Spark."""

from __future__ import annotations

import dataclasses
import json
from datetime import date, timedelta

import mlflow
import numpy as np
import pyarrow as pa
import pytest

from framework.declare.model import Feature, TableSpec
from framework.monitoring.drift import reference as module
from framework.monitoring.drift.distance import psi
from framework.monitoring.drift.drift import COUNTED, measure_drift
from framework.monitoring.drift.histogram import Sketch
from framework.monitoring.drift.reference import FILE, load_reference, sketch_columns
from framework.tables.declared import DRIFT
from framework.training.sample import at_most
from tests.audit.home import AS_OF, TABLE, open_home
from tests.monitored import EVERY, LAST, QUIET, build_monitored, write_outcomes
from tests.panels import START, panel


@pytest.fixture(scope="module")
def runtime(tmp_path_factory):
    before = mlflow.get_tracking_uri(), mlflow.get_registry_uri()
    yield build_monitored(tmp_path_factory.mktemp("monitored") / "home")
    mlflow.set_tracking_uri(before[0])
    mlflow.set_registry_uri(before[1])


def stored(runtime, model):
    return load_reference(runtime.registry.served(model))


def drift(runtime, model, as_of):
    rows = measure_drift(runtime, model, runtime.registry.served(model), as_of)
    return {(row["kind"], row["name"]): row for row in rows}


# ------------------------------------------------------------------ the artefact


@pytest.mark.parametrize("model", EVERY)
def test_every_training_leaves_a_reference_of_plain_json(runtime, model):
    found = stored(runtime, model)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert set(found["features"]) == {"load", "runs"}  # the weekday turns by itself
    assert set(found) == {
        "span", "window_days", "features", "predictions", "anomaly", "labels",
    }  # fmt: skip
    assert len(json.dumps(found)) < 100_000


def test_features_are_sketched_over_the_training_days_of_the_whole_table(runtime):
    found = stored(runtime, "late_jobs")
    first, last = (date.fromisoformat(found["span"][name]) for name in ("train_start", "train_end"))
    rows = runtime.tables.read(TABLE, where=[("run_date", ">=", first), ("run_date", "<=", last)])
    sketch = Sketch.load(found["features"]["load"]["sketch"])
    values = rows["load"].to_numpy()
    assert sketch.counts == tuple(np.bincount(sketch.bucket(values), minlength=len(sketch.counts)))
    assert sketch.entities == 12
    assert found["features"]["load"]["usual"]["weeks"] == 36


def test_what_is_usual_is_the_highest_of_the_rolling_weeks_held_back(runtime):
    found = stored(runtime, "late_jobs")
    first, last = (date.fromisoformat(found["span"][name]) for name in ("train_end", "test_end"))
    for name in ("load", "runs"):
        sketch = Sketch.load(found["features"][name]["sketch"])
        highest = 0.0
        for start in range(1, (last - first).days - 5):
            days = [("run_date", ">=", first + timedelta(start)), ("run_date", "<=", first + timedelta(start + 6))]
            values = runtime.tables.read(TABLE, where=days)[name].to_numpy()
            assert len(values) == 84
            now = np.bincount(sketch.bucket(values), minlength=len(sketch.counts))
            highest = max(highest, psi(sketch.binned(now), sketch.binned(sketch.counts), 12, 12))
        assert found["features"][name]["usual"]["psi"] == pytest.approx(highest)


def test_predictions_are_those_that_scoring_would_have_written(runtime):
    from tests.audit.home import scorer_of

    found = stored(runtime, "odd_jobs")
    sketch = Sketch.load(found["predictions"]["prediction"]["sketch"])
    first, last = (date.fromisoformat(found["span"][name]) for name in ("train_end", "test_end"))
    days = [first + timedelta(at) for at in range(1, (last - first).days + 1)]
    for day in days:
        scorer_of("odd_jobs")().score(runtime, day)
    where = [("as_of_date", ">", first), ("as_of_date", "<=", last)]
    rows = runtime.tables.read(runtime.feature_table("odd_job_predictions"), where=where)
    values = rows["prediction"].to_numpy()
    assert values.min() >= 0
    assert values.max() <= 1
    assert sketch.counts == tuple(np.bincount(sketch.bucket(values), minlength=len(sketch.counts)))
    assert found["predictions"]["prediction"]["mean"] == pytest.approx(values.mean())
    assert found["anomaly"]["rate"] == pytest.approx(rows["is_anomaly"].to_numpy().mean())
    assert found["anomaly"]["low"] <= found["anomaly"]["rate"] <= found["anomaly"]["high"]


def test_many_classes_and_many_labels_have_an_output_each(runtime):
    sizes, troubles = stored(runtime, "job_sizes"), stored(runtime, "job_troubles")
    assert set(sizes["predictions"]) == {"prediction"}
    assert sizes["predictions"]["prediction"]["sketch"]["points"] == [0.0, 1.0, 2.0]
    assert set(sizes["labels"]) == {"small", "medium", "large"}
    assert set(troubles["predictions"]) == {"prediction", "slow", "stuck"}
    assert set(troubles["labels"]) == {"slow", "stuck"}
    share = sizes["labels"]["large"]["sketch"]["counts"]
    assert share[3] / sum(share) == pytest.approx(0.3, abs=0.05)


def test_what_narrows_the_scored_rows_narrows_the_reference(tmp_path, monkeypatch):
    """Half of all rows are never asked about; they must not tell what is normal."""
    from tests.audit import home

    before = mlflow.get_tracking_uri(), mlflow.get_registry_uri()
    busy = dataclasses.replace(home.LateJobs.spec, score_where=(("runs", ">=", 5.0),))
    monkeypatch.setattr(home.LateJobs, "spec", busy)
    runtime = open_home(tmp_path)
    home.build_table(runtime, home.toy_rows())
    runtime.plugins.trainers["late_jobs"].item().train(runtime, AS_OF)
    found = stored(runtime, "late_jobs")
    assert found["features"]["runs"]["where"] == [["runs", ">=", 5.0]]
    assert min(found["features"]["runs"]["sketch"]["points"]) == 5.0
    predicted = found["predictions"]["prediction"]["sketch"]["counts"]
    assert 0.4 < sum(predicted) / (12 * 42) < 0.6
    assert drift(runtime, "late_jobs", AS_OF)["feature", "runs"]["level"] == "none"
    mlflow.set_tracking_uri(before[0])
    mlflow.set_registry_uri(before[1])


def test_without_held_back_weeks_the_last_weeks_of_training_tell_what_is_usual():
    spec = TableSpec(
        name="panel",
        description="x",
        keys=("entity",),
        time="day",
        columns=(Feature(name="f0", sql="1", description="x"),),
    )
    rows = panel(entities=30, days=60, features=1, seed=3)
    found = sketch_columns(rows, {"f0": "double"}, spec, START + timedelta(days=59))
    assert found["f0"]["usual"]["weeks"] == 36
    assert 0 < found["f0"]["usual"]["psi"] < 0.5
    few = sketch_columns(rows.slice(0, 4), {"f0": "double"}, spec, START + timedelta(days=59))
    assert few["f0"]["usual"]["weeks"] == 0


def test_a_large_table_is_sampled_by_whole_entities():
    rows = pa.table({"entity": [str(at % 500) for at in range(5_000)], "value": list(range(5_000))})
    some = at_most(rows, 1_000, ["entity"])
    assert 600 < len(some) < 1_400
    assert len(some) == 10 * len(set(some["entity"].to_pylist()))
    assert at_most(rows, 1_000, ["entity"]).equals(some)
    assert at_most(rows, 5_000, ["entity"]) is rows


# ------------------------------------------------------------------ drift of a home


@pytest.mark.parametrize("model", EVERY)
def test_a_week_as_before_is_no_drift(runtime, model):
    rows = drift(runtime, model, AS_OF + timedelta(days=QUIET))
    assert {row["level"] for (kind, _), row in rows.items() if kind == "feature"} == {"none"}
    assert {row["level"] for row in rows.values()} <= {"none", "too_little"}  # twelve jobs in four bins are few
    assert all(row["says"] == "" for row in rows.values() if row["level"] == "none")


@pytest.mark.parametrize("model", EVERY)
def test_another_load_is_drift_of_the_load_and_of_what_is_predicted(runtime, model):
    rows = drift(runtime, model, LAST)
    assert rows["feature", "load"]["level"] == "drift"
    assert rows["feature", "load"]["says"].startswith("load: median 0.")
    assert rows["feature", "runs"]["level"] == "none"
    assert ("feature", "weekday") not in rows
    predicted = [row for (kind, _), row in rows.items() if kind == "prediction"]
    assert any(row["level"] == "drift" for row in predicted)
    if model != "job_sizes":  # what is followed there is the share of the commonest class
        assert any(row["shift"] > 2 for row in predicted)


def test_rows_go_into_the_table_and_a_second_measure_changes_nothing(runtime):
    served = runtime.registry.served("odd_jobs")
    rows = measure_drift(runtime, "odd_jobs", served, LAST)
    assert {row["kind"] for row in rows} == {"feature", "prediction", "anomaly_rate"}
    assert DRIFT.merge(runtime, rows) == len(rows) == 4
    COUNTED.of(runtime).clear()
    assert DRIFT.merge(runtime, measure_drift(runtime, "odd_jobs", served, LAST)) == 0


def test_a_table_is_read_once_for_all_models(runtime, monkeypatch):
    COUNTED.of(runtime).clear()
    read = []
    frame = runtime.tables.frame
    monkeypatch.setattr(runtime.tables, "frame", lambda name, **more: read.append(name) or frame(name, **more))
    for model in EVERY:
        drift(runtime, model, LAST)
    assert read.count(TABLE) == 1
    assert sum(name.endswith("_predictions") for name in read) == len(EVERY)


def test_labels_that_change_drift_and_others_do_not(runtime):
    first = AS_OF + timedelta(days=1)
    write_outcomes(runtime, "job_seconds", lambda load: {"label": load}, first, LAST)
    write_outcomes(runtime, "job_troubles", lambda load: {"slow": float(load > 0.5), "stuck": 1.0}, first, LAST)
    seconds = drift(runtime, "job_seconds", LAST + timedelta(days=5))["label", "label"]
    assert seconds["window_days"] == 14
    assert seconds["rows"] == 14 * 12
    assert seconds["ks"] > 0.3
    assert seconds["ks_p"] == 1.0  # twelve entities, corrected for five tests: not certain
    early = drift(runtime, "job_seconds", first + timedelta(days=3))["label", "label"]
    assert (early["rows"], early["level"]) == (2 * 12 + 12, "too_little")
    troubles = drift(runtime, "job_troubles", LAST + timedelta(days=5))
    assert troubles["label", "stuck"]["level"] == "drift"
    assert troubles["label", "stuck"]["ks_p"] < 0.05
    assert "p = " in troubles["label", "stuck"]["says"]


def test_a_version_without_a_reference_says_so(runtime):
    served = runtime.registry.served("late_jobs")
    with mlflow.start_run(experiment_id=runtime.registry.experiment("late_jobs")) as run:
        mlflow.log_param("a", 1)
    rows = measure_drift(runtime, "late_jobs", dataclasses.replace(served, training_run_id=run.info.run_id), LAST)
    assert [(row["level"], row["kind"]) for row in rows] == [("too_little", "feature")]
    assert "no reference" in rows[0]["says"]
    assert DRIFT.merge(runtime, rows) == 1


def test_a_reference_is_read_once(runtime, monkeypatch):
    served = runtime.registry.served("late_jobs")
    first = load_reference(served)
    monkeypatch.setattr(mlflow.artifacts, "load_dict", None)
    assert load_reference(served) is first
    assert FILE == "reference.json"
    assert module.MAX_ROWS == 200_000

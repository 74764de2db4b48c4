"""Monitoring on simulated gold: outcomes of each kind of model against a brute-force join, none from later days."""

from __future__ import annotations

import dataclasses
import json
import shutil
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, mean_absolute_error

from domains.reliability.trainers import JOBS, PipelineHealthScorer
from domains.simulator.write import simulate
from framework.base.clock import midnight
from framework.core.plugins import discover, hookimpl
from framework.core.results import Status
from framework.declare.model import FromFeature, GroupPrior, ModelSpec, Task, days
from framework.monitoring.monitor import monitor_model
from framework.monitoring.outcomes.outcomes import join_outcomes
from framework.monitoring.outcomes.performance import WINDOW, arrays
from framework.run.pipeline import Pipeline
from framework.scoring.scorer import BatchScorer
from framework.tables.declared import OUTCOMES, PERFORMANCE
from framework.testing import label_rows
from framework.training import AnomalyTrainer, ClassificationTrainer

if TYPE_CHECKING:
    from framework.gold.runtime import Runtime

AS_OF = date(2026, 10, 27)
TRAINED = AS_OF - timedelta(days=24)
HEALTH = PipelineHealthScorer.spec


def spec(name: str, **changes: Any) -> ModelSpec:
    return dataclasses.replace(HEALTH, name=name, use_case=name, alert_on=None, **changes)


class Quick:
    """Small trees: what is tested is what becomes of their answers."""

    def estimator(self):
        from sklearn.ensemble import HistGradientBoostingClassifier

        return HistGradientBoostingClassifier(max_iter=20, random_state=7)


class Unwell(Quick, ClassificationTrainer):
    """Will any run of the week fail or be late?"""

    spec = spec("unwell", baseline=FromFeature(columns=("failed_day_share_28d",)))

    def labels(self, gold, as_of):
        return health(gold, as_of, "CAST(label < 100 AS int) AS label")


class HowWell(Quick, ClassificationTrainer):
    """In which of three states will the job be?"""

    task = Task.MULTICLASS
    spec = spec(
        "how_well",
        baseline=GroupPrior(by=("workspace_id", "job_id")),
        classes=("bad", "poor", "well"),
    )

    def labels(self, gold, as_of):
        return health(gold, as_of, "CASE WHEN label < 70 THEN 0 WHEN label < 100 THEN 1 ELSE 2 END AS label")


class Ailments(Quick, ClassificationTrainer):
    """Which of two ails?"""

    task = Task.MULTILABEL
    spec = spec(
        "ailments",
        baseline=FromFeature(columns=("failed_day_share_28d",)),
        labels=("weak", "ill"),
    )

    def labels(self, gold, as_of):
        return health(gold, as_of, "CAST(label < 100 AS int) AS weak", "CAST(label < 70 AS int) AS ill")


class OddDays(AnomalyTrainer):
    """Which jobs behave oddly?"""

    spec = spec("odd_days", horizon=days(1), lookups=(JOBS,),
                baseline=FromFeature(columns=("seconds_z_28d",)), alert_budget=0.2, required=())  # fmt: skip

    def events(self, gold, as_of):
        hit = gold.incident_truth.selectExpr(
            "workspace_id",
            "entity['job_id'] AS job_id",
            "explode(sequence(to_date(start_time), to_date(end_time))) AS run_date",
        )
        return hit.where("job_id IS NOT NULL").selectExpr("*", "1 AS is_event").distinct()

    def estimator(self):
        from framework.training.learners import isolation_forest

        return isolation_forest(n_estimators=50)


def health(gold, as_of, *labels):
    rows = label_rows(PipelineHealthScorer(), discover(strict=True), gold)
    return rows.selectExpr("workspace_id", "job_id", "run_date", *labels, "label_known_at")


def scorer(name: str) -> type[BatchScorer]:
    return type(name, (BatchScorer,), {"model": name, "__doc__": "All."})


TRAINERS = (Unwell, HowWell, Ailments, OddDays)
MODELS = ("pipeline_health_scorer", *(t.spec.name for t in TRAINERS))


class Planted:
    """Offers the trainers of the test."""

    @hookimpl
    def model_trainers(self):
        return list(TRAINERS)

    @hookimpl
    def batch_scorers(self):
        return [scorer(t.spec.name) for t in TRAINERS]


@pytest.fixture(scope="module")
def runtime(spark, tmp_path_factory: pytest.TempPathFactory) -> Runtime:
    """Models trained 24 days ago, scored on ten days since, monitored twice on the way."""
    from framework.core.config import Settings
    from framework.run.opening import open_runtime

    gold = tmp_path_factory.mktemp("gold")
    simulate(gold, scale=0.05, last_day=AS_OF)
    given = {"gold": str(gold), "home": tmp_path_factory.mktemp("home"), "as_of": AS_OF}
    opened = open_runtime(
        Settings.parse(given | {"models": MODELS}, "test"), discover(strict=True, extra={"planted": Planted()})
    )
    assert opened.as_of == AS_OF
    results = Pipeline(opened).run(("features",)) + Pipeline(opened.at(TRAINED)).run(("train",))
    assert {r.status for r in results} == {Status.DONE}, [r.reason for r in results]
    for number in range(0, 20, 2):
        day = opened.at(TRAINED + timedelta(days=number))
        assert {r.status for r in Pipeline(day).run(("score",))} == {Status.DONE}
        if number in (10, 18):
            for model in MODELS:
                monitor_model(day, model, day.as_of)
    return opened


@pytest.fixture(scope="module")
def written(runtime: Runtime) -> pd.DataFrame:
    """The outcomes before and after the last day is looked at."""
    vars(runtime)["before"] = OUTCOMES.read(runtime).to_pandas()
    for model in MODELS:
        assert monitor_model(runtime, model, AS_OF).status is Status.DONE
    return OUTCOMES.read(runtime).to_pandas()


def truth_of(runtime: Runtime, model: str) -> pd.DataFrame:
    """The labels as they are known today, one row per entity and day."""
    trainer = runtime.plugins.trainers[model].item()
    frame = label_rows(trainer, runtime.plugins, runtime.gold(truth=True).until(AS_OF))
    rows = runtime.collect(frame).to_pandas()
    rows["entity"] = [
        json.dumps({"workspace_id": w, "job_id": j}) for w, j in zip(rows.workspace_id, rows.job_id, strict=True)
    ]
    return rows.set_index(["entity", "run_date"])


def predictions_of(runtime: Runtime, model: str) -> pd.DataFrame:
    name = runtime.plugins.trainers[model].item.spec.use_case
    return runtime.tables.read(f"main.health_monitor.{name}_predictions").to_pandas()


@pytest.mark.parametrize("model", MODELS)
def test_each_settled_prediction_has_its_outcome_and_no_other_has(runtime: Runtime, written: pd.DataFrame, model: str):
    own = written[written["model_name"] == model]
    truth, horizon = truth_of(runtime, model), runtime.plugins.trainers[model].item.spec.horizon
    expected = set()
    for row in predictions_of(runtime, model).itertuples():
        entity = json.dumps({"workspace_id": row.workspace_id, "job_id": row.job_id})
        at = entity, row.as_of_date
        settled = row.as_of_date + horizon <= AS_OF
        known = settled if model == "odd_days" else at in truth.index and pd.notna(truth.loc[at, "label_known_at"])
        if known:
            expected.add(at)
    assert expected
    assert set(zip(own["entity"], own["as_of_date"], strict=True)) == expected
    assert not own.duplicated(["entity", "label_name", "as_of_date", "model_version"]).any()
    for row in own.itertuples():
        at = row.entity, row.as_of_date
        if model == "odd_days":
            assert row.outcome == (at in truth.index)
        elif model == "how_well":
            assert row.outcome == (("bad", "poor", "well")[truth.loc[at, "label"]] == row.label_name)
        else:
            assert row.outcome == float(truth.loc[at, row.label_name])


def test_the_baseline_is_what_training_knew(runtime: Runtime, written: pd.DataFrame):
    features = runtime.tables.read("main.health_monitor.reliability_features").to_pandas()
    features["entity"] = [
        json.dumps({"workspace_id": w, "job_id": j})
        for w, j in zip(features.workspace_id, features.job_id, strict=True)
    ]
    features = features.set_index(["entity", "run_date"])
    for model, column in (("unwell", "failed_day_share_28d"), ("odd_days", "seconds_z_28d")):
        for row in written[written["model_name"] == model].itertuples():
            value = features.loc[(row.entity, row.as_of_date), column]
            if pd.notna(value):
                assert row.baseline == pytest.approx(abs(value))
    shares = written[written["model_name"] == "how_well"].groupby(["entity", "as_of_date"])["baseline"].sum()
    assert np.allclose(shares, 1.0)


@pytest.mark.parametrize("model", MODELS)
def test_no_outcome_knows_a_later_day(runtime: Runtime, written: pd.DataFrame, model: str):
    """What was written on an earlier day is what is known of that day today."""
    day = TRAINED + timedelta(days=18)
    end = pd.Timestamp(midnight(day + timedelta(days=1)))
    columns = ["entity", "label_name", "as_of_date", "prediction", "outcome", "baseline", "known_at"]
    order = ["entity", "label_name", "as_of_date"]
    before = runtime.before[runtime.before["model_name"] == model][columns].sort_values(order, ignore_index=True)
    now = written[(written["model_name"] == model) & (written["known_at"] <= end)][columns]
    assert len(before)
    assert (before["known_at"] <= end).all()
    pd.testing.assert_frame_equal(before, now.sort_values(order, ignore_index=True))


@pytest.mark.parametrize("model", MODELS)
def test_the_same_day_again_changes_nothing(runtime: Runtime, written: pd.DataFrame, model: str):
    monitor_model(runtime, model, AS_OF)  # another test may have closed an alert since
    versions = [runtime.tables.version(f"main.health_monitor.{t.name}") for t in (OUTCOMES, PERFORMANCE)]
    assert join_outcomes(runtime, model, AS_OF) == 0
    monitor_model(runtime, model, AS_OF)
    assert versions == [runtime.tables.version(f"main.health_monitor.{t.name}") for t in (OUTCOMES, PERFORMANCE)]


def test_performance_is_that_of_the_newest_window(runtime: Runtime, written: pd.DataFrame):
    rows = {r["model_name"]: r for r in PERFORMANCE.read(runtime, [("as_of_date", "=", AS_OF)]).to_pylist()}
    assert set(rows) == set(MODELS)
    for model, row in rows.items():
        own = written[written["model_name"] == model]
        own = own[own["as_of_date"] > own["as_of_date"].max() - WINDOW]
        task = runtime.plugins.trainers[model].item.task
        if task is Task.REGRESSION:
            assert row["value"] == pytest.approx(mean_absolute_error(own["outcome"], own["prediction"]))
            inside = own["outcome"].between(own["prediction_p10"], own["prediction_p90"])
            assert row["coverage"] == pytest.approx(inside.mean())
        else:
            found = [
                average_precision_score(part["outcome"], part["prediction"])
                for _, part in own.groupby("label_name")
                if 0 < part["outcome"].sum() < len(part)
            ]
            assert row["value"] == (pytest.approx(np.mean(found)) if found else None)
        truth, answer, baseline, _ = arrays(own, task)
        assert len(truth) == len(answer) == len(baseline) == row["rows"]
        assert row["window_days"] == own["as_of_date"].nunique()
        if task not in (Task.ANOMALY, Task.REGRESSION):
            assert sum(n for _, _, n in json.loads(row["calibration"])) == len(own)


def test_a_verdict_of_a_person_counts_as_an_event(runtime: Runtime, written: pd.DataFrame):
    from framework.monitoring.alerts.verdicts import close
    from framework.tables.declared import ALERTS

    quiet = written[(written["model_name"] == "odd_days") & (written["outcome"] == 0)].iloc[0]
    day = quiet["as_of_date"]
    row = {
        "alert_id": "feedbeef", "kind": "prediction", "model_name": "odd_days", "entity": quiet["entity"],
        "state": "open", "severity": "warning", "first_day": day, "last_day": day,
        "days": json.dumps([day.isoformat()]), "model_version": int(quiet["model_version"]),
    }  # fmt: skip
    ALERTS.merge(runtime, [row])
    close(runtime, "feedbeef", "real")
    assert join_outcomes(runtime, "odd_days", AS_OF) == 1
    where = [("model_name", "=", "odd_days"), ("entity", "=", quiet["entity"]), ("as_of_date", "=", day)]
    assert OUTCOMES.read(runtime, where)["outcome"].to_pylist() == [1.0]
    close(runtime, "feedbeef", "noise")
    assert join_outcomes(runtime, "odd_days", AS_OF) == 1


@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(order=st.permutations([0, 2, 4, 6]), again=st.lists(st.sampled_from([0, 2, 4, 6]), max_size=3))
def test_days_scored_in_any_order_and_again_give_the_same_table(runtime: Runtime, order: list[int], again: list[int]):
    """A backfill from the newest day to the oldest ends where a daily schedule would have."""
    name = "main.health_monitor.unwell_predictions"
    wanted = [TRAINED + timedelta(days=n) for n in (0, 2, 4, 6)]
    key = ["workspace_id", "job_id", "as_of_date", "model_version"]

    def rows() -> pd.DataFrame:
        found = runtime.tables.read(name, where=[("as_of_date", "in", wanted)]).to_pandas()
        found["reasons"] = found["reasons"].map(str)
        return found.drop(columns=["scored_at", "scoring_run_id"]).sort_values(key, ignore_index=True)

    expected = rows()
    everything = runtime.tables.read(name)
    shutil.rmtree(runtime.tables.path(name))
    for number in [*order, *again]:
        scorer("unwell")().score(runtime, TRAINED + timedelta(days=number))
    pd.testing.assert_frame_equal(rows(), expected)
    runtime.tables.merge(name, everything, keys=key)

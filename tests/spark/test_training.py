"""Training on simulated gold: what is planted is caught, what is degenerate says so."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

import pandas as pd
import pytest
from pyspark.sql import functions as F

from domains.gold.runs import job_runs
from domains.performance.trainers import PerformanceRegressionDetector
from domains.reliability.trainers import JOBS, SLICE, JobDurationForecaster, JobFailurePredictor, PipelineHealthScorer
from domains.simulator.write import simulate
from framework.base.errors import LabelError, LeakageError
from framework.core.plugins import discover, hookimpl
from framework.core.results import Status
from framework.declare.labels import Label
from framework.declare.model import FromFeature, ModelSpec, days
from framework.registry import gate
from framework.registry.aliases import promote_version
from framework.scoring.scorer import BatchScorer
from framework.testing import label_rows
from framework.training import AnomalyTrainer

if TYPE_CHECKING:
    from collections.abc import Callable

    from framework.gold.runtime import Runtime

AS_OF = date(2026, 10, 27)


class Planted:
    """A plugin that offers trainers (and scorers) of the test."""

    def __init__(self, *trainers: type, scorers: tuple[type, ...] = ()) -> None:
        self._trainers, self._scorers = trainers, scorers

    @hookimpl
    def model_trainers(self) -> list[type]:
        return list(self._trainers)

    @hookimpl
    def batch_scorers(self) -> list[type]:
        return list(self._scorers)


def renamed(name: str, **changes: Any) -> ModelSpec:
    """Return the failure predictor's declaration under another name."""
    import dataclasses

    return dataclasses.replace(JobFailurePredictor.spec, name=name, use_case=name, **changes)


def failures(gold: Any) -> Any:
    """Return the labels of the failure predictor."""
    return label_rows(JobFailurePredictor(), discover(strict=True), gold)


def seconds_of_days(gold: Any, as_of: date, days_of_run: str) -> Any:
    """Return labels that a trainer makes itself: the seconds of a day's runs, said to be known in a week."""
    day = f"explode({days_of_run}) AS run_date"
    runs = job_runs(gold).where("succeeded = 1").selectExpr("workspace_id", "job_id", "seconds", day)
    known = "CAST(date_add(run_date, 9) AS timestamp)"
    sums = runs.groupBy("workspace_id", "job_id", "run_date").agg(F.sum("seconds").alias("label"))
    return sums.selectExpr("*", f"IF({known} <= DATE '{as_of}', {known}, NULL) AS label_known_at")


class CopiedLabel(JobFailurePredictor):
    """Its label is a feature of the same row, dressed up as known later."""

    spec = renamed("copied_label", baseline=FromFeature(columns=("failed_day_share_28d",)))

    def labels(self, gold, as_of):
        from domains.reliability.job_features import ReliabilityFeatures

        facts = ReliabilityFeatures().facts(gold, "failure_day")
        known = "CAST(date_add(run_date, 2) AS timestamp) AS label_known_at"
        return facts.where("run_date < DATE'2026-10-25'").selectExpr(
            "workspace_id", "job_id", "run_date", "CAST(failure_day AS int) AS label", known
        )


class ShiftedEvents(JobFailurePredictor):
    """Its events are dated a day late, so that the label of a day is the day itself."""

    spec = renamed("shifted_events")

    def labels(self, gold, as_of):
        runs = job_runs(gold).where("decided = 1 OR pending").selectExpr("*", "date_add(start_day, 1) AS next_day")
        return Label(events=runs, day="next_day", value="max(failed)", pending="pending", settle=SLICE)


class ShiftedRows(JobDurationForecaster):
    """It makes its rows itself, and those of a week are the week just ended."""

    import dataclasses

    spec = dataclasses.replace(JobDurationForecaster.spec, name="shifted_rows", use_case="shifted_rows")

    def labels(self, gold, as_of):
        return seconds_of_days(gold, as_of, "sequence(start_day, date_add(start_day, 6))")


class LongWindow(JobDurationForecaster):
    """Its window is four weeks, although it says that it has ended after one."""

    import dataclasses

    spec = dataclasses.replace(JobDurationForecaster.spec, name="long_window", use_case="long_window")

    def labels(self, gold, as_of):
        return seconds_of_days(gold, as_of, "sequence(date_sub(start_day, 28), date_sub(start_day, 1))")


class ShuffledDates(JobFailurePredictor):
    """Its labels stand on days that are not theirs."""

    spec = renamed("shuffled_dates")

    def labels(self, gold, as_of):
        return failures(gold).selectExpr(
            "workspace_id", "job_id", "date_add(run_date, CAST(40 - pmod(hash(run_date), 40) * 2 AS int)) AS run_date",
            "label", "label_known_at",
        ).dropDuplicates(["workspace_id", "job_id", "run_date"])  # fmt: skip


class OneClass(JobFailurePredictor):
    """Nothing ever fails."""

    spec = renamed("one_class")

    def labels(self, gold, as_of):
        return failures(gold).selectExpr("workspace_id", "job_id", "run_date", "0 AS label", "label_known_at")


class Constant(PipelineHealthScorer):
    """Every job is perfectly well."""

    import dataclasses

    spec = dataclasses.replace(PipelineHealthScorer.spec, name="constant", use_case="constant")

    def labels(self, gold, as_of):
        return label_rows(PipelineHealthScorer(), discover(strict=True), gold).selectExpr(
            "workspace_id", "job_id", "run_date", "IF(label IS NULL, NULL, 100D) AS label", "label_known_at"
        )


class ExtraColumn(JobFailurePredictor):
    """Brings a column of its own, which the real client would use instead of the table's."""

    spec = renamed("extra_column")

    def labels(self, gold, as_of):
        return failures(gold).selectExpr("*", "1.0 AS runs_7d")


class NeedsRuntime(JobFailurePredictor):
    """Its label needs a column that is NULL throughout."""

    spec = renamed("needs_usage", needs=("dim_cluster.delete_time", "dim_job.no_such"))


class OddJobs(AnomalyTrainer):
    """Which jobs behave oddly today? Judged by the injected incidents."""

    spec: ClassVar[ModelSpec] = ModelSpec(
        name="odd_jobs",
        use_case="odd_jobs",
        question="Which jobs behave oddly today?",
        action="look",
        label_description="judged on injected incidents of jobs",
        unit="workspace-job-day",
        lookups=(JOBS,),
        horizon=days(1),
        baseline=FromFeature(columns=("seconds_z_28d",)),
        alert_budget=0.2,
    )

    def events(self, gold, as_of):
        hit = gold.incident_truth.selectExpr(
            "workspace_id",
            "entity['job_id'] AS job_id",
            "explode(sequence(to_date(start_time), to_date(end_time))) AS run_date",
        )
        return hit.where("job_id IS NOT NULL").selectExpr("*", "1 AS is_event").distinct()

    def estimator(self):
        from sklearn.ensemble import IsolationForest
        from sklearn.impute import SimpleImputer
        from sklearn.pipeline import make_pipeline

        return make_pipeline(SimpleImputer(keep_empty_features=True), IsolationForest(n_estimators=50, random_state=7))


class OddJobsScorer(BatchScorer):
    """Every job of the day."""

    model = "odd_jobs"


LEAKING = (CopiedLabel, ShiftedEvents, LongWindow, ShiftedRows, ShuffledDates)
PLANTED = Planted(*LEAKING, OneClass, Constant, ExtraColumn, NeedsRuntime, OddJobs, scorers=(OddJobsScorer,))


@pytest.fixture(scope="module")
def runtime(spark, tmp_path_factory: pytest.TempPathFactory) -> Runtime:
    """Features built once on simulated gold, with the planted trainers on offer."""
    from framework.core.config import Settings
    from framework.run.opening import open_runtime
    from framework.run.pipeline import Pipeline

    gold = tmp_path_factory.mktemp("gold")
    simulate(gold, scale=0.05, last_day=AS_OF)
    plugins = discover(strict=True, extra={"planted": PLANTED})
    settings = Settings.parse({"gold": str(gold), "home": tmp_path_factory.mktemp("home"), "as_of": AS_OF}, "test")
    opened = open_runtime(settings, plugins)
    built = Pipeline(opened).run(("features",))
    assert [r.status for r in built] == [Status.DONE] * len(built)
    return opened


def train(runtime: Runtime, trainer: type) -> Any:
    return trainer().train(runtime, runtime.as_of)


def test_a_label_copied_into_a_feature_is_named(runtime: Runtime) -> None:
    with pytest.raises(LeakageError, match="failure_day"):
        train(runtime, CopiedLabel)


def test_a_label_that_its_own_day_tells_is_refused(runtime: Runtime) -> None:
    with pytest.raises(LeakageError, match=r"known before the day they count on.*label of shifted_events"):
        train(runtime, ShiftedEvents)


def test_rows_that_their_own_day_tells_are_refused(runtime: Runtime) -> None:
    with pytest.raises(LeakageError, match=r"gold that ends on their day.*label of shifted_rows"):
        train(runtime, ShiftedRows)


def test_a_label_that_changes_after_it_settled_is_refused(runtime: Runtime) -> None:
    with pytest.raises(LeakageError, match=r"labels that had settled by .* are others today.*label of long_window"):
        train(runtime, LongWindow)


def test_labels_on_the_wrong_days_are_caught(runtime: Runtime) -> None:
    with pytest.raises(LeakageError, match="run_date"):
        train(runtime, ShuffledDates)


def test_an_extra_label_column_is_refused(runtime: Runtime) -> None:
    with pytest.raises(LabelError, match="runs_7d"):
        train(runtime, ExtraColumn)


@pytest.mark.parametrize(("trainer", "reason"), [(OneClass, "one class"), (Constant, "the label is 100 in all")])
def test_a_degenerate_label_gives_a_fallback_that_says_so(runtime: Runtime, trainer: type, reason: str) -> None:
    result = train(runtime, trainer)
    assert result.status is Status.FALLBACK
    assert reason in result.reason
    served = runtime.registry.served(trainer.spec.name)
    assert served is not None
    assert served.is_fallback
    assert served.alias == "champion"  # nobody better is there, and each row says that it is a fallback


def test_a_missing_input_skips_the_model_by_name(runtime: Runtime) -> None:
    result = train(runtime, NeedsRuntime)
    assert result.status is Status.SKIPPED
    assert "dim_job.no_such" in result.reason or "dim_cluster.delete_time" in result.reason


def test_a_fallback_never_takes_the_alias_from_a_real_model(runtime: Runtime) -> None:
    real = train(runtime, PipelineHealthScorer)
    registry = runtime.registry
    assert real.status is Status.DONE, real.reason
    promote_version(runtime, "pipeline_health_scorer", real.version)  # so few jobs may not be enough for the gate
    assert registry.by_alias("pipeline_health_scorer", "champion").version == real.version
    dummy = registry.client.create_model_version(
        registry.full_name("pipeline_health_scorer"),
        source=registry.versions("pipeline_health_scorer")[0].source,
        tags={
            "fallback": "true", "provisional": "true", "judged": "false", "beats_baseline": "false",
            "as_of": AS_OF.isoformat(),
        },
    )  # fmt: skip
    assert gate.settle(runtime, PipelineHealthScorer.spec, int(dummy.version)).decision == "refused"
    assert registry.by_alias("pipeline_health_scorer", "challenger").version == dummy.version
    assert registry.by_alias("pipeline_health_scorer", "champion").version == real.version
    registry.client.delete_model_version(registry.full_name("pipeline_health_scorer"), dummy.version)


def test_the_same_training_again_registers_nothing(runtime: Runtime) -> None:
    first = train(runtime, PipelineHealthScorer)
    again = train(runtime, PipelineHealthScorer)
    assert again.version == first.version
    assert len(runtime.registry.versions("pipeline_health_scorer")) == 1


def test_an_anomaly_model_is_judged_by_events_it_never_saw_and_keeps_its_budget(runtime: Runtime) -> None:
    result = train(runtime, OddJobs)
    assert result.status is Status.DONE
    assert result.metric == "average_precision", result.reason
    metrics = runtime.registry.client.get_run(runtime.registry.served("odd_jobs").training_run_id).data.metrics
    assert 0 < metrics["alerts_per_workspace_day"] <= 0.2
    scored = OddJobsScorer().score(runtime, runtime.as_of)
    rows = runtime.tables.read("main.health_monitor.odd_jobs_predictions").to_pandas()
    assert len(rows) == scored.rows > 0
    assert rows["anomaly_score"].between(0, 1).all()
    assert set(rows["is_anomaly"]) <= {0, 1}


def test_scoring_needs_fresh_features(runtime: Runtime) -> None:
    from framework.base.errors import ScoringError

    train(runtime, OddJobs)
    with pytest.raises(ScoringError, match="newest features"):
        OddJobsScorer().score(runtime, runtime.as_of + timedelta(days=10))


def test_gold_options_reach_the_labels(make_runtime: Callable[..., Runtime], runtime: Runtime) -> None:
    from domains.gold.runs import job_runs
    from domains.reliability.runs import first_runs

    one = first_runs(runtime.gold(), job_runs(runtime.gold())).select("workspace_id", "job_id").first()
    job = f"{one.workspace_id}/{one.job_id}"
    other = make_runtime(runtime.settings.gold, as_of=AS_OF, options={"reliability": {"slas": {job: 3.5}}})
    rows = first_runs(other.gold(), job_runs(other.gold())).where(f"concat_ws('/', workspace_id, job_id) = '{job}'")
    assert {r.sla_hours for r in rows.collect()} == {3.5}


@pytest.mark.parametrize("back", [30, 41])
def test_a_replayed_day_knows_the_events_that_a_run_of_that_day_would(runtime: Runtime, back: int) -> None:
    """The replay finds the events of its last day once, and takes what was known on each."""
    trainer, day = PerformanceRegressionDetector(), AS_OF - timedelta(days=back)
    grain = runtime.plugins.table("performance_features")
    rows = runtime.tables.read(
        runtime.feature_table(grain.name), columns=list(grain.primary_key), where=[(grain.time, "<=", day)]
    ).to_pandas()
    replayed = trainer.known_events(runtime.at(day, cut=True), rows, grain)
    alone = trainer.known_events(runtime.at(day), rows, grain)
    assert replayed.tolist() == alone.tolist()
    assert 0 < alone.sum() < len(rows)
    pending = (rows[grain.time] > day - trainer.spec.horizon).to_numpy()
    assert pending.any()
    assert not alone[pending].any()  # their three days are not over


def test_no_detector_is_judged_on_days_whose_events_may_yet_come(runtime: Runtime) -> None:
    trainer = PerformanceRegressionDetector()
    data = trainer.prepare(runtime, runtime.as_of)
    judged = trainer.evaluate_fit(data, runtime)
    assert data.part("test")["_day"].max() == pd.Timestamp(runtime.as_of)
    assert judged.day.max() == pd.Timestamp(runtime.as_of - trainer.spec.horizon)
    assert len(judged.day) == len(judged.truth) == len(judged.answer) == len(judged.baseline) == len(judged.rows)
    assert set(judged.truth) == {0, 1}

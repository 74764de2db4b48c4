"""The five models of the domain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from domains.gold.runs import OUTCOME, RUN, SLICE, job_runs
from domains.reliability.job_features import ReliabilityFeatures
from domains.reliability.runs import RETRY_WITHIN, first_runs, followers
from framework import (
    LABEL_KNOWN_AT,
    ClassificationTrainer,
    FromFeature,
    Label,
    Lookup,
    ModelSpec,
    RegressionTrainer,
    days,
    learners,
)

if TYPE_CHECKING:
    from datetime import date

    from pyspark.sql import DataFrame

    from framework import GoldView

JOBS, FAILED_RUNS = Lookup(table="reliability_features"), Lookup(table="reliability_run_features")
MIN_ACTIVE_DAYS = 8


class JobFailurePredictor(ClassificationTrainer):
    """Will a run of this job fail tomorrow? Page the owner before it does."""

    spec = ModelSpec(
        name="job_failure_predictor",
        use_case="job_failure",
        question="Will any run of the job that starts tomorrow fail?",
        action="hold, fix or watch the run",
        label_description="1 if a run that starts on t+1 ends FAILED, ERROR or TIMED_OUT; 0 if all succeed; else none",
        unit="workspace-job-day",
        lookups=(JOBS,),
        horizon=days(1),
        baseline=FromFeature(columns=("failed_day_share_28d",), otherwise="usual"),
        needs=OUTCOME,
        required=("failed_day_share_28d",),
    )

    def labels(self, gold: GoldView, as_of: date) -> Label:
        """Label days by the runs that start on the next."""
        runs = job_runs(gold).where("decided = 1 OR pending")
        return Label(events=runs, day="start_day", value="max(failed)", pending="pending", settle=SLICE)

    def estimator(self) -> Any:
        """Boosted trees."""
        return learners.boosted_trees()


class JobDurationForecaster(RegressionTrainer):
    """How long will the job's runs take in the coming week?"""

    bounds = (0.0, None)
    spec = ModelSpec(
        name="job_duration_forecaster",
        use_case="job_duration",
        question="How long will a successful run of the job take over the next seven days?",
        action="schedule downstream, set the timeout",
        label_description="median wall seconds of successful runs that start in (t, t+7]",
        unit="workspace-job-day",
        lookups=(JOBS,),
        horizon=days(7),
        baseline=FromFeature(columns=("median_seconds_7d",), otherwise="usual"),
        needs=OUTCOME,
        required=("median_seconds_28d",),
    )

    def labels(self, gold: GoldView, as_of: date) -> Label:
        """Label days by the median duration of the week after."""
        runs = job_runs(gold).where("succeeded = 1 OR pending")
        middle = "percentile(CASE WHEN succeeded = 1 THEN seconds END, 0.5)"
        return Label(events=runs, day="start_day", value=middle, pending="pending", settle=SLICE)

    def estimator(self) -> Any:
        """Boosted trees on multiples of the usual: durations span five orders of magnitude, and may all grow."""
        return learners.as_multiple_of("median_seconds_28d", learners.boosted_regression())


class SlaBreachPredictor(ClassificationTrainer):
    """Will the job's first run of tomorrow end after its deadline?"""

    spec = ModelSpec(
        name="sla_breach_predictor",
        use_case="sla_breach",
        question="Will the job's first run of tomorrow end after its deadline?",
        action="start earlier, warn consumers",
        label_description="1 if the first run started on t+1 ends after its deadline: configured, "
        "else P95 of its past ends",
        unit="workspace-job-day",
        lookups=(JOBS,),
        horizon=days(1),
        baseline=FromFeature(columns=("breach_rate_28d",), otherwise="usual"),
        needs=OUTCOME,
        required=("deadline_hours",),
        score_where=(("active_days_28d", ">=", MIN_ACTIVE_DAYS),),
    )

    def labels(self, gold: GoldView, as_of: date) -> Label:
        """Label days of regular jobs by the end of the next day's first run, against the deadline as of the day."""
        promised = (
            ReliabilityFeatures()
            .facts(gold, "active_days_28d", "deadline_hours")
            .where(f"active_days_28d >= {MIN_ACTIVE_DAYS} AND deadline_hours IS NOT NULL")
        )
        first = first_runs(gold, job_runs(gold)).where("end_time IS NOT NULL OR pending")
        late = "max(CASE WHEN end_hours > deadline_hours THEN 1 WHEN end_hours <= deadline_hours THEN 0 END)"
        return Label(events=first, day="start_day", value=late, context=promised, pending="pending", settle=SLICE)

    def estimator(self) -> Any:
        """Boosted trees."""
        return learners.boosted_trees()


class RetrySuccessPredictor(ClassificationTrainer):
    """Is it worth running the job again, or must a person look first?"""

    spec = ModelSpec(
        name="retry_success_predictor",
        use_case="retry_success",
        question="Will the job's next run within 24 hours of this failure succeed?",
        action="auto-retry, or page",
        label_description="1 if the first run started within 24 h of the failure's end succeeds; "
        "none or cancelled: no label",
        unit="failed run",
        lookups=(FAILED_RUNS,),
        horizon=RETRY_WITHIN,
        baseline=FromFeature(columns=("retry_success_share_28d",), otherwise="usual"),
        needs=OUTCOME,
        alert_on=("0",),  # running it again would fail too: a person must look
    )

    def remarks(self, gold: GoldView) -> list[str]:
        """Say so where the source marks no run as a retry: then the label speaks of whatever run came next."""
        if job_runs(gold).where("trigger_type = 'RETRY'").isEmpty():
            return ["no run is marked as a retry: the label is the job's next run, whatever started it"]
        return []

    def labels(self, gold: GoldView, as_of: date) -> DataFrame:
        """Label failed runs by the run that follows."""
        from pyspark.sql import functions as F

        failures = followers(job_runs(gold)).where("next.failed IS NOT NULL OR next.pending")
        # A run that started in the window may be visible an hour after it only.
        certain = F.greatest(F.col("next.end_time"), F.col("end_time") + F.lit(RETRY_WITHIN + SLICE))
        cut = F.date_add(F.lit(as_of), 1).cast("timestamp")
        settled = F.col("next.failed").isNotNull() & (certain <= cut)
        return failures.select(
            *RUN, "end_time", F.col("next.succeeded").alias("label"), F.when(settled, certain).alias(LABEL_KNOWN_AT)
        )

    def estimator(self) -> Any:
        """Boosted trees."""
        return learners.boosted_trees()


class PipelineHealthScorer(RegressionTrainer):
    """Which jobs need maintenance first?"""

    bounds = (0.0, 100.0)
    spec = ModelSpec(
        name="pipeline_health_scorer",
        use_case="pipeline_health",
        question="How healthy will the job be over the next seven days, from 0 to 100?",
        action="maintenance ranking",
        label_description="100 x (1 - share of failed or late runs started in (t, t+7]); late = over "
        "the 28-day P95 as of t",
        unit="workspace-job-day",
        lookups=(JOBS,),
        horizon=days(7),
        baseline=FromFeature(columns=("health_7d",), otherwise="usual"),
        needs=OUTCOME,
        required=("health_7d",),
        alert_on=("low",),
    )

    def labels(self, gold: GoldView, as_of: date) -> Label:
        """Label days by the share of bad runs in the week after, with "late" as it was known on the day."""
        usual = ReliabilityFeatures().facts(gold, "p95_seconds_28d")
        runs = job_runs(gold).where("decided = 1 OR pending")
        bad = "CASE WHEN failed = 1 OR seconds > p95_seconds_28d THEN 1D WHEN decided = 1 THEN 0D END"
        healthy = f"100 * (1 - avg({bad}))"
        return Label(events=runs, day="start_day", value=healthy, context=usual, pending="pending", settle=SLICE)

    def estimator(self) -> Any:
        """Boosted trees."""
        return learners.boosted_regression()

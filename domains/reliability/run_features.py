"""Failed runs, each described by itself and by what its job and workspace had done before it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from domains.gold.runs import JOB, MAX_RUN, NEEDS, OUTCOME, RUN, job_runs
from domains.reliability.runs import followers, retries
from framework import EventFeatures, Feature, TableSpec, days, stack
from framework import formulas as fx

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from framework import GoldView

MONTH = 28
SUCCESSFUL = "CASE WHEN failed = 0 THEN seconds END"


def before(name: str, sql: str, *, window: int = MONTH, description: str, unit: str = "") -> Feature:
    """Declare an expression over the job's events before the failure."""
    return fx.derived(name, sql, window=days(window), description=description, unit=unit, needs=OUTCOME)


def seconds_since(name: str, condition: str, *, description: str) -> Feature:
    """Declare the time since the job's last event that meets a condition, NULL if there is none within 28 days."""
    last = f"max(CASE WHEN {condition} THEN end_time END) OVER earlier"
    since = f"unix_timestamp(end_time) - unix_timestamp({last})"
    return before(
        name, f"CASE WHEN {since} <= {MONTH * 86_400} THEN {since} END", description=description, unit="seconds"
    )


class ReliabilityRunFeatures(EventFeatures):
    """One row per failed run."""

    reach = MAX_RUN.days
    entity = JOB
    keep = "failed = 1"
    table = TableSpec(
        name="reliability_run_features",
        description="One row per failed run, at its end.",
        keys=RUN,
        time="end_time",
        time_type="timestamp",
        needs=NEEDS,
        columns=(
            fx.derived("duration_seconds", "seconds", description="duration of the failed run", unit="seconds"),
            fx.derived(
                "is_timeout",
                "CASE WHEN state = 'TIMED_OUT' THEN 1 ELSE 0 END",
                description="1 if it timed out",
                unit="0/1",
            ),
            fx.derived(
                "is_retry",
                "CASE WHEN trigger_type = 'RETRY' THEN 1 ELSE 0 END",
                description="1 if it was a retry itself",
                unit="0/1",
            ),
            fx.derived(
                "is_infrastructure",
                "CASE WHEN termination_code RLIKE 'CLUSTER|DRIVER|CLOUD|QUOTA|INTERNAL' THEN 1 "
                "WHEN termination_code IS NOT NULL THEN 0 END",
                description="1 if the termination code names the platform rather than the job's own code",
                unit="0/1",
                needs=("fact_job_run_timeline.termination_code",),
            ),
            fx.derived("hour_sin", "sin(2 * pi() * hour(end_time) / 24)", description="hour on a circle, sine"),
            fx.derived("hour_cos", "cos(2 * pi() * hour(end_time) / 24)", description="hour on a circle, cosine"),
            fx.derived(
                "workspace_failures_1h",
                "failures_nearby",
                description="failed runs of the workspace in the hour before",
                unit="runs",
            ),
            before(
                "runs_before_1d",
                fx.recent("count", "failed"),
                window=1,
                description="decided runs, last day",
                unit="runs",
            ),
            before(
                "runs_before_28d", fx.recent("count", "failed"), description="decided runs, last 28 days", unit="runs"
            ),
            before(
                "failures_before_1d",
                fx.recent("sum", "failed"),
                window=1,
                description="failed runs, last day",
                unit="runs",
            ),
            before(
                "failures_before_28d", fx.recent("sum", "failed"), description="failed runs, last 28 days", unit="runs"
            ),
            fx.derived(
                "failure_rate_before_28d",
                "failures_before_28d / nullif(runs_before_28d, 0)",
                description="share of decided runs that failed, last 28 days",
                unit="share",
            ),
            before(
                "seconds_ratio",
                f"seconds * {fx.recent('count', SUCCESSFUL)} / nullif({fx.recent('sum', SUCCESSFUL)}, 0)",
                description="duration over the mean of successful runs, last 28 days",
                unit="ratio",
            ),
            seconds_since(
                "seconds_since_run", "failed IS NOT NULL", description="time since the job's last decided run ended"
            ),
            seconds_since("seconds_since_success", "failed = 0", description="time since the job last succeeded"),
            seconds_since("seconds_since_failure", "failed = 1", description="time since the job failed before"),
            before(
                "retries_before_28d",
                fx.recent("count", "retry_succeeded"),
                description="runs after a failure, 28 days",
                unit="runs",
            ),
            before(
                "retry_success_share_28d",
                f"({fx.recent('sum', 'retry_succeeded')} + 1) / ({fx.recent('count', 'retry_succeeded')} + 2)",
                description="share of runs after a failure that succeeded, last 28 days, add-one smoothed",
                unit="share",
            ),
        ),
    )

    def events(self, gold: GoldView) -> DataFrame:
        """Return every ended run at its end, and every retry's outcome at the time it was certain."""
        from pyspark.sql import Window
        from pyspark.sql import functions as F

        runs = job_runs(gold)
        hour = Window.partitionBy("workspace_id").orderBy(F.col("end_time").cast("long")).rangeBetween(-3600, -1)
        ended = runs.where("end_time IS NOT NULL").withColumn(
            "failures_nearby", F.coalesce(F.sum("failed").over(hour), F.lit(0))
        )
        again = retries(followers(runs)).withColumnRenamed("known_time", "end_time")
        return stack(ended, again)

"""Failed runs, each described by itself and by what its job and workspace had done before it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from domains.reliability.runs import JOB, MAX_RUN, NEEDS, OUTCOME, RUN, followers, job_runs, retries
from framework.features import EventFeatures
from framework.formulas import derived
from framework.spec import Feature, TableSpec, days

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from framework.gold import GoldView

MONTH = 28


def before(name: str, sql: str, *, window: int = MONTH, says: str, unit: str = "") -> Feature:
    """Declare an expression over the job's events before the failure."""
    return derived(name, sql, window=days(window), says=says, unit=unit, needs=OUTCOME)


def seconds_since(name: str, flag: str, says: str) -> Feature:
    """Declare the time since the job's last event with a flag, NULL if there is none within 28 days."""
    last = f"max(CASE WHEN {flag} = 1 THEN end_time END) {{past}}"
    return before(name, f"unix_timestamp(end_time) - unix_timestamp({last})", says=says, unit="seconds")


class ReliabilityRunFeatures(EventFeatures):
    """One row per failed run."""

    reach = MAX_RUN.days
    entity = JOB
    keep = "failed = 1"
    table = TableSpec(
        name="reliability_run_features",
        says="One row per failed run, at its end.",
        keys=RUN,
        time="end_time",
        time_type="timestamp",
        needs=NEEDS,
        columns=(
            derived("duration_seconds", "seconds", says="duration of the failed run", unit="seconds"),
            derived("is_timeout", "CASE WHEN state = 'TIMED_OUT' THEN 1 ELSE 0 END", says="1 if it timed out", unit="0/1"),
            derived("is_retry", "CASE WHEN trigger_type = 'RETRY' THEN 1 ELSE 0 END", says="1 if it was a retry itself", unit="0/1"),
            derived(
                "is_infrastructure",
                "CASE WHEN termination_code RLIKE 'CLUSTER|DRIVER|CLOUD|QUOTA|INTERNAL' THEN 1 "
                "WHEN termination_code IS NOT NULL THEN 0 END",
                says="1 if the termination code names the platform rather than the job's own code",
                unit="0/1",
                needs=("fact_job_run_timeline.termination_code",),
            ),
            derived("hour_sin", "sin(2 * pi() * hour(end_time) / 24)", says="hour on a circle, sine"),
            derived("hour_cos", "cos(2 * pi() * hour(end_time) / 24)", says="hour on a circle, cosine"),
            derived("workspace_failures_1h", "failures_nearby", says="failed runs of the workspace in the hour before", unit="runs"),
            before("runs_before_1d", "count(failed) {past}", window=1, says="decided runs, last day", unit="runs"),
            before("runs_before_28d", "count(failed) {past}", says="decided runs, last 28 days", unit="runs"),
            before("failure_rate_before_1d", "avg(failed) {past}", window=1, says="share that failed, last day", unit="share"),
            before("failure_rate_before_28d", "avg(failed) {past}", says="share that failed, last 28 days", unit="share"),
            before("previous_failed", "max_by(failed, CASE WHEN failed IS NOT NULL THEN end_time END) {past}", says="1 if the run before failed too", unit="0/1"),
            before(
                "seconds_ratio",
                "seconds / nullif(avg(CASE WHEN succeeded = 1 THEN seconds END) {past}, 0)",
                says="duration over the mean of successful runs",
                unit="ratio",
            ),
            seconds_since("seconds_since_success", "succeeded", "time since the job last succeeded"),
            seconds_since("seconds_since_failure", "failed", "time since the job failed before"),
            before("retries_before_28d", "count(retry_succeeded) {past}", says="runs after a failure, last 28 days", unit="runs"),
            before(
                "retry_success_share_28d",
                "(coalesce(sum(retry_succeeded) {past}, 0) + 1) / (count(retry_succeeded) {past} + 2)",
                says="share of runs after a failure that succeeded, last 28 days, add-one smoothed",
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
        ended = runs.where("end_time IS NOT NULL").withColumn("failures_nearby", F.coalesce(F.sum("failed").over(hour), F.lit(0)))
        again = retries(followers(runs)).withColumnRenamed("known_time", "end_time")
        return ended.unionByName(again, allowMissingColumns=True)

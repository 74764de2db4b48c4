"""Job runs, folded from hourly slices once for all domains: outcome, duration, compute."""

from __future__ import annotations

from typing import TYPE_CHECKING

from framework import KNOWN_AT, days, hours, midnight

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from framework import GoldView

JOB = ("workspace_id", "job_id")
RUN = (*JOB, "run_id")
SLICE = hours(1)
"""The source reports a run by the hour: a run is visible an hour after its start at the latest."""
MAX_RUN = days(30)
"""How far back the slices of one run are looked for."""
LOST_AFTER = days(2)
"""A run without result whose last slice is older than this will not report one."""

NEEDS = tuple(
    f"fact_job_run_timeline.{c}" for c in ("workspace_id", "job_id", "run_id", "period_start_time", "period_end_time")
)
OUTCOME = (*NEEDS, "fact_job_run_timeline.result_state")


def job_runs(gold: GoldView) -> DataFrame:
    """Return one row per run, folded once per run of ours; see :func:`fold`."""
    return gold.staged("job_runs", lambda: fold(gold))


def fold(gold: GoldView) -> DataFrame:
    """Fold slices to one row per run.

    Args:
        gold: Gold as known at the end of its last day.

    Returns:
        Keys, ``start_time``, ``end_time`` (NULL while it runs), ``start_day``, ``end_day``, ``seen_day`` (first
        slice known), ``seconds``, ``state``,
        ``succeeded`` and ``failed`` (0/1; NULL without a decided outcome: running, cancelled, skipped, blocked,
        unknown), ``decided`` (0/1), ``pending`` (still running),
        ``trigger_type``, ``termination_code``, ``compute_ids`` and ``known_at``.
    """
    from pyspark.sql import functions as F

    final = F.struct("period_end_time", "result_state", "run_duration_seconds", "termination_code")
    folded = gold.fact_job_run_timeline.groupBy(*RUN).agg(
        F.min("period_start_time").alias("first_start"),
        F.min("period_end_time").alias("first_end"),
        F.max("period_end_time").alias("last_end"),
        F.max(F.when(F.col("result_state").isNotNull(), final)).alias("final"),
        F.max("trigger_type").alias("trigger_type"),
        F.max("compute_ids").alias("compute_ids"),
        F.max(KNOWN_AT).alias(KNOWN_AT),
    )
    lost_before = F.lit(midnight(gold.days.end) + days(1) - LOST_AFTER)
    state, ended = F.col("final.result_state"), F.col("final.period_end_time")
    failed = F.when(state.isin("FAILED", "ERROR", "TIMED_OUT"), 1).when(state == "SUCCEEDED", 0)
    start = F.least("first_start", ended - F.make_dt_interval(secs=F.col("final.run_duration_seconds")))
    return folded.select(
        *RUN,
        start.alias("start_time"),
        ended.alias("end_time"),
        F.to_date(start).alias("start_day"),
        F.to_date(ended).alias("end_day"),
        F.to_date("first_end").alias("seen_day"),
        F.coalesce(
            F.col("final.run_duration_seconds").cast("double"),
            # Whole seconds, as the source reports them: sums of them are exact.
            F.round((F.unix_micros(ended) - F.unix_micros("first_start")) / 1e6),
        ).alias("seconds"),
        state.alias("state"),
        (1 - failed).alias("succeeded"),
        failed.alias("failed"),
        failed.isNotNull().cast("int").alias("decided"),
        (F.col("final").isNull() & (F.col("last_end") >= lost_before)).alias("pending"),
        "trigger_type",
        F.col("final.termination_code").alias("termination_code"),
        "compute_ids",
        KNOWN_AT,
    )


def with_runtime(gold: GoldView, runs: DataFrame) -> DataFrame:
    """Add ``runtime_major``: the major runtime version of the run's compute as of its start.

    Args:
        gold: For ``dim_cluster``; without it the column is NULL.
        runs: From :func:`job_runs`.
    """
    from pyspark.sql import functions as F

    if not gold.has("dim_cluster"):
        return runs.withColumn("runtime_major", F.lit(None).cast("double"))
    versions = gold.dim_cluster.select(
        F.col("workspace_id").alias("__w"), F.col("cluster_id").alias("__c"), "change_time", "dbr_version"
    )
    ran = runs.select(*RUN, "start_time", F.explode("compute_ids").alias("cluster"))
    as_of_start = (
        ran.join(versions, (ran.workspace_id == F.col("__w")) & (ran.cluster == F.col("__c")))
        .where("change_time <= start_time")
        .groupBy(*RUN)
        .agg(F.max_by("dbr_version", "change_time").alias("dbr_version"))
        .select(*RUN, F.regexp_extract("dbr_version", r"^(\d+)", 1).alias("major"))
        .select(*RUN, F.when(F.col("major") != "", F.col("major")).cast("double").alias("runtime_major"))
    )
    return runs.join(as_of_start, list(RUN), "left")

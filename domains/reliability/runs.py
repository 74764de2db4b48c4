"""Job runs: folded from hourly slices, with outcome, first run of the day, and what followed a failure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from framework.clock import midnight
from framework.conform import KNOWN_AT
from framework.spec import days, hours

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from framework.gold import GoldView

JOB = ("workspace_id", "job_id")
RUN = (*JOB, "run_id")
SLICE = hours(1)
"""The source reports a run by the hour: a run is visible an hour after its start at the latest."""
MAX_RUN = days(30)
"""How far back the slices of one run are looked for."""
LOST_AFTER = days(2)
"""A run without result whose last slice is older than this will not report one."""
RETRY_WITHIN = hours(24)

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


def first_runs(gold: GoldView, runs: DataFrame) -> DataFrame:
    """Return the first run that each job started on each day.

    A day's first run is certain only once every run of that day is visible, so it counts from the
    day after at the earliest (``known_day``): what a past day's row says never changes.

    Args:
        gold: For the options and the local time zone.
        runs: From :func:`job_runs`.

    Returns:
        The runs with ``end_hours`` (end of the run in hours after 00:00 local of its start day),
        ``sla_hours`` (configured deadline or NULL) and ``known_day``.
    """
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    from domains.reliability.options import ReliabilityOptions

    options: ReliabilityOptions = gold.options(ReliabilityOptions)
    rank = F.row_number().over(Window.partitionBy(*JOB, "start_day").orderBy("start_time", "run_id"))
    # The local day of the start, which is not always the UTC day that the run is counted on.
    local_start = F.from_utc_timestamp("start_time", gold.time_zone)
    local_midnight = F.to_utc_timestamp(F.date_trunc("day", local_start), gold.time_zone)
    sla = F.lit(None).cast("double")
    for job, deadline in options.slas.items():
        sla = F.when(F.concat_ws("/", *JOB) == job, F.lit(float(deadline))).otherwise(sla)
    return (
        runs.withColumn("__rank", rank)
        .where("__rank = 1")
        .drop("__rank")
        .withColumn("end_hours", (F.unix_micros("end_time") - F.unix_micros(local_midnight)) / 3.6e9)
        .withColumn("sla_hours", sla)
        .withColumn(
            "known_day", F.when(F.col("end_day").isNotNull(), F.greatest("end_day", F.date_add("start_day", 1)))
        )
    )


def with_breach(first: DataFrame, *, window: int, share: float) -> DataFrame:
    """Add ``breached``: did the first run end after its deadline as of the day before its start?

    Args:
        first: From :func:`first_runs`.
        window: Days of past first runs that the deadline rests on.
        share: Quantile of their ends that is the deadline.

    Returns:
        The rows with ``breached`` (0/1, NULL without a deadline or an end).
    """
    from pyspark.sql import functions as F

    from framework.formulas import nearest_rank

    past = first.where("known_day IS NOT NULL").selectExpr(
        *JOB, "unix_date(known_day) AS at", "end_hours AS past_hours"
    )
    asked = first.selectExpr("*", "unix_date(start_day) - 1 AS at", "cast(NULL AS double) AS past_hours")
    both = asked.unionByName(past, allowMissingColumns=True)
    over = f"OVER (PARTITION BY {', '.join(JOB)} ORDER BY at RANGE BETWEEN {window - 1} PRECEDING AND CURRENT ROW)"
    deadline = f"coalesce(sla_hours, {nearest_rank(f'sort_array(collect_list(past_hours) {over})', share)})"
    judged = both.withColumn("deadline", F.expr(deadline)).where("run_id IS NOT NULL")
    return judged.withColumn("breached", (F.col("end_hours") > F.col("deadline")).cast("int")).drop("at", "past_hours")


def followers(runs: DataFrame) -> DataFrame:
    """Return each failed run with the job's first run that started after its end.

    Args:
        runs: From :func:`job_runs`.

    Returns:
        The failed runs with ``next``, a struct of the following run's ``start_time``, ``end_time``, ``succeeded``,
        ``failed``, ``state``, ``pending`` and ``run_id``; NULL if none started within 24 hours.
    """
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    # Runs that start together stand in the order of their ids, which does not change when one of them ends.
    following = F.struct("start_time", "run_id", "end_time", "succeeded", "failed", "state", "pending")
    # A retry may start at the very moment of the failure's end; a failure without length is no retry of that moment,
    # or it would follow itself.
    kind = F.when((F.col("failed") == 1) & (F.col("start_time") == F.col("end_time")), -1).otherwise(1)
    starts = runs.select(*JOB, F.col("start_time").alias("at"), kind.alias("kind"), following.alias("started"))
    ends = runs.where("failed = 1").select("*", F.col("end_time").alias("at"), F.lit(0).alias("kind"))
    # Backwards in time, so that the frame grows row by row instead of being scanned for each row.
    order = Window.partitionBy(*JOB).orderBy(F.desc("at"), F.desc("kind"), F.desc("started"))
    found = ends.unionByName(starts, allowMissingColumns=True).withColumn(
        "next", F.last("started", ignorenulls=True).over(order.rowsBetween(Window.unboundedPreceding, -1))
    )
    in_time = F.col("next.start_time") <= F.col("end_time") + F.lit(RETRY_WITHIN)
    return found.where("kind = 0").withColumn("next", F.when(in_time, F.col("next"))).drop("at", "kind", "started")


def retries(failures: DataFrame) -> DataFrame:
    """Return the decided runs that followed a failure, each once, at the time at which that was certain.

    Args:
        failures: From :func:`followers`.

    Returns:
        Job keys, ``known_time`` and ``retry_succeeded`` (0/1).
    """
    from pyspark.sql import functions as F

    known = F.greatest(F.col("next.end_time"), F.col("next.start_time") + F.lit(SLICE))
    return (
        failures.where("next.succeeded = 1 OR next.failed = 1")
        .select(*JOB, F.col("next.run_id").alias("run_id"), known.alias("known_time"), "next.succeeded")
        .dropDuplicates([*RUN])
        .withColumnRenamed("succeeded", "retry_succeeded")
        .drop("run_id")
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

"""What reliability asks of runs: the first of a day and its deadline, and what followed a failure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from domains.gold.runs import JOB, RUN, SLICE
from framework import hours, stack

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from framework import GoldView

RETRY_WITHIN = hours(24)


def first_runs(gold: GoldView, runs: DataFrame) -> DataFrame:
    """Return the first run that each job started on each day.

    A day's first run is certain only once every run of that day is visible, so it counts from the
    day after at the earliest (``known_day``): what a past day's row says never changes.

    Args:
        gold: For the options and the local time zone.
        runs: From :func:`job_runs`.

    Returns:
        The runs with ``end_hours`` (end of the run in hours after 00:00 of its start day, as a clock on the wall shows
        it: a deadline at half past six is 6.5 on the days of 23 and 25 hours too),
        ``sla_hours`` (configured deadline or NULL) and ``known_day``.
    """
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    from domains.reliability.options import ReliabilityOptions

    options: ReliabilityOptions = gold.options(ReliabilityOptions)
    rank = F.row_number().over(Window.partitionBy(*JOB, "start_day").orderBy("start_time", "run_id"))
    # The local day of the start, which is not always the UTC day that the run is counted on. Both ends of the
    # difference are clock times, so that an hour that was left out or came twice does not count.
    local_start, local_end = (F.from_utc_timestamp(name, gold.time_zone) for name in ("start_time", "end_time"))
    local_midnight = F.date_trunc("day", local_start)
    sla = F.lit(None).cast("double")
    for job, deadline in options.slas.items():
        sla = F.when(F.concat_ws("/", *JOB) == job, F.lit(float(deadline))).otherwise(sla)
    return (
        runs.withColumn("__rank", rank)
        .where("__rank = 1")
        .drop("__rank")
        .withColumn("end_hours", (F.unix_micros(local_end) - F.unix_micros(local_midnight)) / 3.6e9)
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

    from framework import formulas as fx

    # Each end counts on the days that look back to it: not every engine is right about lists in a frame that slides.
    until = f"explode(sequence(unix_date(known_day), unix_date(known_day) + {window - 1})) AS at"
    past = first.where("known_day IS NOT NULL").selectExpr(*JOB, until, "end_hours AS past_hours")
    ends = past.groupBy(*JOB, "at").agg(F.sort_array(F.collect_list("past_hours")).alias("past_hours"))
    both = first.withColumn("at", F.expr("unix_date(start_day) - 1")).join(ends, [*JOB, "at"], "left")
    judged = both.withColumn("deadline", F.expr(f"coalesce(sla_hours, {fx.nearest_rank('past_hours', share)})"))
    return judged.withColumn("breached", (F.col("end_hours") > F.col("deadline")).cast("int")).drop("at", "past_hours")


def followers(runs: DataFrame) -> DataFrame:
    """Return each failed run with the job's first run that started after its end.

    Args:
        runs: From :func:`job_runs`.

    Returns:
        The failed runs with ``next``, a struct of the following run's ``start_time``, ``end_time``, ``succeeded``,
        ``failed``, ``state``, ``pending`` and ``run_id``, all NULL if none started within 24 hours.
    """
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    # Runs that start together stand in the order of their ids, which does not change when one of them ends.
    told = ("start_time", "run_id", "end_time", "succeeded", "failed", "state", "pending")
    following = F.struct(*told)
    # A retry may start at the very moment of the failure's end; a failure without length is no retry of that moment,
    # or it would follow itself.
    kind = F.when((F.col("failed") == 1) & (F.col("start_time") == F.col("end_time")), -1).otherwise(1)
    starts = runs.select(
        *JOB, "run_id", F.col("start_time").alias("at"), kind.alias("kind"), following.alias("started")
    )
    ends = runs.where("failed = 1").select("*", F.col("end_time").alias("at"), F.lit(0).alias("kind"))
    # Backwards in time, so that the frame grows row by row instead of being scanned for each row.
    order = Window.partitionBy(*JOB).orderBy(F.desc("at"), F.desc("kind"), F.desc("run_id"))
    found = stack(ends, starts).withColumn(
        "next", F.last("started", ignorenulls=True).over(order.rowsBetween(Window.unboundedPreceding, -1))
    )
    in_time = F.col("next.start_time") <= F.col("end_time") + F.lit(RETRY_WITHIN)
    # Field by field: not every engine lets the fields of a struct go with it.
    near = F.struct(*(F.when(in_time, F.col(f"next.{name}")).alias(name) for name in told))
    return found.where("kind = 0").withColumn("next", near).drop("at", "kind", "started")


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

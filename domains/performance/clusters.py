"""How many clusters a warehouse ran, and how long without a statement: steps of its events, day by day."""

from __future__ import annotations

from typing import TYPE_CHECKING

from domains.performance.statements import HISTORY, WAREHOUSE, statements
from framework import KNOWN_AT, days, midnight, stack

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from framework import GoldView

EVENTS, SETTINGS = "fact_warehouse_events", "dim_warehouse"
CLUSTERS = tuple(f"{EVENTS}.{c}" for c in ("workspace_id", "warehouse_id", "event_time", "event_type", "cluster_count"))
IDLE = (*CLUSTERS, f"{HISTORY}.start_time")
LEAST = (*CLUSTERS, f"{SETTINGS}.min_clusters")
CARRIED = days(90)
"""How long the last known number of clusters holds; a warehouse that says nothing for longer is not known to run."""
IN_USE = days(28)
"""A change of settings this long after a statement still tells of a warehouse that somebody uses."""
MICROS_OF_DAY = 86_400_000_000
SIZES = (
    "2X_SMALL", "X_SMALL", "SMALL", "MEDIUM", "LARGE", "X_LARGE", "2X_LARGE", "3X_LARGE", "4X_LARGE", "5X_LARGE",
)  # fmt: skip
MEASURES = ("running_minutes", "idle_minutes", "least_minutes", "most_minutes", "cluster_minutes", "peak_clusters")
AS_SET = ("size_step", "min_clusters", "max_clusters", "auto_stop_minutes")


def cluster_days(gold: GoldView) -> DataFrame:
    """Return what each warehouse's clusters did on each day, made once per run of ours.

    Args:
        gold: Gold as known at the end of its last day.

    Returns:
        Keys, ``day``, ``known_at`` (the day's end), ``running_minutes``, ``idle_minutes`` (running, and no statement
        that ended by the end of the day), ``least_minutes`` (running at or below the minimum), ``most_minutes``
        (running at the maximum), ``cluster_minutes`` and ``peak_clusters``; only days on which it ran.
    """
    return gold.staged("cluster_days", lambda: _cluster_days(gold))


def _cluster_days(gold: GoldView) -> DataFrame:
    """Sweep over each day's changes: clusters and statements come and go, and between two changes nothing happens."""
    from pyspark.sql import functions as F

    changes = stack(_edges(_steps(gold), "clusters"), _edges(_busy(gold), "busy"))
    changes = changes.groupBy(*WAREHOUSE, "day", "at").agg(
        F.expr("coalesce(sum(clusters), 0) AS clusters"), F.expr("coalesce(sum(busy), 0) AS busy")
    )
    over = f"OVER (PARTITION BY {', '.join(WAREHOUSE)}, day ORDER BY at)"
    spans = changes.selectExpr(
        *WAREHOUSE, "day", f"sum(clusters) {over} AS clusters", f"sum(busy) {over} AS busy",
        f"(lead(at) {over} - at) / 6e7 AS minutes",
    ).where("clusters > 0 AND minutes > 0")  # fmt: skip
    return (
        with_settings(gold, spans)
        .groupBy(*WAREHOUSE, "day")
        .agg(
            F.expr("sum(minutes) AS running_minutes"),
            F.expr("sum(CASE WHEN busy = 0 THEN minutes ELSE 0 END) AS idle_minutes"),
            F.expr(f"{minutes_if('clusters <= min_clusters', 'clusters > min_clusters')} AS least_minutes"),
            F.expr(f"{minutes_if('clusters >= max_clusters', 'clusters < max_clusters')} AS most_minutes"),
            F.expr("sum(clusters * minutes) AS cluster_minutes"),
            F.expr("cast(max(clusters) AS double) AS peak_clusters"),
        )
        .withColumn(KNOWN_AT, F.expr("cast(date_add(day, 1) AS timestamp)"))
    )


def minutes_if(so: str, not_so: str) -> str:
    """Return SQL for the minutes in which a condition held; NULL where neither it nor its opposite is known."""
    return f"sum(CASE WHEN {so} THEN minutes WHEN {not_so} THEN 0D END)"


def _steps(gold: GoldView) -> DataFrame:
    """Return the spans in which a number of clusters ran: each event holds until the next one, or until today."""
    from pyspark.sql import functions as F

    # Without a count a start or stop still says what it says; a change of unknown size says nothing.
    known = (
        "CASE WHEN event_type IN ('STOPPED', 'STARTING') THEN 0 "
        "WHEN event_type = 'RUNNING' THEN coalesce(cluster_count, 1) ELSE cluster_count END"
    )
    order = f"OVER (PARTITION BY {', '.join(WAREHOUSE)} ORDER BY event_time, clusters)"
    end = F.lit(midnight(gold.days.end) + days(1))
    events = gold.fact_warehouse_events.selectExpr(*WAREHOUSE, "event_time", f"{known} AS clusters")
    events = events.where("clusters IS NOT NULL AND workspace_id IS NOT NULL AND warehouse_id IS NOT NULL")
    held = events.withColumn("until", F.coalesce(F.expr(f"lead(event_time) {order}"), end))
    held = held.withColumn("until", F.least("until", F.col("event_time") + F.lit(CARRIED)))
    return held.where("clusters > 0 AND until > event_time").withColumnRenamed("event_time", "since")


def _busy(gold: GoldView) -> DataFrame:
    """Return the spans of statements, on the day of their end only: on an earlier day they were not known."""
    started = statements(gold).where("workspace_id IS NOT NULL AND warehouse_id IS NOT NULL AND start_time < end_time")
    return started.selectExpr(
        *WAREHOUSE, "greatest(start_time, cast(day AS timestamp)) AS since", "end_time AS until", "1 AS busy"
    )


def _edges(spans: DataFrame, what: str) -> DataFrame:
    """Cut spans at midnights and return where they begin (+) and end (-), in microseconds of their day."""
    dated = spans.selectExpr(
        *WAREHOUSE, what, "since", "until",
        "explode(sequence(to_date(since), to_date(until - INTERVAL '0.000001' SECOND))) AS day",
    )  # fmt: skip
    begins = "greatest(unix_micros(since) - unix_micros(cast(day AS timestamp)), 0)"
    ends = f"least(unix_micros(until) - unix_micros(cast(day AS timestamp)), {MICROS_OF_DAY})"
    edges = f"inline(array(struct({begins} AS at, {what} AS {what}), struct({ends} AS at, -{what} AS {what})))"
    return dated.selectExpr(*WAREHOUSE, "day", edges)


def settings(gold: GoldView) -> DataFrame:
    """Return the versions of each warehouse that held at the end of a day, from ``set_day`` until ``unset_day``."""
    from pyspark.sql import functions as F

    order = f"OVER (PARTITION BY {', '.join(WAREHOUSE)} ORDER BY change_time)"
    step = F.find_in_set(F.upper(F.translate("warehouse_size", "- ", "__")), F.lit(",".join(SIZES)))
    versions = gold.dim_warehouse.select(
        *WAREHOUSE,
        F.to_date("change_time").alias("set_day"),
        F.expr(f"to_date(lead(change_time) {order})").alias("unset_day"),
        F.when(step > 0, step).cast("double").alias("size_step"),
        *(F.col(name).cast("double").alias(name) for name in AS_SET[1:]),
    )
    return versions.where("unset_day IS NULL OR unset_day > set_day")


def with_settings(gold: GoldView, rows: DataFrame) -> DataFrame:
    """Add the settings as of the end of each row's ``day``; NULL where there are none."""
    from pyspark.sql import functions as F

    if not gold.has(SETTINGS):
        return rows.select("*", *(F.lit(None).cast("double").alias(name) for name in AS_SET))
    held = [F.col(key).alias(f"__{key}") for key in WAREHOUSE]
    found = settings(gold).select(*held, "set_day", "unset_day", *AS_SET)
    same = [rows[key] == F.col(f"__{key}") for key in WAREHOUSE]
    then = (F.col("day") >= F.col("set_day")) & (F.col("unset_day").isNull() | (F.col("day") < F.col("unset_day")))
    joined = rows.join(F.broadcast(found), [*same, then], "left")
    return joined.drop("set_day", "unset_day", *(f"__{key}" for key in WAREHOUSE))


def changes(gold: GoldView) -> DataFrame:
    """Return the days on which a warehouse in use got the settings that held at their end, as events."""
    used = statements(gold).selectExpr(*WAREHOUSE, "day AS used").distinct()
    found = settings(gold).selectExpr(*WAREHOUSE, "set_day AS day").join(used, list(WAREHOUSE))
    return found.where(f"day > used AND day <= date_add(used, {IN_USE.days})").select(*WAREHOUSE, "day").distinct()

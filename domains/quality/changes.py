"""What happened to tables: columns that came and went between snapshots, and writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from domains.gold.contract.snapshots import TABLE
from framework import KNOWN_AT

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from framework import GoldView

MAX_GAP = 180
"""Days between two snapshots of a table beyond which they say nothing about what changed when."""
SHAPE = tuple(f"information_schema_columns.{c}" for c in ("snapshot_date", *TABLE, "column_name"))
SEEN = tuple(f"table_snapshots.{c}" for c in ("snapshot_date", *TABLE))
WRITES = ("fact_table_lineage.target_table_full_name", "fact_table_lineage.event_time")


def column_changes(gold: GoldView) -> DataFrame:
    """Return each table's columns on each snapshot day beside those of its snapshot before; see :func:`compare`."""
    return gold.staged("column_changes", lambda: compare(gold))


def compare(gold: GoldView) -> DataFrame:
    """Compare each snapshot of a table's columns with the one before.

    Args:
        gold: Gold as known at the end of its last day.

    Returns:
        Table keys, ``day``, ``column_count``, ``added``, ``dropped`` and ``retyped`` (0 without a snapshot before,
        within 180 days; a type that is NULL on either side is not compared) and ``known_at``.
    """
    from pyspark.sql import functions as F

    sets = gold.information_schema_columns.groupBy(*TABLE, F.col("snapshot_date").alias("day")).agg(
        F.expr("sort_array(collect_list(struct(column_name AS name, data_type AS type)))").alias("now"),
        F.max(KNOWN_AT).alias(KNOWN_AT),
    )
    order = f"OVER (PARTITION BY {', '.join(TABLE)} ORDER BY day)"
    before = f"CASE WHEN datediff(day, lag(day) {order}) <= {MAX_GAP} THEN lag(now) {order} END AS before"
    retyped = "exists(before, b -> b.name = c.name AND b.type <> c.type)"
    # Most snapshots equal the one before: only the others are looked into.
    counts = {
        "added": "size(array_except(now.name, before.name))",
        "dropped": "size(array_except(before.name, now.name))",
        "retyped": f"size(filter(now, c -> {retyped}))",
    }
    changed = "before IS NOT NULL AND before <> now"
    return sets.selectExpr("*", before).selectExpr(
        *TABLE,
        "day",
        "size(now) AS column_count",
        *(f"CASE WHEN {changed} THEN {sql} ELSE 0 END AS {name}" for name, sql in counts.items()),
        KNOWN_AT,
    )


def writes(gold: GoldView) -> DataFrame:
    """Return each write of a table: its keys, ``day`` and ``write_time``, and ``known_at``.

    A name without catalog and schema is no table of ours to know.
    """
    parts = "split(target_table_full_name, '[.]', 3)"
    return (
        gold.fact_table_lineage.where(f"size({parts}) = 3")
        .selectExpr(
            *(f"try_element_at({parts}, {at}) AS {key}" for at, key in enumerate(TABLE, start=1)),
            f"to_date({KNOWN_AT}) AS day",
            "event_time AS write_time",
            KNOWN_AT,
        )
        .where("write_time IS NOT NULL")
    )


def seen_tables(gold: GoldView) -> DataFrame:
    """Return each table on each day on which it was seen: keys, ``day``, ``row_count``, ``size_bytes``."""
    return gold.table_snapshots.selectExpr(*TABLE, "snapshot_date AS day", "row_count", "size_bytes", KNOWN_AT)

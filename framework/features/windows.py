"""Calendar-day windows over Spark: from events to one dense row per entity and day.

A row of day ``t`` uses events of days ``<= t`` only, and whether it exists depends on such events
only: an entity has a row on ``t`` if it had an event within the ``idle_days`` before, or on ``t``.
So a day's row never changes when later days arrive.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from framework.declare.reading import with_windows
from framework.features.grouped import Grouped
from framework.features.sliding import Sliding

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import date

    from pyspark.sql import DataFrame

    from framework.declare.model import Feature, TableSpec

DAY = "day"


def daily_measures(events: DataFrame, table: TableSpec) -> DataFrame:
    """Aggregate events to one row per entity and day.

    Args:
        events: One row per event: the table's keys, ``day`` (DATE) and measure columns.
        table: Whose ``day`` stage formulas to apply.

    Returns:
        Keys, ``day``, and one column per daily formula.
    """
    from pyspark.sql import functions as F

    measures = [F.expr(_typed(c, c.sql)) for c in table.columns if c.stage == "day"]
    if not measures:  # only the rows themselves are asked for
        return events.select(*table.keys, DAY).distinct()
    return events.groupBy(*table.keys, DAY).agg(*measures)


def dense_days(measures: DataFrame, table: TableSpec, last_day: date, idle_days: int) -> DataFrame:
    """Fill the calendar: each day with events also stands for the silent days after it.

    Args:
        measures: One row per entity and day with events, from :func:`daily_measures`.
        table: Says what each measure is on a silent day.
        last_day: No row is made after this day.
        idle_days: How many silent days an entity keeps its row.

    Returns:
        The measures with the silent days added.
    """
    from pyspark.sql import functions as F

    keys = ", ".join(table.keys)
    following = F.expr(f"lead({DAY}) OVER (PARTITION BY {keys} ORDER BY {DAY})")
    until = F.least(F.date_add(DAY, idle_days), F.coalesce(F.date_sub(following, 1), F.lit(last_day)), F.lit(last_day))
    spread = measures.withColumn("__until", until).where(f"__until >= {DAY}")
    spread = spread.selectExpr("*", f"posexplode(sequence({DAY}, __until)) AS (__silent, __filled)")
    filled = []
    for c in (c for c in table.columns if c.stage == "day"):
        empty = "NULL" if c.empty is None else c.empty
        filled.append(f"CAST(CASE WHEN __silent = 0 THEN {c.name} ELSE {empty} END AS {c.type}) AS {c.name}")
    return spread.selectExpr(*table.keys, f"__filled AS {DAY}", *filled)


def apply_rows(
    frame: DataFrame,
    table: TableSpec,
    *,
    entity: Sequence[str],
    order: str,
    over: str,
    settle: Callable[[DataFrame], DataFrame] | None = None,
) -> DataFrame:
    """Add all ``row`` stage columns, layer by layer.

    Args:
        frame: Rows with keys, the time key and the daily columns.
        table: The declaration.
        entity: Columns that windows are partitioned by.
        order: Column to order windows by.
        over: ``days`` for calendar windows over the integer ``day_number``; ``events`` for a history ordered by a
            timestamp, where ``earlier`` is everything before the row and ``that_day`` what is older than the window;
            such rows have no ``peers``.
        settle: Computes a frame once, on an engine that groups faster than it slides.

    Returns:
        The frame with every declared column, hidden ones included.
    """
    for layer in table.layers():
        added = [c for c in layer if c.stage == "row"]
        if not added:
            continue
        if over == "events":
            frame = frame.selectExpr("*", *(_typed(c, _of_events(c, entity, order)) for c in added))
            continue
        sliding = Grouped(entity, order, settle) if settle else Sliding(entity, order)
        formulas = [_typed(c, _of_days(c, sliding.replaced(c), entity, order)) for c in added]
        frame = sliding.added(frame).selectExpr("*", *formulas).drop(*sliding.helpers)
    return frame


def _typed(column: Feature, sql: str) -> str:
    """Return one SQL text per column: each function call from Python would be a message to the JVM."""
    value = f"CAST({sql} AS {column.type})"
    # Added to 0, a negative 0 becomes 0: engines differ in whether the two are the same.
    return f"{value} + 0D AS {column.name}" if column.type == "double" else f"{value} AS {column.name}"


def _of_days(column: Feature, sql: str, entity: Sequence[str], order: str) -> str:
    """Put the windows of a daily table that do not slide into a formula."""
    start = f"(PARTITION BY {', '.join(entity)} ORDER BY {order} RANGE BETWEEN "
    clauses = {
        "that_day": f"{start}{column.window} PRECEDING AND {column.window} PRECEDING)",
        "peers": f"(PARTITION BY {order})",
    }
    return with_windows(sql, clauses, order)


def _of_events(column: Feature, entity: Sequence[str], order: str) -> str:
    """Put the windows of a history into a formula.

    Both grow from the first event on, so each row costs the same; a frame that slides over a busy job's events would be
    computed anew for each of them.
    """
    start = f"(PARTITION BY {', '.join(entity)} ORDER BY {order} RANGE BETWEEN UNBOUNDED PRECEDING AND INTERVAL "
    earlier = f"{start}'0 00:00:00.000001' DAY TO SECOND PRECEDING)"
    that_day = f"{start}'{column.window} 00:00:00.000000' DAY TO SECOND PRECEDING)"
    clauses = {"trailing": earlier, "earlier": earlier, "that_day": that_day, "peers": ""}
    return with_windows(column.sql, clauses, order)

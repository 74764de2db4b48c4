"""Labels from the events of a window that lies strictly after the row's day."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from framework.declare.labels import KNOWN_AT, LABEL_KNOWN_AT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from pyspark.sql import DataFrame


def label_within(
    events: DataFrame,
    *,
    keys: Sequence[str],
    time: str,
    day: str,
    horizon: timedelta,
    as_of: date,
    label: str,
    pending: str = "false",
    settle: timedelta = timedelta(0),
    beside: DataFrame | None = None,
    name: str = "label",
) -> DataFrame:
    """Label every day ``t`` by the events whose day lies in ``(t, t + horizon]``.

    Args:
        events: One row per event: keys, its day, ``known_at``, and what the label is made of.
        keys: Entity keys.
        time: Name of the day ``t`` in the result.
        day: Column with the event's day.
        horizon: Whole days.
        as_of: Newest day that may be known; windows that end later are left out.
        label: SQL aggregate over the window's events.
        pending: SQL condition of an event whose outcome is not known yet: its window has not settled.
        settle: How long after the window's end a late report of an event may still come.
        beside: Facts as of ``t`` (keys, ``t``, columns) that the label's SQL compares with; a ``t`` that
            it lacks has no label.
        name: Name of the label column.

    Returns:
        Keys, ``t``, the label, and ``label_known_at``: the latest known-at of the window's events, never
        before the window's end plus ``settle``; NULL where the window is still pending.
    """
    from pyspark.sql import functions as F

    span = horizon.days
    back = F.explode(F.sequence(F.date_sub(day, span), F.date_sub(day, 1))).alias("__t")
    spread = (
        events.select("*", back).withColumnRenamed("__t", time).where(F.col(time) <= F.date_sub(F.lit(as_of), span))
    )
    if beside is not None:
        spread = spread.join(beside, [*keys, time])
    windows = spread.groupBy(*keys, time).agg(
        F.expr(label).alias(name),
        F.max(F.expr(f"CASE WHEN {pending} THEN 1 ELSE 0 END")).alias("__pending"),
        F.max(KNOWN_AT).alias("__known"),
    )
    end = F.date_add(time, span + 1).cast("timestamp") + F.expr(f"INTERVAL {int(settle.total_seconds())} SECONDS")
    known = F.when(F.col("__pending") == 0, F.greatest("__known", end))
    # Settled only if all of it was known at the end of as_of.
    cut = F.date_add(F.lit(as_of), 1).cast("timestamp")
    known = F.when(known <= cut, known)
    return windows.where(f"{name} IS NOT NULL OR __pending = 1").select(*keys, time, name, known.alias(LABEL_KNOWN_AT))

"""Makes the rows of a declared label: windows that lie strictly after the row's day, and when they settled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from framework.base.errors import LabelError
from framework.declare.labels import KNOWN_AT, LABEL_KNOWN_AT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date, timedelta

    from pyspark.sql import Column, DataFrame

    from framework.declare.labels import Label


def label_rows(
    label: Label,
    *,
    keys: Sequence[str],
    time: str,
    horizon: timedelta,
    as_of: date,
    names: Sequence[str] = ("label",),
    shares_of: Sequence[str] = (),
) -> DataFrame:
    """Return the rows of a declared label.

    Args:
        label: The label.
        keys: Entity keys.
        time: Name of the day ``t`` in the result.
        horizon: Length of the window in whole days.
        as_of: Newest day that may be known; windows that end later are left out.
        names: Label columns.
        shares_of: Keys within which a day's labels are divided by their sum. Entities outside of the context count
            in the sum, and a group whose sum is 0 has no labels.

    Returns:
        Keys, ``t``, the labels, and ``label_known_at``: the latest known-at of the window's events, never before the
        window's end plus ``settle``; NULL where the window is still pending.

    Raises:
        LabelError: If the values are not those of the declared labels, ``otherwise`` lacks a context, or events and
            context share a column besides the keys.
    """
    values = _values(label, names, keys)
    found = _windows(label, values, keys=keys, time=time, horizon=horizon, as_of=as_of, joined=not shares_of)
    rows = label.context
    if shares_of:
        found = _shares(found, keys, time, names, [*shares_of, time])
        if rows is not None:
            rows = rows.join(found.select(*shares_of, time).distinct(), [*shares_of, time], "semi")
            found = found.join(rows.select(*keys, time), [*keys, time], "semi")
    if label.otherwise is None or rows is None:
        return found
    return _or_otherwise(found, label, rows, keys=keys, time=time, horizon=horizon, as_of=as_of, names=names)


def _values(label: Label, names: Sequence[str], keys: Sequence[str]) -> dict[str, str]:
    """Return the SQL of each label column, of a label that can be made."""
    values = {names[0]: label.value} if isinstance(label.value, str) else dict(label.value)
    if set(values) != set(names):
        raise LabelError(
            what=f"values for {', '.join(values)}, but the labels are {', '.join(names)}",
            where="Label(value=...)",
            fix="give one SQL aggregate per label of the declaration",
        )
    if label.otherwise is not None and label.context is None:
        raise LabelError(
            what="nothing says which rows have a label where no event is",
            where="Label(otherwise=...)",
            fix="give the rows of the population as `context`",
        )
    both = [] if label.context is None else sorted({*label.events.columns} & {*label.context.columns} - {*keys})
    if both:
        raise LabelError(
            what=f"events and context both have a column '{both[0]}', so nobody knows which one a value means",
            where="Label(context=...)",
            fix="rename it in one of them",
        )
    return {name: values[name] for name in names}


def _windows(
    label: Label,
    values: Mapping[str, str],
    *,
    keys: Sequence[str],
    time: str,
    horizon: timedelta,
    as_of: date,
    joined: bool,
) -> DataFrame:
    """Return the labels of every ``t`` whose window holds an event."""
    from pyspark.sql import functions as F

    span = horizon.days
    back = F.explode(F.sequence(F.date_sub(label.day, span), F.date_sub(label.day, 1))).alias("__t")
    spread = label.events.select("*", back).withColumnRenamed("__t", time)
    spread = spread.where(F.col(time) <= F.date_sub(F.lit(as_of), span)).where(label.where)
    if label.context is not None and joined:
        spread = spread.join(label.context, [*keys, time])
    found = spread.groupBy(*keys, time).agg(
        *(F.expr(sql).alias(name) for name, sql in values.items()),
        F.max(F.expr(f"CASE WHEN {label.pending} THEN 1 ELSE 0 END")).alias("__pending"),
        F.max(KNOWN_AT).alias("__known"),
    )
    known = F.when(F.col("__pending") == 0, F.greatest("__known", _end(time, horizon, label.settle)))
    some = " OR ".join(f"{name} IS NOT NULL" for name in values)
    return found.where(f"{some} OR __pending = 1").select(
        *keys, time, *values, F.when(known <= _cut(as_of), known).alias(LABEL_KNOWN_AT)
    )


def _end(time: str, horizon: timedelta, settle: timedelta) -> Column:
    """Return when the window of ``t`` has ended and settled."""
    from pyspark.sql import functions as F

    wait = F.expr(f"INTERVAL {int(settle.total_seconds())} SECONDS")
    return F.date_add(time, horizon.days + 1).cast("timestamp") + wait


def _cut(as_of: date) -> Column:
    """Return the end of the newest day: what became known later is not known."""
    from pyspark.sql import functions as F

    return F.date_add(F.lit(as_of), 1).cast("timestamp")


def _shares(found: DataFrame, keys: Sequence[str], time: str, names: Sequence[str], group: Sequence[str]) -> DataFrame:
    """Divide labels by their sum within a group; a share is known when all of the group is."""
    over = f"OVER (PARTITION BY {', '.join(group)})"
    known = f"CASE WHEN count({LABEL_KNOWN_AT}) {over} = count(*) {over} THEN max({LABEL_KNOWN_AT}) {over} END"
    shares = (f"{name} / nullif(sum({name}) {over}, 0) AS {name}" for name in names)
    return found.selectExpr(*keys, time, *shares, f"{known} AS {LABEL_KNOWN_AT}").where(f"{names[0]} IS NOT NULL")


def _or_otherwise(
    found: DataFrame,
    label: Label,
    rows: DataFrame,
    *,
    keys: Sequence[str],
    time: str,
    horizon: timedelta,
    as_of: date,
    names: Sequence[str],
) -> DataFrame:
    """Add the rows whose window holds no event at all, which is known when it has ended and settled."""
    from pyspark.sql import functions as F

    end = _end(time, horizon, label.settle)
    ended = rows.where(F.col(time) <= F.date_sub(F.lit(as_of), horizon.days)).where(label.where)
    marked = found.withColumn("__found", F.lit(True))
    known = F.when(F.col("__found"), F.col(LABEL_KNOWN_AT)).when(end <= _cut(as_of), end)
    otherwise = (F.coalesce(name, F.lit(label.otherwise)).alias(name) for name in names)
    joined = ended.select(*keys, time).join(marked, [*keys, time], "left")
    return joined.select(*keys, time, *otherwise, known.alias(LABEL_KNOWN_AT))

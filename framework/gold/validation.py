"""From a raw gold table to the contract: types, the as-of cut, and what is wrong with a row."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from framework.declare.labels import KNOWN_AT
from framework.gold.casting import Cast, cast_of, quoted

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from framework.declare.gold import Days, GoldTable

REASON = "_reason"
UNREADABLE = "_unreadable"
AS_FOUND = "_as_found"
"""Values that could not be read, as text by column; the quarantine keeps them."""


def validate(raw: DataFrame, table: GoldTable) -> DataFrame:
    """Select and read the declared columns; a column that is absent, or of a type that cannot fit, becomes NULL.

    Args:
        raw: The table as read.
        table: Its declaration.

    Returns:
        Exactly the declared columns, ``known_at``, which value could not be read as its type (or NULL), and the values
        that could not, as text by column.
    """
    from pyspark.sql import functions as F

    there = sources(raw, table)
    chosen, odd, texts = [], ["CAST(NULL AS STRING)"], []
    for column in table.columns:
        if column.name not in there:
            chosen.append(f"CAST(NULL AS {column.type}) AS {column.name}")
            continue
        source, cast = there[column.name]
        faults = [(cast.odd, f"is no {column.type}")] if cast.odd else []
        if column.least is not None:
            faults.append((f"({cast.value}) < {column.least:g}", f"is below {column.least:g}"))
        odd += [f"CASE WHEN {fault} THEN '{column.name} {what}' END" for fault, what in faults]
        if faults:
            condition = " OR ".join(f"({fault})" for fault, _ in faults)
            texts.append(f"CASE WHEN {condition} THEN struct('{column.name}', CAST({quoted(source)} AS STRING)) END")
        chosen.append(f"{cast.value} AS {column.name}")
    unread = (
        f"map_from_entries(filter(array({', '.join(texts)}), one -> one IS NOT NULL))"
        if texts
        else "CAST(map() AS MAP<STRING, STRING>)"
    )
    frame = raw.selectExpr(*chosen, f"coalesce({', '.join(odd)}) AS {UNREADABLE}", f"{unread} AS {AS_FOUND}")
    return frame.withColumn(KNOWN_AT, F.expr(table.known_at))


def sources(raw: DataFrame, table: GoldTable) -> dict[str, tuple[str, Cast]]:
    """Return the raw column that each declared one is read from, and how; what is missing or cannot fit is left out."""
    return {name: found for name, found in _found(raw, table).items() if not isinstance(found, str)}


def misfits(raw: DataFrame, table: GoldTable) -> dict[str, str]:
    """Return why declared columns cannot be read at all, by name: none is there, two are, or its type cannot fit."""
    return {name: found for name, found in _found(raw, table).items() if isinstance(found, str)}


def _found(raw: DataFrame, table: GoldTable) -> dict[str, tuple[str, Cast] | str]:
    """Match columns by their names in small letters without blanks around them, and their types with the declared ones.

    Of two that differ in nothing else, the one that is written as declared is meant; else neither is.
    """
    there: dict[str, list[tuple[str, str]]] = {}
    for name, kind in raw.dtypes:
        there.setdefault(name.strip().lower(), []).append((name, kind))
    found: dict[str, tuple[str, Cast] | str] = {}
    for column in table.columns:
        wanted = column.gold_name or column.name
        alike = there.get(wanted.lower(), [])
        meant = [pair for pair in alike if pair[0] == wanted] or alike
        if len(meant) != 1:
            names = " and ".join(f"'{name}'" for name, _ in meant)
            found[column.name] = f"may be {names}" if meant else "is absent"
            continue
        ((source, kind),) = meant
        cast = cast_of(source, kind, column.type, identifies=column.name.endswith("_id"))
        found[column.name] = f"is {kind}, not {column.type}" if cast.unfit else (source, cast)
    return found


def end_of(days: Days) -> Column:
    """Return the moment that a range of days ends at: what became known from then on is not of it."""
    from pyspark.sql import functions as F

    return F.lit(days.end + timedelta(days=1)).cast("timestamp")


def cut(frame: DataFrame, table: GoldTable, days: Days) -> DataFrame:
    """Keep rows known before the end of the range, and not before its start."""
    from pyspark.sql import functions as F

    # A row without a known-at time cannot be placed in time: it stays, for quarantine to name it.
    kept = frame.where(F.col(KNOWN_AT).isNull() | (F.col(KNOWN_AT) < end_of(days)))
    if days.start is not None and not table.history:
        kept = kept.where(F.col(KNOWN_AT).isNull() | (F.col(KNOWN_AT) >= F.lit(days.start).cast("timestamp")))
    return kept


def flag(frame: DataFrame, table: GoldTable) -> DataFrame:
    """Add the quarantine reason.

    Of rows with the same grain key the one known first stays, unless it is broken itself: that choice does
    not change when more rows arrive, so a rebuilt day equals the day as it was served.
    """
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    reason = F.lit(None).cast("string")
    turned = F.lit(False)
    if table.start and table.end:
        turned = F.coalesce(F.col(table.end) < F.col(table.start), F.lit(False))
    if table.grain:
        broken = turned | F.col(KNOWN_AT).isNull() | F.col(UNREADABLE).isNotNull()
        order = [KNOWN_AT, *(c.name for c in table.columns if not c.type.upper().startswith("MAP"))]
        copy = F.row_number().over(Window.partitionBy(*table.grain).orderBy(broken, *order))
        reason = F.when(copy > 1, "duplicate key").otherwise(reason)
    reason = F.when(turned, "ends before it starts").otherwise(reason)
    reason = F.when(F.col(KNOWN_AT).isNull(), "no time").otherwise(reason)
    for key in table.grain:
        reason = F.when(F.col(key).isNull(), f"{key} is NULL").otherwise(reason)
    # What could not be read comes first: it is the cause of a key or a time that is missing.
    return frame.withColumn(REASON, F.coalesce(F.col(UNREADABLE), reason)).drop(UNREADABLE)

"""From a raw gold table to the contract: types, the as-of cut, and what is wrong with a row."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from framework.base.logging import get_logger
from framework.declare.labels import KNOWN_AT
from framework.gold.casting import cast_of

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

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

    there = _by_name(raw)
    chosen, odd, texts = [], ["CAST(NULL AS STRING)"], []
    for column in table.columns:
        source = there.get((column.gold_name or column.name).lower())
        if source is None:
            chosen.append(f"CAST(NULL AS {column.type}) AS {column.name}")
            continue
        name, found = source
        cast = cast_of(name, found, column.type)
        if cast.unfit:
            get_logger().warning(
                "gold_column_unfit", table=table.name, column=column.name, found=found, expected=column.type
            )
        condition, what = cast.odd, f"{column.name} is no {column.type}"
        if column.least is not None:
            below = f"({cast.value}) < {column.least:g}"
            odd.append(f"CASE WHEN {below} THEN '{column.name} is below {column.least:g}' END")
            condition = f"({condition}) OR {below}" if condition else below
        if cast.odd:
            odd.append(f"CASE WHEN {cast.odd} THEN '{what}' END")
        if condition:
            quoted = name.replace("`", "``")
            texts.append(f"CASE WHEN {condition} THEN struct('{column.name}', CAST(`{quoted}` AS STRING)) END")
        chosen.append(f"{cast.value} AS {column.name}")
    unread = (
        f"map_from_entries(array_compact(array({', '.join(texts)})))" if texts else "CAST(map() AS MAP<STRING, STRING>)"
    )
    frame = raw.selectExpr(*chosen, f"coalesce({', '.join(odd)}) AS {UNREADABLE}", f"{unread} AS {AS_FOUND}")
    return frame.withColumn(KNOWN_AT, F.expr(table.known_at))


def _by_name(raw: DataFrame) -> dict[str, tuple[str, str]]:
    """Return name and type of each raw column by its name in small letters without blanks around it.

    Of two that differ in nothing else, the one that is written so already is meant; else neither is.
    """
    found: dict[str, list[tuple[str, str]]] = {}
    for name, kind in raw.dtypes:
        found.setdefault(name.strip().lower(), []).append((name, kind))
    exact = {plain: [pair for pair in pairs if pair[0] == plain] or pairs for plain, pairs in found.items()}
    return {plain: pairs[0] for plain, pairs in exact.items() if len(pairs) == 1}


def cut(frame: DataFrame, table: GoldTable, days: Days) -> DataFrame:
    """Keep rows known before the end of the range, and not before its start."""
    from pyspark.sql import functions as F

    # A row without a known-at time cannot be placed in time: it stays, for quarantine to name it.
    after = F.lit(days.end + timedelta(days=1)).cast("timestamp")
    kept = frame.where(F.col(KNOWN_AT).isNull() | (F.col(KNOWN_AT) < after))
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

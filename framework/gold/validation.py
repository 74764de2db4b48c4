"""From a raw gold table to the contract: types, the as-of cut, and what is wrong with a row."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from framework.declare.labels import KNOWN_AT

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from framework.declare.gold import Days, GoldTable

REASON = "_reason"
UNREADABLE = "_unreadable"
WHOLE = ("INT", "BIGINT")


def validate(raw: DataFrame, table: GoldTable) -> DataFrame:
    """Select and cast the declared columns; a column that is absent becomes NULL.

    Args:
        raw: The table as read.
        table: Its declaration.

    Returns:
        Exactly the declared columns, ``known_at``, and which text could not be read as its type, or NULL.
    """
    from pyspark.sql import functions as F

    present = dict(raw.dtypes)
    chosen = []
    unreadable = [F.lit(None).cast("string")]
    for column in table.columns:
        source = column.gold_name or column.name
        if source not in present:
            chosen.append(F.lit(None).cast(column.type).alias(column.name))
        elif present[source] == "string" and column.type.upper().startswith(("MAP", "ARRAY")):
            chosen.append(F.from_json(F.col(source), column.type).alias(column.name))
        elif present[source] == "string" and column.type != "STRING":
            read = F.expr(_read_text(source, column.type))
            chosen.append(read.alias(column.name))
            odd = F.col(source).isNotNull() & read.isNull()
            unreadable.append(F.when(odd, f"{column.name} is no {column.type}"))
        else:
            chosen.append(F.col(source).cast(column.type).alias(column.name))
    frame = raw.select(*chosen, F.coalesce(*unreadable).alias(UNREADABLE))
    return frame.withColumn(KNOWN_AT, F.expr(table.known_at))


def _read_text(source: str, kind: str) -> str:
    """Return SQL that reads text as a type, NULL where it is none; "3600.0" is a whole number."""
    if kind not in WHOLE:
        return f"try_cast(`{source}` AS {kind})"
    number = f"try_cast(`{source}` AS DECIMAL(38, 6))"
    return f"CASE WHEN {number} = floor({number}) THEN try_cast({number} AS {kind}) END"


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
    reason = F.coalesce(F.col(UNREADABLE), reason)
    reason = F.when(turned, "ends before it starts").otherwise(reason)
    reason = F.when(F.col(KNOWN_AT).isNull(), "no time").otherwise(reason)
    for key in table.grain:
        reason = F.when(F.col(key).isNull(), f"{key} is NULL").otherwise(reason)
    return frame.withColumn(REASON, reason).drop(UNREADABLE)

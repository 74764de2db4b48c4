"""Which of some rows a Delta table does not hold yet, found in Spark before anything is written."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from framework.base.errors import TableError, nearest
from framework.stores.databricks.sql import column
from framework.stores.ddl import arrow_type

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa
    from pyspark.sql import DataFrame

_TEMPORAL = ("date", "timestamp")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Fresh:
    """Rows that are new or differ from what is stored.

    Args:
        frame: The rows, in the table's types.
        count: How many they are.
        added: Columns that the table has not yet.
    """

    frame: DataFrame
    count: int
    added: tuple[pa.Field, ...] = ()


def fresh_rows(
    name: str, staged: DataFrame, stored: DataFrame, *, keys: Sequence[str], unimportant: Sequence[str] = ()
) -> Fresh:
    """Return the rows that a table does not hold, or holds otherwise.

    Args:
        name: Table, for messages.
        staged: Rows that are cheap to read several times.
        stored: The table.
        keys: Primary key.
        unimportant: Columns whose difference alone does not make a row changed.

    Raises:
        TableError: On a missing, NULL or duplicate key, or a changed type.
    """
    import pyarrow as pa

    rows = _aligned(name, staged, stored)
    bounds = _checked(name, rows, keys)
    known = {field.name: field.dataType.simpleString() for field in stored.schema.fields}
    kinds = {field.name: field.dataType.simpleString() for field in rows.schema.fields}
    added = tuple(pa.field(c, arrow_type(kind)) for c, kind in kinds.items() if c not in known)
    compared = [c for c in rows.columns if c not in {*keys, *unimportant}]
    differs = [
        f"{_comparable('t', c, kinds[c])} IS DISTINCT FROM {_comparable('s', c, kinds[c])}"
        if c in known
        else f"s.{column(c)} IS NOT NULL"
        for c in compared
    ]
    on = " AND ".join(f"t.{column(key)} = s.{column(key)}" for key in keys)
    where = " OR ".join([f"t.{column(keys[0])} IS NULL", *differs])
    near = stored.where(bounds) if bounds else stored
    frame = rows.sparkSession.sql(
        f"SELECT s.* FROM {{new}} AS s LEFT JOIN {{old}} AS t ON {on} WHERE {where}", new=rows, old=near
    )
    return Fresh(frame=frame, count=int(frame.count()), added=added)


def _aligned(name: str, rows: DataFrame, stored: DataFrame) -> DataFrame:
    """Return rows without columns that have no type, and refuse a column that changed its type."""
    known = {field.name: field.dataType.simpleString() for field in stored.schema.fields}
    kept = []
    for field in rows.schema.fields:
        kind = field.dataType.simpleString()
        if kind == "void":  # a new column without a type adds nothing until it holds a value
            kept += [f"CAST(NULL AS {known[field.name]}) AS {column(field.name)}"] if field.name in known else []
            continue
        if known.get(field.name, kind) != kind:
            raise TableError(
                what=f"column '{field.name}' is {known[field.name]} in the table and {kind} in the new rows",
                where=name,
                fix=f"cast the column to {known[field.name]}, or add it under a new name",
            )
        kept.append(column(field.name))
    return rows.selectExpr(*kept)


def _checked(name: str, rows: DataFrame, keys: Sequence[str]) -> str:
    """Prove in one pass that the keys are there, set and unique.

    Returns:
        A condition that bounds the days of the rows, so that the table's other files need not be read.
    """
    for key in keys:
        if key not in rows.columns:
            raise TableError(what=f"no key column '{key}' in the rows", where=name, fix=nearest(key, rows.columns))
    kinds = {field.name: field.dataType.simpleString() for field in rows.schema.fields}
    moment = next((key for key in keys if kinds[key] in _TEMPORAL), None)
    names = ", ".join(column(key) for key in keys)
    asked = [f"count_if({column(key)} IS NULL)" for key in keys]
    asked += ["count(*)", f"count(DISTINCT struct({names}))"]
    asked += [f"min({column(moment)})", f"max({column(moment)})"] if moment else []
    answer: list[Any] = list(rows.selectExpr(*asked).collect()[0])
    nulls, total, distinct = answer[: len(keys)], answer[len(keys)], answer[len(keys) + 1]
    for key, count in zip(keys, nulls, strict=True):
        if count:
            raise TableError(
                what=f"key '{key}' is NULL in {count} of {total} rows",
                where=name,
                fix="drop these rows or give them a key",
            )
    if distinct < total:
        raise TableError(
            what=f"{total - distinct} of {total} rows repeat the key of another row",
            where=name,
            fix=f"make the rows unique in {', '.join(keys)}",
        )
    if moment is None or not total:
        return ""
    kind = "DATE" if kinds[moment] == "date" else "TIMESTAMP"
    first, last = (f"{kind} '{str(value)[: 10 if kind == 'DATE' else 26]}'" for value in answer[-2:])
    return f"{column(moment)} BETWEEN {first} AND {last}"


def _comparable(side: str, name: str, kind: str) -> str:
    """Return SQL by which two values of a column can be compared; Spark compares no maps."""
    value = f"{side}.{column(name)}"
    return f"array_sort(map_entries({value}))" if kind.startswith("map<") else value

"""From rows at hand to a Spark DataFrame, on every Spark there is: classic, Connect, and 3.5 of older runtimes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from framework.stores.arrow import to_arrow
from framework.stores.ddl import spark_name
from framework.stores.frames import is_spark

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

    from framework.core.ports import Frame

_TAKES_ARROW = 4
"""First major version of Spark that makes a frame of an Arrow table."""


def to_spark(session: SparkSession, rows: Frame) -> DataFrame:
    """Return Arrow or pandas rows as a Spark DataFrame; what is one already stays as it is."""
    if is_spark(rows):
        frame: Any = rows
        return frame  # type: ignore[no-any-return]
    table = to_arrow(rows)
    schema = ", ".join(f"`{field.name}` {spark_name(field.type)}" for field in table.schema)
    if not table.num_rows:  # Spark Connect infers no schema from nothing
        return session.createDataFrame([], schema)
    if int(session.version.split(".")[0]) >= _TAKES_ARROW:
        return session.createDataFrame(table)
    return session.createDataFrame(_plain(table), schema)


def _plain(table: pa.Table) -> list[tuple[Any, ...]]:
    """Return rows as tuples of plain values, maps as dictionaries."""
    import pyarrow as pa

    columns = []
    for field, column in zip(table.schema, table.columns, strict=True):
        values = column.to_pylist()
        is_map = pa.types.is_map(field.type)
        columns.append([dict(value) if is_map and value is not None else value for value in values])
    return list(zip(*columns, strict=True))

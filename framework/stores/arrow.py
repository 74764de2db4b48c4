"""One way in and one way out: Spark, pandas or Arrow to a normal Arrow table, and Arrow to pandas.

Normal means: timestamps in microseconds UTC, dates as ``date32``, plain strings. pandas leaves as
Spark's own ``toPandas`` would return it (naive UTC timestamps, dates as objects), so that a trainer
sees the same types whichever adapter runs.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute

from framework.base.errors import TableError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pyspark.sql import DataFrame

    from framework.core.ports import Frame

TIMESTAMP = pa.timestamp("us", tz="UTC")

# Arrow makes its compute functions at run time, where no type checker sees them.
pc: Any = pyarrow.compute


def to_arrow(frame: Frame, columns: Sequence[str] | None = None) -> pa.Table:
    """Return a frame as an Arrow table of normal types; naive timestamps are taken as UTC.

    Args:
        frame: Spark DataFrame, pandas DataFrame or Arrow table.
        columns: Columns to take; ``None`` for all.

    Returns:
        The table, with field metadata where the frame had it.

    Raises:
        TableError: If a pandas column mixes types that Arrow cannot hold in one column.
    """
    if isinstance(frame, pa.Table):
        table = frame if columns is None else frame.select(list(columns))
    elif isinstance(frame, pd.DataFrame):
        table = _from_pandas(frame if columns is None else frame[list(columns)])
    else:
        table = _from_spark(frame if columns is None else frame.select(*columns))
    return normal(table)


def normal(table: pa.Table) -> pa.Table:
    """Return a table whose columns have normal types."""
    arrays, fields = [], []
    for field, column in zip(table.schema, table.columns, strict=True):
        wanted = normal_type(field.type)
        # safe=False: nanoseconds below a microsecond are noise of pandas, not data.
        arrays.append(column if wanted == field.type else column.cast(wanted, safe=False))
        fields.append(field.with_type(wanted))
    return pa.table(arrays, schema=pa.schema(fields))


_NORMAL: tuple[tuple[Callable[[pa.DataType], bool], pa.DataType], ...] = (
    (pa.types.is_timestamp, TIMESTAMP),
    (pa.types.is_date, pa.date32()),
    (pa.types.is_large_string, pa.string()),
    (pa.types.is_string_view, pa.string()),
    (pa.types.is_large_binary, pa.binary()),
    (pa.types.is_binary_view, pa.binary()),
)


def normal_type(kind: pa.DataType) -> pa.DataType:
    """Return the type that a column of ``kind`` has in every table of ours."""
    for belongs, wanted in _NORMAL:
        if belongs(kind):
            return wanted
    if pa.types.is_dictionary(kind):
        return normal_type(kind.value_type)
    if pa.types.is_map(kind):
        return pa.map_(normal_type(kind.key_type), normal_type(kind.item_type))
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        # Delta calls every list's item "element"; two names for it would be two types.
        return pa.list_(pa.field("element", normal_type(kind.value_type)))
    if pa.types.is_struct(kind):
        return pa.struct([pa.field(inner.name, normal_type(inner.type)) for inner in kind])
    return kind


def to_pandas(table: pa.Table) -> pd.DataFrame:
    """Return an Arrow table as pandas, with the types of Spark's ``toPandas``.

    A boolean column that holds NULL becomes 0.0, 1.0 and NaN: an estimator can use it, and no value
    is turned into a Python object.
    """
    arrays = [_pandas_ready(column) for column in table.columns]
    # Lists and maps of timestamps keep their zone; only top-level columns are made naive.
    ready = pa.table(arrays, names=table.column_names)
    result: pd.DataFrame = ready.to_pandas(coerce_temporal_nanoseconds=True, maps_as_pydicts="lossy")
    return result


def _pandas_ready(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_timestamp(column.type):
        return column.cast(pa.timestamp("us"))
    if pa.types.is_boolean(column.type) and column.null_count:
        return pc.cast(column.cast(pa.int8()), pa.float64())
    return column


def column_of(values: object, kind: pa.DataType) -> pa.Array:
    """Return a column of ``kind`` from whatever a model returned; NaN becomes NULL."""
    return pa.array(values, type=kind, from_pandas=True)


def _from_pandas(frame: pd.DataFrame) -> pa.Table:
    if frame.attrs:  # what Spark Connect notes there is no data, and Arrow would try to keep it
        frame = frame.copy(deep=False)
        frame.attrs = {}
    try:
        table = pa.Table.from_pandas(frame, preserve_index=False)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as problem:
        raise TableError(
            what=f"a pandas column mixes types: {problem}",
            where="the frame",
            fix="convert the column to one type first",
        ) from problem
    # pandas' own metadata would ride along into Delta and Spark for nothing.
    return table.replace_schema_metadata(None)


def _from_spark(frame: DataFrame) -> pa.Table:
    table = _rebuilt(_collected(frame))
    metadata = {field.name: field.metadata for field in frame.schema.fields if field.metadata}
    fields = [
        field.with_metadata({key: str(value) for key, value in metadata[field.name].items()})
        if field.name in metadata
        else field
        for field in table.schema
    ]
    return table.cast(pa.schema(fields)) if metadata else table


def _collected(frame: DataFrame) -> pa.Table:
    """Bring a frame over; before version 4, Spark hands out rows, with timestamps in the machine's own zone."""
    if hasattr(frame, "toArrow"):
        found: pa.Table = frame.toArrow()
        return found
    from pyspark.sql.pandas.types import to_arrow_schema

    schema = to_arrow_schema(frame.schema)
    columns = list(zip(*frame.collect(), strict=True)) or [() for _ in schema]
    arrays = []
    for field, values in zip(schema, columns, strict=True):
        arrays.append(pa.array([_arrow_ready(value) for value in values], field.type))
    return pa.table(arrays, schema=schema)


def _arrow_ready(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    return list(value.items()) if isinstance(value, dict) else value


def _rebuilt(table: pa.Table) -> pa.Table:
    """Copy nested columns: Java leaves the offsets of empty children out, over which delta-rs stumbles."""
    rows = pa.array(np.arange(table.num_rows))
    for place, field in enumerate(table.schema):
        if pa.types.is_nested(field.type):
            table = table.set_column(place, field, pc.take(table.column(place).combine_chunks(), rows))
    return table

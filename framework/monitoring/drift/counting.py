"""Counts rows in the buckets of sketches: with numpy on Arrow, or on Spark; both give the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from framework.monitoring.drift.histogram import Counted, Sketch, sketch_numbers, sketch_text
from framework.stores.frames import is_spark

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    import numpy as np
    import pyarrow as pa

    from framework.core.ports import Frame
    from framework.monitoring.drift.columns import Column, Where


def count_columns(
    frame: Frame, columns: Sequence[Column], *, keys: Sequence[str], day: str | None = None
) -> dict[str, Counted]:
    """Count columns of one frame.

    Args:
        frame: Arrow or Spark.
        columns: What to count; keys are unique.
        keys: Columns that make an entity.
        day: Date or timestamp column, to count by day as well.

    Returns:
        By key. NULL and NaN are missing; infinite numbers lie outside all points.
    """
    if not columns:
        return {}
    if is_spark(frame):
        from framework.monitoring.drift.counting_spark import count_spark

        return count_spark(frame, columns, keys, day)
    table: pa.Table = frame
    return _count_arrow(table, columns, keys, day)


def column_values(column: pa.ChunkedArray, kind: str) -> np.ndarray:
    """Return a column as floats with NaN, or as strings with ``None``."""
    import numpy as np
    import pyarrow as pa

    if kind == "text":
        return np.array(column.to_pylist(), dtype=object)
    return np.asarray(column.cast(pa.float64()).to_numpy(), dtype=float)


def sketch_column(rows: pa.Table, name: str, kind: str, entities: int, points: Sequence[float] | None = None) -> Sketch:
    """Return the sketch of one column of Arrow rows."""
    if kind == "string":
        return sketch_text(column_values(rows[name], "text"), entities)
    return sketch_numbers(column_values(rows[name], "number"), entities, points)


def days_of(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a date or timestamp column as dates, in UTC."""
    import pyarrow as pa

    return column.cast(pa.date32(), safe=False)


def _count_arrow(
    table: pa.Table, columns: Sequence[Column], keys: Sequence[str], day: str | None
) -> dict[str, Counted]:
    import pyarrow.compute

    pc: Any = pyarrow.compute
    found: dict[str, Counted] = {}
    for where in dict.fromkeys(column.where for column in columns):
        rows = _filtered(table, where)
        entities = rows.select(list(keys)).group_by(list(keys)).aggregate([]).num_rows
        days = days_of(rows[day]).combine_chunks().dictionary_encode() if day else None
        for one in (column for column in columns if column.where == where):
            content = rows[one.column] if one.entry is None else pc.map_lookup(rows[one.column], one.entry, "first")
            values = column_values(content, one.sketch.kind)
            found[one.key] = _counted(one.sketch, values, entities, days)
    return found


def _counted(sketch: Sketch, values: np.ndarray, entities: int, days: Any) -> Counted:
    import numpy as np

    width = len(sketch.counts) + 1
    bucket = sketch.bucket(values) + 1
    whole = np.bincount(bucket, minlength=width)
    daily: dict[date, tuple[np.ndarray, int, float]] = {}
    if days is not None:
        code = np.asarray(days.indices.to_numpy(zero_copy_only=False), dtype=np.int64)
        each = np.bincount(code * width + bucket, minlength=width * len(days.dictionary)).reshape(-1, width)
        finite = np.where(np.isfinite(values), values, 0.0) if sketch.kind == "number" else np.zeros(len(values))
        sums = np.bincount(code, weights=finite, minlength=len(days.dictionary))
        for at, name in enumerate(days.dictionary.to_pylist()):
            daily[name] = (each[at, 1:], int(each[at, 0]), float(sums[at]))
    return Counted(counts=whole[1:], missing=int(whole[0]), entities=entities, daily=daily)


def _filtered(table: pa.Table, where: Where) -> pa.Table:
    import pyarrow as pa
    import pyarrow.compute

    pc: Any = pyarrow.compute
    compare = {
        "=": pc.equal,
        "<": pc.less,
        "<=": pc.less_equal,
        ">": pc.greater,
        ">=": pc.greater_equal,
    }
    for name, sign, value in where:
        table = table.filter(compare[sign](table[name], pa.scalar(value, table.schema.field(name).type)))
    return table

"""Counts rows in the buckets of sketches: with numpy on Arrow, with one aggregation on Spark; both give the same.

On Spark no row is collected: what comes back is one row per column and bucket (and day, where that is asked for).
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from framework.monitoring.histogram import HASH_LENGTH, Counted, Sketch, sketch_numbers, sketch_text
from framework.stores.frames import is_spark

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    import numpy as np
    import pyarrow as pa

    from framework.stores.port import Frame

    Where = tuple[tuple[str, str, Any], ...]

_MISSING = -1
_HALVES = (64, 32, 16, 8, 4, 2, 1)
"""Steps of a binary search among up to 127 points."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """One column to count.

    Args:
        key: Names the answer.
        column: Column of the frame.
        sketch: Its buckets.
        where: Rows that count; all others are as if they were not there.
        entry: Key of a map column whose values are counted.
    """

    key: str
    column: str
    sketch: Sketch
    where: Where = ()
    entry: str | None = None


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
        return _count_spark(frame, columns, keys, day)
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


def _count_spark(frame: Any, columns: Sequence[Column], keys: Sequence[str], day: str | None) -> dict[str, Counted]:
    from pyspark.sql import functions as F

    when = F.to_date(F.col(day)) if day else F.lit(None).cast("date")
    parts = [
        F.struct(
            F.lit(at).alias("at"),
            F.when(_condition(one.where), _bucket(one)).alias("bucket"),
            _finite(one).alias("value") if day else F.lit(0.0).alias("value"),
        )
        for at, one in enumerate(columns)
    ]
    stacked = frame.select(when.alias("day"), F.explode(F.array(*parts)).alias("part"))
    groups = (
        stacked.where("part.bucket IS NOT NULL")
        .groupBy("part.at", "day", "part.bucket")
        .agg(F.count(F.lit(1)).alias("rows"), F.sum("part.value").alias("total"))
        .collect()
    )
    entities = _entities_spark(frame, keys, list(dict.fromkeys(column.where for column in columns)))
    return _unstacked(groups, columns, entities, by_day=day is not None)


def _unstacked(
    groups: Sequence[Any], columns: Sequence[Column], entities: Mapping[Where, int], *, by_day: bool
) -> dict[str, Counted]:
    """Return the counts from one row per column, day and bucket."""
    import numpy as np

    whole = [np.zeros(len(column.sketch.counts) + 1, dtype=np.int64) for column in columns]
    daily: list[dict[date, tuple[np.ndarray, int, float]]] = [{} for _ in columns]
    for row in groups:
        at, width = row["at"], len(whole[row["at"]])
        whole[at][row["bucket"] + 1] += row["rows"]
        if by_day:
            counts, missing, total = daily[at].get(row["day"], (np.zeros(width - 1, dtype=np.int64), 0, 0.0))
            if row["bucket"] == _MISSING:
                missing += row["rows"]
            else:
                counts[row["bucket"]] += row["rows"]
            daily[at][row["day"]] = (counts, missing, total + (row["total"] or 0.0))
    return {
        column.key: Counted(
            counts=whole[at][1:], missing=int(whole[at][0]), entities=entities[column.where], daily=daily[at]
        )
        for at, column in enumerate(columns)
    }


def _entities_spark(frame: Any, keys: Sequence[str], filters: Sequence[Where]) -> dict[Where, int]:
    """Count entities per filter: grouped twice, since a distinct count per filter would multiply the rows."""
    from pyspark.sql import functions as F

    flags = [F.max(_condition(where).cast("int")).alias(f"f{at}") for at, where in enumerate(filters)]
    row = frame.groupBy(*keys).agg(*flags).agg(*(F.sum(f"f{at}").alias(f"f{at}") for at in range(len(filters)))).first()
    return {where: int(row[f"f{at}"] or 0) for at, where in enumerate(filters)}


def _condition(where: Where) -> Any:
    from pyspark.sql import functions as F

    found = F.lit(True)
    for name, sign, value in where:
        column, wanted = F.col(name), F.lit(value)
        compared = {
            "=": column == wanted,
            "<": column < wanted,
            "<=": column <= wanted,
            ">": column > wanted,
            ">=": column >= wanted,
        }
        found = found & F.coalesce(compared[sign], F.lit(False))
    return found


def _number(one: Column) -> Any:
    """Return the values as doubles; NaN, which Spark ranks above all numbers, as NULL."""
    from pyspark.sql import functions as F

    column = F.col(one.column) if one.entry is None else F.col(one.column)[one.entry]
    value = column.cast("double")
    return F.when(~F.isnan(value), value)


def _finite(one: Column) -> Any:
    from pyspark.sql import functions as F

    if one.sketch.kind == "text":
        return F.lit(0.0)
    value = _number(one)
    return F.when(F.abs(value) < F.lit(float("inf")), value).otherwise(F.lit(0.0))


def _bucket(one: Column) -> Any:
    """Return each row's bucket, -1 for a missing value."""
    from pyspark.sql import functions as F

    if one.sketch.kind == "text":
        known = F.split(F.lit(",".join(one.sketch.categories)), ",")
        place = F.array_position(known, F.substring(F.sha2(F.col(one.column), 256), 1, HASH_LENGTH))
        found = F.when(place > 0, place.cast("int") - 1).otherwise(F.lit(len(one.sketch.categories)))
        return F.when(F.col(one.column).isNull(), F.lit(_MISSING)).otherwise(found)
    value = _number(one)
    if not one.sketch.points:
        return F.when(value.isNull(), F.lit(_MISSING)).otherwise(F.lit(0))
    # One literal per column, not one per point: a plan of thirty thousand literals takes longer than the query.
    points = F.split(F.lit(",".join(map(repr, one.sketch.points))), ",").cast("array<double>")
    below = F.aggregate(
        F.array(*map(F.lit, _HALVES)),
        F.lit(0),
        lambda at, step: F.when(F.get(points, at + step - 1) < value, at + step).otherwise(at),
    )
    on_point = F.coalesce((F.get(points, below) == value).cast("int"), F.lit(0))
    return F.when(value.isNull(), F.lit(_MISSING)).otherwise(2 * below + on_point)

"""Counts rows in the buckets of sketches on Spark: no row is collected, one aggregated row per column and bucket is.

The buckets are found by numpy in the workers. Spark's own functions would walk through the points of a column value
by value, ten microseconds each; there is no expression for a search among unequal steps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from framework.monitoring.drift.histogram import HASH_LENGTH, Counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import date

    import numpy as np
    import pyarrow as pa

    from framework.monitoring.drift.columns import Column, Where

_MISSING = -1
_ANSWER = "at int, day date, bucket int, rows bigint, total double"


def count_spark(frame: Any, columns: Sequence[Column], keys: Sequence[str], day: str | None) -> dict[str, Counted]:
    """Count columns of a Spark DataFrame; see :func:`framework.monitoring.drift.counting.count_columns`."""
    from pyspark.sql import functions as F

    filters = list(dict.fromkeys(column.where for column in columns))
    when = F.to_date(F.col(day)) if day else F.lit("1970-01-01").cast("date")
    needed = frame.select(
        when.alias("day"),
        *(_condition(where).alias(f"f{at}") for at, where in enumerate(filters)),
        *(_values(column).alias(f"c{at}") for at, column in enumerate(columns)),
    )
    plan = [
        (filters.index(column.where), list(column.sketch.points) if column.sketch.kind == "number" else None)
        for column in columns
    ]
    groups = (
        needed.mapInArrow(_counter(plan), _ANSWER)
        .groupBy("at", "day", "bucket")
        .agg(F.sum("rows").alias("rows"), F.sum("total").alias("total"))
        .collect()
    )
    return _unstacked(groups, columns, _entities(frame, keys, filters), by_day=day is not None)


def _counter(plan: Sequence[tuple[int, list[float] | None]]) -> Callable[[Iterator[pa.RecordBatch]], Any]:
    """Return what counts the batches of one partition.

    It is a closure over plain values, which travels to the workers by value: they need no package of ours.

    Args:
        plan: Per column the number of its filter, and its points; ``None`` where the buckets are given.
    """

    def count(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import numpy as np
        import pyarrow as pa

        filters = 1 + max(number for number, _ in plan)
        found: dict[tuple[int, int, int], tuple[int, float]] = {}
        for batch in batches:
            days, code = np.unique(batch.column(0).cast(pa.int32()).to_numpy(), return_inverse=True)
            masks = [batch.column(1 + at).to_numpy(zero_copy_only=False).astype(bool) for at in range(filters)]
            for at, (number, points) in enumerate(plan):
                mask = masks[number]
                values = batch.column(1 + filters + at).to_numpy(zero_copy_only=False).astype(float)[mask]
                bucket, sums = values, np.zeros(len(values))
                if points is not None:
                    bucket = sum(np.searchsorted(points, values, side=side) for side in ("left", "right"))
                    sums = np.where(np.isfinite(values), values, 0.0)
                bucket = np.where(np.isnan(values), -1, bucket).astype(np.int64) + 1
                width = int(bucket.max(initial=0)) + 1
                place = code[mask] * width + bucket
                rows, totals = np.bincount(place), np.bincount(place, weights=sums)
                for spot in np.flatnonzero(rows):
                    key = (at, int(days[spot // width]), int(spot % width) - 1)
                    before = found.get(key, (0, 0.0))
                    found[key] = (before[0] + int(rows[spot]), before[1] + float(totals[spot]))
        answer = [(*key, *value) for key, value in found.items()]
        kinds = (pa.int32(), pa.int32(), pa.int32(), pa.int64(), pa.float64())
        parts = [pa.array([row[at] for row in answer], kind) for at, kind in enumerate(kinds)]
        parts[1] = parts[1].cast(pa.date32())
        yield pa.RecordBatch.from_arrays(parts, names=["at", "day", "bucket", "rows", "total"])

    return count


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


def _entities(frame: Any, keys: Sequence[str], filters: Sequence[Where]) -> dict[Where, int]:
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


def _values(one: Column) -> Any:
    """Return a column as doubles with NULL (and NaN) for a missing value; text as the number of its bucket."""
    from pyspark.sql import functions as F

    column = F.col(one.column) if one.entry is None else F.col(one.column)[one.entry]
    if one.sketch.kind == "number":
        return column.cast("double")
    hashed = F.substring(F.sha2(column, 256), 1, HASH_LENGTH)
    place = F.find_in_set(hashed, F.lit(",".join(one.sketch.categories)))
    found = F.when(place > 0, place - 1).otherwise(F.lit(len(one.sketch.categories)))
    return F.when(column.isNotNull(), found).cast("double")

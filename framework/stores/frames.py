"""Small operations that work alike on pandas and on Spark frames."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    import pandas as pd
    import pyarrow as pa
    from pyspark.sql import DataFrame

    from framework.core.ports import Frame

RANKS = (1, 2, 3)
PARTS = ("value", "low", "high")


def is_spark(frame: Frame) -> bool:
    """Tell a Spark DataFrame (classic or Connect) from pandas and Arrow, without importing Spark."""
    return type(frame).__module__.startswith("pyspark.")


def stamp(frame: Frame, *, constants: Mapping[str, Any], shifts: Mapping[str, tuple[str, timedelta]]) -> Frame:
    """Add constant columns, and columns that are another column plus a span.

    Args:
        frame: pandas, Arrow or Spark.
        constants: Value by new column.
        shifts: ``(column, span)`` by new column.

    Returns:
        pandas for pandas and Arrow, Spark for Spark.
    """
    if is_spark(frame):
        from pyspark.sql import functions as F

        spark: DataFrame = frame  # type: ignore[assignment]
        added = {name: F.lit(value) for name, value in constants.items()}
        added |= {name: F.col(source) + F.lit(span) for name, (source, span) in shifts.items()}
        return spark.withColumns(added) if added else spark  # Spark Connect refuses to add nothing
    rows = _pandas(frame)
    return rows.assign(**constants, **{name: rows[source] + span for name, (source, span) in shifts.items()})


def finish(frame: Frame, *, keep: Sequence[str], naming: Sequence[str]) -> Frame:
    """Fold numbered output columns into ``reasons`` and a map, and keep the table's columns.

    Args:
        frame: A scored frame with flat output columns.
        keep: Columns of the prediction table, in order.
        naming: Names of the numbered probabilities, if there are any.

    Returns:
        Spark for Spark, Arrow for the rest. A column of ``keep`` that the model did not answer is NULL.
    """
    return _finish_spark(frame, keep, naming) if is_spark(frame) else _finish_arrow(_pandas(frame), keep, naming)


def share_out(frame: Frame, *, by: Sequence[str], columns: Sequence[str]) -> Frame:
    """Divide forecasts by the sum of the first column within each group, so that a group's shares add up to 1.

    Args:
        frame: Arrow or Spark.
        by: Columns that form the group.
        columns: The forecast, and its quantiles, which are scaled alike.

    Returns:
        The frame; a group whose forecasts are all 0 is shared out evenly.
    """
    if is_spark(frame):
        spark: DataFrame = frame  # type: ignore[assignment]
        group = f"OVER (PARTITION BY {', '.join(by)})"
        whole, even = f"sum({columns[0]}) {group}", f"1 / count(*) {group}"
        shares = {c: f"CASE WHEN {whole} = 0 THEN {even} ELSE {c} / {whole} END AS {c}" for c in columns}
        return spark.selectExpr(*(shares.get(c, c) for c in spark.columns))
    import numpy as np
    import pyarrow as pa

    table: pa.Table = frame
    rows = table.select([*by, *columns]).to_pandas()
    groups = rows.groupby(list(by))[columns[0]]
    total, size = groups.transform("sum").to_numpy(), groups.transform("size").to_numpy()
    for name in columns:
        shared = np.where(total == 0, 1.0 / size, rows[name].to_numpy(float) / np.where(total == 0, 1.0, total))
        table = table.set_column(table.column_names.index(name), name, pa.array(shared, pa.float64(), from_pandas=True))
    return table


def known_until(frame: Frame, time: str, known: str, day: date) -> Frame:
    """Return the rows up to a day as that day knew them: what became known later is not settled yet.

    Args:
        frame: Arrow or Spark.
        time: Column with the rows' day or moment.
        known: Column with the moment at which each row became known.
        day: The day.
    """
    from framework.base.clock import midnight

    end = midnight(day + timedelta(days=1))
    if is_spark(frame):
        from pyspark.sql import functions as F

        spark: DataFrame = frame  # type: ignore[assignment]
        return spark.where(F.to_date(time) <= F.lit(day)).withColumn(
            known, F.when(F.col(known) <= F.lit(end), F.col(known))
        )
    import pyarrow as pa
    import pyarrow.compute as pc

    table: pa.Table = frame
    kind = table.schema.field(time).type
    before = pc.less_equal(table[time], pa.scalar(day, kind)) if pa.types.is_date(kind) else pc.less(
        table[time], pa.scalar(end, kind)
    )  # fmt: skip
    table = table.filter(before)
    moments = table[known]
    settled = pc.if_else(pc.less_equal(moments, pa.scalar(end, moments.type)), moments, pa.scalar(None, moments.type))
    return table.set_column(table.column_names.index(known), table.schema.field(known), settled)


def count(frame: Frame) -> int:
    """Return the number of rows."""
    return int(frame.count()) if is_spark(frame) else len(frame)  # type: ignore[arg-type]


def newest(frame: Frame, column: str) -> Any:
    """Return the largest value of a column; ``None`` if there are no rows."""
    if is_spark(frame):
        from pyspark.sql import functions as F

        spark: DataFrame = frame  # type: ignore[assignment]
        row: Any = spark.agg(F.max(column)).first()
        return row[0]
    import pyarrow.compute

    pc: Any = pyarrow.compute
    table: pa.Table = frame
    return pc.max(table[column]).as_py()


def _pandas(frame: Frame) -> pd.DataFrame:
    to_pandas = getattr(frame, "to_pandas", None)
    return to_pandas() if to_pandas is not None else frame  # type: ignore[return-value]


def _finish_arrow(rows: pd.DataFrame, keep: Sequence[str], naming: Sequence[str]) -> pa.Table:
    import numpy as np
    import pyarrow as pa

    kinds = column_types()
    columns: dict[str, pa.Array] = {}
    for name in keep:
        if name == "reasons":
            columns[name] = _reasons(rows)
        elif name in ("probabilities", "flags"):
            values = np.column_stack([rows[f"probability_{at}"].to_numpy(float) for at in range(len(naming))])
            keys = pa.array(np.tile(np.array(naming, dtype=object), len(rows)), pa.string())
            offsets = pa.array(np.arange(len(rows) + 1) * len(naming), pa.int32())
            columns[name] = pa.MapArray.from_arrays(offsets, keys, pa.array(values.ravel()))
        elif name in rows:
            moment = pa.timestamp("us", tz="UTC") if rows[name].dtype.kind == "M" else pa.string()
            columns[name] = pa.array(rows[name], kinds.get(name, moment), from_pandas=True)
        else:
            columns[name] = pa.nulls(len(rows), kinds.get(name, pa.string()))
    return pa.table(columns)


def _reasons(rows: pd.DataFrame) -> pa.Array:
    import numpy as np
    import pyarrow as pa

    ranks = [r for r in RANKS if f"reason_{r}_feature" in rows]
    count = len(ranks)

    def interleave(part: str, kind: pa.DataType) -> pa.Array:
        stacked = np.empty((len(rows), count), dtype=object if part == "feature" else float)
        for at, rank in enumerate(ranks):
            stacked[:, at] = rows[f"reason_{rank}_{part}"].to_numpy()
        return pa.array(stacked.ravel(), kind, from_pandas=True)

    fields = [interleave("feature", pa.string()), *(interleave(p, pa.float64()) for p in PARTS)]
    structs = pa.StructArray.from_arrays(fields, names=["feature", *PARTS])
    offsets = pa.array(np.arange(len(rows) + 1) * count, pa.int32())
    return pa.ListArray.from_arrays(offsets, structs)


def _finish_spark(frame: Any, keep: Sequence[str], naming: Sequence[str]) -> Any:
    from pyspark.sql import functions as F

    present = set(frame.columns)
    columns = []
    for name in keep:
        if name == "reasons":
            each = [
                F.struct(
                    F.col(f"reason_{r}_feature").alias("feature"), *(F.col(f"reason_{r}_{p}").alias(p) for p in PARTS)
                )
                for r in RANKS
                if f"reason_{r}_feature" in present
            ]
            columns.append(F.array(*each).alias(name))
        elif name in ("probabilities", "flags"):
            pairs = [part for at, label in enumerate(naming) for part in (F.lit(label), F.col(f"probability_{at}"))]
            columns.append(F.create_map(*pairs).alias(name))
        elif name in present:
            columns.append(F.col(name).cast(_SPARK_TYPES.get(name, frame.schema[name].dataType)).alias(name))
        else:
            columns.append(F.lit(None).cast(_SPARK_TYPES.get(name, "string")).alias(name))
    return frame.select(*columns)


_SPARK_TYPES = {
    "prediction": "double",
    "probability": "double",
    "anomaly_score": "double",
    "is_anomaly": "int",
    "model_version": "int",
    "is_fallback": "boolean",
    "as_of_date": "date",
    "target_start": "timestamp",
    "target_end": "timestamp",
    "scored_at": "timestamp",
    **{f"prediction_p{q}": "double" for q in range(1, 100)},
}


def column_types() -> dict[str, pa.DataType]:
    """Return the Arrow types of prediction columns; what is not named is a string."""
    import pyarrow as pa

    kinds = {
        "double": pa.float64(),
        "int": pa.int32(),
        "boolean": pa.bool_(),
        "date": pa.date32(),
        "timestamp": pa.timestamp("us", tz="UTC"),
    }
    return {name: kinds[kind] for name, kind in _SPARK_TYPES.items()}

"""The monitor's own daily record of tables and columns: the platform shows only what is there at present.

Two gold tables are kept by the monitor itself. A job takes a snapshot every evening; the gold view reads them where the
gold layer does not hold them. A schema is looked at table by table, with rows and bytes. A whole catalog is read from
its information schema in one query, which knows neither.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from framework.gold.view import GoldReader

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

    from framework.core.ports import Tables
    from framework.core.services import Services
    from framework.declare.gold import GoldTable

TABLES, COLUMNS = "table_snapshots", "information_schema_columns"
KEYS = ("snapshot_date", "table_catalog", "table_schema", "table_name")
_GRAIN = {TABLES: KEYS, COLUMNS: (*KEYS, "column_name")}
_NOT_OURS = ("system", "samples", "__databricks_internal")
"""Catalogs of the platform itself."""
DESCRIPTIONS = {
    TABLES: "One table at the end of a day, as the monitor saw it.",
    COLUMNS: "One column of one table at the end of a day, as the monitor saw it.",
}


def take_snapshot(runtime: Services, day: date, schemas: Sequence[str]) -> dict[str, int]:
    """Write down every table of some schemas, and its columns; the same day again updates what was seen earlier.

    A table or column that went between two snapshots of one day stays in that day.

    Args:
        runtime: For its tables, and for the Spark session where a whole catalog is asked for.
        day: The day whose end the snapshot shows.
        schemas: ``catalog.schema`` names, or a catalog's name for all of its schemas; ``system`` for all catalogs.

    Returns:
        Rows inserted or changed, by snapshot table.

    Raises:
        MissingInputError: If a catalog has no information schema that may be read.
    """
    listed = [name for name in schemas if "." in name]
    written = Counter(_look_at(runtime, day, listed))
    for catalog in (name for name in schemas if "." not in name):
        for name, frame in catalog_picture(runtime.spark, day, catalog, besides=listed).items():
            own = runtime.feature_table(name)
            written[name] += runtime.tables.merge(own, frame, keys=_GRAIN[name], description=DESCRIPTIONS[name])
    return dict(written)


def catalog_picture(
    spark: SparkSession, day: date, catalog: str, *, besides: Sequence[str] = ()
) -> dict[str, DataFrame]:
    """Return the tables and columns of a catalog as its information schema shows them now; views are left out.

    Args:
        spark: The session.
        day: The day that the snapshot is for.
        catalog: The catalog; ``system`` shows all catalogs.
        besides: ``catalog.schema`` names that are left out.

    Returns:
        Frames in the form of the snapshots, by snapshot table; rows and bytes are NULL.

    Raises:
        MissingInputError: If the information schema is absent or may not be read.
    """
    from pyspark.sql import functions as F

    from framework.gold.catalog import open_table

    names = list(KEYS[1:])
    relations = open_table(spark, f"{catalog}.information_schema.tables")
    present = relations.where(
        (F.col("table_type") != "VIEW")
        & (F.col("table_schema") != "information_schema")
        & ~F.col("table_catalog").isin(*_NOT_OURS)
        & ~F.concat_ws(".", "table_catalog", "table_schema").isin(list(besides))
    )
    columns = open_table(spark, f"{catalog}.information_schema.columns").join(present.select(names), names, "left_semi")
    unknown = F.lit(None).cast("bigint")
    date_of = F.lit(day).alias(KEYS[0])
    last = F.col("last_altered").cast("timestamp").alias("last_altered")
    place = F.col("ordinal_position").cast("int").alias("ordinal_position")
    return {
        TABLES: present.select(date_of, *names, unknown.alias("row_count"), unknown.alias("size_bytes"), last),
        COLUMNS: columns.select(
            date_of, *names, "column_name", place, F.col("full_data_type").alias("data_type"), "is_nullable"
        ),
    }


def _look_at(runtime: Services, day: date, schemas: Sequence[str]) -> dict[str, int]:
    """Write down schemas table by table."""
    tables, columns = [], []
    for schema in schemas:
        catalog, _, name = schema.partition(".")
        for table in runtime.tables.names(schema):
            key = dict(zip(KEYS, (day, catalog, name, table), strict=True))
            tables.append(key | runtime.tables.details(f"{schema}.{table}"))
            columns += [key | column for column in _columns(runtime.tables.schema(f"{schema}.{table}"))]
    return {
        name: runtime.tables.merge(
            runtime.feature_table(name), _arrow(rows, name), keys=_GRAIN[name], description=DESCRIPTIONS[name]
        )
        for name, rows in ((TABLES, tables), (COLUMNS, columns))
        if rows
    }


class WithSnapshots(GoldReader):
    """A gold layer, with the monitor's own snapshots where it has none.

    Args:
        gold: The gold layer.
        tables: The monitor's tables.
        names: Three-level name of each snapshot table.
    """

    def __init__(self, gold: GoldReader, tables: Tables, names: dict[str, str]) -> None:
        self._gold = gold
        self._tables = tables
        self._names = names

    def read(self, table: GoldTable) -> DataFrame | None:
        """Return the gold layer's table, else the monitor's own."""
        found = self._gold.read(table)
        own = self._names.get(table.name, "")
        return self._tables.spark(own) if found is None and own and self._tables.exists(own) else found

    def newest_day(self) -> date:
        """Return the newest day of the gold layer."""
        return self._gold.newest_day()

    def state(self, table: GoldTable) -> str | None:
        """Return the state of the gold layer's table and of the monitor's own."""
        found = self._gold.state(table)
        own = self._names.get(table.name)
        return f"{found} {self._tables.version(own)}" if found is not None and own else found


def _columns(schema: pa.Schema | None) -> list[dict[str, Any]]:
    return [
        {
            "column_name": field.name,
            "ordinal_position": at,
            "data_type": str(field.type),
            "is_nullable": "YES" if field.nullable else "NO",
        }
        for at, field in enumerate(schema or (), 1)
    ]


def _arrow(rows: list[dict[str, Any]], name: str) -> pa.Table:
    import pyarrow as pa

    text = pa.string()
    kinds = {"snapshot_date": pa.date32(), "ordinal_position": pa.int32(), "row_count": pa.int64()}
    kinds |= {"size_bytes": pa.int64(), "last_altered": pa.timestamp("us", tz="UTC")}
    own: tuple[str, ...] = ("row_count", "size_bytes", "last_altered")
    if name == COLUMNS:
        own = ("column_name", "ordinal_position", "data_type", "is_nullable")
    return pa.Table.from_pylist(rows, schema=pa.schema([(c, kinds.get(c, text)) for c in (*KEYS, *own)]))

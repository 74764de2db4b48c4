"""Gold from the system tables: deploys the views that they can fill, and reads those."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from domains.gold.contract import TABLES
from domains.gold.system.options import SystemOptions
from domains.gold.system.view import write
from domains.gold.system.views import system_views
from framework import GoldSource, errors
from framework.base.logging import get_logger
from framework.declare.table import short_hash
from framework.gold.catalog import first_line, open_table, quoted
from framework.gold.view import GoldReader

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import date

    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.types import StructType

    from domains.gold.system.view import SystemView, Written
    from framework import GoldTable
    from framework.core.services import Services

PREFIX = "gold_"
DECLARED = {table.name: table for table in TABLES}


class SystemSource(GoldSource):
    """The account's own system tables, for those who have no gold layer.

    A system table that is not there, or may not be read, costs its gold table only.

    Args:
        catalog: The catalog of the system tables.
    """

    name = "system"
    tables = TABLES
    incomplete_days = 1

    def __init__(self, catalog: str = "system") -> None:
        self._catalog = catalog

    def open(self, runtime: Services, where: str) -> GoldReader:
        """Deploy the views into the schema of our own tables, and open them.

        Raises:
            GoldError: If no system table can be read, or a view cannot be created.
        """
        options: Any = runtime.options(SystemOptions)
        views = system_views(options)
        known = self._known(runtime.spark, views)
        if not known:
            raise errors.GoldError(
                what="none of the system tables can be read",
                where=self._catalog,
                fix="enable the system schemas and grant SELECT on them; without a workspace, give a folder of gold "
                "tables or --gold simulate",
            )
        deployed = {}
        for view in views:
            try:
                written = write(view, DECLARED[view.name], known, self._name)
            except errors.MissingInputError as error:
                get_logger().warning("gold_table_absent", table=view.name, reason=error.what)
                continue
            if written.without:
                get_logger().warning("gold_columns_absent", table=view.name, columns=list(written.without))
            deployed[view.name] = runtime.feature_table(PREFIX + view.name)
            deploy(runtime.spark, deployed[view.name], view, written)
        return SystemReader(runtime, deployed)

    def _name(self, table: str) -> str:
        return quoted(f"{self._catalog}.{table}")

    def _known(self, spark: SparkSession, views: tuple[SystemView, ...]) -> Mapping[str, frozenset[str]]:
        """Return the columns of each system table that can be read."""
        found = {}
        for table in dict.fromkeys(name for view in views for name in view.reads):
            try:
                found[table] = frozenset(_paths("", open_table(spark, f"{self._catalog}.{table}").schema))
            except errors.MissingInputError as error:
                get_logger().warning("system_table_unreadable", table=error.where, reason=error.what)
        return found


class SystemReader(GoldReader):
    """Reads the deployed views.

    Args:
        runtime: For its Spark session and clock.
        views: Full name of each deployed view, by gold table.
    """

    def __init__(self, runtime: Services, views: Mapping[str, str]) -> None:
        self._runtime = runtime
        self._views = views

    def read(self, table: GoldTable) -> DataFrame | None:
        """Return the view, or ``None`` if the system tables cannot fill it."""
        name = self._views.get(table.name)
        return None if name is None else self._runtime.spark.table(quoted(name))

    def newest_day(self) -> date:
        """Return today: the system tables never end, and looking for their newest row would read all of them."""
        return self._runtime.clock.now().date()


def deploy(spark: SparkSession, name: str, view: SystemView, written: Written) -> bool:
    """Create a view, unless it is there already with the same text.

    Args:
        spark: The session.
        name: Full name of the view.
        view: What it is made of.
        written: Its query.

    Returns:
        Whether it was created or replaced.

    Raises:
        GoldError: If it cannot be created.
    """
    from pyspark.errors import PySparkException

    table = DECLARED[view.name]
    columns = ",\n  ".join(f"{c.name} COMMENT {_text(c.description)}" for c in table.columns)
    mark = short_hash([columns, table.description, written.select])
    comment = f"{table.description}; made of {', '.join(view.reads)} by health-monitor, version {mark}"
    if _comment(spark, name) == comment:
        return False
    try:
        spark.sql(
            f"CREATE OR REPLACE VIEW {quoted(name)} (\n  {columns}\n)\nCOMMENT {_text(comment)} AS\n{written.select}"
        )
    except PySparkException as error:
        raise errors.GoldError(
            what=f"the view cannot be created: {first_line(error)}",
            where=name,
            fix="create its schema, and grant USE SCHEMA and CREATE TABLE on it",
        ) from error
    get_logger().info("gold_view_deployed", view=name, version=mark)
    return True


def _comment(spark: SparkSession, name: str) -> str | None:
    """Return a view's comment, or ``None`` if there is no such view."""
    from pyspark.errors import AnalysisException

    try:
        rows = spark.sql(f"DESCRIBE TABLE EXTENDED {quoted(name)}").collect()
    except AnalysisException:
        return None  # whatever stands in the way of a new one, its creation will say
    return next((row["data_type"] for row in reversed(rows) if row["col_name"] == "Comment"), None)


def _text(value: str) -> str:
    """Return a text as an SQL literal."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _paths(above: str, schema: StructType) -> Iterator[str]:
    """Yield the columns of a table, fields of structs with a dot."""
    from pyspark.sql.types import StructType

    for field in schema.fields:
        path = f"{above}{field.name}".lower()
        yield path
        if isinstance(field.dataType, StructType):
            yield from _paths(f"{path}.", field.dataType)

"""Gold tables from a schema of the workspace's catalog, by three-level name."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from framework.base.errors import GoldError, MissingInputError
from framework.base.logging import get_logger
from framework.gold.folder import newest_known_day
from framework.gold.view import GoldReader, GoldSource

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import date

    from pyspark.sql import DataFrame, SparkSession

    from framework.core.services import Services
    from framework.declare.gold import GoldTable

SCHEMA = re.compile(r"[^\s./`]+\.[^\s./`]+")
_REFUSALS = (
    "CATALOG_NOT_FOUND", "SCHEMA_NOT_FOUND", "TABLE_OR_VIEW_NOT_FOUND", "NO_SUCH_CATALOG", "INSUFFICIENT_PERMISSIONS",
    "PERMISSION_DENIED", "UNAUTHORIZED_ACCESS", "UnauthorizedAccess",
)  # fmt: skip
"""What an error says that is no AnalysisException and still only means: not there, or not for you."""


def is_schema(where: str) -> bool:
    """Tell whether a word is ``catalog.schema``."""
    return SCHEMA.fullmatch(where) is not None


def quoted(name: str) -> str:
    """Return a name of several levels as SQL."""
    return ".".join(f"`{part}`" for part in name.split("."))


def open_table(spark: SparkSession, name: str) -> DataFrame:
    """Open a table or view, and ask for its columns: only then is it certain that it can be read.

    Args:
        spark: The session.
        name: Its name.

    Returns:
        The table.

    Raises:
        MissingInputError: If it is absent, or may not be read.
    """
    from pyspark.errors import AnalysisException, PySparkException

    try:
        frame = spark.table(quoted(name))
        _ = frame.columns  # where Spark is remote, nothing has been asked yet
    except PySparkException as error:
        if isinstance(error, AnalysisException) or any(word in str(error) for word in _REFUSALS):
            raise MissingInputError(
                what=f"it is absent or may not be read: {first_line(error)}",
                where=name,
                fix="create it, or grant USE CATALOG, USE SCHEMA and SELECT",
            ) from error
        raise
    return frame


def first_line(error: Exception) -> str:
    """Return the first line of an error's text."""
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


class CatalogReader(GoldReader):
    """Reads declared tables from a schema.

    Args:
        runtime: For its Spark session.
        schema: ``catalog.schema``.
        tables: Declared tables; the newest day is looked for among them.
        present: Names of the tables and views that the schema has.
    """

    def __init__(self, runtime: Services, schema: str, tables: tuple[GoldTable, ...], present: Collection[str]) -> None:
        self._runtime = runtime
        self._schema = schema
        self._tables = tables
        self._present = present

    def read(self, table: GoldTable) -> DataFrame | None:
        """Return the raw table, or ``None`` if the schema has none of its name that may be read."""
        if table.name not in self._present:
            return None
        try:
            return open_table(self._runtime.spark, f"{self._schema}.{table.name}")
        except MissingInputError as error:
            get_logger().warning("gold_table_unreadable", table=error.where, reason=error.what)
            return None

    def newest_day(self) -> date:
        """Return the newest day on which any row of a fact table became known."""
        return newest_known_day(self, self._tables, self._schema, self._runtime.clock.now().date())


class CatalogSource(GoldSource):
    """A schema that somebody else fills with gold tables, such as a gold layer's own.

    Args:
        tables: The tables that may stand in it.
    """

    name = "catalog"
    incomplete_days = 1

    def __init__(self, tables: tuple[GoldTable, ...]) -> None:
        self.tables = tables

    def open(self, runtime: Services, where: str) -> GoldReader:
        """Open the schema.

        Raises:
            GoldError: If it is no ``catalog.schema``, cannot be listed, or holds no declared table.
        """
        known = runtime.plugins.gold_tables()
        if not is_schema(where):
            raise GoldError(what="it is no schema of a catalog", where=where, fix="give --gold catalog.schema")
        present = {name for name in _listed(runtime.spark, where) if name in known}
        if not present:
            raise GoldError(
                what="the schema holds none of the declared gold tables",
                where=where,
                fix=f"fill at least one of {', '.join(sorted(known))}, or read the system tables: --gold system",
            )
        return CatalogReader(runtime, where, tuple(known.values()), present)


def _listed(spark: SparkSession, schema: str) -> list[str]:
    from pyspark.errors import PySparkException

    try:
        return [row["tableName"] for row in spark.sql(f"SHOW TABLES IN {quoted(schema)}").collect()]
    except PySparkException as error:
        raise GoldError(
            what=f"the schema cannot be listed: {first_line(error)}",
            where=schema,
            fix="check the name, and grant USE CATALOG and USE SCHEMA",
        ) from error

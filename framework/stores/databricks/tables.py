"""``Tables`` over Unity Catalog: plain Delta tables, read and written through Spark."""

from __future__ import annotations

import json
import operator
import random
import time
from typing import TYPE_CHECKING, Any, TypeVar

from framework.base.errors import TableError, nearest
from framework.core.keys import PRIMARY_KEY, TIMESERIES, metadata_of
from framework.stores.arrow import to_arrow
from framework.stores.databricks import sql
from framework.stores.databricks.native import fields
from framework.stores.databricks.rows import Fresh, fresh_rows
from framework.stores.databricks.staging import PREFIX
from framework.stores.ddl import arrow_type
from framework.stores.frames import is_spark
from framework.stores.spark_frames import to_spark

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

    from framework.core.ports import Frame, View

Result = TypeVar("Result")

_TRIES = 8
_WRITES = ("CREATE", "REPLACE", "WRITE", "MERGE", "DELETE", "UPDATE", "TRUNCATE", "COPY INTO", "RESTORE", "ADD COLUMNS")
"""Operations of a Delta history that change what a reader sees; the platform adds others of its own."""
_OPERATORS: Mapping[str, Callable[[Any, Any], Any]] = {
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "in": lambda column, values: column.isin(list(values)),
}


class DatabricksTables:
    """``Tables`` by three-level name.

    Args:
        spark: Returns the session.
        stage: Writes a frame out once, so that checking and merging it do not compute it twice.
    """

    def __init__(self, spark: Callable[[], SparkSession], stage: Callable[[DataFrame], DataFrame]) -> None:
        self._spark = spark
        self._stage = stage

    def exists(self, name: str) -> bool:
        """Tell whether a table exists."""
        return bool(self._spark().catalog.tableExists(name))

    def names(self, schema: str) -> list[str]:
        """Return the tables of ``catalog.schema``, sorted; views and what a run stages are not among them."""
        session, where = self._spark(), sql.name_of(schema)
        views = {row["viewName"] for row in session.sql(f"SHOW VIEWS IN {where}").collect()}
        names = {row["tableName"] for row in session.sql(f"SHOW TABLES IN {where}").collect()} - views
        return sorted(name for name in names if not name.startswith(PREFIX))

    def schema(self, name: str) -> pa.Schema | None:
        """Return a table's Arrow schema with keys, comments and formulas as field metadata; ``None`` if absent."""
        import pyarrow as pa

        if not self.exists(name):
            return None
        session = self._spark()
        statement = session.sql(f"SHOW CREATE TABLE {sql.name_of(name)}").collect()[0][0]
        keys, moment = sql.stored_key(statement)
        formulas = self._formulas(name)
        fields = []
        for field in session.table(name).schema.fields:
            metadata = {"comment": field.metadata.get("comment"), "formula": formulas.get(field.name)}
            metadata[PRIMARY_KEY] = str(keys.index(field.name) + 1) if field.name in keys else None
            metadata[TIMESERIES] = "1" if field.name == moment else None
            kept = {key: value for key, value in metadata.items() if value}
            kind = arrow_type(field.dataType.simpleString())
            fields.append(pa.field(field.name, kind, nullable=field.nullable, metadata=kept or None))
        return pa.schema(fields)

    def details(self, name: str) -> dict[str, Any]:
        """Return a table's ``row_count``, ``size_bytes`` and ``last_altered`` (UTC)."""
        row = self._existing(name).sql(f"DESCRIBE DETAIL {sql.name_of(name)}").collect()[0]
        return {"row_count": self.count(name), "size_bytes": row["sizeInBytes"], "last_altered": row["lastModified"]}

    def version(self, name: str) -> int:
        """Return the newest Delta version that changed rows or columns; -1 if the table does not exist.

        Optimising, vacuuming and comments make versions too, which no training depends on.
        """
        if not self.exists(name):
            return -1
        history = self._spark().sql(f"DESCRIBE HISTORY {sql.name_of(name)}").select("version", "operation").collect()
        return max((int(row["version"]) for row in history if row["operation"].startswith(_WRITES)), default=0)

    def read(self, name: str, *, columns: Sequence[str] | None = None, where: Sequence[Any] | None = None) -> pa.Table:
        """Return rows as Arrow; see :meth:`frame`."""
        return to_arrow(self.frame(name, columns=columns, where=where))

    def frame(
        self, name: str, *, columns: Sequence[str] | None = None, where: Sequence[Any] | None = None
    ) -> DataFrame:
        """Return rows as a Spark DataFrame.

        Args:
            name: Table.
            columns: Columns to read; ``None`` for all.
            where: Conjunction of ``(column, op, value)`` with op one of ``= < <= > >= in``.

        Raises:
            TableError: If the table, a column or an operator is unknown.
        """
        from pyspark.sql import functions as F

        rows = self.spark(name)
        for column in [*(columns or []), *(condition[0] for condition in where or [])]:
            if column not in rows.columns:
                raise TableError(what=f"no column '{column}'", where=name, fix=nearest(column, rows.columns))
        for column, sign, value in where or []:
            if sign not in _OPERATORS:
                raise TableError(what=f"unknown operator '{sign}'", where=name, fix=nearest(sign, _OPERATORS))
            rows = rows.where(_OPERATORS[sign](F.col(column), value if sign == "in" else F.lit(value)))
        return rows if columns is None else rows.select(*columns)

    def count(self, name: str) -> int:
        """Return the number of rows, which Delta knows from its statistics; 0 if the table does not exist."""
        return int(self._spark().table(name).count()) if self.exists(name) else 0

    def spark(self, name: str) -> DataFrame:
        """Return a table as a Spark DataFrame."""
        return self._existing(name).table(name)

    def merge(
        self, name: str, rows: Frame, *, keys: Sequence[str], unimportant: Sequence[str] = (), description: str = ""
    ) -> int:
        """Insert new rows and update changed ones, in one commit.

        Args:
            name: Table, created on first use with the rows' schema.
            rows: Rows, unique in ``keys``.
            keys: Primary key.
            unimportant: Columns whose difference alone does not make a row changed (``scored_at``).
            description: Table comment, used on creation.

        Returns:
            Rows inserted or changed; if there are none, nothing is committed.

        Raises:
            TableError: On NULL or duplicate keys, a changed type, or too many concurrent writers.
        """
        staged = self.staged(rows)

        def once() -> int:
            fresh = self.fresh(name, staged, keys=keys, unimportant=unimportant, description=description)
            if fresh.count:
                statement = sql.merge(name, "{rows}", keys, fresh.frame.columns)
                self._spark().sql(statement, rows=fresh.frame)
            return fresh.count

        return self.committed(name, once)

    def staged(self, rows: Frame) -> DataFrame:
        """Return rows as a Spark DataFrame that is cheap to read several times."""
        frame = to_spark(self._spark(), rows)
        return self._stage(frame) if is_spark(rows) else frame

    def fresh(
        self, name: str, staged: DataFrame, *, keys: Sequence[str], unimportant: Sequence[str] = (),
        description: str = "",
    ) -> Fresh:  # fmt: skip
        """Return the rows that a table does not hold yet; the table is there, and wide enough, afterwards."""
        if not self.exists(name):
            self._spark().sql(sql.create_table(name, _marked(fields(staged, None, name), keys), description))
        stored = self._spark().table(name)
        fresh = fresh_rows(name, staged, stored, keys=keys, unimportant=unimportant)
        if fresh.added:
            self._spark().sql(sql.add_columns(name, fresh.added))
        return fresh

    def annotate(self, name: str, schema: pa.Schema) -> None:
        """Bring column comments and formulas in line with a schema; commits only differences."""
        stored = self.schema(name)
        if stored is None:
            raise self._absent(name)
        for field in schema:
            comment = metadata_of(field).get("comment")
            if comment and comment != metadata_of(stored.field(field.name)).get("comment"):
                self._spark().sql(sql.comment_column(name, field.name, comment))
        formulas = json.dumps(self._formulas(name) | json.loads(sql.formulas_of(schema)), sort_keys=True)
        if formulas != json.dumps(self._formulas(name), sort_keys=True):
            self._spark().sql(sql.set_properties(name, {sql.FORMULAS: formulas}))

    def append(self, name: str, rows: Frame) -> None:
        """Append rows in one commit; creates the table on first use.

        Raises:
            TableError: If too many others write at the same time.
        """
        frame = to_spark(self._spark(), rows)
        if not self.exists(name):
            self._spark().sql(sql.create_table(name, fields(frame, None, name), ""))
        known = self._spark().table(name).columns
        if added := [field for field in fields(frame, None, name) if field.name not in known]:
            self._spark().sql(sql.add_columns(name, added))
        statement = sql.append(name, "{rows}", frame.columns)
        self.committed(name, lambda: self._spark().sql(statement, rows=frame))

    def delete(self, name: str, *, column: str, values: Sequence[str]) -> None:
        """Delete the rows whose text column holds one of the values, in one commit; without values, none."""
        if values:
            self.committed(name, lambda: self._spark().sql(sql.delete(name, column, values)))

    def keep_view(self, name: str, view: View) -> None:
        """Make a view, or bring it in line with its table's columns; rights on it stay.

        Raises:
            TableError: If the table that it shows does not exist.
        """
        session = self._existing(view.rows)
        columns = session.table(view.rows).columns
        query = sql.matching(view.rows, columns, view.among, view.on)
        if not self.exists(name):
            session.sql(sql.create_view(name, query, view.description))
        elif session.table(name).columns != columns:
            session.sql(sql.alter_view(name, query))

    def _formulas(self, name: str) -> dict[str, str]:
        rows = self._spark().sql(f"SHOW TBLPROPERTIES {sql.name_of(name)}").collect()
        found: dict[str, str] = json.loads(next((row["value"] for row in rows if row["key"] == sql.FORMULAS), "{}"))
        return found

    def committed(self, name: str, once: Callable[[], Result]) -> Result:
        """Try again when another writer committed first: each try starts from the newest version."""
        from pyspark.errors import PySparkException

        for attempt in range(_TRIES):
            try:
                return once()
            except PySparkException as problem:
                if "CONCURRENT" not in str(problem).upper():
                    raise
                time.sleep(random.uniform(0, 0.5 * 2**attempt))  # noqa: S311 - spreads writers, guards nothing
        raise TableError(
            what=f"other writers committed first {_TRIES} times in a row", where=name, fix="run the command again"
        )

    def _existing(self, name: str) -> SparkSession:
        if not self.exists(name):
            raise self._absent(name)
        return self._spark()

    def _absent(self, name: str) -> TableError:
        schema, _, table = name.rpartition(".")
        return TableError(what="no such table", where=name, fix=nearest(table, self.names(schema)))


def _marked(schema: pa.Schema, keys: Sequence[str]) -> pa.Schema:
    """Mark the key columns of a schema."""
    import pyarrow as pa

    places = {key: {PRIMARY_KEY: str(place)} for place, key in enumerate(keys, 1)}
    return pa.schema([f.with_metadata(metadata_of(f) | places.get(f.name, {})) for f in schema])

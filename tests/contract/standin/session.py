"""A Spark session that knows three-level names and Delta's statements, as a workspace's does.

Statements are parsed in the Databricks dialect, so what Databricks could not read fails here too. Queries over
frames go to the real session.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import sqlglot
from sqlglot import exp

from framework.core.keys import metadata_of
from framework.stores.arrow import to_arrow
from framework.stores.ddl import arrow_type
from framework.stores.local.delta import holds, open_delta
from framework.stores.spark_frames import to_spark

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyspark.sql import DataFrame, SparkSession

    from tests.contract.standin.catalog import UnityCatalog

ROWS = "__rows"
LEVELS = 3
_NAME = r"(?P<name>`[^`]+`(?:\.`[^`]+`)*)"


class StandinSession:
    """What our adapter uses of a session, over the stand-in's tables.

    Args:
        session: The real session.
        catalog: The tables.
    """

    def __init__(self, session: SparkSession, catalog: UnityCatalog) -> None:
        self._session = session
        self._catalog = catalog
        self.statements: list[str] = []

    def __getattr__(self, name: str) -> Any:
        """Leave everything else to the real session."""
        return getattr(self._session, name)

    @property
    def catalog(self) -> StandinSession:
        """The catalog, of which only :meth:`tableExists` is used."""
        return self

    def tableExists(self, name: str) -> bool:  # noqa: N802 - Spark's name
        """Tell whether a table or view exists."""
        return name.count(".") == LEVELS - 1 and (self._catalog.exists(name) or bool(self._catalog.view(name)))

    def table(self, name: str) -> DataFrame:
        """Return a table, a view, or a view-like query of the real session."""
        if query := self._catalog.view(name):
            return self._viewed(query)
        if not self._catalog.exists(name):
            return self._session.table(name)
        return open_delta(self._session, self._catalog.folder(name))

    def sql(self, text: str, **frames: DataFrame) -> DataFrame:
        """Run a statement."""
        self.statements.append(text)
        for pattern, answer in self._SHOWN:
            if found := re.fullmatch(pattern, text):
                return to_spark(self._session, answer(self, found["name"].replace("`", "")))
        statement = sqlglot.parse_one(text.replace("{rows}", ROWS), dialect="databricks")
        run = self._RUN.get(type(statement))
        if run is None:
            return self._session.sql(text, **frames)
        run(self, statement, frames.get("rows"))
        return self._session.createDataFrame([(0,)], "num_affected_rows bigint")

    def _viewed(self, query: str) -> DataFrame:
        """Run a view's query over the stand-in's tables."""
        statement = sqlglot.parse_one(query, dialect="databricks")
        frames = {}
        for at, table in enumerate(list(statement.find_all(exp.Table))):
            frames[f"table_{at}"] = self.table(".".join(part.name for part in table.parts))
            table.replace(exp.to_table(f"{ROWS}_table_{at}", alias=table.alias_or_name))
        text = re.sub(rf"{ROWS}_(table_\d+)", r"{\1}", _sql(statement))
        return self._session.sql(text, **frames)

    def _create(self, statement: exp.Create, rows: DataFrame | None) -> None:
        name = _table(statement.this)
        if statement.kind == "VIEW":
            assert statement.args.get("exists"), "replacing a view takes away the rights granted on it"
            if not self._catalog.view(name):
                self._catalog.keep_view(name, _sql(statement.expression))
            return
        if statement.args.get("exists") and self._catalog.exists(name):
            return
        if statement.expression is not None:  # CREATE TABLE AS SELECT * FROM rows
            assert rows is not None
            found = to_arrow(rows)
            self._catalog.create(name, found.schema)
            self._catalog.append(name, found)
            return
        declared = statement.this.expressions
        fields = [_field(column) for column in declared if isinstance(column, exp.ColumnDef)]
        keys = [key for part in declared for key in part.find_all(exp.PrimaryKey)]
        listed = [_key(one) for key in keys for one in key.expressions]
        options = statement.args["properties"].expressions
        comment = next((p.this.this for p in options if isinstance(p, exp.SchemaCommentProperty)), "")
        given = {p.this.this: p.args["value"].this for p in options if type(p) is exp.Property}
        cluster = [c.name for p in options if isinstance(p, exp.ClusterProperty) for c in p.expressions]
        self._catalog.create(name, pa.schema(fields), comment=comment, properties=given, cluster=cluster,
                             key=[k for k, _ in listed], time_key=next((k for k, t in listed if t), None))  # fmt: skip

    def _alter(self, statement: exp.Alter, _: DataFrame | None) -> None:
        name = _table(statement.this)
        for action in statement.args["actions"]:
            if statement.args["kind"] == "VIEW":
                assert self._catalog.view(name), f"there is no view {name}"
                self._catalog.keep_view(name, _sql(action))
            elif isinstance(action, exp.ColumnDef):
                self._catalog.add_columns(name, [_field(action)])
            elif isinstance(action, exp.Schema):
                self._catalog.add_columns(name, [_field(column) for column in action.expressions])
            elif isinstance(action, exp.AlterColumn):
                column, comment = action.this.name, action.args["comment"].this
                stored = metadata_of(self._catalog.schema(name).field(column))
                self._catalog.delta(name).alter.set_column_metadata(column, stored | {"comment": comment})
            elif isinstance(action, exp.AlterSet):
                given = {p.this.this: p.args["value"].this for p in action.find_all(exp.Property)}
                properties = self._catalog.facts(name)["properties"] | given
                self._catalog.note(name, properties=properties)
            elif isinstance(action, exp.ClusterProperty):
                self._catalog.note(name, cluster=[column.name for column in action.expressions])
            else:
                raise NotImplementedError(f"the stand-in cannot {action!r}")

    def _merge(self, statement: exp.Merge, rows: DataFrame | None) -> None:
        assert rows is not None
        update, insert = None, {}
        for when in statement.args["whens"].expressions:
            then = when.args["then"]
            if when.args["matched"]:
                update = {f"`{eq.this.name}`": _sql(eq.expression) for eq in then.expressions}
            else:
                names = [column.name for column in then.this.expressions]
                values = [_sql(value) for value in then.expression.expressions]
                insert = {f"`{column}`": value for column, value in zip(names, values, strict=True)}
        self._catalog.merge(
            _table(statement.this), to_arrow(rows), on=_sql(statement.args["on"]), update=update, insert=insert
        )

    def _insert(self, statement: exp.Insert, rows: DataFrame | None) -> None:
        assert rows is not None
        columns = [column.name for column in statement.this.expressions]
        self._catalog.append(_table(statement.this), to_arrow(rows.select(*columns)))

    def _delete(self, statement: exp.Delete, _: DataFrame | None) -> None:
        listed = statement.args["where"].this
        assert isinstance(listed, exp.In), f"the stand-in cannot delete where {listed!r}"
        condition = holds(listed.this.name, [value.this for value in listed.expressions])
        self._catalog.delta(_table(statement)).delete(condition)

    def _drop(self, statement: exp.Drop, _: DataFrame | None) -> None:
        self._catalog.drop(_table(statement))

    def _history(self, name: str) -> pa.Table:
        entries = self._catalog.delta(name).history()
        rows = [{"version": entry["version"], "operation": entry["operation"]} for entry in entries]
        return pa.Table.from_pylist(rows, schema=pa.schema([("version", pa.int64()), ("operation", pa.string())]))

    def _detail(self, name: str) -> pa.Table:
        delta = self._catalog.delta(name)
        sizes = pa.table(delta.get_add_actions(flatten=True))["size_bytes"].to_pylist()
        altered = datetime.fromtimestamp(delta.history(1)[0]["timestamp"] / 1000, UTC)
        kinds = pa.schema([("sizeInBytes", pa.int64()), ("lastModified", pa.timestamp("us", tz="UTC"))])
        return pa.Table.from_pylist([{"sizeInBytes": sum(sizes), "lastModified": altered}], schema=kinds)

    def _statement(self, name: str) -> pa.Table:
        facts = self._catalog.facts(name)
        key = ", ".join(f"`{k}`" + (" TIMESERIES" if k == facts["time"] else "") for k in facts["key"])
        constraint = f",\n  CONSTRAINT `{name.rpartition('.')[2]}_pk` PRIMARY KEY ({key})" if key else ""
        columns = ",\n  ".join(f"`{field.name}` ..." for field in self._catalog.schema(name))
        return pa.table({"createtab_stmt": [f"CREATE TABLE {name} (\n  {columns}{constraint})\nUSING delta"]})

    def _properties(self, name: str) -> pa.Table:
        found = self._catalog.facts(name)["properties"]
        return pa.table({"key": pa.array(list(found), pa.string()), "value": pa.array(found.values(), pa.string())})

    def _tables(self, schema: str) -> pa.Table:
        return pa.table({"tableName": pa.array(self._catalog.names(schema) + self._catalog.views(schema), pa.string())})

    def _views(self, schema: str) -> pa.Table:
        return pa.table({"viewName": pa.array(self._catalog.views(schema), pa.string())})

    _SHOWN: tuple[tuple[str, Callable[[Any, str], pa.Table]], ...] = (
        (f"DESCRIBE HISTORY {_NAME}", _history),
        (f"DESCRIBE DETAIL {_NAME}", _detail),
        (f"SHOW CREATE TABLE {_NAME}", _statement),
        (f"SHOW TBLPROPERTIES {_NAME}", _properties),
        (f"SHOW TABLES IN {_NAME}", _tables),
        (f"SHOW VIEWS IN {_NAME}", _views),
    )
    _RUN: dict[type, Callable[[Any, Any, Any], None]] = {  # noqa: RUF012 - a table of methods, never changed
        exp.Create: _create,
        exp.Alter: _alter,
        exp.Merge: _merge,
        exp.Insert: _insert,
        exp.Delete: _delete,
        exp.Drop: _drop,
    }


def _table(node: Any) -> str:
    table = node.find(exp.Table)
    return ".".join(part.name for part in table.parts)


def _sql(node: Any) -> str:
    return str(node.sql(dialect="databricks"))


def _field(column: exp.ColumnDef) -> pa.Field:
    kinds = [constraint.kind for constraint in column.constraints]
    comment = next((kind.this.this for kind in kinds if isinstance(kind, exp.CommentColumnConstraint)), None)
    required = any(isinstance(kind, exp.NotNullColumnConstraint) for kind in kinds)
    metadata = {"comment": comment} if comment else None
    return pa.field(column.name, arrow_type(column.kind.sql(dialect="databricks")), not required, metadata)


def _key(node: Any) -> tuple[str, bool]:
    """Return a key column's name and whether it is the time key."""
    return node.name, isinstance(node, exp.TimeseriesKey)

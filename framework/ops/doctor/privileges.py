"""What Unity Catalog lets this principal do, and the GRANT for what it does not.

Two kinds of question are asked, and neither changes anything. Where a harmless statement is decisive, it is run: an
empty SELECT proves that a gold table can be read, however the right was come by. What cannot be tried without writing
is read from ``system.information_schema``: privileges of the principal and of its groups, on the object, its schema or
its catalog, and ownership of the object itself. (The owner of a schema or catalog does not by that alone hold rights
on what others made in it, but can run the GRANT.)

Only a workspace can prove three things: that its information schema shows all grants which concern the principal, that
nothing beyond grants stands in the way (workspace bindings, policies, storage), and what the errors of a refusal say.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from framework.base.errors import PrivilegeError, TableError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

Sql = Callable[[str], list[dict[str, Any]]]
"""Runs a statement; raises ``PrivilegeError`` if it may not, ``TableError`` if there is no such table."""

DENIED = ("INSUFFICIENT_PERMISSIONS", "PERMISSION_DENIED", "INSUFFICIENT_PRIVILEGES")
ALL = "ALL PRIVILEGES"
_LEVELS = {
    "catalog": ("catalog_name",),
    "schema": ("catalog_name", "schema_name"),
    "table": ("table_catalog", "table_schema"),
}
"""Columns by which an information schema view names the place of an object."""


@dataclasses.dataclass(frozen=True, slots=True)
class Securable:
    """Something on which privileges are granted.

    Args:
        kind: ``CATALOG``, ``SCHEMA`` or ``TABLE``.
        name: Its dotted name.
    """

    kind: str
    name: str

    def grant(self, privileges: str, principal: str) -> str:
        """Return the statement that grants privileges on it."""
        return f"GRANT {privileges} ON {self.kind} {quoted(self.name)} TO `{principal.replace('`', '``')}`;"


class Privileges(Protocol):
    """What the doctor asks about rights."""

    @property
    def principal(self) -> str:
        """Who would run."""

    def holds(self, privilege: str, on: Securable) -> bool:
        """Tell whether the principal holds a privilege, directly, by a group, by a parent or as the owner."""

    def tables(self, schema: str) -> list[str]:
        """Return the full names of a schema's tables that the principal can see."""

    def readable(self, table: str) -> bool | None:
        """Tell whether a table can be read; ``None`` if there is none of this name."""


class UnityCatalog:
    """``Privileges`` by SQL that serverless compute runs as well; each view is asked once per schema.

    Args:
        sql: Runs a statement.
    """

    def __init__(self, sql: Sql) -> None:
        self._sql = sql
        self._member: dict[str, bool] = {}
        self._answers: dict[tuple[str, str], list[dict[str, Any]]] = {}

    @cached_property
    def principal(self) -> str:
        """Who is asking."""
        return str(self._sql("SELECT current_user() AS principal")[0]["principal"])

    def holds(self, privilege: str, on: Securable) -> bool:
        """Tell whether the principal holds a privilege, directly, by a group, by a parent or as the owner."""
        parts = on.name.split(".")
        path = [Securable(kind, ".".join(parts[:at])) for at, kind in enumerate(("CATALOG", "SCHEMA", "TABLE"), 1)]
        # What is granted on a catalog or schema holds for everything in it.
        return any({privilege, ALL} & self._on(at) for at in path[: len(parts)]) or self._mine(self._owner(on))

    def tables(self, schema: str) -> list[str]:
        """Return the full names of a schema's tables that the principal can see."""
        return sorted(f"{schema}.{row['table_name']}" for row in self._ask("tables", "table", schema))

    def readable(self, table: str) -> bool | None:
        """Tell whether a table can be read; ``None`` if there is none of this name."""
        try:
            self._sql(f"SELECT * FROM {quoted(table)} LIMIT 0")  # noqa: S608 - the name is quoted
        except PrivilegeError:
            return False
        except TableError:
            return None
        return True

    def _on(self, at: Securable) -> set[str]:
        """Return the privileges that are granted on one object to the principal or its groups."""
        kind = at.kind.lower()
        rows = self._rows(f"{kind}_privileges", at)
        held = {str(row["privilege_type"]) for row in rows if self._mine(str(row["grantee"]))}
        return {privilege.replace("_", " ").upper() for privilege in held}

    def _owner(self, on: Securable) -> str:
        view = {"CATALOG": "catalogs", "SCHEMA": "schemata", "TABLE": "tables"}[on.kind]
        rows = self._rows(view, on)
        return str(rows[0][f"{on.kind.lower()}_owner"]) if rows else ""

    def _rows(self, view: str, at: Securable) -> list[dict[str, Any]]:
        """Return a view's rows about one object; those of all tables of a schema come in one answer."""
        if at.kind != "TABLE":
            return self._ask(view, at.kind.lower(), at.name)
        schema, _, table = at.name.rpartition(".")
        return [row for row in self._ask(view, "table", schema) if row["table_name"] == table.lower()]

    def _ask(self, view: str, kind: str, name: str) -> list[dict[str, Any]]:
        if (view, name) not in self._answers:
            pairs = zip(_LEVELS[kind], name.split("."), strict=True)
            where = " AND ".join(f"{column} = {text(part.lower())}" for column, part in pairs)
            statement = f"SELECT * FROM system.information_schema.{view} WHERE {where}"  # noqa: S608 - texts are quoted
            self._answers[view, name] = self._sql(statement)
        return self._answers[view, name]

    def _mine(self, grantee: str) -> bool:
        """Tell whether a grantee is the principal or a group that it belongs to."""
        if not grantee or grantee == self.principal:
            return bool(grantee)
        if grantee not in self._member:
            rows = self._sql(f"SELECT is_account_group_member({text(grantee)}) AS member")
            self._member[grantee] = bool(rows[0]["member"])
        return self._member[grantee]


def spark_sql(spark: SparkSession) -> Sql:
    """Return what runs statements in a Spark session of the workspace."""
    from pyspark.errors import PySparkException

    def run(statement: str) -> list[dict[str, Any]]:
        try:
            return [row.asDict() for row in spark.sql(statement).collect()]
        except PySparkException as problem:
            first = (str(problem).splitlines() or [""])[0][:300]
            kind = PrivilegeError if any(word in str(problem) for word in DENIED) else TableError
            raise kind(what=first, where=statement, fix="see the message") from problem

    return run


def quoted(name: str) -> str:
    """Return a dotted name with each part in backquotes."""
    return ".".join("`" + part.replace("`", "``") + "`" for part in name.split("."))


def text(value: str) -> str:
    """Return a SQL string."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"

"""The tables of the stand-in: Delta folders, and beside each what Unity Catalog knows of it."""

from __future__ import annotations

import json
import shutil
import time
import uuid
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

FACTS = "unity.json"
QUERY = "view.sql"


class UnityCatalog:
    """Catalogs, schemas and tables below a folder.

    Args:
        root: The folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def create_schema(self, path: str) -> None:
        """Make ``catalog.schema``."""
        self.root.joinpath(*path.split(".")).mkdir(parents=True, exist_ok=True)

    def has(self, *path: str) -> bool:
        """Tell whether a catalog, or a schema of one, exists."""
        return self.root.joinpath(*path).is_dir()

    def folder(self, name: str) -> Path:
        """Return a table's folder."""
        parts = name.replace("`", "").split(".")
        assert len(parts) == 3, f"Unity Catalog knows no table '{name}'"
        return self.root.joinpath(*parts)

    def exists(self, name: str) -> bool:
        """Tell whether a table exists."""
        return (self.folder(name) / FACTS).is_file()

    def names(self, schema: str) -> list[str]:
        """Return the tables of a schema."""
        folder = self.root.joinpath(*schema.replace("`", "").split("."))
        return sorted(table.parent.name for table in folder.glob(f"*/{FACTS}"))

    def view(self, name: str) -> str:
        """Return a view's query; empty if there is no such view."""
        file = self.folder(name) / QUERY
        return file.read_text(encoding="utf-8") if file.is_file() else ""

    def views(self, schema: str) -> list[str]:
        """Return the views of a schema."""
        folder = self.root.joinpath(*schema.replace("`", "").split("."))
        return sorted(view.parent.name for view in folder.glob(f"*/{QUERY}"))

    def keep_view(self, name: str, query: str) -> None:
        """Make a view, or give it another query."""
        self.folder(name).mkdir(parents=True, exist_ok=True)
        (self.folder(name) / QUERY).write_text(query, encoding="utf-8")

    def facts(self, name: str) -> dict[str, Any]:
        """Return what is known of a table beside its rows."""
        return dict(json.loads((self.folder(name) / FACTS).read_text(encoding="utf-8")))

    def note(self, name: str, **facts: Any) -> None:
        """Change what is known of a table."""
        (self.folder(name) / FACTS).write_text(json.dumps(self.facts(name) | facts), encoding="utf-8")

    def delta(self, name: str) -> DeltaTable:
        """Return the Delta table."""
        return DeltaTable(str(self.folder(name)))

    def schema(self, name: str) -> pa.Schema:
        """Return a table's Arrow schema."""
        return pa.schema(self.delta(name).schema().to_arrow())

    def create(self, name: str, schema: pa.Schema, *, comment: str = "", properties: Mapping[str, str] | None = None,
               key: Sequence[str] = (), time_key: str | None = None, cluster: Sequence[str] = ()) -> None:  # fmt: skip
        """Create an empty table."""
        catalog, schema_name, _ = name.replace("`", "").split(".")
        if not self.has(catalog, schema_name):
            raise ValueError(f"[SCHEMA_NOT_FOUND] The schema `{catalog}`.`{schema_name}` cannot be found.")
        self.folder(name).parent.mkdir(parents=True, exist_ok=True)
        write_deltalake(str(self.folder(name)), schema.empty_table(), mode="error", name=name, description=comment)
        facts = {"id": str(uuid.uuid4()), "created_at": int(time.time() * 1000), "comment": comment, "tags": {}}
        facts |= {"properties": dict(properties or {}), "cluster": list(cluster), "key": list(key), "time": time_key}
        (self.folder(name) / FACTS).write_text(json.dumps(facts), encoding="utf-8")

    def drop(self, name: str) -> None:
        """Drop a table."""
        shutil.rmtree(self.folder(name), ignore_errors=True)

    def append(self, name: str, rows: pa.Table) -> None:
        """Append rows."""
        write_deltalake(str(self.folder(name)), self._typed(name, rows), mode="append")

    def add_columns(self, name: str, fields: Sequence[pa.Field]) -> None:
        """Widen a table."""
        from deltalake import Field, Schema

        added = [Field.from_arrow(field.with_nullable(True)) for field in fields]
        self.delta(name).alter.add_columns(Schema(added).fields)

    def set_not_null(self, name: str, columns: Sequence[str]) -> None:
        """Forbid NULL in columns; only a table without rows can be changed so here."""
        schema = self.schema(name)
        fields = [field.with_nullable(field.nullable and field.name not in columns) for field in schema]
        if pa.schema(fields).equals(schema):
            return
        assert self.delta(name).count() == 0, f"{name} has rows already"
        facts = self.facts(name)
        shutil.rmtree(self.folder(name))
        self.create(name, pa.schema(fields), comment=facts["comment"])
        self.note(name, **facts)

    def merge(
        self, name: str, rows: pa.Table, *, on: str, update: Mapping[str, str] | None, insert: Mapping[str, str]
    ) -> dict[str, Any]:
        """Merge rows, named ``s``, into a table, named ``t``."""
        merger = self.delta(name).merge(self._typed(name, rows), predicate=on, source_alias="s", target_alias="t")
        if update:
            merger = merger.when_matched_update(updates=dict(update))
        return merger.when_not_matched_insert(updates=dict(insert)).execute()

    def _typed(self, name: str, rows: pa.Table) -> pa.Table:
        """Give rows the table's own fields; a NULL where none may be is what Delta refuses a commit for."""
        schema = self.schema(name)
        for column in rows.column_names:
            if not schema.field(column).nullable and rows[column].null_count:
                raise ValueError(
                    f"[DELTA_NOT_NULL_CONSTRAINT_VIOLATED] NOT NULL constraint violated for column: {column}."
                )
        return rows.cast(pa.schema([schema.field(column) for column in rows.column_names]))

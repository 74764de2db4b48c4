"""Plain Delta tables in a folder, committed by delta-rs: ``<root>/<catalog>/<schema>/<table>``."""

from __future__ import annotations

import random
import re
import time
from typing import TYPE_CHECKING, Any, TypeVar

import pyarrow as pa
import pyarrow.dataset
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError

from framework.base.errors import TableError, nearest
from framework.core.keys import metadata_of
from framework.stores.arrow import to_arrow
from framework.stores.local.conditions import check_column, is_text, matching
from framework.stores.local.delta import (
    align,
    arrow_schema,
    changed,
    check_rows,
    details,
    holds,
    join_on,
    live_files,
    open_delta,
    tidy,
    with_keys,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from pyspark.sql import DataFrame, SparkSession

    from framework.core.ports import Frame, View

__all__ = ["LocalTables", "open_delta"]

Result = TypeVar("Result")
_dataset: Any = pyarrow.dataset.dataset  # Arrow's datasets carry no types

_NAME = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9_-]*$")
_TRIES = 8


class LocalTables:
    """``Tables`` over a folder.

    Args:
        root: Folder of the catalogs.
        spark: Returns the session; called only when a Spark DataFrame is asked for.
    """

    def __init__(self, root: Path, spark: Callable[[], SparkSession]) -> None:
        self._root = root
        self._spark = spark
        self._opened: dict[str, tuple[tuple[int, int], DeltaTable]] = {}

    def path(self, name: str) -> Path:
        """Return a table's folder.

        Raises:
            TableError: If the name has not three levels of letters, digits, ``_`` and ``-``.
        """
        return self._folder(name, levels=3)

    def exists(self, name: str) -> bool:
        """Tell whether a table exists."""
        path = self.path(name)
        return _born(path) is not None or bool(DeltaTable.is_deltatable(str(path)))

    def names(self, schema: str) -> list[str]:
        """Return the tables of ``catalog.schema``, sorted."""
        folder = self._folder(schema, levels=2)
        found = folder.iterdir() if folder.is_dir() else []
        return sorted(table.name for table in found if (table / "_delta_log").is_dir())

    def schema(self, name: str) -> pa.Schema | None:
        """Return a table's Arrow schema with field metadata, or ``None`` if it does not exist."""
        return arrow_schema(self._open(name)) if self.exists(name) else None

    def details(self, name: str) -> dict[str, Any]:
        """Return a table's ``row_count``, ``size_bytes`` and ``last_altered`` (UTC), from the Delta log."""
        return details(self._existing(name))

    def version(self, name: str) -> int:
        """Return a table's Delta version; -1 if it does not exist."""
        return self._open(name).version() if self.exists(name) else -1

    def table_id(self, name: str) -> str:
        """Return the id that Delta gave the table when it was created."""
        return str(self._existing(name).metadata().id)

    def read(self, name: str, *, columns: Sequence[str] | None = None, where: Sequence[Any] | None = None) -> pa.Table:
        """Return rows as Arrow; conditions skip what parquet's statistics rule out.

        Args:
            name: Table.
            columns: Columns to read; ``None`` for all.
            where: Conjunction of ``(column, op, value)`` with op one of ``= < <= > >= in``.

        Returns:
            The rows, in no particular order.

        Raises:
            TableError: If the table, a column or an operator is unknown.
        """
        delta = self._existing(name)
        schema = arrow_schema(delta)
        for column in [*(columns or []), *(condition[0] for condition in where or [])]:
            check_column(column, schema, name)
        chosen = list(columns) if columns is not None else schema.names
        # A merge writes strings as string views, whose statistics Arrow cannot compare: those wait.
        early = [condition for condition in where or [] if not is_text(schema, condition[0])]
        late = [condition for condition in where or [] if is_text(schema, condition[0])]
        read = list(dict.fromkeys([*chosen, *(condition[0] for condition in late)]))
        files = _dataset(live_files(delta, name), schema=schema, format="parquet")
        table = files.to_table(columns=read, filter=matching(early, schema, name))
        if late:
            table = table.filter(matching(late, schema, name))
        # The files' own schema knows nothing of comments and keys; the log does.
        return table.select(chosen).cast(pa.schema([schema.field(column) for column in chosen]))

    def frame(self, name: str, *, columns: Sequence[str] | None = None, where: Sequence[Any] | None = None) -> pa.Table:
        """Return rows in this adapter's own form, which is Arrow; see :meth:`read`."""
        return self.read(name, columns=columns, where=where)

    def count(self, name: str) -> int:
        """Return the number of rows, from the Delta log; 0 if the table does not exist."""
        return self._open(name).count() if self.exists(name) else 0

    def spark(self, name: str) -> DataFrame:
        """Return a table's current version as a Spark DataFrame."""
        self._existing(name)
        return open_delta(self._spark(), self.path(name))

    def create(self, name: str, rows: pa.Table, *, keys: Sequence[str], description: str = "") -> None:
        """Create a table with rows in one commit; its keys are NOT NULL and marked in the schema.

        Raises:
            TableError: If the table exists, a column has no type, or the rows break the key.
        """
        rows = with_keys(rows, keys, name)
        check_rows(rows, keys, name)
        if self.exists(name):
            raise TableError(what="table exists already", where=name, fix="merge into it, or choose another name")
        self._create(name, rows, description)

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
        table = to_arrow(rows)
        check_rows(table, keys, name)

        def once() -> int:
            if self.exists(name):
                return self._merge(name, table, keys, unimportant)
            self._create(name, with_keys(table, keys, name), description)
            return int(table.num_rows)

        return self._persist(name, once)

    def annotate(self, name: str, schema: pa.Schema) -> None:
        """Bring column metadata in line with a schema; one commit per column that differs."""
        stored = arrow_schema(self._existing(name))
        for field in schema:
            wanted = metadata_of(field)
            have = metadata_of(stored.field(field.name))
            if any(have.get(key) != value for key, value in wanted.items()):
                self._open(name).alter.set_column_metadata(field.name, have | wanted)

    def append(self, name: str, rows: Frame) -> None:
        """Append rows in one commit; creates the table on first use.

        Raises:
            TableError: On a changed type, or too many concurrent writers.
        """
        table = to_arrow(rows)

        def once() -> None:
            if not self.exists(name):
                self._create(name, with_keys(table, (), name), "")
            elif table.num_rows:
                delta = self._open(name)
                schema = arrow_schema(delta)
                aligned, _ = align(table, schema, name)
                # A column that the table has not yet comes to be; one that the rows have not is NULL, as in a merge.
                differs = set(aligned.column_names) != set(schema.names)
                write_deltalake(delta, aligned, mode="append", schema_mode="merge" if differs else None)
                tidy(delta)

        self._persist(name, once)

    def delete(self, name: str, *, column: str, values: Sequence[str]) -> None:
        """Delete the rows whose text column holds one of the values, in one commit; without values, none."""
        if values:
            self._persist(name, lambda: self._open(name).delete(holds(column, values)))

    def keep_view(self, name: str, view: View) -> None:
        """Do nothing: a folder has no views, and ``framework.scoring.current`` reads the same rows."""

    def _merge(self, name: str, table: pa.Table, keys: Sequence[str], unimportant: Sequence[str]) -> int:
        delta = self._open(name)
        aligned, added = align(table, arrow_schema(delta), name)
        if not aligned.num_rows:
            return 0
        merger = delta.merge(
            aligned,
            predicate=join_on(aligned, keys),
            source_alias="s",
            target_alias="t",
            merge_schema=bool(added),
        )
        if compared := [column for column in aligned.column_names if column not in {*keys, *unimportant}]:
            merger = merger.when_matched_update_all(predicate=changed(compared, added))
        counts = merger.when_not_matched_insert_all().execute()
        if written := int(counts["num_target_rows_inserted"]) + int(counts["num_target_rows_updated"]):
            tidy(delta)
        return written

    def _create(self, name: str, rows: pa.Table, description: str) -> None:
        (path := self.path(name)).parent.mkdir(parents=True, exist_ok=True)
        # Schema, comment and rows are version 0: a reader sees all of the table or none of it.
        write_deltalake(str(path), rows, mode="error", name=path.name, description=description or None)

    def _persist(self, name: str, once: Callable[[], Result]) -> Result:
        """Try again when another writer committed first: each try starts from the newest version."""
        for attempt in range(_TRIES):
            existed = self.exists(name)
            try:
                return once()
            except CommitFailedError:
                time.sleep(random.uniform(0, 0.02 * 2**attempt))  # noqa: S311 - spreads writers, guards nothing
            except DeltaError as problem:
                if existed or not self.exists(name):  # not a lost race of two creators
                    raise TableError(
                        what=f"Delta refused the commit: {problem}", where=name, fix="see the message"
                    ) from problem
        raise TableError(
            what=f"other writers committed first {_TRIES} times in a row", where=name, fix="run the command again"
        )

    def _open(self, name: str) -> DeltaTable:
        """Return a table at its newest version; one that was open already reads only the commits since."""
        path = self.path(name)
        born = _born(path)
        if name in self._opened and self._opened[name][0] == born:
            delta = self._opened[name][1]
            delta.update_incremental()
            return delta
        delta = DeltaTable(str(path))
        if born is not None:
            self._opened[name] = born, delta
        return delta

    def _existing(self, name: str) -> DeltaTable:
        if self.exists(name):
            return self._open(name)
        schema, _, table = name.rpartition(".")
        raise TableError(what="no such table", where=name, fix=nearest(table, self.names(schema)))

    def _folder(self, name: str, *, levels: int) -> Path:
        parts = name.split(".")
        if len(parts) != levels or not all(_NAME.match(part) for part in parts):
            wanted = ".".join(["catalog", "schema", "table"][:levels])
            raise TableError(what="a name has another form", where=f"'{name}'", fix=f"write {wanted}")
        return self._root.joinpath(*parts)


def _born(table: Path) -> tuple[int, int] | None:
    """Return what tells a table from another that stood at its place before; ``None`` if its first commit is gone."""
    try:
        first = (table / "_delta_log" / f"{0:020d}.json").stat()
    except FileNotFoundError:
        return None
    return first.st_ino, first.st_mtime_ns

"""What every Delta write must prove first, the SQL of a merge, and Spark's way to read a version."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError

from framework.base.errors import TableError, nearest
from framework.base.paths import literal_path
from framework.core.keys import PRIMARY_KEY, metadata_of
from framework.stores.arrow import pc

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from pyspark.sql import DataFrame, SparkSession

TIDY_EVERY = 32
_PLAIN_FEATURES = {"timestampNtz", "v2Checkpoint", "vacuumProtocolCheck", "appendOnly", "invariants"}


def arrow_schema(delta: DeltaTable) -> pa.Schema:
    """Return a Delta table's schema as Arrow, with field metadata."""
    return pa.schema(delta.schema().to_arrow())


def with_keys(rows: pa.Table, keys: Sequence[str], name: str) -> pa.Table:
    """Return rows whose key columns are NOT NULL and carry their place in the key.

    Raises:
        TableError: If a key is no column, or a column holds nothing that shows its type.
    """
    fields = []
    for field in rows.schema:
        if pa.types.is_null(field.type):
            raise TableError(
                what=f"column '{field.name}' holds only NULL, so its type is unknown",
                where=name,
                fix="give the frame a schema, or create the table from one",
            )
        if field.name in keys:
            place = {**metadata_of(field), PRIMARY_KEY: str(list(keys).index(field.name) + 1)}
            fields.append(field.with_nullable(False).with_metadata(place))
        else:
            fields.append(field.with_nullable(True))
    _need_columns(rows, keys, name)
    check_nulls(rows, keys, name)
    return pa.table(rows.columns, schema=pa.schema(fields))


def check_rows(rows: pa.Table, keys: Sequence[str], name: str) -> None:
    """Prove that rows have all keys, without NULL and without duplicates.

    Raises:
        TableError: If they have not; the message holds counts and an example.
    """
    _need_columns(rows, keys, name)
    check_nulls(rows, keys, name)
    if not keys or not rows.num_rows:
        return
    groups = rows.select(list(keys)).group_by(list(keys)).aggregate([([], "count_all")])
    surplus = rows.num_rows - groups.num_rows
    if surplus:
        example = groups.filter(pc.field("count_all") > 1).slice(0, 1).drop_columns(["count_all"]).to_pylist()[0]
        raise TableError(
            what=f"{surplus} of {rows.num_rows} rows repeat the key of another row, such as {example}",
            where=name,
            fix=f"make the rows unique in {', '.join(keys)}",
        )


def check_nulls(rows: pa.Table, keys: Sequence[str], name: str) -> None:
    """Prove that no key is NULL.

    Raises:
        TableError: If one is; the message holds the count and an example row's keys.
    """
    for key in keys:
        if rows[key].null_count:
            example = rows.select(list(keys)).filter(pc.field(key).is_null()).slice(0, 1).to_pylist()[0]
            raise TableError(
                what=f"key '{key}' is NULL in {rows[key].null_count} of {rows.num_rows} rows, such as {example}",
                where=name,
                fix="drop these rows or give them a key",
            )


def align(rows: pa.Table, schema: pa.Schema, name: str) -> tuple[pa.Table, list[str]]:
    """Return rows in the table's types, and which columns are new to the table.

    Raises:
        TableError: If a column has another type than the table's, or a new one has no type.
    """
    arrays, fields, added = [], [], []
    for field, column in zip(rows.schema, rows.columns, strict=True):
        untyped = pa.types.is_null(field.type)
        if field.name in schema.names:
            target = schema.field(field.name)
            if field.type != target.type and not untyped:
                raise TableError(
                    what=f"column '{field.name}' is {target.type} in the table and {field.type} in the new rows",
                    where=name,
                    fix=f"cast the column to {target.type}, or add it under a new name",
                )
            # The table's own field, so that comments stay and list items have one name.
            fields.append(target)
            arrays.append(column.cast(target.type))
        elif not untyped:
            # A new column without a type adds nothing: it is left out until it holds a value.
            fields.append(field.with_nullable(True))
            arrays.append(column)
            added.append(field.name)
    return pa.table(arrays, schema=pa.schema(fields)), added


def holds(column: str, values: Sequence[str]) -> str:
    """Return the condition that a text column holds one of some values."""
    words = ", ".join("'" + value.replace("'", "''") + "'" for value in values)
    return f"{_quoted(column)} IN ({words})"


def join_on(rows: pa.Table, keys: Sequence[str]) -> str:
    """Return the condition that pairs a row with its old self.

    The range of one ordered key stands beside the equalities: it lets delta-rs skip files by their
    statistics, which equality with another table's column alone does not.
    """
    parts = [f"t.{_quoted(key)} = s.{_quoted(key)}" for key in keys]
    for key in keys:
        if _orderable(rows.schema.field(key).type):
            bounds = pc.min_max(rows[key]).as_py()
            parts.append(f"t.{_quoted(key)} >= {_literal(bounds['min'])}")
            parts.append(f"t.{_quoted(key)} <= {_literal(bounds['max'])}")
            break
    return " AND ".join(parts)


def changed(columns: Sequence[str], added: Collection[str]) -> str:
    """Return the condition that a matched row differs; a new column differs where it holds a value."""
    # The brackets are needed: without them OR binds tighter than IS DISTINCT FROM in this dialect.
    return " OR ".join(
        f"(s.{_quoted(column)} IS NOT NULL)"
        if column in added
        else f"(t.{_quoted(column)} IS DISTINCT FROM s.{_quoted(column)})"
        for column in columns
    )


def open_delta(spark: SparkSession, path: Path | str) -> DataFrame:
    """Return a Delta folder's current version as a Spark DataFrame, without a Delta jar.

    Spark reads the live parquet files under the table's schema. That is right only where a file
    holds exactly its rows under their own names; any other table is refused.

    Args:
        spark: Session.
        path: Folder of the table.

    Returns:
        The rows.

    Raises:
        TableError: If the folder is no Delta table, or one with deletion vectors, column mapping or
            partition columns.
    """
    from pyspark.sql.types import StructType

    if not DeltaTable.is_deltatable(str(path)):
        raise TableError(what="no Delta table", where=str(path), fix="name a folder that has a _delta_log")
    delta = DeltaTable(str(path))
    files = live_files(delta, str(path))
    schema = delta.schema().to_json()
    if not files:
        return spark.createDataFrame([], StructType.fromJson(json.loads(schema)))
    # Files from before a column lack it; read with the schema, they would be other files than they are to some engines.
    found = spark.read.option("mergeSchema", True).parquet(*(literal_path(Path(file)) for file in files))
    # A file says nothing of NOT NULL, and Spark refuses to believe it of one.
    return found.to(StructType.fromJson(json.loads(schema.replace('"nullable":false', '"nullable":true'))))


def live_files(delta: DeltaTable, where: str) -> list[str]:
    """Return the parquet files that together are a table's version.

    Args:
        delta: Table.
        where: What an error calls the table.

    Returns:
        Paths; none for an empty table.

    Raises:
        TableError: If a file may hold more than its rows, or less than their columns.
    """
    protocol, metadata = delta.protocol(), delta.metadata()
    odd = sorted(set(protocol.reader_features or []) - _PLAIN_FEATURES)
    mapping = metadata.configuration.get("delta.columnMapping.mode", "none")
    if mapping != "none" and "columnMapping" not in odd:
        odd.append("columnMapping")
    if metadata.partition_columns:
        odd.append(f"partition columns ({', '.join(metadata.partition_columns)})")
    if odd:
        raise TableError(
            what=f"the table uses {', '.join(odd)}, which cannot be read without Delta's own library",
            where=where,
            fix="rewrite the table without them, or read it on Databricks",
        )
    return [unquote(uri.removeprefix("file://")) for uri in delta.file_uris()]


def _need_columns(rows: pa.Table, keys: Sequence[str], name: str) -> None:
    repeated = sorted({column for column in rows.column_names if rows.column_names.count(column) > 1})
    if repeated:
        raise TableError(what=f"columns appear twice: {', '.join(repeated)}", where=name, fix="rename or drop them")
    for key in keys:
        if key not in rows.column_names:
            raise TableError(what=f"no key column '{key}' in the rows", where=name, fix=nearest(key, rows.column_names))


def _orderable(kind: pa.DataType) -> bool:
    return bool(pa.types.is_date(kind) or pa.types.is_timestamp(kind) or pa.types.is_integer(kind))


def _literal(value: date | datetime | int) -> str:
    if isinstance(value, datetime):
        return f"arrow_cast('{value.astimezone(UTC).isoformat()}', 'Timestamp(Microsecond, Some(\"UTC\"))')"
    if isinstance(value, date):
        return f"DATE '{value.isoformat()}'"
    return str(value)


def _quoted(column: str) -> str:
    return "`" + column.replace("`", "``") + "`"


def details(table: DeltaTable) -> dict[str, Any]:
    """Return rows, bytes and the time of the last commit, from the Delta log."""
    sizes = pa.table(table.get_add_actions(flatten=True))["size_bytes"]
    altered = datetime.fromtimestamp(table.history(1)[0]["timestamp"] / 1000, UTC)
    return {"row_count": table.count(), "size_bytes": pc.sum(sizes).as_py() or 0, "last_altered": altered}


def tidy(delta: DeltaTable) -> None:
    """Make one file of many now and then: each commit adds a small one, and every read and merge opens them all.

    Another writer that commits in between wins; the next due commit tidies up.
    """
    if delta.version() % TIDY_EVERY == TIDY_EVERY - 1:
        with contextlib.suppress(CommitFailedError):
            delta.optimize.compact()

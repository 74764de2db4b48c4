"""The Databricks SQL that the adapter speaks, as text: tables with keys, comments and layout, merges, columns."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from framework.core.keys import metadata_of, primary_key, timeseries_column
from framework.stores.ddl import spark_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

FORMULAS = "health_monitor.formulas"
"""Table property: the formula hash of each feature column, as JSON. Unity Catalog's columns carry only a comment."""
CLUSTER_COLUMNS = 4
"""More clustering columns than these are refused."""
_PRIMARY_KEY = re.compile(r"PRIMARY KEY \(([^)]*)\)", re.IGNORECASE)


def name_of(name: str) -> str:
    """Return a dotted name with each part in backquotes."""
    return ".".join(column(part) for part in name.split("."))


def column(name: str) -> str:
    """Return a column name in backquotes."""
    return "`" + name.replace("`", "``") + "`"


def text(value: str) -> str:
    """Return a string literal; two literals side by side would be joined, so a quote is not doubled."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def create_table(name: str, schema: pa.Schema, description: str) -> str:
    """Return the statement that creates a table from an Arrow schema with key marks and comments.

    Args:
        name: Three-level name.
        schema: Columns; keys and comments stand in the metadata of its fields.
        description: Table comment.
    """
    keys = primary_key(schema)
    parts = [declared(field, key=field.name in keys) for field in schema]
    if keys:
        parts.append(
            f"CONSTRAINT {column(name.rpartition('.')[2] + '_pk')} {key_clause(keys, timeseries_column(schema))}"
        )
    cluster = f" CLUSTER BY ({', '.join(column(k) for k in layout(keys, schema))})" if keys else ""
    comment = f" COMMENT {text(description)}" if description else ""
    return (
        f"CREATE TABLE IF NOT EXISTS {name_of(name)} ({', '.join(parts)}) USING DELTA{cluster}{comment} "
        f"TBLPROPERTIES ({properties(table_properties(schema))})"
    )


def key_clause(keys: Sequence[str], time: str | None) -> str:
    """Return ``PRIMARY KEY (...)``, with the time column marked."""
    return f"PRIMARY KEY ({', '.join(column(k) + (' TIMESERIES' if k == time else '') for k in keys)})"


def layout(keys: Sequence[str], schema: pa.Schema) -> list[str]:
    """Return the clustering columns: dates first, since every read asks for days, then the other keys."""
    import pyarrow as pa

    def is_time(key: str) -> bool:
        return bool(pa.types.is_temporal(schema.field(key).type))

    return sorted(keys, key=lambda key: not is_time(key))[:CLUSTER_COLUMNS]


def table_properties(schema: pa.Schema) -> dict[str, str]:
    """Return the properties of a new table: its changes can be read, and its formulas are known."""
    return {"delta.enableChangeDataFeed": "true", FORMULAS: formulas_of(schema)}


def formulas_of(schema: pa.Schema) -> str:
    """Return the formula hashes of a schema's columns as JSON."""
    found = {field.name: metadata_of(field).get("formula") for field in schema}
    return json.dumps({name: formula for name, formula in found.items() if formula}, sort_keys=True)


def properties(values: Mapping[str, str]) -> str:
    """Return the inside of ``TBLPROPERTIES (...)``."""
    return ", ".join(f"{text(key)} = {text(value)}" for key, value in values.items())


def set_properties(name: str, values: Mapping[str, str]) -> str:
    """Return the statement that sets table properties."""
    return f"ALTER TABLE {name_of(name)} SET TBLPROPERTIES ({properties(values)})"


def cluster_by(name: str, columns: Sequence[str]) -> str:
    """Return the statement that chooses a table's liquid clustering."""
    return f"ALTER TABLE {name_of(name)} CLUSTER BY ({', '.join(column(c) for c in columns)})"


def add_columns(name: str, fields: Sequence[pa.Field]) -> str:
    """Return the statement that widens a table."""
    return f"ALTER TABLE {name_of(name)} ADD COLUMNS ({', '.join(declared(field) for field in fields)})"


def comment_column(name: str, field: str, comment: str) -> str:
    """Return the statement that comments a column."""
    return f"ALTER TABLE {name_of(name)} ALTER COLUMN {column(field)} COMMENT {text(comment)}"


def merge(name: str, source: str, keys: Sequence[str], columns: Sequence[str]) -> str:
    """Return the statement that inserts new rows and updates the others.

    Args:
        name: Target table.
        source: Where the rows come from, in SQL.
        keys: Primary key.
        columns: All columns of the source.
    """
    on = " AND ".join(f"t.{column(key)} = s.{column(key)}" for key in keys)
    values = [c for c in columns if c not in keys]
    update = ", ".join(f"t.{column(c)} = s.{column(c)}" for c in values)
    matched = f" WHEN MATCHED THEN UPDATE SET {update}" if values else ""
    names = ", ".join(column(c) for c in columns)
    inserted = ", ".join(f"s.{column(c)}" for c in columns)
    return (
        f"MERGE INTO {name_of(name)} AS t USING {source} AS s ON {on}{matched} "
        f"WHEN NOT MATCHED THEN INSERT ({names}) VALUES ({inserted})"
    )


def append(name: str, source: str, columns: Sequence[str]) -> str:
    """Return the statement that appends rows."""
    names = ", ".join(column(c) for c in columns)
    return f"INSERT INTO {name_of(name)} ({names}) SELECT {names} FROM {source}"


def delete(name: str, field: str, values: Sequence[str]) -> str:
    """Return the statement that deletes the rows whose text column holds one of the values."""
    return f"DELETE FROM {name_of(name)} WHERE {column(field)} IN ({', '.join(text(value) for value in values)})"


def matching(name: str, columns: Sequence[str], among: str, on: Sequence[str]) -> str:
    """Return the query for the rows whose values in some columns stand together in a row of another table.

    Args:
        name: Table of the rows.
        columns: Its columns, by name: a view with a star keeps those that it was made with.
        among: The other table.
        on: Columns that both have.
    """
    same = " AND ".join(f"r.{column(c)} = a.{column(c)}" for c in on)
    chosen = ", ".join(f"r.{column(c)}" for c in columns)
    return f"SELECT {chosen} FROM {name_of(name)} AS r LEFT SEMI JOIN {name_of(among)} AS a ON {same}"


def create_view(name: str, query: str, description: str) -> str:
    """Return the statement that makes a view which is not there."""
    comment = f" COMMENT {text(description)}" if description else ""
    return f"CREATE VIEW IF NOT EXISTS {name_of(name)}{comment} AS {query}"


def alter_view(name: str, query: str) -> str:
    """Return the statement that gives a view another query; replacing it would take away the rights granted on it."""
    return f"ALTER VIEW {name_of(name)} AS {query}"


def stored_key(create_statement: str) -> tuple[list[str], str | None]:
    """Return primary key and time column from what ``SHOW CREATE TABLE`` answers."""
    found = _PRIMARY_KEY.search(create_statement)
    keys, time = [], None
    for part in found[1].split(",") if found else ():
        words = part.strip().split()
        keys.append(words[0].strip("`"))
        time = keys[-1] if "TIMESERIES" in (word.upper() for word in words[1:]) else time
    return keys, time


def declared(field: pa.Field, *, key: bool = False) -> str:
    """Return a column with type, NOT NULL for a key, and comment."""
    comment = metadata_of(field).get("comment")
    said = f" COMMENT {text(comment)}" if comment else ""
    return f"{column(field.name)} {spark_name(field.type)}{' NOT NULL' if key else ''}{said}"

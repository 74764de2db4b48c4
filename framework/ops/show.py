"""``health-monitor show``: the rows of any table of the system, without Python."""

from __future__ import annotations

import csv
import json
import re
import sys
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from framework.base.errors import TableError, nearest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from framework.core.services import Services

MOST = 1_000_000
"""Rows that are read at once; more need a day or a condition."""
CONDITION = re.compile(r"^\s*(\w+)\s*(<=|>=|=|<|>)\s*(.*?)\s*$")


def show_table(
    runtime: Services, table: str, *, where: Sequence[str], columns: Sequence[str], day: str, limit: int, form: str
) -> int:
    """Print rows of a table, or the tables that there are.

    Args:
        runtime: The runtime.
        table: Name of the table in the home's schema; empty lists them all.
        where: Conditions, ``column=value`` with one of ``= < <= > >=``; all must hold.
        columns: Columns to print; empty for all.
        day: A day, YYYY-MM-DD: rows whose first column with a date or a time lies on it.
        limit: Most rows to print.
        form: ``table``, ``json`` (one object a line) or ``csv``.

    Returns:
        Exit code 0.

    Raises:
        TableError: If table, column, condition or day is not there, or too many rows would be read.
    """
    if not table:
        names = runtime.tables.names(runtime.settings.schema_path)
        rows = [{"table": name, "rows": runtime.tables.count(runtime.feature_table(name))} for name in names]
        _print(rows, ["table", "rows"], form)
        return 0
    name = runtime.feature_table(table)
    schema = runtime.tables.schema(name)
    if schema is None:
        there = runtime.tables.names(runtime.settings.schema_path)
        raise TableError(what="there is no such table", where=name, fix=nearest(table, there))
    conditions = [_condition(words, schema, name) for words in where]
    if day:
        conditions += _on_day(day, schema, name)
    if not conditions and runtime.tables.count(name) > MOST:
        raise TableError(what=f"it has more than {MOST:,} rows", where=name, fix="give --day or --where")
    wanted = list(columns) or schema.names
    found = runtime.tables.read(name, columns=wanted, where=conditions)
    _print(found.slice(0, limit).to_pylist(), wanted, form)
    if found.num_rows > limit:
        sys.stderr.write(f"{limit} of {found.num_rows} rows; --limit N shows more\n")
    return 0


def _condition(words: str, schema: pa.Schema, table: str) -> tuple[str, str, Any]:
    """Return ``(column, sign, value)``, the value in the column's own type."""
    import pyarrow as pa

    match = CONDITION.match(words)
    if match is None:
        fix = "write --where 'column=value', with one of = < <= > >="
        raise TableError(what=f"'{words}' is no condition", where=table, fix=fix)
    column, sign, text = match.groups()
    if column not in schema.names:
        raise TableError(what=f"no column '{column}'", where=table, fix=nearest(column, schema.names))
    kind = schema.field(column).type
    try:
        value = _value(text, kind)
        pa.scalar(value, type=kind)  # a number may be too large
    except (ValueError, TypeError, OverflowError) as error:
        fix = f"write the value as {kind}"
        raise TableError(what=f"'{text}' is no {kind}", where=f"{table}.{column}", fix=fix) from error
    return column, sign, value


def _value(text: str, kind: pa.DataType) -> Any:
    import pyarrow as pa

    if pa.types.is_nested(kind):
        raise ValueError(text)
    if pa.types.is_boolean(kind):
        return {"true": True, "false": False}[text.lower()] if text.lower() in ("true", "false") else int(text) != 0
    if pa.types.is_integer(kind):
        return int(text)
    if pa.types.is_floating(kind):
        return float(text)
    if pa.types.is_date(kind):
        return date.fromisoformat(text)
    if pa.types.is_timestamp(kind):
        moment = datetime.fromisoformat(text)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return text.strip("'\"")


def _on_day(day: str, schema: pa.Schema, table: str) -> list[tuple[str, str, Any]]:
    """Return the conditions of a day on the first column that has one."""
    import pyarrow as pa

    from framework.core.config import parse_day

    asked = parse_day(day, "--day")
    for field in schema:
        if pa.types.is_date(field.type):
            return [(field.name, "=", asked)]
    for field in schema:
        if pa.types.is_timestamp(field.type):
            begin = datetime(asked.year, asked.month, asked.day, tzinfo=UTC)
            return [(field.name, ">=", begin), (field.name, "<", begin + timedelta(days=1))]
    raise TableError(what="it has no column with a day", where=table, fix="leave --day out")


def _print(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], form: str) -> None:
    """Print rows in the form that was asked for; nested values are JSON in all of them."""
    if form == "json":
        for row in rows:
            sys.stdout.write(json.dumps(row, default=str, ensure_ascii=False) + "\n")
    elif form == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([_text(row[column]) for column in columns] for row in rows)
    else:
        table = Table(*columns)
        for row in rows:
            table.add_row(*(escape(_text(row[column])) for column in columns))
        Console(width=None if sys.stdout.isatty() else 200).print(table)


def _text(value: Any) -> str:
    if isinstance(value, list | dict | tuple):
        return json.dumps(value, default=str, ensure_ascii=False)
    return "" if value is None else str(value)

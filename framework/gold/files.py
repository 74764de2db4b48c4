"""Files that an engine may read in its own way, read here: CSV, and parquet of unusual types or folders."""

from __future__ import annotations

import codecs
import csv
import io
import re
from typing import TYPE_CHECKING, Any

from framework.base.errors import GoldError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pyarrow as pa

SEPARATORS = (",", ";", "\t")
LFS = b"version https://git-lfs"
"""What a pointer to a file that was not fetched begins with."""
_PLAIN_PART = re.compile(r"[A-Za-z0-9_.=+,@-]+")


def parts_of(place: Path, suffix: str) -> list[Path]:
    """Return a file, or the data files of a folder, those of its partitions included; hidden ones are no data."""
    if place.is_file():
        return [place]
    every = (file for file in sorted(place.rglob(f"*{suffix}")) if file.is_file())
    return [file for file in every if not any(part.startswith((".", "_")) for part in file.relative_to(place).parts)]


def head_of(file: Path, table: str) -> bytes:
    """Return a file's first bytes.

    Raises:
        GoldError: If there are none, or they are a pointer to a file that was not fetched.
    """
    with file.open("rb") as opened:
        head = opened.read(len(LFS))
    if head and head != LFS:
        return head
    what = f"{file.name} is a pointer of Git LFS, and not the file itself" if head else f"{file.name} has 0 bytes"
    raise GoldError(what=what, where=table, fix="copy the file again, whole")


def csv_rows(place: Path) -> pa.Table:
    """Return a CSV file, or a folder of them, with all columns as text: types are applied by name, not by position.

    Quotes are doubled and values may hold line ends, as pandas and spreadsheets write them. A row that is too short
    lacks its last values; what a row has beyond the header is left out.

    Args:
        place: The file or folder.

    Raises:
        GoldError: If a folder has no file, parts differ in form, or a header cannot be used.
    """
    import pyarrow as pa

    parts = parts_of(place, ".csv")
    if not parts:
        what = f"the folder {place.name} holds no .csv file"
        raise GoldError(what=what, where=place.stem, fix="remove it, or fill it")
    form = _form(parts[0], place.stem)
    for part in parts[1:]:
        if _form(part, place.stem) != form:  # it would be read by position
            what = f"{part.name} has another header, separator or encoding than {parts[0].name}"
            raise GoldError(what=what, where=place.stem, fix="write all parts alike")
    return pa.concat_tables([_csv(part, *form) for part in parts])


def _csv(file: Path, names: Sequence[str], separator: str, encoding: str) -> pa.Table:
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    if not file.read_bytes().strip(codecs.BOM_UTF8 + b"\r\n \t"):
        return pa.table({name: pa.array([], pa.string()) for name in names})
    ragged: list[str] = []

    def odd(row: Any) -> str:
        ragged.append(row.text)
        return "skip"

    table = arrow_csv.read_csv(
        file,
        arrow_csv.ReadOptions(column_names=list(names), skip_rows=1, encoding=encoding, use_threads=True),
        arrow_csv.ParseOptions(delimiter=separator, newlines_in_values=True, invalid_row_handler=odd),
        arrow_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            null_values=[""],
        ),
    )
    if not ragged:
        return table
    width = len(names)
    read = (row for text in ragged for row in csv.reader(io.StringIO(text), delimiter=separator))
    rows = [(row + [""] * width)[:width] for row in read]
    columns = [pa.array([value or None for value in column], pa.string()) for column in zip(*rows, strict=True)]
    return pa.concat_tables([table, pa.table(columns, names=list(names))])


def _form(file: Path, table: str) -> tuple[tuple[str, ...], str, str]:
    """Return names, separator and encoding of a CSV file."""
    start = head_of(file, table)
    encoding = "utf-16" if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8"
    try:
        with file.open(encoding="utf-8-sig" if encoding == "utf-8" else encoding, newline="") as opened:
            line = opened.readline()
            opened.seek(0)
            separator = max(SEPARATORS, key=line.count)
            names = next(csv.reader(opened, delimiter=separator), [])
    except UnicodeDecodeError as error:
        what = f"{file.name} is neither UTF-8 nor UTF-16: {error.reason} at byte {error.start}"
        raise GoldError(what=what, where=table, fix="write it as UTF-8") from error
    plain = [name.strip().lower() for name in names]
    if len(set(plain)) < len(plain) or "" in plain:
        what = f"the header of {file.name} has names that are empty or stand twice: {line.strip()[:200]}"
        raise GoldError(what=what, where=table, fix="give each column a name of its own")
    return tuple(names), separator, encoding


def parquet_kinds(place: Path, table: str) -> dict[str, pa.DataType]:
    """Return the columns of a parquet file, or of a folder of them; nothing if the folder is empty.

    Raises:
        GoldError: If a file is not whole, or parts have different types.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds: dict[str, tuple[pa.DataType, str]] = {}
    for part in parts_of(place, ".parquet"):
        head_of(part, table)
        try:
            schema = pq.read_schema(part)
        except pa.ArrowInvalid as error:
            what = f"{part.name} is no whole parquet file"
            raise GoldError(what=what, where=table, fix="copy the file again, whole") from error
        for field in schema:
            kind, first = kinds.get(field.name, (pa.null(), ""))
            if pa.types.is_null(kind):
                kinds[field.name] = kind, first = field.type, part.name
            if _name(field.type) not in (_name(kind), "null"):
                what = f"column {field.name} is {_name(kind)} in {first} and {_name(field.type)} in {part.name}"
                raise GoldError(what=what, where=table, fix="write all parts with one type")
    return {name: kind for name, (kind, _) in kinds.items()}


def _name(kind: pa.DataType) -> str:
    """Return a type by the name under which parts may differ: text is text, however long it may get."""
    return str(kind).removeprefix("large_")


def is_plain(place: Path, kinds: dict[str, pa.DataType]) -> bool:
    """Tell whether every engine reads these files alike: usual types, and files that stand in one folder."""
    parts = parts_of(place, ".parquet")
    flat = all(part == place or (part.parent == place and _PLAIN_PART.fullmatch(part.name)) for part in parts)
    return flat and all(_usual(kind) == kind for kind in kinds.values())


def parquet_rows(place: Path, kinds: dict[str, pa.DataType]) -> pa.Table:
    """Return the rows of parquet files in usual types; folders such as ``job=0101`` give a column of text.

    Args:
        place: A file or folder.
        kinds: From :func:`parquet_kinds`.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    usual = pa.schema([(name, _usual(kind)) for name, kind in kinds.items()])
    tables = []
    for part in parts_of(place, ".parquet"):
        table = pq.read_table(part, partitioning=None)
        there = set(table.column_names)
        columns = [
            table[name].cast(kind, safe=False) if name in there else pa.nulls(len(table), kind)
            for name, kind in zip(usual.names, usual.types, strict=True)
        ]
        found = pa.table(columns, schema=usual)
        for folder in part.relative_to(place).parts[:-1]:
            name, equals, value = folder.partition("=")
            if equals and name not in found.column_names:
                found = found.append_column(name, pa.array([_unescaped(value)] * len(found), pa.string()))
        tables.append(found)
    return pa.concat_tables(tables, promote_options="default")


def _unescaped(value: str) -> str | None:
    from urllib.parse import unquote

    return None if value == "__HIVE_DEFAULT_PARTITION__" else unquote(value)


def _usual(kind: pa.DataType) -> pa.DataType:
    """Return the type under which values go on: moments in nanoseconds as numbers, which the contract's type reads."""
    import pyarrow as pa

    at = pa.types
    if at.is_dictionary(kind):
        return _usual(kind.value_type)
    if at.is_timestamp(kind):
        return pa.int64() if kind.unit == "ns" else kind
    if at.is_nested(kind):
        return _usual_nested(kind)
    unusual: tuple[tuple[Any, pa.DataType], ...] = (
        (at.is_uint64, pa.decimal128(20, 0)),
        (at.is_unsigned_integer, pa.int64()),
        (at.is_duration, pa.int64()),
        (at.is_float16, pa.float32()),
        (at.is_time, pa.string()),
        (at.is_decimal256, pa.string()),
        (at.is_large_string, pa.string()),
        (at.is_large_binary, pa.binary()),
        (at.is_fixed_size_binary, pa.binary()),
    )
    return next((usual for belongs, usual in unusual if belongs(kind)), kind)


def _usual_nested(kind: pa.DataType) -> pa.DataType:
    import pyarrow as pa

    if pa.types.is_map(kind):
        return pa.map_(_usual(kind.key_type), _usual(kind.item_type))
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_usual(field.type)) for field in kind])
    if pa.types.is_list(kind):
        return pa.list_(kind.value_field.with_type(_usual(kind.value_type)))
    return pa.list_(_usual(kind.value_type))

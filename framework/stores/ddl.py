"""Spark's names of types and Arrow's types, both ways: a feature spec and a result type speak Spark."""

from __future__ import annotations

import re

import pyarrow as pa

from framework.base.errors import FeatureStoreError, nearest
from framework.stores.arrow import TIMESTAMP

_ARROW: dict[str, pa.DataType] = {
    "string": pa.string(),
    "binary": pa.binary(),
    "boolean": pa.bool_(),
    "tinyint": pa.int8(),
    "smallint": pa.int16(),
    "int": pa.int32(),
    "bigint": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "date": pa.date32(),
    "timestamp": TIMESTAMP,
}
_ALIASES = {"integer": "int", "long": "bigint", "byte": "tinyint", "short": "smallint", "real": "float"}
_SPARK = {kind: name for name, kind in _ARROW.items()}
_DECIMAL = re.compile(r"^decimal\((\d+),\s*(\d+)\)$")


def spark_name(kind: pa.DataType) -> str:
    """Return what Spark calls an Arrow type.

    Args:
        kind: A normal Arrow type (see ``frames``).

    Returns:
        Spark's ``simpleString``, such as ``array<struct<a:string>>``.

    Raises:
        FeatureStoreError: If Spark has no such type.
    """
    if kind in _SPARK:
        return _SPARK[kind]
    if pa.types.is_decimal(kind):
        return f"decimal({kind.precision},{kind.scale})"
    if pa.types.is_map(kind):
        return f"map<{spark_name(kind.key_type)},{spark_name(kind.item_type)}>"
    if pa.types.is_list(kind):
        return f"array<{spark_name(kind.value_type)}>"
    if pa.types.is_struct(kind):
        return "struct<" + ",".join(f"{field.name}:{spark_name(field.type)}" for field in kind) + ">"
    raise FeatureStoreError(
        what=f"Arrow type {kind} has no Spark counterpart", where="a column", fix="cast the column first"
    )


def arrow_type(name: str) -> pa.DataType:
    """Return the Arrow type of a Spark type name.

    Args:
        name: A type in Spark's words, such as ``struct<prediction:double,names:array<string>>``.

    Returns:
        The Arrow type.

    Raises:
        FeatureStoreError: If the name cannot be read.
    """
    text = name.strip()
    word = text.lower()
    word = _ALIASES.get(word, word)
    if word in _ARROW:
        return _ARROW[word]
    if decimal := _DECIMAL.match(word):
        return pa.decimal128(int(decimal[1]), int(decimal[2]))
    outer, _, rest = text.partition("<")
    if rest.endswith(">"):
        return _nested(outer.strip().lower(), _parts(rest[:-1]), name)
    raise FeatureStoreError(what=f"unknown type '{text}'", where=f"'{name}'", fix=nearest(word, _ARROW))


def fields_of(result_type: str) -> list[pa.Field]:
    """Return the output columns that a result type names; a plain type is one column ``prediction``."""
    kind = arrow_type(result_type)
    return list(kind) if pa.types.is_struct(kind) else [pa.field("prediction", kind)]


def _nested(outer: str, parts: list[str], name: str) -> pa.DataType:
    if outer == "array" and len(parts) == 1:
        return pa.list_(pa.field("element", arrow_type(parts[0])))
    if outer == "map" and len(parts) == 2:  # noqa: PLR2004 - a key and a value
        return pa.map_(arrow_type(parts[0]), arrow_type(parts[1]))
    if outer == "struct":
        pairs = [part.partition(":") for part in parts]
        if all(field.strip() and kind.strip() for field, _, kind in pairs):
            return pa.struct([pa.field(field.strip().strip("`"), arrow_type(kind)) for field, _, kind in pairs])
    raise FeatureStoreError(
        what="a type is malformed", where=f"'{name}'", fix="write struct<name:type,...>, array<type> or map<key,value>"
    )


def _parts(text: str) -> list[str]:
    """Split at the commas that stand outside of any bracket."""
    parts, depth, start = [], 0, 0
    for position, letter in enumerate(text):
        if letter in "<(":
            depth += 1
        elif letter in ">)":
            depth -= 1
        elif letter == "," and depth == 0:
            parts.append(text[start:position])
            start = position + 1
    return [*parts, text[start:]]

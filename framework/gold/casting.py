"""How a column as it came is read as the declared type, and which values cannot be.

Both are SQL over the raw column, so a table is read once. A value that says nothing (NULL, an identifier that pandas
made ``nan``) becomes NULL; any other that cannot be read is named, and its row goes to the quarantine.
"""

from __future__ import annotations

import dataclasses
import re

TEXT, WHOLE, FLOATING = "string", ("tinyint", "smallint", "int", "bigint"), ("double", "float")
EXACT = 9_007_199_254_740_992
"""Up to here a floating number tells whole numbers apart."""
DATED = r"^\\s*\\d{4}-\\d{1,2}-\\d{1,2}([T ].*)?$"
"""Text that names a day; a time of day or a year alone would be read as some moment of today, or of January."""
FLOATED = r"^\\s*[0-9]+\\.[0-9]+([eE][+]?[0-9]+)?\\s*$"
"""An identifier as a floating number is written: 7001.0, or 9.12345678907001E14."""
WORD = r"\'[^\'\"\\[\\]{}]*\'"
PAIRS = rf"^\\[(\\({WORD}, ({WORD}|None)\\)(, )?)*\\]$"
"""A list of pairs as Python writes it, of text without quotes, brackets and braces: with them its form is ambiguous."""
EPOCHS = ((1e11, 1_000_000), (1e14, 1_000), (1e17, 1))
"""Numbers below the first are seconds, then milliseconds, then microseconds; above are nanoseconds."""
DAYS = (1900_01_01, 2999_12_31)
"""Range in which a whole number is a day written as year, month and day."""


@dataclasses.dataclass(frozen=True, slots=True)
class Cast:
    """SQL that reads a raw column.

    Args:
        value: The value as the declared type, or NULL.
        odd: Condition of a value that is there and cannot be read; empty if there is no such value.
        unfit: True if no value of the found type can be one of the declared type.
    """

    value: str
    odd: str = ""
    unfit: bool = False


def cast_of(source: str, found: str, declared: str, *, identifies: bool = False) -> Cast:
    """Return how a raw column is read.

    Args:
        source: Its name.
        found: Spark type of the raw column.
        declared: Spark type of the contract.
        identifies: Whether it holds identifiers, which are whole numbers however they came.
    """
    column = quoted(source)
    kind = re.split(r"[(<]", declared.upper())[0]
    if found == "void":
        return Cast(f"CAST(NULL AS {declared})")
    if kind == "STRING":
        return _as_identifier(column, found) if identifies else _as_text(column, found)
    readers = {
        "INT": _as_number, "BIGINT": _as_number, "DOUBLE": _as_number, "FLOAT": _as_number,
        "DECIMAL": _as_number, "TIMESTAMP": _as_time, "DATE": _as_time, "MAP": _as_map, "ARRAY": _as_list,
        "BOOLEAN": _as_flag,
    }  # fmt: skip
    reader = readers.get(kind)
    if reader is None:
        return _tried(column, f"try_cast({column} AS {declared})")
    return reader(column, found, declared)


def quoted(name: str) -> str:
    """Return a column's name as SQL takes it, whatever it consists of."""
    return "`" + name.replace("`", "``") + "`"


def _tried(column: str, value: str) -> Cast:
    return Cast(value, f"{column} IS NOT NULL AND ({value}) IS NULL")


def _unfit(declared: str) -> Cast:
    return Cast(f"CAST(NULL AS {declared})", unfit=True)


def _is_nested(found: str) -> bool:
    return found.startswith(("struct", "array", "map", "binary"))


def _as_text(column: str, found: str) -> Cast:
    return _unfit("STRING") if _is_nested(found) else Cast(f"CAST({column} AS STRING)")


def _as_identifier(column: str, found: str) -> Cast:
    """Identifiers that became numbers on the way are whole numbers again; other text stays as it is."""
    if found == TEXT:
        whole = _whole(_decimal(column))
        return Cast(
            f"CASE WHEN lower(trim({column})) = 'nan' THEN NULL WHEN {column} RLIKE '{FLOATED}' "
            f"THEN coalesce({whole}, {column}) ELSE {column} END"
        )
    if found in FLOATING or found.startswith("decimal"):
        missing = f"isnan({column})" if found in FLOATING else "false"
        exact = f"abs({column}) <= {EXACT}" if found in FLOATING else "true"
        value = f"CASE WHEN {missing} THEN NULL WHEN {exact} THEN {_whole(column)} END"
        return Cast(value, f"{column} IS NOT NULL AND NOT {missing} AND ({value}) IS NULL")
    return _as_text(column, found)


def _decimal(text: str) -> str:
    """Return SQL for the exact number that text names. Not every engine reads an exponent into a decimal."""
    double = f"try_cast({text} AS DOUBLE)"
    whole = f"try_cast(CASE WHEN {double} % 1 = 0 THEN {double} END AS DECIMAL(38, 0))"
    return f"coalesce(try_cast({text} AS DECIMAL(38, 18)), try_cast({whole} AS DECIMAL(38, 18)))"


def _whole(number: str) -> str:
    """Return SQL for the digits of a whole number; NULL if it has a fraction."""
    return f"CASE WHEN {_is_whole(number)} THEN CAST(CAST({number} AS DECIMAL(38, 0)) AS STRING) END"


def _is_whole(number: str) -> str:
    """Return SQL that tells whether a number has no fraction; ``floor`` of a long decimal would lose it."""
    return f"{number} % 1 = 0"


def _as_number(column: str, found: str, declared: str) -> Cast:
    if _is_nested(found) or found.startswith(("timestamp", "date", "boolean")):
        return _unfit(declared)
    is_whole = declared.upper() in ("INT", "BIGINT")
    if found == TEXT and is_whole:  # "3600.0" is a whole number
        number = _decimal(column)
        return _tried(column, f"CASE WHEN {_is_whole(number)} THEN try_cast({number} AS {declared}) END")
    if found == TEXT:
        value = f"try_cast({column} AS {declared})"
        return _tried(column, _finite(value) if declared.upper() in ("DOUBLE", "FLOAT") else value)
    if found in FLOATING:
        whole = f" AND {_is_whole(column)}" if is_whole else ""
        through = f"try_cast({column} AS DECIMAL(38, 0))" if is_whole else column
        return _tried(column, f"CASE WHEN {_is_finite(column)}{whole} THEN try_cast({through} AS {declared}) END")
    if is_whole and found.startswith("decimal"):
        return _tried(column, f"CASE WHEN {_is_whole(column)} THEN try_cast({column} AS {declared}) END")
    return _tried(column, f"try_cast({column} AS {declared})")


def _as_flag(column: str, found: str, declared: str) -> Cast:
    """Flags, words for them, and the numbers 0 and 1; pandas writes a missing flag among numbers as NaN."""
    if _is_nested(found) or found.startswith(("timestamp", "date")):
        return _unfit(declared)
    if found == "boolean":
        return Cast(column)
    if found == TEXT:
        number = _decimal(column)
        value = f"coalesce(try_cast({column} AS BOOLEAN), CASE {number} WHEN 0 THEN false WHEN 1 THEN true END)"
        return Cast(value, f"lower(trim({column})) NOT IN ('', 'nan', 'none', 'null') AND ({value}) IS NULL")
    value = f"CASE {column} WHEN 0 THEN false WHEN 1 THEN true END"
    missing = f"isnan({column})" if found in FLOATING else "false"
    return Cast(value, f"{column} IS NOT NULL AND NOT {missing} AND ({value}) IS NULL")


def _is_finite(value: str) -> str:
    return f"NOT isnan({value}) AND abs({value}) < double('Infinity')"


def _finite(value: str) -> str:
    return f"CASE WHEN {_is_finite(value)} THEN {value} END"


def _as_time(column: str, found: str, declared: str) -> Cast:
    """Moments and days: text that names a day, numbers like 20260901, and for moments what has passed since 1970."""
    if _is_nested(found) or found == "boolean":
        return _unfit(declared)
    if found == TEXT:
        return _tried(column, f"CASE WHEN {column} RLIKE '{DATED}' THEN try_cast({column} AS {declared}) END")
    if found.startswith(("timestamp", "date")):
        return Cast(f"CAST({column} AS {declared})")
    number = f"try_cast({column} AS DECIMAL(38, 0))"
    text = f"concat_ws('-', substr({number}, 1, 4), substr({number}, 5, 2), substr({number}, 7, 2))"
    day = f"WHEN {number} BETWEEN {DAYS[0]} AND {DAYS[1]} THEN try_cast({text} AS {declared})"
    if declared.upper() == "DATE":
        return _tried(column, f"CASE {day} END")
    scales = " ".join(f"WHEN abs({number}) < {limit:.0f} THEN {number} * {factor}" for limit, factor in EPOCHS)
    micros = f"try_cast(CASE {scales} ELSE {number} / 1000 END AS BIGINT)"
    return _tried(column, f"CASE {day} ELSE timestamp_micros({micros}) END")


def _as_map(column: str, found: str, declared: str) -> Cast:
    if found == TEXT:
        # The list of pairs that pandas makes of a map; a dictionary needs nothing but its None in other words.
        entries = f"regexp_replace({column}, '\\\\(({WORD}), ({WORD}|None)\\\\)', '$1: $2')"
        listed = f"concat('{{', substr({entries}, 2, length({entries}) - 2), '}}')"
        return _from_json(column, f"CASE WHEN {column} RLIKE '{PAIRS}' THEN {listed} ELSE {column} END", declared)
    if found.startswith("struct"):  # what pandas makes of dictionaries: fields without a value are absent keys
        return Cast(f"from_json(to_json({column}), '{declared}')")
    if pair := re.fullmatch(r"array<struct<(\w+):\w+,\w+:\w+>>", found):
        keys = f"transform({column}, entry -> entry.{pair[1]})"
        once = f"size(array_distinct({keys})) = size({keys}) AND NOT exists({keys}, key -> key IS NULL)"
        return _tried(column, f"try_cast(CASE WHEN {once} THEN map_from_entries({column}) END AS {declared})")
    return _each(column, declared, "map_values") if found.startswith("map") else _unfit(declared)


def _as_list(column: str, found: str, declared: str) -> Cast:
    if found == TEXT:
        return _from_json(column, column, declared)
    if found.startswith("array") and not found.startswith(("array<struct", "array<map", "array<array")):
        return _each(column, declared)
    return _unfit(declared)


def _each(column: str, declared: str, values: str = "") -> Cast:
    """Read each value of a list or a map; one that cannot be read makes the whole odd, and is not dropped from it."""
    value = f"try_cast({column} AS {declared})"
    empty = (f"size(filter({values}({whole}), one -> one IS NULL))" for whole in (value, column))
    return _tried(column, f"CASE WHEN {' = '.join(empty)} THEN {value} END")


def _from_json(column: str, text: str, declared: str) -> Cast:
    """Read text as JSON, with the single quotes and the ``None`` of Python; text that says "nothing" is NULL.

    Not every engine reads single quotes: where it does not, those around text without quotes become double ones.
    """
    said = f"regexp_replace({text}, ': None([,}}])', ': null$1')"
    marked = f"replace({said}, '\\\\\\'', char(1))"  # an escaped single quote is none that ends a text
    doubled = f"replace(regexp_replace({marked}, '\\'([^\\'\"]*)\\'', '\"$1\"'), char(1), '\\'')"
    value = f"coalesce(from_json({said}, '{declared}'), from_json({doubled}, '{declared}'))"
    return Cast(value, f"lower(trim({column})) NOT IN ('', 'null', 'none', 'nan') AND ({value}) IS NULL")

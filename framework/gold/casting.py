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


def cast_of(source: str, found: str, declared: str) -> Cast:
    """Return how a raw column is read.

    Args:
        source: Its name.
        found: Spark type of the raw column.
        declared: Spark type of the contract.
    """
    column = "`" + source.replace("`", "``") + "`"
    kind = re.split(r"[(<]", declared.upper())[0]
    if found == "void":
        return Cast(f"CAST(NULL AS {declared})")
    if kind == "STRING":
        return _as_text(column, found, identifies=source.strip().lower().endswith("_id"))
    readers = {
        "INT": _as_number, "BIGINT": _as_number, "DOUBLE": _as_number, "FLOAT": _as_number,
        "DECIMAL": _as_number, "TIMESTAMP": _as_moment, "DATE": _as_day, "MAP": _as_map, "ARRAY": _as_list,
    }  # fmt: skip
    reader = readers.get(kind)
    if reader is None:
        return _tried(column, f"try_cast({column} AS {declared})")
    return reader(column, found, declared)


def _tried(column: str, value: str) -> Cast:
    return Cast(value, f"{column} IS NOT NULL AND ({value}) IS NULL")


def _is_nested(found: str) -> bool:
    return found.startswith(("struct", "array", "map", "binary"))


def _as_text(column: str, found: str, *, identifies: bool) -> Cast:
    """Identifiers that became numbers on the way are whole numbers again; other text stays as it is."""
    plain = f"CAST({column} AS STRING)"
    if not identifies:
        return Cast(plain)
    if found == TEXT:
        whole = f"regexp_extract({column}, '^\\\\s*([0-9]+)\\\\.0+\\\\s*$', 1)"
        value = f"CASE WHEN lower(trim({column})) = 'nan' THEN NULL WHEN {whole} <> '' THEN {whole} ELSE {column} END"
        return Cast(value)
    if found in FLOATING or found.startswith("decimal"):
        missing = f"isnan({column})" if found in FLOATING else "false"
        exact = f"abs({column}) <= {EXACT}" if found in FLOATING else "true"
        number = f"CAST(CAST({column} AS DECIMAL(38, 0)) AS STRING)"
        value = f"CASE WHEN {missing} THEN NULL WHEN {exact} AND {column} = floor({column}) THEN {number} END"
        return Cast(value, f"{column} IS NOT NULL AND NOT {missing} AND ({value}) IS NULL")
    return Cast(plain)


def _as_number(column: str, found: str, declared: str) -> Cast:
    if _is_nested(found) or found.startswith(("timestamp", "date")):
        return Cast(f"CAST(NULL AS {declared})", unfit=True)
    is_whole = declared.upper() in ("INT", "BIGINT")
    if found == TEXT and is_whole:  # "3600.0" is a whole number
        number = f"try_cast({column} AS DECIMAL(38, 6))"
        return _tried(column, f"CASE WHEN {number} = floor({number}) THEN try_cast({number} AS {declared}) END")
    if found == TEXT:
        value = f"try_cast({column} AS {declared})"
        return _tried(column, _finite(value) if declared.upper() in ("DOUBLE", "FLOAT") else value)
    if found in FLOATING:
        finite = f"NOT isnan({column}) AND abs({column}) < double('Infinity')"
        whole = f" AND {column} = floor({column})" if is_whole else ""
        through = f"try_cast({column} AS DECIMAL(38, 0))" if is_whole else column
        return _tried(column, f"CASE WHEN {finite}{whole} THEN try_cast({through} AS {declared}) END")
    if is_whole and found.startswith("decimal"):
        return _tried(column, f"CASE WHEN {column} = floor({column}) THEN try_cast({column} AS {declared}) END")
    return _tried(column, f"try_cast({column} AS {declared})")


def _finite(value: str) -> str:
    return f"CASE WHEN NOT isnan({value}) AND abs({value}) < double('Infinity') THEN {value} END"


def _as_moment(column: str, found: str, declared: str) -> Cast:
    if _is_nested(found) or found == "boolean":
        return Cast(f"CAST(NULL AS {declared})", unfit=True)
    if found == TEXT:
        return _tried(column, f"CASE WHEN {column} RLIKE '{DATED}' THEN try_cast({column} AS {declared}) END")
    if found.startswith(("timestamp", "date")):
        return Cast(f"CAST({column} AS {declared})")
    number = f"try_cast({column} AS DECIMAL(38, 0))"
    scales = " ".join(f"WHEN abs({number}) < {limit:.0f} THEN {number} * {factor}" for limit, factor in EPOCHS)
    micros = f"try_cast(CASE {scales} ELSE {number} / 1000 END AS BIGINT)"
    return _tried(column, f"timestamp_micros({micros})")


def _as_day(column: str, found: str, declared: str) -> Cast:
    if _is_nested(found) or found == "boolean":
        return Cast(f"CAST(NULL AS {declared})", unfit=True)
    if found == TEXT:
        return _tried(column, f"CASE WHEN {column} RLIKE '{DATED}' THEN try_cast({column} AS {declared}) END")
    if found.startswith(("timestamp", "date")):
        return Cast(f"CAST({column} AS {declared})")
    number = f"try_cast({column} AS BIGINT)"
    text = f"concat_ws('-', substr({number}, 1, 4), substr({number}, 5, 2), substr({number}, 7, 2))"
    return _tried(column, f"CASE WHEN {number} BETWEEN {DAYS[0]} AND {DAYS[1]} THEN try_cast({text} AS DATE) END")


def _as_map(column: str, found: str, declared: str) -> Cast:
    if found == TEXT:
        # As Python writes them: a dictionary, or the list of pairs that pandas makes of a map.
        pairs = f"regexp_replace({column}, '\\\\(([^,()]+), ([^()]*)\\\\)', '$1: $2')"
        listed = f"translate({pairs}, '[]\\'', '{{}}\"')"
        python = f"CASE WHEN {column} LIKE '[(%' THEN {listed} ELSE translate({column}, '\\'', '\"') END"
        python = f"regexp_replace({python}, ': *None', ': null')"
        value = f"coalesce(from_json({column}, '{declared}'), from_json({python}, '{declared}'))"
        return Cast(value, f"trim({column}) <> '' AND ({value}) IS NULL")
    if found.startswith("struct"):  # what pandas makes of dictionaries: fields without a value are absent keys
        return Cast(f"from_json(to_json({column}), '{declared}')")
    if found.startswith("array<struct"):
        return Cast(f"CAST(map_from_entries({column}) AS {declared})")
    return Cast(f"CAST({column} AS {declared})") if found.startswith("map") else _unfit(declared)


def _as_list(column: str, found: str, declared: str) -> Cast:
    if found == TEXT:
        python = f"translate({column}, '\\'', '\"')"
        value = f"coalesce(from_json({column}, '{declared}'), from_json({python}, '{declared}'))"
        return Cast(value, f"trim({column}) <> '' AND ({value}) IS NULL")
    fits = found.startswith("array") and not found.startswith(("array<struct", "array<map"))
    return Cast(f"CAST({column} AS {declared})") if fits else _unfit(declared)


def _unfit(declared: str) -> Cast:
    return Cast(f"CAST(NULL AS {declared})", unfit=True)

"""Reads the SQL of a formula when its class is created: what it refers to, and what no feature may do."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import re
from importlib.resources import files
from typing import TYPE_CHECKING

from framework.base.errors import nearest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlglot import exp

WINDOWS = {"trailing": "{w}", "earlier": "{past}", "that_day": "{then}", "peers": "{peers}"}
"""Windows that a formula may name after ``OVER``, each with the mark that stood for it in earlier versions."""
DAY_NUMBER = "day_number"
"""The row's day as a whole number, in the formulas of daily tables."""
_PEERS_WITHIN = re.compile(r"\bOVER\s+peers_within\s*\(([a-z0-9_, ]+)\)")
_NAMED = re.compile(r"\bOVER\s+(trailing|earlier|that_day|peers)\b(?!\s*\()")
_CLOCK = {"current_date", "current_timestamp", "curdate", "now", "localtimestamp"}
_CHANCE = {"rand", "random", "randn", "uuid", "shuffle", "monotonically_increasing_id", "spark_partition_id"}
_OF_ONE_ENGINE = {
    "array_compact": "use filter(values, one -> one IS NOT NULL)",
    "weekday": "use `formulas.weekday_of`, or dayofweek, where Sunday is 1",
    "zip_with": "use transform(arrays_zip(one, other), both -> ...) of two columns",
}
"""Functions that engines give another meaning, or that one of them lacks, with what means the same everywhere."""
_NO_FUNCTION = {
    "over",
    "in",
    "and",
    "or",
    "not",
    "when",
    "then",
    "else",
    "as",
    "by",
    "between",
    "on",
    "is",
    "like",
    "rlike",
}
_TYPES = {"decimal", "numeric", "varchar", "char", "array", "struct", "map"}


@dataclasses.dataclass(frozen=True, slots=True)
class Reading:
    """What was read from a formula.

    Args:
        columns: Columns that it mentions; of a struct, the column and not the field.
        faults: What no feature may do, one sentence each, with how to mend it.
    """

    columns: frozenset[str]
    faults: tuple[tuple[str, str], ...] = ()


@functools.lru_cache(maxsize=4096)
def read(sql: str) -> Reading:
    """Read the SQL of a formula, in the Spark dialect.

    Args:
        sql: The SQL, with the windows that a formula may name.
    """
    import sqlglot
    from sqlglot import exp

    try:
        tree = sqlglot.parse_one(_PEERS_WITHIN.sub(r"OVER (PARTITION BY \1)", sql), dialect="spark")
    except sqlglot.errors.SqlglotError as error:
        said = re.sub(r"\x1b\[\d+m", "", str(error)).partition("\n")[0].rstrip(".")
        return Reading(frozenset(), ((f"is no SQL: {said}", "mend the expression"),))
    columns = {column.parts[0].name for column in tree.find_all(exp.Column)}
    return Reading(frozenset(columns), (*_functions(sql), *_windows(tree)))


def canonical(sql: str) -> str:
    """Return a formula as earlier versions wrote it: what is stored of a formula is a hash of this form."""
    found = _PEERS_WITHIN.sub(r"{peers of \1}", sql)
    found = _NAMED.sub(lambda match: WINDOWS[match[1]], found)
    return re.sub(rf"\b{DAY_NUMBER}\b", "__day", found)


@dataclasses.dataclass(frozen=True, slots=True)
class Windowed:
    """An aggregate over one of the named windows, as it stands in a formula.

    Args:
        function: Name of the aggregate, in small letters; empty for a form other than ``name(...) OVER window``.
        of: What it aggregates: the SQL between its brackets.
        window: Name of the window.
        text: The whole of it, as written.
    """

    function: str
    of: str
    window: str
    text: str


@functools.lru_cache(maxsize=4096)
def windowed(sql: str) -> tuple[Windowed, ...]:
    """Return the aggregates of a formula that are taken over a named window, in their order."""
    from sqlglot.dialects import Spark
    from sqlglot.tokenizer_core import TokenType

    tokens = Spark().tokenize(sql)
    found = []
    for place, token in enumerate(tokens[:-1]):
        window = tokens[place + 1].text
        if token.token_type is not TokenType.OVER or window not in WINDOWS:
            continue
        first, depth = place, 0
        while first > 0:
            first -= 1
            kind = tokens[first].token_type
            depth += (kind is TokenType.R_PAREN) - (kind is TokenType.L_PAREN)
            if depth == 0:
                break
        name = tokens[first - 1]
        function = name.text.lower() if first > 0 and name.text.lower() != "filter" else ""
        of = sql[tokens[first].end + 1 : tokens[place - 1].start]
        found.append(Windowed(function, of, window, sql[name.start : tokens[place + 1].end + 1]))
    return tuple(found)


def with_windows(sql: str, clauses: dict[str, str], within: str) -> str:
    """Put clauses in the place of named windows.

    Args:
        sql: The formula.
        clauses: What stands after ``OVER`` by the window's name; an empty one takes ``OVER`` away as well.
        within: The first key of the peers that share others, for example the day.
    """
    found = _PEERS_WITHIN.sub(rf"OVER (PARTITION BY {within}, \1)", sql)
    return _NAMED.sub(lambda match: f"OVER {clauses[match[1]]}" if clauses[match[1]] else "", found)


@functools.cache
def _known() -> frozenset[str]:
    """Return the functions of Spark SQL, as ``SHOW SYSTEM FUNCTIONS`` lists them."""
    return frozenset(files("framework.declare").joinpath("spark_functions.txt").read_text("utf-8").split())


def _functions(sql: str) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with the functions that are called."""
    from sqlglot.dialects import Spark
    from sqlglot.tokenizer_core import TokenType

    tokens = Spark().tokenize(sql)
    for token, after in itertools.pairwise(tokens):
        name = token.text.lower()
        called = after.token_type is TokenType.L_PAREN and re.fullmatch(r"[a-z_]\w*", name)
        if not called or token.token_type is TokenType.STRING or name in _NO_FUNCTION | _TYPES | {"peers_within"}:
            continue
        if name == "lead":
            yield (
                f"{name}() reads a later row",
                "a feature may know its own day and those before it; a label may look ahead",
            )
        elif name in _CLOCK:
            yield f"{name}() reads the clock of the machine", "use the row's own date"
        elif name in _CHANCE:
            yield f"{name}() gives another value each time", "use a hash of the keys"
        elif name in _OF_ONE_ENGINE:
            yield f"{name}() is not the same on every engine", _OF_ONE_ENGINE[name]
        elif name not in _known():
            yield f"no engine has a function '{name}'", nearest(name, _known())


def _windows(tree: exp.Expr) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with the windows that are written out."""
    from sqlglot import exp

    for window in tree.find_all(exp.Window):
        if window.alias:
            if window.alias not in WINDOWS:
                yield f"no window '{window.alias}'", nearest(window.alias, WINDOWS)
            continue
        if not window.args.get("partition_by"):
            yield "a window without PARTITION BY mixes all entities", "partition it by the keys, or name one of ours"
        spec = window.args.get("spec")
        sides = {spec.args.get("start_side"), spec.args.get("end_side")} if spec else set()
        order = window.args.get("order")
        later = order is not None and any(one.args.get("desc") for one in order.expressions)
        if "FOLLOWING" in sides or later:
            yield "a window reaches rows after the row's own day", "end it at CURRENT ROW, in ascending order"

"""Draws values as they come for declared gold columns, reads them, and says what became of each.

A value must be read as what it means, become NULL because it says nothing, or be named as odd, which puts its row into
the quarantine. What is NULL without a word, or another value, is the silent fault that this looks for.
"""

from __future__ import annotations

import dataclasses
import math
import random
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from framework.core.plugins import discover
from framework.gold.casting import cast_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pyspark.sql import SparkSession

NOTHING = ("", "nan", "none", "null")
"""Words that say nothing where a map or an identifier is asked for."""


@dataclasses.dataclass(frozen=True, slots=True)
class Drawn:
    """One value for one declared column.

    Args:
        column: ``table.column``.
        declared: Spark type of the contract.
        identifies: Whether the column holds identifiers.
        found: Spark type that the value comes in.
        value: The value.
    """

    column: str
    declared: str
    identifies: bool
    found: str
    value: Any


def declared_columns() -> list[tuple[str, str, bool]]:
    """Return name, type and whether it identifies, of every column of the gold contract."""
    found = [
        (f"{table.name}.{column.name}", column.type, column.name.endswith("_id"))
        for table in discover(strict=True).gold_tables().values()
        for column in table.columns
    ]
    return sorted(found)


def _texts(dice: random.Random) -> str:
    day = (date(2026, 9, 1) + timedelta(days=dice.randint(-400, 90))).isoformat()
    return dice.choice(
        [
            "", " ", "nan", "None", "NULL", "N/A", "-", "x", "0", "1", "-1", " 7 ", "7001.0", "007", "1e5", "1E400",
            "0x1f", "\u0661\u0662", "1,5", "1_000", "--5", "+5", "12.50", "9" * 25, "0." + "3" * 30, "inf", "-Infinity",
            "true", "False", "\u03a9", day, f"{day} 02:30:00", f"{day}T02:30:00Z", f"{day}T02:30:00+05:30",
            f"{day}T25:00:00", f"{day}x", "2026-13-01", "2026-02-30", "02:30", "2026", "01/09/2026", "20260901",
            "yesterday", "0001-01-01", "9999-12-31", "99999-01-01", '{"a": "b"}', "{'a': 'b'}", "{'a': None}", "{a: b}",
            "[1, 2]", '["a"]', "['a', None]", "[('a', 'b')]", "{", "[]", "{}", '{"a": {"b": 1}}', "a=b",
            str(dice.randint(-(10**12), 10**12)), str(dice.uniform(-1e9, 1e9)),
            f"'; DROP TABLE {dice.randint(0, 9)} --", "`", "\\", "\n", "a" * 5_000,
        ]
    )  # fmt: skip


def _whole(dice: random.Random) -> int:
    return dice.choice(
        [0, 1, -1, 7, 20260901, 20261345, 2**31, 2**53 + 1, 2**63 - 1, -(2**63), dice.randint(-(10**6), 10**18)]
    )


def _floating(dice: random.Random) -> float:
    return dice.choice(
        [
            0.0,
            -0.0,
            1.5,
            7001.0,
            math.nan,
            math.inf,
            -math.inf,
            1e20,
            1e-320,
            2.0**53,
            9.12e14,
            dice.uniform(-1e12, 1e12),
        ]
    )


def _moment(dice: random.Random) -> datetime:
    return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=dice.randint(-(10**8), 10**8))


FORMS: dict[str, Callable[[random.Random], Any]] = {
    "string": _texts,
    "bigint": _whole,
    "int": lambda dice: dice.choice([0, 1, -1, 20260901, 2**31 - 1, -(2**31), dice.randint(-(10**6), 10**6)]),
    "double": _floating,
    "decimal(38,6)": lambda dice: Decimal(dice.choice(["0", "7001", "7.5", "-1", "12345678901234567890.5", "1e-6"])),
    "boolean": lambda dice: dice.random() < 0.5,
    "date": lambda dice: _moment(dice).date(),
    "timestamp": _moment,
    "array<string>": lambda dice: dice.choice([[], ["a"], ["1", "2"], ["x", None], ["b'c"]]),
    "map<string,string>": lambda dice: dice.choice([{}, {"a": "b"}, {"a": None}, {"it's": "[1]"}]),
    "struct<a:string>": lambda dice: {"a": dice.choice(["b", None])},
    "binary": lambda dice: dice.choice([b"", b"a", b"\xff"]),
}


def draw(count: int, seed: int) -> list[Drawn]:
    """Return that many values; one in twelve is NULL."""
    dice = random.Random(seed)  # noqa: S311 - no secret
    columns = declared_columns()
    found = []
    for _ in range(count):
        name, declared, identifies = dice.choice(columns)
        kind = dice.choice(list(FORMS))
        value = None if dice.random() < 1 / 12 else FORMS[kind](dice)
        found.append(Drawn(name, declared, identifies, kind, value))
    return found


def read(spark: SparkSession, drawn: Iterable[Drawn]) -> list[tuple[Drawn, str, Any]]:
    """Return each value with its outcome and what was read; one query per pair of types.

    Outcomes: ``read``, ``says nothing``, ``quarantine``, ``named`` (no value of the type can fit), and the two bad
    ones: ``silent`` and ``traceback``.
    """
    groups: dict[tuple[str, str, bool], list[Drawn]] = {}
    for one in drawn:
        groups.setdefault((one.found, one.declared, one.identifies), []).append(one)
    outcomes: list[tuple[Drawn, str, Any]] = []
    for (found, declared, identifies), cases in groups.items():
        cast = cast_of("c", found, declared, identifies=identifies)
        if cast.unfit:
            outcomes += [(case, "named", None) for case in cases]
            continue
        try:
            frame = spark.createDataFrame([(at, case.value) for at, case in enumerate(cases)], f"at int, c {found}")
            rows = frame.selectExpr("at", f"{cast.value} AS value", f"coalesce({cast.odd or 'false'}, false) AS odd")
            answers = {row.at: row for row in rows.collect()}
        except Exception as error:  # noqa: BLE001 - any error of the engine is what this looks for
            outcomes += [(case, "traceback", repr(error)[:200]) for case in cases]
            continue
        outcomes += [(case, _outcome(case, answers[at]), answers[at].value) for at, case in enumerate(cases)]
    return outcomes


def _outcome(case: Drawn, row: Any) -> str:
    if row.odd:
        return "quarantine"
    if row.value is None:
        return "says nothing" if _says_nothing(case) else "silent"
    return "read" if means(case, row.value) else "silent"


def _says_nothing(case: Drawn) -> bool:
    value = case.value
    kind = case.declared.upper()
    if value is None or (isinstance(value, float) and math.isnan(value) and (case.identifies or kind == "BOOLEAN")):
        return True
    wordy = case.identifies or kind.startswith(("MAP", "ARRAY", "BOOLEAN"))
    return isinstance(value, str) and wordy and value.strip().lower() in NOTHING


def means(case: Drawn, read_value: Any) -> bool:
    """Tell whether what was read is what came, by rules that are written down once more here."""
    value, kind = case.value, case.declared.upper()
    if kind == "STRING":
        return _same_text(case, str(read_value))
    if kind.startswith(("INT", "BIGINT", "DOUBLE", "FLOAT", "DECIMAL")):
        exact = Decimal(str(value).strip()) if isinstance(value, str) else Decimal(value)
        given = Decimal(read_value) if not isinstance(read_value, float) else Decimal(repr(read_value))
        near = abs(exact) * Decimal("1e-12") + (Decimal("1e-6") if kind.startswith("DECIMAL") else 0)
        return exact == given if kind.startswith(("INT", "BIGINT")) else abs(exact - given) <= near
    if kind == "BOOLEAN":
        words = {"true": True, "t": True, "yes": True, "y": True, "false": False, "f": False, "no": False, "n": False}
        said = words.get(str(value).strip().lower())
        return read_value is (said if said is not None else {0: False, 1: True}.get(_number(value)))
    if kind in ("TIMESTAMP", "DATE"):
        return _same_day(value, read_value)
    return bool(isinstance(read_value, (dict, list)))


def _same_text(case: Drawn, given: str) -> bool:
    value = case.value
    if isinstance(value, bool):
        return given == str(value).lower()
    if case.identifies and not isinstance(value, (date, datetime)):
        return given == str(value) or _number(given) == _number(value)
    if isinstance(value, (int, float, Decimal)):
        return _number(given) == _number(value) or (math.isnan(value) and given.lower() == "nan")
    return given == str(value) or given[:10] == str(value)[:10]


def _number(value: Any) -> Decimal | None:
    try:
        return Decimal(str(value).strip().replace("Infinity", "inf"))
    except ArithmeticError:
        return None


def _same_day(value: Any, given: Any) -> bool:
    """Tell whether a moment lies within a day of the one that was written: zones move it by less."""
    at = given if isinstance(given, datetime) else datetime(given.year, given.month, given.day)  # noqa: DTZ001
    at = at.replace(tzinfo=None)
    if isinstance(value, str):
        wanted = datetime.fromisoformat(value.strip()[:10])
    elif isinstance(value, (date, datetime)):
        wanted = datetime(value.year, value.month, value.day)  # noqa: DTZ001
    else:
        wanted = _of_number(Decimal(value))
    return abs(at - wanted) <= timedelta(days=1)


def _of_number(number: Decimal) -> datetime:
    """Return the day of a number like 20260901, or the moment so many seconds, ms, us or ns after 1970."""
    if number == number.to_integral() and 19000101 <= number <= 29991231:
        return datetime.strptime(str(int(number)), "%Y%m%d")  # noqa: DTZ007
    for limit, scale in ((1e11, 1), (1e14, 10**3), (1e17, 10**6)):
        if abs(number) < limit:
            return datetime(1970, 1, 1) + timedelta(seconds=float(number / scale))  # noqa: DTZ001
    return datetime(1970, 1, 1) + timedelta(seconds=float(number / 10**9))  # noqa: DTZ001


def counts(outcomes: Iterable[tuple[Drawn, str, Any]]) -> Counter[str]:
    """Return how often each outcome came."""
    return Counter(outcome for _, outcome, _ in outcomes)

"""Figures, spans and entities as a person reads them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from framework.declare.model import Feature

UNKNOWN = "not known"
JOINT = "\N{NO-BREAK SPACE}"
"""Between a figure and its unit."""
THOUSAND, MINUTE, HOUR, DAY = 1_000, 60, 3_600, 86_400
SCALES = {
    "seconds": ((2 * DAY, DAY, "days"), (2 * HOUR, HOUR, "hours"), (2 * MINUTE, MINUTE, "minutes")),
    "ms": ((2 * MINUTE * THOUSAND, MINUTE * THOUSAND, "minutes"), (THOUSAND, THOUSAND, "seconds")),
    "bytes": ((10**12, 10**12, "TB"), (10**9, 10**9, "GB"), (10**6, 10**6, "MB"), (10**3, 10**3, "kB")),
}
"""By unit: from which value on, which larger unit reads better."""
TABLE_KEYS = ("table_catalog", "table_schema", "table_name")


def number(value: float | None) -> str:
    """Return a number with about three digits, thousands apart."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    size = abs(value)
    if size >= 100 or value == int(value):  # noqa: PLR2004 - three digits
        return f"{value:,.0f}"
    if size >= 1:
        return f"{value:.3g}"
    return f"{value:.2g}" if size >= 0.001 else f"{value:.0e}"  # noqa: PLR2004 - below, zeros are all that one sees


def quantity(value: float | None, unit: str) -> str:
    """Return a value with its unit, in the size of unit that reads best.

    Args:
        value: The value; ``None`` where there is none.
        unit: Unit as a feature declares it; ``share`` becomes per cent, ``0/1`` yes or no.
    """
    if value is None or not math.isfinite(value):
        return UNKNOWN
    if unit == "share":
        return percent(value)
    if unit == "0/1":
        return {0.0: "no", 1.0: "yes"}.get(value, number(value))
    for least, size, larger in SCALES.get(unit, ()):
        if abs(value) >= least:
            return f"{number(value / size)}{JOINT}{larger}"
    return f"{number(value)}{JOINT}{unit}" if unit else number(value)


def span(low: float | None, high: float | None, unit: str) -> str:
    """Return a range, with the unit once where both ends have the same."""
    if low == high:
        return quantity(low, unit)
    first, last = quantity(low, unit), quantity(high, unit)
    figure, joint, its_unit = first.partition(JOINT)
    return f"{figure if joint and last.endswith(joint + its_unit) else first} to {last}"


def percent(value: float | None) -> str:
    """Return a share as per cent."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    shown = value * 100
    figure = f"{shown:,.0f}" if abs(shown) >= 10 or shown == 0 else f"{shown:.2g}"  # noqa: PLR2004 - two digits
    return f"{figure}{JOINT}%"


def plural(count: int, one: str, many: str = "") -> str:
    """Return a count with its noun."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def day(value: date | None) -> str:
    """Return a day as ``Mon 3 Mar 2025``."""
    return UNKNOWN if value is None else f"{value:%a} {value.day} {value:%b %Y}"


def short_day(value: date) -> str:
    """Return a day as ``3 Mar``, for an axis."""
    return f"{value.day} {value:%b}"


def entity(keys: Mapping[str, object]) -> str:
    """Return an entity in words: ``job 7, workspace w1``; a table by its three-level name.

    Args:
        keys: The model's keys, in declared order.
    """
    rest = {name: value for name, value in keys.items() if name not in TABLE_KEYS}
    table = ".".join(str(keys[name]) for name in TABLE_KEYS if name in keys)
    words = [f"table {table}"] if table else []
    # The narrowest key comes last in a declaration, and first in speech.
    words += [f"{spoken(name.removesuffix('_id'))} {value}" for name, value in reversed(rest.items())]
    return ", ".join(words)


def spoken(name: str) -> str:
    """Return a snake_case name as words."""
    return name.replace("_", " ")


def reason(found: Mapping[str, object], declared: Mapping[str, Feature]) -> tuple[str, bool]:
    """Return a reason of a prediction as a sentence, and whether the value lies outside its usual range.

    Args:
        found: ``feature``, ``value``, ``low`` and ``high``.
        declared: Declarations by feature name.
    """
    name = str(found["feature"])
    about = declared.get(name)
    unit = about.unit if about else ""
    value, low, high = (_float(found[part]) for part in ("value", "low", "high"))
    description = about.description if about else spoken(name)
    outside = value is not None and ((low is not None and value < low) or (high is not None and value > high))
    return f"{description}: {quantity(value, unit)}, usually {span(low, high, unit)}", outside


def _float(value: object) -> float | None:
    if not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return float(value)

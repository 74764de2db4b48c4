"""Columns that are amounts of money: they cancel exactly, as a charge and its correction do."""

from __future__ import annotations

from functools import partial
from typing import Any

from framework import Feature
from framework import formulas as fx

MONEY = "list price"
DIGITS = 9
"""Decimals of a sum: far below a cent, and above what adding up leaves of amounts that cancel."""

spent = partial(fx.total, unit=MONEY, digits=DIGITS)
"""Declare the sum of a daily amount over trailing days."""


def amount(name: str, sql: str, *, unit: str = MONEY, **more: Any) -> Feature:
    """Declare a sum of one day's records; 0 where there is none. Money is rounded, other units are not."""
    return fx.counted(name, f"round({sql}, {DIGITS})" if unit == MONEY else sql, unit=unit, **more)

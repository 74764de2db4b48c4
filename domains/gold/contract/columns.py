"""The one word that the contract is written in."""

from __future__ import annotations

from framework import GoldColumn


def column(name: str, kind: str, description: str, values: tuple[str, ...] = ()) -> GoldColumn:
    """Declare a column: its name, Spark type, meaning, and the closed set of values if there is one."""
    return GoldColumn(name=name, type=kind, description=description, values=values)


def end_of(day: str) -> str:
    """Return SQL for the last moment of a day."""
    return f"CAST(date_add({day}, 1) AS TIMESTAMP) - INTERVAL '0.000001' SECOND"

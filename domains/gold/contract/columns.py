"""The one word that the contract is written in."""

from __future__ import annotations

from framework import GoldColumn


def column(
    name: str, kind: str, description: str, values: tuple[str, ...] = (), *, planned: bool = False
) -> GoldColumn:
    """Declare a column: its name, Spark type, meaning, and the closed set of values if there is one.

    Whole numbers of the contract are counts, sizes and durations: none of them can be negative. A time that is set
    in advance is ``planned``.
    """
    least = 0.0 if kind in ("INT", "BIGINT") else None
    return GoldColumn(name=name, type=kind, description=description, values=values, least=least, planned=planned)


def end_of(day: str) -> str:
    """Return SQL for the last moment of a day."""
    return f"CAST(date_add({day}, 1) AS TIMESTAMP) - INTERVAL '0.000001' SECOND"

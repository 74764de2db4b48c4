"""Frozen declarations of gold tables and their columns, and ranges of days."""

from __future__ import annotations

import dataclasses
from datetime import date, timedelta


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class GoldColumn:
    """One column of a gold table.

    Args:
        name: Our name.
        type: Spark SQL type.
        description: Meaning.
        gold_name: The column's name in the gold layer, if it differs.
        values: The closed set of values, if there is one; others are counted, not dropped.
        least: Smallest value that can be true, such as 0 of a duration; rows below go to the quarantine.
        planned: True for a time that is set in advance, such as a deadline: it may lie after the row's ``known_at``.
    """

    name: str
    type: str
    description: str = ""
    gold_name: str = ""
    values: tuple[str, ...] = ()
    least: float | None = None
    planned: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class GoldTable:
    """A gold table as declared input.

    Args:
        name: Table name.
        description: What one row is.
        columns: Declared columns; others are ignored.
        grain: Columns that identify a row; empty where the table promises none.
        known_at: SQL for the time at which a row became known.
        start: Column of a row's start, compared with ``end`` by the quarantine.
        end: Column of a row's end.
        history: True for dimensions and prices: a window never cuts their past.
        truth: True for what no feature and no label may read, only the events that judge an anomaly model.
    """

    name: str
    description: str
    columns: tuple[GoldColumn, ...]
    known_at: str
    grain: tuple[str, ...] = ()
    start: str = ""
    end: str = ""
    history: bool = False
    truth: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Declared column names."""
        return tuple(c.name for c in self.columns)

    def schema(self) -> str:
        """Return the declared columns as Spark DDL, under their gold names."""
        return ", ".join(f"{c.gold_name or c.name} {c.type}" for c in self.columns)


@dataclasses.dataclass(frozen=True, slots=True)
class Days:
    """A closed range of days; ``start`` is ``None`` for "from the first day there is"."""

    start: date | None
    end: date

    def earlier(self, count: int) -> Days:
        """Return the range with its start moved ``count`` days back."""
        return self if self.start is None else Days(self.start - timedelta(days=count), self.end)

"""Aggregates over the last days as one grouping: for an engine that groups by column, and slides row by row.

Each row counts on its own day and on the days after it, as far as the longest window reaches. Grouped by the day on
which they count, rows of a window stand together, and each aggregate takes those of its own days.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from framework.declare.reading import windowed
from framework.features.sliding import MARK, SLIDING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pyspark.sql import DataFrame

    from framework.declare.table import Feature

_SINCE = f"{MARK}_since"
_AGGREGATES = {
    "last": "max_by({x}, CASE WHEN {inside} AND {x} IS NOT NULL THEN {since} END)",
    "collect_list": "collect_list(CASE WHEN {inside} AND {x} IS NOT NULL"
    " THEN named_struct('day', {since}, 'x', {x}) END)",
}
"""How an aggregate is taken whose result hangs on the order of days; any other of the rows inside the window."""
_WHOLES = {"collect_list": "transform(sort_array(filter({name}, one -> one IS NOT NULL)), one -> one.x)"}


class Grouped:
    """The aggregates of some formulas over their last days; the same interface as :class:`Sliding`.

    Args:
        keys: Columns that name an entity.
        day: The row's day as a whole number; an entity has at most one row on a day.
        settle: Computes a frame once: it is read for the rows and for their windows.
    """

    def __init__(self, keys: Sequence[str], day: str, settle: Callable[[DataFrame], DataFrame]) -> None:
        self._keys = list(keys)
        self._day = day
        self._settle = settle
        self._values: dict[str, str] = {}
        self._aggregates: dict[str, str] = {}
        self._reach = 0

    def replaced(self, column: Feature) -> str:
        """Return a formula with its sliding windows replaced by columns that :meth:`added` adds."""
        sql = column.sql
        for one in windowed(sql):
            if one.window in SLIDING:
                past = one.window == "earlier"
                length = max(column.window, 1)
                sql = sql.replace(one.text, self._whole(one.function, one.of, (int(past), length - 1 + past)))
        return sql

    def added(self, frame: DataFrame) -> DataFrame:
        """Add what the replaced formulas refer to."""
        from pyspark.sql import functions as F

        if not self._aggregates:
            return frame
        rows = self._settle(frame.selectExpr("*", *(f"{sql} AS {name}" for sql, name in self._values.items())))
        until = f"explode(sequence({self._day}, {self._day} + {self._reach})) AS {self._day}"
        counting = rows.selectExpr(*self._keys, f"{self._day} AS {_SINCE}", *self._values.values(), until)
        aggregates = [F.expr(f"{sql} AS {name}") for sql, name in self._aggregates.items()]
        windows = counting.groupBy(*self._keys, self._day).agg(*aggregates)
        return rows.join(windows, [*self._keys, self._day], "left")

    @property
    def helpers(self) -> list[str]:
        """Columns that nobody needs once the formulas are computed."""
        return [*self._values.values(), *self._aggregates.values()]

    def _whole(self, function: str, of: str, ages: tuple[int, int]) -> str:
        """Return the SQL of one aggregate, and note what it needs."""
        value = of.rpartition(",")[0] if function == "last" else "1" if of.strip() == "*" else of
        x = self._values.setdefault(f"({value})", f"{MARK}_value_{len(self._values)}")
        inside = f"{self._day} - {_SINCE} BETWEEN {ages[0]} AND {ages[1]}"
        form = _AGGREGATES.get(function, f"{function}(CASE WHEN {{inside}} THEN {{x}} END)")
        sql = form.format(x=x, inside=inside, since=_SINCE)
        name = self._aggregates.setdefault(sql, f"{MARK}_window_{len(self._aggregates)}")
        self._reach = max(self._reach, ages[1])
        return _WHOLES.get(function, "{name}").format(name=name)

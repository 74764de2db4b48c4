"""Aggregates over the last days, put together from two parts that only grow.

The calendar is cut into blocks as long as the window. A window of ``n`` days then covers the block of its last day up
to that day, and the end of the block before it. Both parts grow by a row at a time, one forwards and one backwards, so
a window costs the same whatever its length. A frame that slides would be added up anew for each row, or, in engines
that take off what leaves it, keep what rounding left: 0 after a large value would not be 0.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from framework.base.errors import SpecError
from framework.declare.reading import windowed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pyspark.sql import DataFrame

    from framework.declare.reading import Windowed
    from framework.declare.table import Feature, TableSpec

MARK = "__w"
"""What helper columns begin with; names of features begin with a letter."""
_BACKWARDS = f"{MARK}_back"
SLIDING = ("trailing", "earlier")


@dataclasses.dataclass(frozen=True, slots=True)
class _Rule:
    """How an aggregate of a window follows from those of its two parts.

    Args:
        parts: Aggregates of the value ``{x}``, each as it is taken forwards in time and backwards; ``{day}`` is the
            row's day, ``{over}`` the frame and ``{block}`` the whole block.
        whole: SQL of the aggregate: ``{a0}`` is the first of the earlier part, ``{b0}`` of the later one, and ``{x}``
            the row's own value, ``{since}`` and ``{until}`` the window's days. A part that has no row is NULL; a count
            may also be 0.
    """

    parts: tuple[tuple[str, str], ...]
    whole: str


def _both(*parts: str) -> tuple[tuple[str, str], ...]:
    return tuple((f"{part} {{over}}", f"{part} {{over}}") for part in parts)


_SUM = "coalesce({a0} + {b0}, {a0}, {b0})"
_COUNT = "(coalesce({a0}, 0) + coalesce({b0}, 0))"
_LEAST = "(CASE WHEN {a0} < {b0} OR {b0} IS NULL THEN {a0} ELSE {b0} END)"
_GREATEST = "(CASE WHEN {a0} > {b0} OR {b0} IS NULL THEN {a0} ELSE {b0} END)"
_MEAN = _Rule(
    _both("sum(CAST({x} AS DOUBLE))", "count({x})"),
    f"({_SUM} / nullif(coalesce({{a1}}, 0) + coalesce({{b1}}, 0), 0))",
)
# Values that are all alike have no spread, whatever rounding makes of the distance between the parts' means.
_SPREAD = _Rule(
    _both("count({x})", "sum(CAST({x} AS DOUBLE))", "var_pop({x})", "min({x})", "max({x})"),
    f"(CASE WHEN {_COUNT} < 2 THEN CAST(NULL AS DOUBLE)"
    " WHEN coalesce(least({a3}, {b3}), {a3}, {b3}) = coalesce(greatest({a4}, {b4}), {a4}, {b4}) THEN 0D"
    " ELSE sqrt((coalesce({a2} * {a0}, 0) + coalesce({b2} * {b0}, 0)"
    " + coalesce(pow({a1} / nullif({a0}, 0) - {b1} / nullif({b0}, 0), 2) * {a0} * {b0} / nullif({a0} + {b0}, 0), 0))"
    f" / nullif({_COUNT} - 1, 0)) END)",
)
_RULES = {
    "sum": _Rule(_both("sum({x})"), _SUM),
    "count": _Rule(_both("count({x})"), _COUNT),
    "count_if": _Rule(_both("count_if({x})"), _COUNT),
    "avg": _MEAN,
    "mean": _MEAN,
    "min": _Rule(_both("min({x})"), _LEAST),
    "max": _Rule(_both("max({x})"), _GREATEST),
    "stddev": _SPREAD,
    "stddev_samp": _SPREAD,
    # Of the two blocks everything, in the order of their days: a list that grows would be copied at each row.
    "collect_list": _Rule(
        (("collect_list(CASE WHEN {x} IS NOT NULL THEN named_struct('day', {day}, 'x', {x}) END) {block}",) * 2,),
        "transform(sort_array(filter(CASE WHEN {a0} IS NULL THEN {b0} ELSE concat({a0}, {b0}) END,"
        " one -> one IS NOT NULL AND one.day BETWEEN {since} AND {until})), one -> one.x)",
    ),
    "last": _Rule((("last({x}, true) {over}", "first({x}, true) {over}"),), "coalesce({b0}, {a0})"),
}


def check_windows(table: TableSpec) -> None:
    """Refuse an aggregate of the last days for which there is no rule.

    Raises:
        SpecError: Naming the column, and what there is.
    """
    for column in table.columns:
        for one in windowed(column.sql):
            if one.window in SLIDING and not _has_rule(one):
                raise SpecError(
                    what=f"no engine-independent form of '{one.text}'",
                    where=f"{table.name}.{column.name}",
                    fix=f"use {', '.join(_RULES)} of one value; for a quantile `sorted_values` and `quantile`",
                )


def _has_rule(one: Windowed) -> bool:
    plain = one.function in _RULES and not one.of.lower().startswith("distinct ")
    return plain and (one.function == "last") == one.of.replace(" ", "").endswith(",true")


class Sliding:
    """The aggregates of some formulas over their last days.

    Args:
        keys: Columns that name an entity.
        day: The row's day as a whole number; an entity has at most one row on a day.
    """

    def __init__(self, keys: Sequence[str], day: str) -> None:
        self._keys = ", ".join(keys)
        self._day = day
        self._values: dict[str, str] = {}
        self._blocks: dict[int, str] = {}
        self._parts: dict[str, str] = {}
        self._ends: dict[tuple[int, str], dict[str, str]] = {}

    def replaced(self, column: Feature) -> str:
        """Return a formula with its sliding windows replaced by columns that :meth:`added` adds."""
        sql = column.sql
        for one in windowed(sql):
            if one.window in SLIDING:
                sql = sql.replace(one.text, self._whole(one.function, one.of, one.window, max(column.window, 1)))
        return sql

    def added(self, frame: DataFrame) -> DataFrame:
        """Add what the replaced formulas refer to."""
        for stage in self._stages():
            if stage:
                frame = frame.selectExpr("*", *stage)
        return frame

    @property
    def helpers(self) -> list[str]:
        """Columns that nobody needs once the formulas are computed."""
        ends = [_end(*frame) for frame in self._ends]
        return [_BACKWARDS, *self._values.values(), *self._blocks.values(), *self._parts.values(), *ends]

    def _stages(self) -> Iterator[list[str]]:
        values = [f"{sql} AS {name}" for sql, name in self._values.items()]
        blocks = [f"floor({self._day} / {length}) AS {name}" for length, name in self._blocks.items()]
        # Through text, lest an engine sees that this is the day backwards, turns the frame round and takes values off.
        backwards = f"CAST(CAST(-{self._day} AS STRING) AS INT) AS {_BACKWARDS}"
        yield [*values, *blocks, backwards] if values else []
        yield [f"{sql} AS {name}" for sql, name in self._parts.items()]
        ends = []
        for (length, window), parts in self._ends.items():
            fields = ", ".join(f"'{name}', {name}" for name in (self._blocks[length], *parts))
            ends.append(f"first(named_struct({fields})) OVER {self._days(length, window)} AS {_end(length, window)}")
        yield ends

    def _days(self, length: int, window: str) -> str:
        since, until = (length - 1, "CURRENT ROW") if window == "trailing" else (length, "1 PRECEDING")
        return f"(PARTITION BY {self._keys} ORDER BY {self._day} RANGE BETWEEN {since} PRECEDING AND {until})"

    def _whole(self, function: str, of: str, window: str, length: int) -> str:
        """Return the SQL of one aggregate, and note what it needs."""
        rule = _RULES[function]
        value = of.rpartition(",")[0] if function == "last" else "1" if of.strip() == "*" else of
        x = self._values.setdefault(f"({value})", f"{MARK}_value_{len(self._values)}")
        block = self._blocks.setdefault(length, f"{MARK}_block_{length}")
        until = "CURRENT ROW" if window == "trailing" else "1 PRECEDING"
        start, back = (
            f"OVER (PARTITION BY {self._keys}, {block} ORDER BY {order}" for order in (self._day, _BACKWARDS)
        )
        forwards = f"{start} ROWS BETWEEN UNBOUNDED PRECEDING AND {until})"
        backwards = f"{back} ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)"
        first, last = (length - 1, 0) if window == "trailing" else (length, 1)
        named = {"x": x, "since": f"{self._day} - {first}", "until": f"{self._day} - {last}"}
        whole = f"OVER (PARTITION BY {self._keys}, {block})"
        ends = self._ends.setdefault((length, window), {})
        for place, (later, earlier) in enumerate(rule.parts):
            named[f"b{place}"] = self._part(later.format(x=x, day=self._day, over=forwards, block=whole))
            name = self._part(earlier.format(x=x, day=self._day, over=backwards, block=whole))
            ends[name] = name
            field = f"{_end(length, window)}.{name}"
            # The window may begin in the block of its last day: then the later part is all of it.
            named[f"a{place}"] = f"(CASE WHEN {_end(length, window)}.{block} < {block} THEN {field} END)"
        return rule.whole.format(**named)

    def _part(self, sql: str) -> str:
        return self._parts.setdefault(sql, f"{MARK}_part_{len(self._parts)}")


def _end(length: int, window: str) -> str:
    """Return the name of the column that holds the earlier parts of a window."""
    return f"{MARK}_{window}_{length}"

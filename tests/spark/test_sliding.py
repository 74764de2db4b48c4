"""Aggregates over the last days against plain Python, whatever the days hold: gaps, NULL, large values that go."""

from __future__ import annotations

import math
import statistics
from datetime import date
from functools import partial

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from framework.base.errors import SpecError
from framework.declare.formulas import counted, daily, derived
from framework.declare.model import TableSpec, days
from framework.features.builder import DailyFeatures
from framework.features.grouped import Grouped
from framework.features.sliding import Sliding
from tests.conftest import SPARK

FIRST = date(2026, 3, 1)
ROW = (("shop", "string"), ("day_number", "int"), ("x", "double"), ("words", "array<string>"))
WINDOWS = (("trailing", 3), ("earlier", 3), ("trailing", 7), ("earlier", 5))


def some(values, make):
    return make(values) if values else None


TWINS = {
    "sum(x)": lambda v: some(v, math.fsum),
    "count(x)": len,
    "count_if(x > 1)": lambda v: sum(one > 1 for one in v),
    "avg(x)": lambda v: some(v, statistics.fmean),
    "min(x)": lambda v: some(v, min),
    "max(x)": lambda v: some(v, max),
    "stddev_samp(x)": lambda v: statistics.stdev(v) if len(v) > 1 else None,
    "last(x, true)": lambda v: v[-1] if v else None,
    "collect_list(x)": list,
}
VALUES = st.sampled_from([None, 0.0, 0.1, 0.7, 1.5, -2.25, 3.0, 1e9, -0.0])
DAYS = st.lists(st.tuples(st.sampled_from("ab"), st.integers(20_500, 20_540), VALUES), min_size=1, max_size=40)


def feature(name, sql, window):
    return derived(name, sql, window=days(window), description="-")


@pytest.mark.parametrize("of", [Sliding, partial(Grouped, settle=lambda frame: frame)], ids=["sliding", "grouped"])
@settings(max_examples=4 if SPARK else 25, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(rows=DAYS)
def test_every_aggregate_is_that_of_the_windows_rows(frame_of, of, rows):
    rows = list({(shop, day): (shop, day, x) for shop, day, x in rows}.values())
    frame = frame_of([{"shop": s, "day_number": d, "x": x, "words": [f"{s}{d}"]} for s, d, x in rows], ROW)
    sliding = of(["shop"], "day_number")
    asked = [(sql, window, n) for sql in TWINS for window, n in WINDOWS]
    columns = [
        f"{sliding.replaced(feature('c', f'{sql} OVER {window}', n))} AS c{i}"
        for i, (sql, window, n) in enumerate(asked)
    ]
    lists = sliding.replaced(feature("c", "flatten(collect_list(words) OVER trailing)", 7))
    found = sliding.added(frame).selectExpr("*", *columns, f"{lists} AS lists").collect()
    assert len(found) == len(rows)
    for row in found:
        for i, (sql, window, n) in enumerate(asked):
            past = 0 if window == "trailing" else 1
            inside = sorted(
                (d, x)
                for s, d, x in rows
                if s == row.shop and row.day_number - n + 1 - past <= d <= row.day_number - past
            )
            expected = TWINS[sql]([x for _, x in inside if x is not None])
            got = row[f"c{i}"]
            where = f"{sql} over {window} {n} of {row.shop} {row.day_number}: {got} for {expected}"
            if isinstance(expected, list) or expected is None:
                assert got == expected, where
            else:
                assert got == pytest.approx(expected, rel=1e-12, abs=1e-12), where
        known = sorted(d for s, d, _ in rows if s == row.shop and row.day_number - 6 <= d <= row.day_number)
        assert row.lists == [f"{row.shop}{d}" for d in known]


def test_what_leaves_a_window_leaves_nothing_behind(frame_of):
    """A frame that takes values off a running sum would keep what rounding left of them."""
    values = [0.1, 0.7, 1e9, 0.0, 0.0, 0.0, 0.0]
    rows = [{"shop": "a", "day_number": 20_000 + d, "x": x, "words": []} for d, x in enumerate(values)]
    sliding = Sliding(["shop"], "day_number")
    sums = sliding.replaced(feature("s", "sum(x) OVER trailing", 3))
    spread = sliding.replaced(feature("d", "stddev_samp(x) OVER trailing", 3))
    last = sliding.added(frame_of(rows, ROW)).selectExpr("day_number", f"{sums} AS s", f"{spread} AS d")
    row = max(last.collect(), key=lambda one: one.day_number)
    assert (row.s, row.d) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("percentile_approx(amount, 0.5) OVER trailing", "sorted_values"),
        ("last(amount) OVER trailing", "no engine-independent form"),
        ("sum(DISTINCT amount) OVER earlier", "no engine-independent form"),
        ("sum(amount) FILTER (WHERE amount > 1) OVER trailing", "no engine-independent form"),
        ("weekday(shop_day)", "weekday_of"),
    ],
)
def test_a_formula_that_engines_read_differently_is_refused_when_its_class_is_created(sql, said):
    with pytest.raises(SpecError, match=said):

        class Shops(DailyFeatures):
            table = TableSpec(
                name="shops",
                description="-",
                keys=("shop",),
                time="shop_day",
                columns=(
                    counted("events", "count(*)", description="-"),
                    daily("amount", "max(amount)", description="-"),
                    feature("level", sql, 7),
                ),
            )

            def events(self, gold):
                return gold


def test_a_window_costs_the_same_whatever_its_length(spark):
    """Ninety days are put together from two parts as seven are: the plan holds no frame that slides over values."""
    frame = spark.range(1).selectExpr("'a' AS shop", "1 AS day_number", "1D AS x")
    for length in (7, 90):
        sliding = Sliding(["shop"], "day_number")
        sliding.replaced(feature("s", "sum(x) OVER trailing", length))
        stages = [sql for stage in sliding._stages() for sql in stage]
        assert not [sql for sql in stages if sql.startswith("sum") and "RANGE BETWEEN" in sql]
        assert len(sliding.added(frame).columns) == 9

from __future__ import annotations

import inspect
import re

import pytest

from framework.declare import formulas
from framework.declare.formulas import (
    calendar,
    daily,
    days_since,
    derived,
    lagged,
    last_of,
    mean,
    nearest_rank,
    quantile,
    rate,
    smoothed_rate,
    sorted_values,
    total,
    values,
    zscore,
)
from framework.declare.model import days

WINDOWED = {
    "total": total("x", "runs", window=days(7), description="s"),
    "mean": mean("x", "runs", window=days(7), description="s"),
    "rate": rate("x", "failed", "runs", window=days(7), description="s"),
    "smoothed_rate": smoothed_rate("x", "failed", "runs", window=days(7), description="s"),
    "sorted_values": sorted_values("x", "seconds", window=days(7)),
    "days_since": days_since("x", "failed", window=days(7), description="s"),
    "zscore": zscore("x", "runs", window=days(7), description="s"),
    "lagged": lagged("x", "runs", by=days(7), description="s"),
}


@pytest.mark.parametrize("name", WINDOWED)
def test_a_window_is_counted_in_days_and_belongs_to_a_row(name):
    assert WINDOWED[name].window == 7
    assert WINDOWED[name].stage == "row"


@pytest.mark.parametrize("name", WINDOWED)
def test_only_comparisons_with_the_past_leave_today_out(name):
    marks = set(re.findall(r"OVER (\w+)", WINDOWED[name].sql))
    assert marks == {"zscore": {"earlier"}, "lagged": {"that_day"}}.get(name, {"trailing"})


@pytest.mark.parametrize("name", ["rate", "zscore"])
def test_a_quotient_is_null_where_it_would_divide_by_zero(name):
    assert re.search(r"/ nullif\(.*, 0\)", WINDOWED[name].sql)


def test_a_smoothed_rate_of_nothing_is_one_half():
    assert WINDOWED["smoothed_rate"].sql == "(sum(failed) OVER trailing + 1) / (sum(runs) OVER trailing + 2)"


def test_formulas_refer_to_what_they_are_made_of():
    known = {"runs", "failed", "seconds", "x", "other"}
    assert WINDOWED["rate"].refers_to(known) == {"failed", "runs"}
    assert WINDOWED["days_since"].refers_to(known) == {"failed"}
    assert quantile("p95", 0.95, "x", description="s").refers_to(known) == {"x"}


def test_helpers_are_hidden_and_features_are_not():
    assert values("v", "seconds").hidden
    assert WINDOWED["sorted_values"].hidden
    assert values("v", "seconds").type == WINDOWED["sorted_values"].type == "array<double>"
    assert not quantile("p95", 0.95, "x", description="s").hidden
    assert not WINDOWED["lagged"].hidden


def test_a_daily_column_has_a_value_for_days_without_events():
    assert daily("runs", "count(*)", description="s", empty=0).empty == 0
    assert daily("share", "avg(x)", description="s").empty is None
    assert daily("runs", "count(*)", description="s").stage == "day"
    assert daily("runs", "count(*)", description="s").window == 0


def test_a_quantile_of_no_values_is_null_and_of_one_value_is_that_value():
    assert nearest_rank("a", 0.5) == "try_element_at(a, cast(greatest(ceil(0.5 * size(a)), 1) AS int))"
    assert quantile("p50", 0.5, "a", description="s").sql == nearest_rank("a", 0.5)


def test_the_last_elements_are_at_most_as_many_as_there_are():
    assert last_of("a", 5) == "slice(a, greatest(size(a) - 4, 1), 5)"


def test_the_calendar_takes_the_weekday_of_the_rows_own_day():
    names = {c.name: c for c in calendar("run_date")}
    assert set(names) == {"weekday_sin", "weekday_cos", "is_weekend"}
    assert all("dayofweek(run_date)" in c.sql and c.window == 0 and c.calendar for c in names.values())


def test_needs_reach_the_declaration():
    assert derived("x", "runs", description="s", needs=("fact.state",)).needs == ("fact.state",)
    assert values("v", "seconds", needs=("fact.seconds",)).needs == ("fact.seconds",)


def test_every_public_word_says_what_it_declares():
    words = [f for _, f in inspect.getmembers(formulas, inspect.isfunction) if f.__module__ == formulas.__name__]
    assert all(word.__doc__ for word in words if not word.__name__.startswith("_"))

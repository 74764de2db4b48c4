"""Formulas are read when their class is created: what they refer to, and what no feature may do."""

from __future__ import annotations

import pytest

from framework import DailyFeatures, Feature, TableSpec, days, errors
from framework import formulas as fx
from framework.declare.reading import canonical, read, with_windows


def table(*columns: Feature) -> TableSpec:
    return TableSpec(name="runs", description="Runs.", keys=("job_id",), time="run_date", columns=columns)


def daily(*columns: Feature) -> type:
    """Create a daily builder over some columns."""
    return type(
        "Made",
        (DailyFeatures,),
        {"table": table(fx.counted("cost", "sum(cost)", description="c"), *columns), "events": None},
    )


@pytest.mark.parametrize(
    ("sql", "columns"),
    [
        ("sum(cost) OVER trailing / nullif(count(runs) OVER earlier, 0)", {"cost", "runs"}),
        ("aggregate(costs, 0D, (total, x) -> total + x.price * factor)", {"costs", "factor"}),
        ("next.failed + struct_column.inner.deep", {"next", "struct_column"}),
        ("CASE WHEN name RLIKE 'cost(s)? OVER peers' THEN 1 END", {"name"}),
        ("max(CASE WHEN a > 0 THEN day_number END) OVER that_day", {"a", "day_number"}),
        ("sum(a) OVER peers_within(workspace_id, region)", {"a", "workspace_id", "region"}),
        ("CAST(`odd` AS decimal(10,2))", {"odd"}),
    ],
)
def test_a_formula_refers_to_the_columns_of_its_parse(sql, columns):
    found = read(sql)
    assert found.columns == columns
    assert found.faults == ()


@pytest.mark.parametrize(
    ("sql", "what"),
    [
        ("sum(cost OVER trailing", "is no SQL"),
        ("lead(cost) OVER (PARTITION BY job_id ORDER BY run_date)", "lead() reads a later row"),
        (
            "sum(cost) OVER (PARTITION BY k ORDER BY t ROWS BETWEEN CURRENT ROW AND 3 FOLLOWING)",
            "after the row",
        ),
        (
            "avg(c) OVER (PARTITION BY a ORDER BY b ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)",
            "after the",
        ),
        ("last(cost) OVER (PARTITION BY job_id ORDER BY run_date DESC)", "after the row's own day"),
        ("sum(cost) OVER (ORDER BY run_date)", "without PARTITION BY"),
        ("sum(cost) OVER traling", "no window 'traling'"),
        ("try_element(costs, 1)", "no engine has a function 'try_element'"),
        ("date_diff(current_date(), run_date)", "clock of the machine"),
        ("cost + rand()", "another value each time"),
    ],
)
def test_what_no_feature_may_do_is_an_error_where_the_table_is_declared(sql, what):
    with pytest.raises(errors.SpecError) as found:
        table(fx.derived("ratio", sql, description="r"))
    assert what in str(found.value)
    assert "runs.ratio" in str(found.value)
    assert read(sql).faults[0][1]


def test_an_unknown_column_is_named_with_the_nearest():
    with pytest.raises(errors.SpecError, match=r"no column 'costt'.*cost"):
        daily(fx.total("cost_7d", "costt", window=days(7), description="c"))
    daily(fx.total("cost_7d", "cost", window=days(7), description="c"))


def test_a_column_that_is_called_like_a_window_is_refused():
    with pytest.raises(errors.SpecError, match="'peers' is a word of the formulas"):
        table(fx.derived("peers", "cost", description="p"))


def test_a_field_of_a_struct_is_no_column_of_that_name():
    ordered = table(
        fx.derived("failed", "max(outcomes.failed)", description="f"),
        fx.derived("outcomes", "last(state) OVER trailing", description="o", window=days(3)),
    )
    assert [[column.name for column in layer] for layer in ordered.layers()] == [["outcomes"], ["failed"]]


def test_windows_are_put_in_and_the_stored_form_stays():
    sql = "sum(a) OVER trailing - sum(b) OVER peers_within(k) + max(day_number) OVER peers"
    clauses = {"trailing": "(T)", "earlier": "(E)", "that_day": "(D)", "peers": "(P)"}
    assert with_windows(sql, clauses, "t") == (
        "sum(a) OVER (T) - sum(b) OVER (PARTITION BY t, k) + max(day_number) OVER (P)"
    )
    assert canonical(sql) == "sum(a) {w} - sum(b) {peers of k} + max(__day) {peers}"

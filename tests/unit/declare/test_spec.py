from __future__ import annotations

import dataclasses

import pytest

from framework.base.errors import SpecError
from framework.declare.formulas import daily, derived, lagged, mean, rate, total, zscore
from framework.declare.model import FromFeature, Lookup, ModelSpec, TableSpec, days, hours


def table(*columns, **changes):
    facts = {"name": "jobs", "description": "a job's day", "keys": ("job_id",), "time": "run_date"}
    return TableSpec(**facts | {"columns": columns} | changes)


RUNS = daily("runs", "count(*)", description="runs", empty=0, needs=("fact.run_id",))
FAILED = daily("failed", "count_if(bad)", description="failed runs", empty=0, needs=("fact.state",), hidden=True)
RATE = rate("failure_rate", "failed", "runs", window=days(7), description="share of failed runs")


def model(**changes):
    facts = {
        "name": "the_model",
        "use_case": "the_case",
        "question": "what?",
        "action": "act",
        "label_description": "the label",
        "unit": "job-day",
        "lookups": (Lookup(table="jobs"),),
        "horizon": days(1),
        "baseline": FromFeature(columns=("failure_rate",)),
    }
    return ModelSpec(**facts | changes)


def test_the_primary_key_ends_in_the_time():
    assert table(RUNS, keys=("workspace_id", "job_id")).primary_key == ("workspace_id", "job_id", "run_date")


def test_hidden_helpers_are_no_features():
    assert [c.name for c in table(RUNS, FAILED, RATE).features] == ["runs", "failure_rate"]


@pytest.mark.parametrize("name", ["Runs", "runs-7d", "7d", "", "runs 7"])
def test_names_are_snake_case(name):
    with pytest.raises(SpecError, match="is not snake_case"):
        table(dataclasses.replace(RUNS, name=name))
    with pytest.raises(SpecError, match="is not snake_case"):
        model(name=name)
    with pytest.raises(SpecError, match="is not snake_case"):
        model(labels=("label", name))


@pytest.mark.parametrize("name", ["runs", "job_id", "run_date"])
def test_a_name_stands_once(name):
    with pytest.raises(SpecError, match=rf"declared twice: \['{name}'\]"):
        table(RUNS, dataclasses.replace(FAILED, name=name))


def test_formulas_in_a_circle_are_refused():
    with pytest.raises(SpecError, match=r"in a circle: \['one', 'three', 'two'\]"):
        table(
            RUNS,
            derived("one", "two + runs", description="1"),
            derived("two", "three", description="2"),
            derived("three", "one", description="3"),
        )


def test_a_name_inside_another_word_is_no_reference():
    assert (
        table(RUNS, derived("one", "runs_7d + max_runs", description="1")).feature("one").refers_to({"runs"}) == set()
    )


def test_a_daily_aggregate_speaks_of_event_columns_only():
    # The event column 'failed' is not the feature 'failed'.
    spec = table(
        daily("runs", "count_if(failed)", description="runs"), daily("failed", "count_if(runs)", description="failed")
    )
    assert [c.name for layer in spec.layers() for c in layer] == ["runs", "failed"]


def test_layers_refer_only_to_earlier_ones():
    columns = (
        derived("last", "ratio + failed", description="3"),
        derived("ratio", "failed / runs", description="2"),
        RUNS,
        FAILED,
    )
    spec = table(*columns)
    seen: set[str] = set()
    for layer in spec.layers():
        assert all(c.refers_to({one.name for one in columns}) <= seen for c in layer if c.stage == "row")
        seen |= {c.name for c in layer}
    assert seen == {"last", "ratio", "runs", "failed"}


def test_lookback_adds_up_along_chained_windows():
    assert table(RUNS).lookback == 0
    assert table(RUNS, FAILED, RATE).lookback == 7
    level = mean("level", "failure_rate", window=days(28), description="level of the rate")
    assert table(level, RATE, RUNS, FAILED).lookback == 35
    before = lagged("before", "level", by=days(14), description="the level two weeks ago")
    beside = zscore("beside", "runs", window=days(40), description="today against the past")
    assert table(before, level, RATE, RUNS, FAILED, beside).lookback == 49
    assert table().lookback == 0


def test_only_keeps_what_the_formulas_need_in_declared_order():
    level = mean("level", "failure_rate", window=days(28), description="level of the rate")
    other = total("other", "runs", window=days(90), description="not needed")
    spec = table(other, level, RUNS, FAILED, RATE)
    assert [c.name for c in spec.only(["level"]).columns] == ["level", "runs", "failed", "failure_rate"]
    assert [c.name for c in spec.only(["failed"]).columns] == ["failed"]
    assert spec.only(["level"]).lookback == 35
    assert spec.only([]).columns == ()


def test_an_unknown_feature_names_the_nearest():
    spec = table(RUNS, FAILED, RATE)
    with pytest.raises(SpecError, match="did you mean 'failure_rate'"):
        spec.feature("failure_rates")
    with pytest.raises(SpecError, match="no feature 'zzz'"):
        spec.only(["zzz"])


def test_inputs_are_those_of_all_ingredients_and_of_the_table():
    level = mean("level", "failure_rate", window=days(28), description="level of the rate")
    spec = table(RUNS, FAILED, RATE, level, needs=("fact.job_id",))
    assert spec.inputs_of("runs") == ("fact.job_id", "fact.run_id")
    assert set(spec.inputs_of("level")) == {"fact.job_id", "fact.run_id", "fact.state"}
    assert len(spec.inputs_of("level")) == 3


def test_a_formulas_hash_changes_with_that_of_an_ingredient_and_not_with_words():
    level = mean("level", "failure_rate", window=days(28), description="level of the rate")
    plain = table(RUNS, FAILED, RATE, level)
    for change in ({"sql": "count_if(worse)"}, {"empty": None}, {"type": "int"}):
        other = table(RUNS, dataclasses.replace(FAILED, **change), RATE, level)
        assert other.formula_hash("level") != plain.formula_hash("level")
        assert other.formula_hash("runs") == plain.formula_hash("runs")
    longer = table(RUNS, FAILED, dataclasses.replace(RATE, window=8), level)
    assert longer.formula_hash("level") != plain.formula_hash("level")
    reworded = table(RUNS, dataclasses.replace(FAILED, description="other words", unit="runs"), RATE, level)
    assert reworded.formula_hash("level") == plain.formula_hash("level")


def test_a_model_needs_a_lookup_and_a_future():
    with pytest.raises(SpecError, match="no lookups"):
        model(lookups=())
    for horizon in (days(0), hours(-1)):
        with pytest.raises(SpecError, match="the horizon is not positive"):
            model(horizon=horizon)


def test_a_models_hash_changes_with_any_fact():
    plain = model()
    assert plain.spec_hash() == model().spec_hash()
    for change in ({"horizon": hours(25)}, {"quantiles": (0.2,)}, {"lookups": (Lookup(table="x", columns=("a",)),)}):
        assert model(**change).spec_hash() != plain.spec_hash()


def test_declarations_are_frozen():
    for spec in (model(), table(RUNS), RUNS):
        with pytest.raises(dataclasses.FrozenInstanceError):
            spec.name = "other"

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from framework.declare.model import FromFeature, GroupPrior, Task
from framework.training.baseline import Baseline, fit_baseline

NAN = float("nan")


def baseline_predictions(baseline, train, rows, labels, task, classes):
    return fit_baseline(baseline, train, labels, task, classes).answer(rows, task)


def answers(baseline, train, rows, task, labels=("label",), classes=0):
    return baseline_predictions(baseline, pd.DataFrame(train), pd.DataFrame(rows), labels, task, classes)


def last(*columns):
    return FromFeature(columns=columns)


def test_a_regression_repeats_the_feature_and_answers_the_median_where_it_is_missing():
    train = {"label": [1.0, 2.0, 90.0], "past": [0.0, 0.0, 50.0]}
    found = answers(last("past"), train, {"past": [5.0, NAN, -1.0]}, Task.REGRESSION)
    assert found.tolist() == [5.0, 2.0, -1.0]


def test_a_regressions_feature_that_errs_more_than_the_median_gives_way_to_it():
    train = pd.DataFrame({"label": [1.0, 2.0, 90.0], "past": [0.0, 90.0, 2.0]})
    found = fit_baseline(last("past"), train, ["label"], Task.REGRESSION, 0)
    rows = pd.DataFrame({"past": [5.0, NAN]})
    assert found.columns() == []
    for one in (found, Baseline.from_json(json.loads(json.dumps(found.to_json())))):
        assert one.answer(rows, Task.REGRESSION).tolist() == [2.0, 2.0]


def test_a_regressions_group_mean_gives_way_to_the_median_too():
    train = pd.DataFrame({"w": ["a"] * 5, "label": [0.0, 0.0, 0.0, 0.0, 100.0]})
    found = fit_baseline(GroupPrior(by=("w",)), train, ["label"], Task.REGRESSION, 0)
    assert found.answer(pd.DataFrame({"w": ["a", "new"]}), Task.REGRESSION).tolist() == [0.0, 0.0]


NUMBERS = st.floats(-1e3, 1e3)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(NUMBERS, NUMBERS | st.just(NAN)), min_size=1, max_size=20))
def test_no_constant_beats_a_regressions_baseline_on_the_training_rows(pairs):
    train = pd.DataFrame(pairs, columns=["label", "past"])
    found = fit_baseline(last("past"), train, ["label"], Task.REGRESSION, 0).answer(train, Task.REGRESSION)
    best = (train["label"] - train["label"].median()).abs().mean()
    assert (train["label"] - found).abs().mean() <= best + 1e-9


def test_a_share_is_a_probability_as_it_stands_but_stays_between_0_and_1():
    train = {"label": [0, 0, 0, 1], "rate": [0.1, 0.2, 0.3, 0.4]}
    found = answers(last("rate"), train, {"rate": [0.25, 1.7, -0.2, NAN]}, Task.BINARY)
    assert found.tolist() == [0.25, 1.0, 0.0, 0.25]


def test_a_zero_one_answer_becomes_the_training_rate_given_that_answer():
    train = {"label": [0, 0, 0, 1, 1, 1, 0, 1], "failed": [0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, NAN]}
    found = answers(last("failed"), train, {"failed": [1.0, 0.0, NAN, 1.0]}, Task.BINARY)
    assert found.tolist() == pytest.approx([2 / 3, 1 / 4, 1 / 2, 2 / 3])


def test_a_zero_one_answer_that_training_never_gave_is_answered_by_the_prior():
    found = answers(last("failed"), {"label": [0, 1, 1, 1], "failed": [1.0] * 4}, {"failed": [0.0]}, Task.BINARY)
    assert found.tolist() == [0.75]


def test_a_wholly_missing_feature_answers_the_prior():
    found = answers(last("rate"), {"label": [0, 1, 0, 0], "rate": [NAN] * 4}, {"rate": [NAN, 0.5]}, Task.BINARY)
    assert found.tolist() == [0.25, 0.5]


def test_anomalies_are_ranked_by_the_size_of_the_deviation():
    found = answers(last("z"), {"z": [0.0]}, {"z": [-4.0, 3.0, NAN]}, Task.ANOMALY, labels=())
    assert found.tolist() == [4.0, 3.0, 0.0]


def test_many_labels_have_a_column_each():
    train = {"spill": [0, 1, 1, 1], "slow": [0, 0, 0, 1], "past_spill": [0.0, 0.5, 1.0, 1.0], "past_slow": [0.2] * 4}
    rows = {"past_spill": [0.5, NAN], "past_slow": [NAN, 0.1]}
    found = answers(last("past_spill", "past_slow"), train, rows, Task.MULTILABEL, ("spill", "slow"))
    assert found.tolist() == [[0.5, 0.25], [0.75, 0.1]]


def test_one_column_may_answer_for_every_label():
    train = {"spill": [0, 1], "slow": [0, 0], "past": [0.3, 0.7]}
    found = answers(last("past"), train, {"past": [0.4, NAN]}, Task.MULTILABEL, ("spill", "slow"))
    assert found.tolist() == [[0.4, 0.4], [0.5, 0.0]]


def test_many_labels_by_group_prior():
    train = {"w": ["a", "a", "b", "b"], "spill": [1, 1, 0, 0], "slow": [0, 1, 0, 1]}
    found = answers(GroupPrior(by=("w",), strength=2), train, {"w": ["b", "a"]}, Task.MULTILABEL, ("spill", "slow"))
    assert found.tolist() == [[0.25, 0.5], [0.75, 0.5]]


GROUPS = {"w": ["a"] * 10 + ["b"] * 30, "label": [1] * 10 + [0] * 30}


@pytest.mark.parametrize("task", [Task.BINARY, Task.REGRESSION])
def test_a_group_prior_is_shrunk_to_the_global_one(task):
    # Globally 10 of 40; with strength 10 group a answers (10 + 10 / 4) / 20 and b answers (10 / 4) / 40.
    found = answers(GroupPrior(by=("w",)), GROUPS, {"w": ["b", "a", "new", None]}, task)
    assert found.tolist() == pytest.approx([0.0625, 0.625, 0.25, 0.25])


def test_without_strength_it_is_the_groups_own_mean_and_with_much_the_global_one():
    rows = {"w": ["a", "b"]}
    assert answers(GroupPrior(by=("w",), strength=0), GROUPS, rows, Task.BINARY).tolist() == [1.0, 0.0]
    found = answers(GroupPrior(by=("w",), strength=1e9), GROUPS, rows, Task.BINARY)
    assert found.tolist() == pytest.approx([0.25, 0.25])


def test_a_group_of_several_keys_and_rows_that_share_an_index():
    train = {"w": ["a", "a", "b"], "j": ["1", "2", "1"], "label": [1, 0, 0]}
    rows = pd.DataFrame({"w": ["b", "a", "a"], "j": ["1", "1", "2"]}, index=[7, 7, 0])
    found = baseline_predictions(
        GroupPrior(by=("w", "j"), strength=0), pd.DataFrame(train), rows, ("label",), Task.BINARY, 0
    )
    assert found.tolist() == [0.0, 1.0, 0.0]


def test_many_classes_by_group():
    train = {"w": ["a", "a", "b", "b"], "label": [0, 0, 1, 2]}
    found = answers(GroupPrior(by=("w",), strength=0), train, {"w": ["a", "b", "new"]}, Task.MULTICLASS, classes=4)
    assert found.tolist() == [[1, 0, 0, 0], [0, 0.5, 0.5, 0], [0.5, 0.25, 0.25, 0]]


def test_many_classes_by_the_answer_of_a_feature():
    train = {"size": [1.0, 1.0, 2.0, NAN], "label": [0, 0, 1, 1]}
    found = answers(last("size"), train, {"size": [1.0, 2.0, NAN, 3.0]}, Task.MULTICLASS, classes=2)
    # Strength 1: (2 + 1/2) / 3 of class 0 given 1, (0 + 1/2) / 2 given 2, and as much given NULL; 3 was never seen.
    assert found[:, 0].tolist() == pytest.approx([2.5 / 3, 0.25, 0.25, 0.5])


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["a", "b", "c"]), st.integers(0, 3)), min_size=1, max_size=40),
    st.lists(st.sampled_from(["a", "b", "c", "unseen"]), min_size=1, max_size=10),
    st.floats(0.0, 50.0),
)
def test_class_distributions_are_distributions(train, groups, strength):
    frame = {"w": [group for group, _ in train], "label": [code for _, code in train]}
    found = answers(GroupPrior(by=("w",), strength=strength), frame, {"w": groups}, Task.MULTICLASS, classes=4)
    assert found.shape == (len(groups), 4)
    assert (found >= 0).all()
    assert np.allclose(found.sum(axis=1), 1.0)


@pytest.mark.parametrize("task", [Task.BINARY, Task.MULTICLASS, Task.REGRESSION])
def test_a_baseline_is_the_same_after_json_and_names_nobody(task):
    train = pd.DataFrame({"user": ["ana@a.org", "bo@a.org"] * 10, "label": [0, 1] * 10, "size": [1.0, 2.0] * 10})
    for declared in (GroupPrior(by=("user", "size")), last("size")):
        fitted = fit_baseline(declared, train, ("label",), task, 2)
        text = json.dumps(fitted.to_json())
        assert "@" not in text
        rows = pd.DataFrame({"user": ["ana@a.org", "new", None], "size": [1.0, 2.0, NAN]})
        again = Baseline.from_json(json.loads(text))
        assert np.array_equal(again.answer(rows, task), fitted.answer(rows, task), equal_nan=True)
        assert set(again.columns()) <= {"user", "size"}

"""What a model must beat besides its baseline: each plain rule against a loop that does the same."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from framework.declare.model import FromFeature, Task
from framework.registry.gate import objection
from framework.training.baseline import fit_baseline, silent_share
from framework.training.data import EVENT, Judged
from framework.training.rivals import WINDOW, WITH, WITHOUT, _columns, _histories, best_rule, rivals
from tests.unit.training.test_rolling import panel


def judged(data, answer, baseline=None, answered=None):
    test = data.part("test")
    truth = test["label"].to_numpy()
    return Judged(
        truth=truth,
        answer=np.asarray(answer, float),
        baseline=np.zeros(len(truth)) if baseline is None else baseline,
        day=test["_day"],
        rows=data.split.test,
        answered=np.ones(len(truth), bool) if answered is None else answered,
    )


def rule_by_hand(frame, row, name):
    """Return what a rule answers to one row, by a look at every label that was known at the end of its day."""
    asked = frame.loc[row, "_day"] + timedelta(days=1)
    known = frame[(frame["k"] == frame.loc[row, "k"]) & (frame["label_known_at"].dt.tz_localize(None) <= asked)]
    if name == "that of the same weekday":
        known = known[known["_day"].dt.dayofweek == frame.loc[row, "_day"].dayofweek]
    known = known.sort_values(["label_known_at", "_day"])
    if known.empty:
        return np.nan
    if name.startswith("the mean"):
        return known["label"].iloc[-WINDOW:].mean()
    if name.startswith("the median"):
        return known["label"].iloc[-WINDOW:].median()
    return known["label"].iloc[-1]


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1_000), st.integers(0, 40), st.booleans())
def test_rules_know_what_was_known_and_nothing_else(seed, late, shuffled):
    data = panel(seed, entities=3, length=60)
    dice = np.random.default_rng(seed)
    frame = data.frame.copy()
    frame["label_known_at"] += pd.to_timedelta(dice.integers(0, late + 1, len(frame)), unit="D")
    frame.loc[dice.random(len(frame)) < 0.2, "label_known_at"] = pd.NaT
    if shuffled:
        frame = frame.sample(frac=1, random_state=seed).reset_index(drop=True)
    data = dataclasses.replace(data, frame=frame, entity=frame["k"].astype(int).to_numpy())
    for name, answers in _histories(data, _columns(data, Task.REGRESSION), regression=True):
        for row in dice.integers(0, len(frame), 25):
            assert answers[row, 0] == pytest.approx(rule_by_hand(frame, row, name), nan_ok=True), name


def test_the_rule_that_fits_the_world_is_found():
    data = panel(1)
    weekday = data.frame["_day"].dt.dayofweek.to_numpy(float)
    by_weekday = dataclasses.replace(data, frame=data.frame.assign(label=weekday))
    assert best_rule(by_weekday, Task.REGRESSION)[0] == "that of the same weekday"
    by_entity = dataclasses.replace(data, frame=data.frame.assign(label=data.frame["k"].astype(float)))
    found = best_rule(by_entity, Task.REGRESSION)[1]
    assert found[200:] == pytest.approx(by_entity.frame["label"].to_numpy()[200:])  # nothing is known on the first days


def test_a_model_worse_than_a_plain_rule_is_not_promoted():
    data = panel(2)
    data = dataclasses.replace(data, frame=data.frame.assign(label=data.frame["_day"].dt.dayofweek.to_numpy(float)))
    truth = data.truth("test", "label")
    (bad,) = rivals(data, judged(data, truth + 1), Task.REGRESSION)
    (good,) = rivals(data, judged(data, truth + 0.0), Task.REGRESSION)
    assert bad.plain
    assert (bad.rival, bad.value) == (0.0, 1.0)
    assert "it is worse than that of the same weekday: mae 1 against 0" in refused(bad)
    assert good.value == 0.0


def refused(*found):
    import json

    figures = {"origins": 3, "skill_low": 0.3, "skill": 0.4}
    tags = {"judged": "true", "beats_baseline": "true", "gate": json.dumps(figures), "promote_above": "0.02"}
    return objection(tags | {"rivals": json.dumps([dataclasses.asdict(one) for one in found])})


def test_rows_that_the_baseline_answers_itself_are_judged_apart():
    data = panel(3, entities=20)
    truth = data.truth("test", "label")
    silent = data.part("test")["k"].astype(int).to_numpy() < 8
    # The model is worse where the baseline knows, and the baseline is absurd where it does not.
    answer = np.where(silent, truth + 1.0, truth + 2.0)
    baseline = np.where(silent, truth + 100.0, truth + 1.0)
    found = {one.name: one for one in rivals(data, judged(data, answer, baseline, ~silent), Task.REGRESSION)}
    assert found[WITHOUT].skill == pytest.approx(0.99)
    assert found[WITH].skill == pytest.approx(-1.0)
    assert "where that knows" in refused(found[WITH])
    assert not refused(found[WITHOUT])


def test_few_rows_are_not_judged_apart():
    data = panel(4)
    answered = np.ones(len(data.split.test), bool)
    answered[:50] = False
    found = rivals(data, judged(data, data.truth("test", "label"), answered=answered), Task.REGRESSION)
    assert WITHOUT not in [one.name for one in found]


def test_what_nobody_knows_the_truth_of_has_no_rivals():
    assert rivals(panel(5), None, Task.REGRESSION) == ()


def test_a_detector_is_compared_with_its_best_single_input():
    data = panel(6, length=120)
    event = (data.frame["a"] > 2.2).astype(float)
    data = dataclasses.replace(data, frame=data.frame.assign(**{EVENT: event}))
    name, answers = best_rule(data, Task.ANOMALY)
    assert name in ("the distance of a from its usual", "the largest distance of all inputs from their usual")
    test = data.split.test
    assert np.argmax(answers[test] * (event.to_numpy()[test] > 0)) == np.argmax(data.part("test")["a"].to_numpy())
    nothing = dataclasses.replace(data, frame=data.frame.assign(**{EVENT: 0.0}))
    assert best_rule(nothing, Task.ANOMALY)[0].startswith("the largest")


@pytest.mark.parametrize(("otherwise", "share"), [(None, 0.5), (0.0, 0.0), ("usual", 0.0)])
def test_a_baseline_that_says_what_it_answers_to_null_is_not_silent(otherwise, share):
    train = pd.DataFrame({"x": [1.0, np.nan], "label": [1.0, 2.0]})
    assert silent_share(FromFeature(columns=("x",), otherwise=otherwise), train, Task.REGRESSION) == share


def test_the_usual_label_is_that_of_rows_that_lack_the_column_too():
    train = pd.DataFrame({"x": [1.0, 2.0, 3.0, np.nan, np.nan, np.nan], "label": [1.0, 2.0, 3.0, 336.0, 336.0, 300.0]})
    rows = pd.DataFrame({"x": [np.nan, 2.0]})
    said = {None: 151.5, "usual": 336.0, 5.0: 5.0}
    for otherwise, expected in said.items():
        rule = fit_baseline(FromFeature(columns=("x",), otherwise=otherwise), train, ["label"], Task.REGRESSION, 0)
        assert rule.answer(rows, Task.REGRESSION).tolist() == [expected, 2.0]
        assert rule.answered(rows).tolist() == [False, True]

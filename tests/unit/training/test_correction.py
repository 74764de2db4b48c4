"""How far a model moves from its baseline: never where its own days speak against it."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, brier_score_loss

from framework.declare.model import FromFeature, Task
from framework.training.baseline import fit_baseline
from framework.training.correction import ERRORS, UNMEASURED, best_weight, can_correct, correction, scale_of, weight_of
from framework.training.served_model import ServedModel, corrected, scaled
from tests.unit.training.test_rolling import Chance, Forecast, panel

DAYS = np.repeat(np.arange(30), 20)


def around(truth, noise, seed=0):
    return truth + np.random.default_rng(seed).normal(0, noise, len(truth))


def loss(truth, base, answer, weight):
    return np.abs(truth - base - weight * (answer - base))


@pytest.mark.parametrize(("model", "baseline", "low", "high"), [(0.1, 2.0, 0.9, 1.0), (5.0, 0.1, 0.0, 0.1)])
def test_the_better_of_both_gets_the_weight(model, baseline, low, high):
    truth = around(np.zeros(600), 3.0, 1)
    found = best_weight(Task.REGRESSION, truth, around(truth, model, 2), around(truth, baseline, 3), DAYS)
    assert low <= found <= high


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.0, 4.0), st.floats(0.0, 4.0))
def test_no_larger_weight_is_within_two_standard_errors_of_the_least_loss(seed, model, baseline):
    truth = around(np.zeros(600), 2.0, seed)
    answer, base = around(truth, model, seed + 1), around(truth, baseline, seed + 2)
    weight = best_weight(Task.REGRESSION, truth, answer, base, DAYS)
    grid = np.linspace(0, 1, 21)
    least = min(grid, key=lambda w: loss(truth, base, answer, w).mean())
    for larger in grid[grid > weight + 1e-9]:
        more = loss(truth, base, answer, larger) - loss(truth, base, answer, least)
        by_day = np.array([more[day == DAYS].sum() for day in range(30)])
        assert by_day.sum() > ERRORS * by_day.std() * np.sqrt(30)


def test_counts_are_the_models_or_the_baselines():
    truth = np.tile([1.0, 2.0, 3.0], 200)
    off = np.where(np.arange(600) % 4 == 0, truth + 1, truth)
    assert best_weight(Task.REGRESSION, truth, off, truth + 2, DAYS) == 1.0
    assert best_weight(Task.REGRESSION, truth, truth + 2, off, DAYS) == 0.0


@pytest.mark.parametrize("rows", [0, 19])
def test_too_few_rows_tell_nothing(rows):
    some = np.ones(rows)
    assert best_weight(Task.REGRESSION, some, some, some, DAYS[:rows]) is None
    assert best_weight(Task.BINARY, np.zeros(600), np.zeros(600), np.zeros(600), DAYS) is None


def test_many_classes_are_compared_over_all_of_their_chances():
    truth = np.random.default_rng(1).integers(0, 3, 600)
    right, flat = np.eye(3)[truth] * 0.7 + 0.1, np.full((600, 3), 1 / 3)
    assert best_weight(Task.MULTICLASS, truth, right, flat, DAYS) == 1.0
    assert best_weight(Task.MULTICLASS, truth, flat, right, DAYS) < 0.1


def test_a_baseline_put_to_scale_keeps_its_order_and_says_what_happens():
    dice = np.random.default_rng(3)
    chance = dice.random(4_000) * 0.08
    truth = (dice.random(4_000) < chance).astype(int)
    boastful = np.clip(chance * 10, 0, 1)
    found = scaled(boastful, [scale_of(truth, boastful)])
    assert average_precision_score(truth, found) == pytest.approx(average_precision_score(truth, boastful))
    assert brier_score_loss(truth, found) < 0.5 * brier_score_loss(truth, boastful)
    assert found.mean() == pytest.approx(truth.mean(), rel=0.1)


def test_a_baseline_that_ranks_the_wrong_way_round_is_left_as_it_is():
    truth = np.tile([0, 0, 0, 1], 50)
    assert scale_of(truth, 1 - truth * 0.5) == (0.0, 1.0)
    assert scale_of(np.zeros(50, int), np.full(50, 0.2)) == (0.0, 1.0)


@pytest.mark.parametrize("trainer", [Forecast(), Chance()])
def test_what_is_served_is_what_was_judged(trainer):
    data = panel(3, binary=trainer.calibrates, signal=0.4)
    fitted = trainer.fit(data, None)
    served = ServedModel()
    served.estimators, served.served = fitted.estimators, json.loads(json.dumps(fitted.served))
    rows = data.features("test")
    answers = served.predict(None, rows)["prediction"].to_numpy()
    assert answers == pytest.approx(fitted.judged.answer, abs=1e-12)
    assert fitted.extras["weight_of_model"] == fitted.served["correction"]["weights"][0]


class Blind(Forecast):
    """Learns nothing that its baseline does not know."""

    def estimator(self):
        """Answer a constant."""
        from sklearn.dummy import DummyRegressor

        return DummyRegressor(strategy="constant", constant=50.0)


def test_a_model_that_finds_nothing_answers_as_its_baseline_and_says_so():
    data = panel(4)
    fitted = Blind().fit(data, None)
    assert fitted.served["correction"]["weights"] == [0.0]
    assert fitted.judged.answer == pytest.approx(fitted.judged.baseline)
    assert "it answers as its baseline does" in "; ".join(fitted.remarks)


def test_a_baseline_by_keys_cannot_be_asked_where_the_model_is_served():
    data = panel(5)
    by_key = fit_baseline(FromFeature(columns=("label",)), data.part("train"), ["label"], Task.REGRESSION, 0)
    assert can_correct(data.baseline(Task.REGRESSION), data)
    assert not can_correct(by_key, data)


def test_without_a_correction_the_model_answers_alone():
    answers = np.array([1.0, 2.0])
    assert corrected(answers, pd.DataFrame(index=[0, 1]), None, "regression") is answers


def test_the_mixture_lies_between_both():
    rows = pd.DataFrame({"usual": [1.0, 2.0, np.nan]})
    train = pd.DataFrame({"label": [1.0, 2.0, 3.0], "usual": [1.0, 2.0, 3.0]})
    rule = fit_baseline(FromFeature(columns=("usual",), otherwise=7.0), train, ["label"], Task.REGRESSION, 0)
    found = corrected(np.array([3.0, 2.0, 9.0]), rows, correction(rule, [0.25]), "regression")
    assert found.tolist() == [1.5, 2.0, 7.5]


@pytest.mark.parametrize(("length", "weight"), [(60, UNMEASURED), (150, 1.0)])
def test_what_cannot_be_measured_is_half_and_half_until_the_model_has_seen_two_months(length, weight):
    data = panel(6, length=length)
    assert weight_of(None, data) == weight
    assert weight_of(0.25, data) == 0.25

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from framework.declare.model import Task
from framework.training.evaluate import Evaluation, _average_precision, evaluate, expected_calibration_error, pinball


def on_days(rows, count=15):
    return pd.Series(pd.Timestamp("2025-01-01") + pd.to_timedelta(np.arange(rows) % count, unit="D"))


def judged(task, truth, answer, baseline, **options):
    truth, answer, baseline = np.asarray(truth), np.asarray(answer, float), np.asarray(baseline, float)
    return evaluate(task, truth, answer, baseline, options.pop("day", on_days(len(truth))), **options)


@pytest.fixture(scope="module")
def binary():
    rng = np.random.default_rng(3)
    chance = rng.beta(1, 4, 600)
    truth = (rng.random(600) < chance).astype(int)
    return truth, np.clip(chance + rng.normal(0, 0.05, 600), 0, 1), np.full(600, truth.mean())


@pytest.fixture(scope="module")
def regression():
    rng = np.random.default_rng(4)
    truth = rng.gamma(2, 100, 400)
    return truth, truth + rng.normal(0, 20, 400), truth + rng.normal(0, 60, 400)


def test_binary_metrics_are_scikit_learns(binary):
    truth, answer, baseline = binary
    found = judged(Task.BINARY, truth, answer, baseline, threshold=0.3)
    assert found.primary == "average_precision"
    for shown, scores in ((found.model, answer), (found.baseline, baseline)):
        assert shown["average_precision"] == pytest.approx(metrics.average_precision_score(truth, scores))
        assert shown["roc_auc"] == pytest.approx(metrics.roc_auc_score(truth, scores))
        assert shown["brier"] == pytest.approx(metrics.brier_score_loss(truth, scores))
        assert shown["f1"] == pytest.approx(metrics.f1_score(truth, scores >= 0.3, zero_division=0))
    inside = np.clip(answer, 1e-6, 1 - 1e-6)
    assert found.model["log_loss"] == pytest.approx(metrics.log_loss(truth, inside))
    assert found.model["prevalence"] == pytest.approx(truth.mean())
    top = np.sort(answer)[-60]
    assert found.model["lift_at_10pct"] == pytest.approx(truth[answer >= top].mean() / truth.mean())
    assert (found.rows, found.days) == (600, 15)


def test_regression_metrics_are_scikit_learns(regression):
    truth, answer, baseline = regression
    found = judged(Task.REGRESSION, truth, answer, baseline)
    assert found.primary == "mae"
    for shown, forecast in ((found.model, answer), (found.baseline, baseline)):
        assert shown["mae"] == pytest.approx(metrics.mean_absolute_error(truth, forecast))
        assert shown["rmse"] == pytest.approx(metrics.mean_squared_error(truth, forecast) ** 0.5)
        assert shown["r2"] == pytest.approx(metrics.r2_score(truth, forecast))
        assert shown["mape"] == pytest.approx(metrics.mean_absolute_percentage_error(truth, forecast))
    assert found.skill == pytest.approx(1 - found.model["mae"] / found.baseline["mae"])


def test_relative_error_leaves_out_rows_whose_truth_is_zero():
    found = judged(Task.REGRESSION, [0.0, 10.0, -20.0], [5.0, 12.0, -25.0], [0.0, 0.0, 0.0])
    assert found.model["mape"] == pytest.approx((0.2 + 0.25) / 2)
    nothing = judged(Task.REGRESSION, [0.0, 0.0], [1.0, 2.0], [0.0, 1.0])
    assert "mape" not in nothing.model
    assert "r2" not in nothing.model


def test_anomaly_metrics_look_at_the_top_scores(binary):
    truth, answer, baseline = binary
    found = judged(Task.ANOMALY, truth, answer, baseline)
    order, events = np.argsort(-answer, kind="stable"), truth.sum()
    assert found.model["average_precision"] == pytest.approx(metrics.average_precision_score(truth, answer))
    assert found.model["precision_at_k"] == pytest.approx(truth[order[:events]].mean())
    assert found.model["recall_at_2k"] == pytest.approx(truth[order[: 2 * events]].sum() / events)


def test_skill_of_a_classifier_is_its_share_of_the_way_from_baseline_to_perfect(binary):
    truth, answer, baseline = binary
    found = judged(Task.BINARY, truth, answer, baseline)
    model, beside = found.model["average_precision"], found.baseline["average_precision"]
    assert beside == pytest.approx(truth.mean())
    assert found.skill == pytest.approx((model - beside) / (1 - beside))
    assert 0 < found.skill < 1


@pytest.mark.parametrize("task", [Task.BINARY, Task.ANOMALY])
def test_perfect_inverted_and_constant_answers(task, binary):
    truth, _, prior = binary
    assert judged(task, truth, truth, prior).skill == 1.0
    inverted = np.argsort(np.argsort(1 - truth, kind="stable")) / len(truth)
    assert judged(task, truth, inverted, prior).skill < -0.05
    assert judged(task, truth, np.full(len(truth), 0.9), prior).skill == 0.0


@pytest.mark.parametrize(
    ("task", "answer", "baseline", "skill"),
    [
        (Task.REGRESSION, [1.0, 2.0], [1.0, 2.0], 0.0),
        (Task.REGRESSION, [1.0, 2.5], [1.0, 2.0], -1.0),
        (Task.REGRESSION, [1.0, 2.0], [2.0, 2.0], 1.0),
        (Task.BINARY, [0.2, 0.1], [0.4, 0.3], 0.0),
        (Task.BINARY, [0.1, 0.2], [0.4, 0.3], -1.0),
    ],
)
def test_skill_against_a_perfect_baseline_is_nothing_or_minus_one(task, answer, baseline, skill):
    assert judged(task, [1, 0] if task is Task.BINARY else [1.0, 2.0], answer, baseline).skill == skill


@pytest.mark.parametrize("task", list(Task))
def test_no_rows_cannot_tell(task):
    shape = (0, 3) if task in (Task.MULTICLASS, Task.MULTILABEL) else (0,)
    truth = np.zeros((0, 3)) if task is Task.MULTILABEL else np.zeros(0)
    assert judged(task, truth, np.zeros(shape), np.zeros(shape)) is None


@pytest.mark.parametrize("value", [0, 1])
def test_one_class_cannot_tell(value):
    one, several = np.full(20, value), np.full((20, 3), 1 / 3)
    assert judged(Task.BINARY, one, np.linspace(0, 1, 20), one) is None
    assert judged(Task.ANOMALY, one, np.linspace(0, 1, 20), one) is None
    assert judged(Task.MULTICLASS, one, several, several) is None
    assert judged(Task.MULTILABEL, np.tile(one, (3, 1)).T, several, several) is None


def test_many_classes_average_over_those_that_occur():
    rng = np.random.default_rng(5)
    truth = rng.choice([0, 1, 3], 200)
    answer = rng.dirichlet(np.ones(4), 200)
    answer[np.arange(200), truth] += 0.5
    answer /= answer.sum(axis=1, keepdims=True)
    found = judged(Task.MULTICLASS, truth, answer, np.full((200, 4), 0.25))
    one_by_one = [metrics.average_precision_score(truth == code, answer[:, code]) for code in (0, 1, 3)]
    assert found.model["macro_average_precision"] == pytest.approx(np.mean(one_by_one))
    assert found.model["macro_roc_auc"] == pytest.approx(
        np.mean([metrics.roc_auc_score(truth == code, answer[:, code]) for code in (0, 1, 3)])
    )
    assert found.model["accuracy"] == pytest.approx(metrics.accuracy_score(truth, answer.argmax(axis=1)))
    prior = np.mean([(truth == code).mean() for code in (0, 1, 3)])
    assert found.skill == pytest.approx((np.mean(one_by_one) - prior) / (1 - prior))


def test_many_labels_average_over_those_that_can_be_told_apart():
    rng = np.random.default_rng(6)
    truth = np.column_stack([rng.integers(0, 2, 100), np.zeros(100, int), np.ones(100, int), rng.integers(0, 2, 100)])
    answer = np.clip(truth * 0.4 + rng.random((100, 4)) * 0.6, 0, 1)
    found = judged(Task.MULTILABEL, truth, answer, np.full((100, 4), 0.5), threshold=0.4)
    each = [metrics.average_precision_score(truth[:, at], answer[:, at]) for at in (0, 3)]
    assert found.primary == "macro_average_precision"
    assert found.model["macro_average_precision"] == pytest.approx(np.mean(each))
    f1 = [metrics.f1_score(truth[:, at], answer[:, at] >= 0.4) for at in (0, 3)]
    assert found.model["macro_f1"] == pytest.approx(np.mean(f1))
    assert "accuracy" not in found.model


@pytest.mark.parametrize("case", ["binary", "regression"])
def test_the_interval_holds_the_skill_and_has_a_width(case, request):
    truth, answer, baseline = request.getfixturevalue(case)
    found = judged(Task(case), truth, answer, baseline)
    assert found.skill_low < found.skill < found.skill_high
    assert found.skill_high - found.skill_low > 0.01


@pytest.mark.parametrize("case", ["binary", "regression"])
def test_repeating_rows_within_their_days_adds_no_certainty(case, request):
    parts = request.getfixturevalue(case)
    once = judged(Task(case), *parts)
    five = judged(Task(case), *(np.tile(part, 5) for part in parts), day=pd.concat([on_days(len(parts[0]))] * 5))
    assert (five.skill_low, five.skill_high) == pytest.approx((once.skill_low, once.skill_high))
    more_days = judged(Task(case), *parts, day=on_days(len(parts[0]), 200))
    assert more_days.days == 200


def test_days_are_drawn_whole():
    # On even days the model is perfect and the baseline misses by 1; on odd days the other way round.
    even = np.arange(300) % 2 == 0
    truth = np.zeros(300)
    found = judged(Task.REGRESSION, truth, ~even, even, day=on_days(300, 2))
    assert found.skill == pytest.approx(0.0)
    # Two days: a draw takes one of them twice, or each once.
    assert (found.skill_low, found.skill_high) == (-1.0, 1.0)
    one_day = judged(Task.REGRESSION, truth, ~even, even, day=on_days(300, 1))
    assert (one_day.skill_low, one_day.skill_high) == (pytest.approx(0.0), pytest.approx(0.0))


def test_the_same_seed_gives_the_same_interval(binary):
    first, again, other = (judged(Task.BINARY, *binary, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert (first.skill_low, first.skill_high) != (other.skill_low, other.skill_high)
    assert first.skill == other.skill


def test_ranking_well_does_not_beat_a_baseline_whose_probabilities_are_better():
    rng = np.random.default_rng(8)
    truth = (np.arange(400) % 20 == 0).astype(int)
    prior = np.full(400, truth.mean())
    boastful = judged(Task.BINARY, truth, 0.9 + 0.05 * truth + 0.01 * rng.random(400), prior)
    assert boastful.skill == 1.0
    assert boastful.model["brier"] > boastful.baseline["brier"]
    assert not boastful.beats_baseline
    assert judged(Task.BINARY, truth, 0.02 + 0.5 * truth, prior).beats_baseline


@pytest.mark.parametrize("task", list(Task))
def test_the_primary_metric_alone_is_the_same(task):
    rng = np.random.default_rng(4)
    wide = task in (Task.MULTICLASS, Task.MULTILABEL)
    truth = rng.integers(0, 2, (200, 3) if task is Task.MULTILABEL else 200)
    answer, baseline = (rng.random((200, 3) if wide else 200) for _ in range(2))
    whole = evaluate(task, truth, answer, baseline, on_days(200))
    alone = evaluate(task, truth, answer, baseline, on_days(200), primary_only=True)
    assert alone.figures() == pytest.approx(whole.figures(), abs=1e-12)
    assert set(alone.model) == {whole.primary}


def test_no_skill_does_not_beat_the_baseline():
    plain = Evaluation("mae", {"mae": 1.0}, {"mae": 2.0}, 0.5, 0.4, 0.6, 10, 5)
    assert plain.beats_baseline
    assert not dataclasses.replace(plain, skill=0.0).beats_baseline
    equal = Evaluation("average_precision", {"brier": 0.1}, {"brier": 0.1}, 0.1, 0.0, 0.2, 10, 5)
    assert equal.beats_baseline


def test_pinball_loss_by_hand():
    # P90: a truth above costs 0.9 per unit, one below 0.1.
    assert pinball(np.array([10.0, 0.0]), np.array([8.0, 4.0]), 0.9) == pytest.approx((0.9 * 2 + 0.1 * 4) / 2)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1), st.floats(0, 1)), min_size=1, max_size=60))
def test_calibration_error_bin_by_bin(rows):
    total = 0.0
    for at in range(10):
        inside = [(truth, answer) for truth, answer in rows if min(int(answer * 10), 9) == at]
        if inside:
            observed = sum(truth for truth, _ in inside) / len(inside)
            forecast = sum(answer for _, answer in inside) / len(inside)
            total += len(inside) / len(rows) * abs(observed - forecast)
    truth, answer = (np.array(part, float) for part in zip(*rows, strict=True))
    assert expected_calibration_error(truth, answer) == pytest.approx(total)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 4), st.integers(0, 3)), min_size=1, max_size=40))
def test_weighted_average_precision_is_that_of_scikit_learn(rows):
    truth, score, weight = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    found = _average_precision(truth, score)(weight)
    positive = float((weight * truth).sum())
    if 0 < positive < weight.sum():
        assert found == pytest.approx(metrics.average_precision_score(truth, score, sample_weight=weight))
    else:
        assert np.isnan(found)

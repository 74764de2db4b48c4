from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.calibration import CalibratedClassifierCV
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, f1_score
from sklearn.tree import DecisionTreeClassifier

from framework.base.errors import SpecError
from framework.declare.model import FromFeature, Lookup, ModelSpec, TableSpec, days
from framework.training.data import TrainingData
from framework.training.fitting import (
    best_threshold,
    calibrate,
    confident_from,
    importance,
    reason_outputs,
    training_ranges,
)
from framework.training.split import Split


def sample(rows, seed):
    """A chance that depends on one feature of three, through a logistic curve."""
    rng = np.random.default_rng(seed)
    inputs = pd.DataFrame(rng.normal(size=(rows, 3)), columns=["a", "b", "c"])
    chance = 1 / (1 + np.exp(-(1.5 * inputs["a"] - 0.5)))
    return inputs, (rng.random(rows) < chance).astype(int).to_numpy()


def on_days(rows, count=20):
    return pd.Series(pd.Timestamp("2025-01-01") + pd.to_timedelta(np.arange(rows) * count // rows, unit="D"))


@pytest.mark.parametrize(("rows", "method"), [(400, "sigmoid"), (2_000, "isotonic")])
def test_overconfident_scores_are_calibrated_and_mean_more_afterwards(rows, method):
    proud = DecisionTreeClassifier(random_state=1).fit(*sample(600, 1))
    inputs, truth = sample(rows, 2)
    better = calibrate(proud, inputs, truth, on_days(rows))[0]
    assert isinstance(better, CalibratedClassifierCV)
    assert better.method == method
    fresh, later = sample(2_000, 3)
    before = brier_score_loss(later, proud.predict_proba(fresh)[:, 1])
    assert brier_score_loss(later, better.predict_proba(fresh)[:, 1]) < before - 0.02


def test_calibration_leaves_the_fitted_estimator_as_it_is():
    proud = DecisionTreeClassifier(random_state=1).fit(*sample(600, 1))
    inputs, truth = sample(400, 2)
    before = proud.predict_proba(inputs)
    assert calibrate(proud, inputs, truth, on_days(400))[0] is not proud
    assert (proud.predict_proba(inputs) == before).all()


def test_scores_that_mean_what_they_say_are_left_alone():
    honest = LogisticRegression().fit(*sample(20_000, 1))
    inputs, truth = sample(400, 4)
    assert calibrate(honest, inputs, truth, on_days(400))[0] is honest


def test_features_may_be_missing():
    inputs, truth = sample(600, 1)
    proud = DecisionTreeClassifier(random_state=1).fit(inputs.mask(inputs > 1), truth)
    late, labels = sample(400, 2)
    better = calibrate(proud, late.mask(late > 1), labels, on_days(400))[0]
    assert np.isfinite(better.predict_proba(late.mask(late > 1))).all()


def test_too_little_to_tell_is_not_calibrated():
    proud = DecisionTreeClassifier(random_state=1).fit(*sample(600, 1))
    inputs, truth = sample(400, 2)
    assert calibrate(proud, inputs, truth, on_days(400, 1))[0] is proud
    assert calibrate(proud, inputs, np.zeros(400, int), on_days(400))[0] is proud
    # Positives on the later days only: nothing to fit the calibrator on.
    late = (np.arange(400) >= 200).astype(int)
    assert calibrate(proud, inputs, late, on_days(400))[0] is proud
    # Fewer positives on the earlier days than scikit-learn has folds.
    few = np.where(np.arange(400) < 200, np.arange(400) < 4, late).astype(int)
    assert calibrate(proud, inputs, few, on_days(400))[0] is proud


def test_counts_are_forecast_in_whole_numbers_and_still_differ():
    from sklearn.base import clone

    from framework.training.learners import boosted_regression, in_whole_numbers, on_log_scale

    inputs, _ = sample(2_000, 1)
    counts = (1 + (inputs["a"] > 0) + (inputs["a"] > 1.5)).to_numpy(float)
    counts[::4] = 2.0
    whole = in_whole_numbers(on_log_scale(boosted_regression(loss="squared_error")))
    found = clone(whole).fit(inputs, counts).predict(inputs)
    assert set(found) == {1.0, 2.0, 3.0}
    assert np.abs(found - counts).mean() < 0.4


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1), st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.7, 0.9, 1.0])), min_size=2))
def test_no_threshold_has_a_higher_f1(rows):
    truth, chance = (np.array(part) for part in zip(*rows, strict=True))
    assume(len(set(truth)) == 2)
    found = best_threshold(truth, chance)
    best = max(f1_score(truth, chance >= step, zero_division=0) for step in np.unique(chance))
    assert f1_score(truth, chance >= found, zero_division=0) == pytest.approx(best)


def test_answers_are_given_from_the_lowest_probability_at_which_enough_are_right():
    every = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4], [0.6, 0.4], [0.45, 0.55]])
    truth = np.array([0, 0, 1, 0, 1, 0])
    # Right so far, by falling probability: 1/1, 2/2, 3/3, 4/5 (two rows share 0.6), 4/6.
    assert confident_from(truth, every, 0.8) == pytest.approx(0.6)
    assert confident_from(truth, every, 0.9) == pytest.approx(0.7)
    assert confident_from(truth, every, 0.6) == pytest.approx(0.55)
    assert confident_from(1 - truth, every, 1.0) > 1
    assert confident_from(truth[:0], every[:0], 0.5) > 1


def test_the_threshold_is_one_half_where_labels_cannot_tell():
    assert best_threshold(np.array([]), np.array([])) == 0.5
    assert best_threshold(np.ones(5, int), np.linspace(0, 1, 5)) == 0.5


def training_data(frame, inputs, train, test):
    """A training whose rows are split by position."""
    spec = ModelSpec(
        name="the_model", use_case="the_case", question="what?", action="act", label_description="the label",
        unit="job-day",
        lookups=(Lookup(table="jobs"),), horizon=days(1),
        baseline=FromFeature(columns=("a",)),
    )  # fmt: skip
    end = pd.Timestamp("2025-01-01").date()
    split = Split(
        train=np.asarray(train), calibrate=np.array([], int), test=np.asarray(test), train_end=end, calibrate_end=end,
        test_end=end, train_days=30, unsettled=0, embargoed=0, too_new=0,
    )  # fmt: skip
    return TrainingData(
        spec=spec,
        grain=TableSpec(name="jobs", description="a job's day", keys=("job_id",), time="run_date", columns=()),
        frame=frame,
        split=split,
        inputs=tuple(inputs),
        classes=(),
        dropped={},
        labels=None,
        without_features=0,
        entity=np.zeros(len(frame), int),
        seed=7,
    )


def test_usual_ranges_come_from_training_rows_without_the_missing_ones():
    values = np.append(np.arange(101.0), [np.nan] * 9 + [1e9] * 10)
    frame = pd.DataFrame({"a": values, "b": np.nan, "name": "text", "whole": 5.0, "unweighted": 1.0})
    data = training_data(frame, ["a", "b", "name", "whole", "unweighted"], np.arange(110), np.arange(110, 120))
    found = training_ranges(data, {"a": 0.5, "b": 1.0, "name": 1.0, "whole": 1.0})
    assert found == {"a": [5.0, 95.0, 0.5], "whole": [5.0, 5.0, 1.0]}


def test_the_feature_that_decides_is_the_most_important():
    inputs, truth = sample(900, 1)
    data = training_data(inputs, ["a", "b", "c"], np.arange(600), np.arange(600, 900))
    estimator = LogisticRegression().fit(inputs[:600], truth[:600])
    found = importance(estimator, data, truth[600:], "average_precision")
    assert list(found) == ["a", "b", "c"]
    assert found["a"] == 1.0
    assert max(found["b"], found["c"]) < 0.2
    assert min(found.values()) >= 0.0


def test_where_nothing_can_be_told_all_features_weigh_the_same():
    inputs, truth = sample(100, 1)
    estimator = LogisticRegression().fit(inputs, truth)
    flat = {"a": 1.0, "b": 1.0, "c": 1.0}
    no_test = training_data(inputs, ["a", "b", "c"], np.arange(100), np.array([], int))
    assert importance(estimator, no_test, truth[:0], "average_precision") == flat
    one_class = training_data(inputs, ["a", "b", "c"], np.arange(50), np.arange(50, 100))
    assert importance(estimator, one_class, np.ones(50, int), "average_precision") == flat


def test_reason_columns_are_as_many_as_there_are_features_up_to_three():
    assert reason_outputs({}) == ()
    one = (
        ("reason_1_feature", "string"),
        ("reason_1_value", "double"),
        ("reason_1_low", "double"),
        ("reason_1_high", "double"),
    )
    assert reason_outputs({"a": [0.0, 1.0, 1.0]}) == one
    assert len(reason_outputs({name: [0.0, 1.0, 1.0] for name in "abcde"})) == 12


def test_a_multiple_of_the_usual_follows_it_beyond_all_labels_that_it_has_seen():
    from sklearn.base import clone

    from framework.training.learners import as_multiple_of, boosted_regression

    rng = np.random.default_rng(3)
    usual = np.exp(rng.uniform(4, 8, 600))
    rows = pd.DataFrame({"usual": usual, "busy": rng.integers(0, 2, 600)})
    label = usual * np.where(rows["busy"] == 1, 2.0, 1.0) * np.exp(rng.normal(0, 0.05, 600))
    found = as_multiple_of("usual", boosted_regression())
    assert "regressor__quantile" in found.get_params()
    fitted = clone(found).fit(rows, label)
    larger = pd.DataFrame({"usual": [50_000.0, 50_000.0], "busy": [0, 1]})
    assert fitted.predict(larger) == pytest.approx([50_000, 100_000], rel=0.1)
    unknown = fitted.predict(pd.DataFrame({"usual": [np.nan], "busy": [0]}))
    assert np.isfinite(unknown).all()


@pytest.mark.parametrize(
    ("rows", "label", "what"),
    [({"other": [1.0, 2.0]}, [1.0, 2.0], "'usual' is no input"), ({"usual": [1.0, 2.0]}, [1.0, -2.0], "a label is -2")],
)
def test_what_has_no_multiple_is_named(rows, label, what):
    from framework.training.learners import as_multiple_of, boosted_regression

    with pytest.raises(SpecError, match=what):
        as_multiple_of("usual", boosted_regression()).fit(pd.DataFrame(rows), np.array(label))


def test_the_served_model_multiplies_by_itself():
    """What is kept holds no class of ours; the served model must answer as the training did."""
    from framework.training.learners import as_multiple_of, boosted_regression
    from framework.training.multiple import unwrapped
    from framework.training.served_model import ServedModel

    rng = np.random.default_rng(3)
    rows = pd.DataFrame({"usual": np.exp(rng.uniform(4, 8, 300)), "busy": rng.normal(size=300)})
    rows.loc[::7, "usual"] = np.nan
    label = np.exp(rng.uniform(4, 8, 300))
    fitted = as_multiple_of("usual", boosted_regression()).fit(rows, label)
    multiple, kept = unwrapped({"estimator": fitted})
    assert type(kept["estimator"]).__module__.startswith("sklearn.")
    served = ServedModel()
    served.estimators = kept
    served.served = {
        "task": "regression", "inputs": ["usual", "busy"], "usual": {}, "bounds": [0.0, None], "quantiles": {},
        "multiple_of": multiple,
    }  # fmt: skip
    found = served.predict(None, rows)["prediction"]
    assert found.to_numpy() == pytest.approx(fitted.predict(rows))
    assert unwrapped({"estimator": kept["estimator"]}) == (None, kept)

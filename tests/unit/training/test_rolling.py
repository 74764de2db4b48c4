"""Rolling origins: what each fit may know, and what a gate makes of models that know nothing."""

from __future__ import annotations

import dataclasses
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression, LogisticRegression

from framework.declare.model import FromFeature, Lookup, ModelSpec, TableSpec, days
from framework.registry.gate import objection
from framework.training import ClassificationTrainer, RegressionTrainer
from framework.training.data import TrainingData
from framework.training.record import _gate_figures
from framework.training.rolling import backtest, every, origins, rolling_evaluation
from framework.training.split import cut_at, split_by_time
from framework.training.trained import Trained

FIRST = pd.Timestamp("2026-01-01")
SPEC = ModelSpec(
    name="noise", use_case="noise", question="q", action="a", label_description="l", unit="u",
    lookups=(Lookup(table="t"),), horizon=days(1), baseline=FromFeature(columns=("usual",)),
)  # fmt: skip


class Forecast(RegressionTrainer):
    """A straight line."""

    spec = SPEC

    def labels(self, gold, as_of):
        """Stand in the frame already."""

    def estimator(self):
        """A straight line."""
        return LinearRegression()


class Chance(ClassificationTrainer):
    """A logistic curve."""

    spec = SPEC

    def labels(self, gold, as_of):
        """Stand in the frame already."""

    def estimator(self):
        """A logistic curve."""
        return LogisticRegression()


def panel(seed, *, binary=False, signal=0.0, entities=12, length=90, delay=1):
    """Entities with a level of their own; the baseline knows it, feature ``a`` tells ``signal`` of what comes."""
    rng = np.random.default_rng(seed)
    day = np.repeat(np.arange(length), entities)
    level = np.tile(rng.normal(size=entities), length)
    a, b, noise = (rng.normal(size=len(day)) for _ in range(3))
    label = level + signal * a + noise
    usual = level + 0.3 * rng.normal(size=len(day))
    if binary:
        chance = 1 / (1 + np.exp(-(level - 1 + signal * a)))
        label, usual = (rng.random(len(day)) < chance).astype(int), 1 / (1 + np.exp(-(level - 1)))
    at = FIRST + pd.to_timedelta(day, unit="D")
    frame = pd.DataFrame({"k": np.tile(np.arange(entities), length).astype(str), "_day": at, "day": at.date})
    frame = frame.assign(label=label, usual=usual, a=a, b=b)
    frame["label_known_at"] = (at + timedelta(days=1 + delay)).tz_localize("UTC")
    known = frame["label_known_at"].dt.tz_localize(None)
    calibrate = SPEC.calibrate if binary else timedelta(0)
    return TrainingData(
        spec=SPEC,
        grain=TableSpec(name="t", description="s", keys=("k",), time="day", columns=()),
        frame=frame,
        split=split_by_time(frame["_day"], known, calibrate=calibrate, test=SPEC.test),
        inputs=("usual", "a", "b"),
        classes=(),
        dropped={},
        labels=None,
        without_features=0,
        entity=frame["k"].astype(int).to_numpy(),
        seed=seed,
    )


def tags_of_training(trainer, data):
    fitted = trainer.fit(data, None)
    rolling_result = rolling_evaluation(trainer, data, fitted, None)
    beats = all(e.beats_baseline for e in (fitted.evaluation, rolling_result.evaluation) if e is not None)
    import json

    figures = _gate_figures(
        Trained(data=data, fitted=fitted, rolling_result=rolling_result, fingerprint="").rolling_result
    )
    return {
        "judged": "true", "beats_baseline": str(beats).lower(), "gate": json.dumps(figures),
        "promote_above": str(SPEC.promote_above),
    }  # fmt: skip


def test_of_a_hundred_models_of_pure_noise_at_most_five_pass():
    models = [(seed, trainer) for seed in range(50) for trainer in (Forecast(), Chance())]
    passed = [
        (seed, trainer)
        for seed, trainer in models
        if not objection(tags_of_training(trainer, panel(seed, binary=trainer.calibrates)))
    ]
    assert len(passed) <= 5, passed


@pytest.mark.parametrize("trainer", [Forecast(), Chance()])
def test_models_that_know_something_pass(trainer):
    passed = [
        seed
        for seed in range(5)
        if not objection(tags_of_training(trainer, panel(seed, binary=trainer.calibrates, signal=2.0)))
    ]
    assert len(passed) == 5


def test_shuffled_labels_are_refused():
    data = panel(1, signal=2.0)
    assert not objection(tags_of_training(Forecast(), data))
    shuffled = np.random.default_rng(5).permutation(data.frame["label"].to_numpy())
    assert objection(tags_of_training(Forecast(), dataclasses.replace(data, frame=data.frame.assign(label=shuffled))))


@given(st.integers(1, 40), st.integers(1, 6))
def test_origins_cover_the_held_back_days_once_and_in_order(length, count):
    data = panel(1)
    split = dataclasses.replace(data.split, test_end=data.split.calibrate_end + timedelta(days=length))
    found = origins(split, count)
    assert len(found) == min(count, length)
    covered = [o.cut + timedelta(days=n + 1) for o in found for n in range((o.test_end - o.cut).days)]
    assert covered == [split.calibrate_end + timedelta(days=n + 1) for n in range(length)]


@pytest.mark.parametrize("delay", [0, 1, 5])
@pytest.mark.parametrize("trainer", [Forecast(), Chance()])
def test_no_origin_is_fitted_on_what_became_known_after_it(trainer, delay):
    data = panel(3, binary=trainer.calibrates, signal=1.0, delay=delay)
    rolling_result = rolling_evaluation(trainer, data, trainer.fit(data, None), None)
    assert rolling_result.origins == 3
    for fold in rolling_result.folds:
        end = pd.Timestamp(fold.split.calibrate_end + timedelta(days=1), tz="UTC")
        for part in (fold.split.train, fold.split.calibrate):
            assert (data.frame["label_known_at"].iloc[part] <= end).all()
    rows = np.concatenate([fold.judged.rows for fold in rolling_result.folds])
    assert sorted(rows) == sorted(data.split.test)


def test_later_origins_know_more():
    data = panel(3, signal=1.0)
    rolling_result = rolling_evaluation(Forecast(), data, Forecast().fit(data, None), None)
    assert [len(f.split.train) for f in rolling_result.folds] == sorted(
        {len(f.split.train) for f in rolling_result.folds}
    )


def test_a_backtest_judges_each_day_once_and_none_that_has_not_settled():
    data = panel(3, signal=1.0)
    first, last = date(2026, 2, 10), date(2026, 5, 1)
    found = list(every(first, last, days(7), timedelta(0), until=data.split.test_end))
    rolling_result = backtest(Forecast(), data, found, None)
    judged = sorted(set(rolling_result.judged.day.dt.date))
    assert judged[0] == first + timedelta(days=1)
    assert judged[-1] == data.split.test_end
    assert len(rolling_result.judged.rows) == len(set(rolling_result.judged.rows))
    assert rolling_result.evaluation.skill > 0.2


def test_a_cut_with_nothing_before_it_is_said_and_not_judged():
    data = panel(3, signal=1.0)
    found = list(every(date(2025, 12, 1), date(2025, 12, 1), days(7), timedelta(0), until=data.split.test_end))
    rolling_result = backtest(Forecast(), data, found, None)
    assert rolling_result.evaluation is None
    assert rolling_result.folds[0].description == "0 rows to fit on and 0 to judge"
    assert cut_at(data.frame["_day"], data.frame["label_known_at"].dt.tz_localize(None), cut=date(2025, 12, 1),
                  test_end=date(2025, 12, 8), calibrate=timedelta(0)).train_days == 0  # fmt: skip

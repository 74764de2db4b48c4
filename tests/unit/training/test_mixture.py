"""A detector's score mixed with a plain rule, as known events of the training rows speak for either."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from framework.declare.model import FromFeature, days
from framework.training import AnomalyTrainer
from framework.training.anomaly import MIN_EVENTS, MIXTURES
from framework.training.data import EVENT
from framework.training.learners import isolation_forest
from framework.training.served_model import ServedModel, distance, surprise
from tests.unit.training.test_rolling import SPEC, panel


class Watch(AnomalyTrainer):
    """An isolation forest."""

    spec = dataclasses.replace(SPEC, baseline=FromFeature(columns=("usual",), otherwise=0.0), test=days(21))

    def estimator(self):
        """A small one."""
        return isolation_forest(n_estimators=50)


def rows(event, seed=1):
    """Return rows of three inputs whose events a condition on one of them decides."""
    data = panel(seed, entities=20, length=120)
    happened = event(data.frame, np.random.default_rng(seed))
    return dataclasses.replace(data, spec=Watch.spec, frame=data.frame.assign(**{EVENT: happened.astype(float)}))


def far_in_one_input(frame, dice):
    return frame["b"].abs() > 2.3


def at_random(frame, dice):
    return dice.random(len(frame)) < 0.05


def fit(data):
    return Watch().fit(data, None)


def test_events_in_one_input_give_the_rule_the_score_and_it_says_so():
    fitted = fit(rows(far_in_one_input))
    assert fitted.served["mixture"]["weight"] == 0.0
    assert fitted.served["mixture"]["rule"]["columns"] == ["b"]
    assert "it answers as a plain rule does, the distance of b from its usual" in fitted.remarks[0]
    assert fitted.evaluation.model["average_precision"] > 0.99


def test_a_mixture_is_never_worse_on_the_training_rows_than_the_forest_alone():
    from framework.training.evaluate import primary_metric

    for seed in range(5):
        data = rows(at_random, seed)
        fitted = fit(data)
        train = data.part("train")
        served = ServedModel()
        scores = {}
        for weight in MIXTURES:
            mixture = fitted.served["mixture"] | {"weight": weight}
            served.estimators, served.served = fitted.estimators, fitted.served | {"mixture": mixture}
            scores[weight] = served.predict(None, train[list(data.inputs)])["prediction"].to_numpy()
        ranked = {w: primary_metric(Watch.task, train[EVENT].to_numpy(), one) for w, one in scores.items()}
        assert ranked[fitted.served["mixture"]["weight"]] >= ranked[1.0] - 0.02  # the served score has steps


def test_few_events_or_none_leave_the_forest_alone():
    data = rows(far_in_one_input)
    few = np.zeros(len(data.frame))
    few[data.split.train[: MIN_EVENTS - 1]] = 1
    for frame in (data.frame.assign(**{EVENT: few}), data.frame.drop(columns=EVENT)):
        assert fit(dataclasses.replace(data, frame=frame)).served["mixture"] is None


@pytest.mark.parametrize("event", [far_in_one_input, at_random])
def test_what_is_served_is_what_was_judged(event):
    data = rows(event)
    fitted = fit(data)
    served = ServedModel()
    served.estimators, served.served = fitted.estimators, json.loads(json.dumps(fitted.served))
    found = served.predict(None, data.features("test"))
    assert found["prediction"].to_numpy() == pytest.approx(fitted.judged.answer, abs=1e-12)
    assert served.predict(None, data.features("test")[:0]).empty


def test_a_missing_input_does_not_count_and_the_furthest_does():
    data = panel(2).part("test")[["a", "b"]].head(3).assign(a=[np.nan, 5.0, 0.0], b=[1.0, 1.0, np.nan])
    rule = {"columns": ["a", "b"], "middle": [0.0, 0.0], "spread": [1.0, 0.5]}
    assert distance(data, rule).tolist() == [2.0, 5.0, 0.0]


def test_surprise_grows_with_the_score_and_says_how_few_lie_higher():
    steps = np.linspace(0.0, 1.0, 1001).tolist()
    found = surprise(np.array([0.0, 0.9, 0.99, 5.0]), steps)
    assert found[:3] == pytest.approx([0.0, np.log(10), np.log(100)])
    assert np.isfinite(found[3])

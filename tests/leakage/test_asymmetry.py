"""Asymmetry catches features that know the outcome, leaves honest ones alone, and asks before it blocks."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from framework.base.errors import LeakageError
from framework.declare.model import Task
from framework.training.data import Fitted
from framework.training.leakage import asymmetry, probe
from framework.training.leakage.finding import Verdict
from tests.leakage.__main__ import battery
from tests.leakage.worlds import HONEST, LEAKS, SYMMETRIC, World

SEEDS = (101, 102, 103, 104, 105)
"""No threshold was chosen on these."""


@pytest.fixture(scope="module")
def rows():
    return battery(SEEDS)


def of(rows, kinds):
    """Return tried and stopped of each kind."""
    return [(tried, refused + asked) for _, kind, tried, refused, asked in rows if kind in kinds]


def test_leaks_are_stopped(rows):
    counts = of(rows, LEAKS)
    assert len(counts) == len(LEAKS)
    assert sum(stopped for _, stopped in counts) >= 0.95 * sum(tried for tried, _ in counts)
    assert min(stopped / tried for tried, stopped in counts) >= 0.8


def test_honest_features_are_left_alone(rows):
    counts = of(rows, HONEST)
    assert len(counts) == len(HONEST)
    assert sum(stopped for _, stopped in counts) <= sum(tried for tried, _ in counts) / 40


def test_what_knows_both_windows_alike_is_left_to_the_audit(rows):
    assert [stopped for _, stopped in of(rows, SYMMETRIC)] == [0]


def leaking():
    world = World(1, 7, binary=True)
    return world.rows(world.noisy(world.label, 0.5))


def test_a_version_is_withheld_until_the_declaration_answers():
    data = leaking()
    fitted = Fitted(estimators={}, served={}, outputs=(), evaluation=None)
    (finding,) = asymmetry.asymmetries(data)
    assert (finding.check, finding.column, finding.verdict) == ("asymmetry", "x", Verdict.ASK)
    held = fitted.with_findings([finding])
    assert "x knows the coming window at" in held.withheld
    assert held.findings == (finding,)
    spec = dataclasses.replace(data.spec, honest={"x": "a plan"})
    (answered,) = asymmetry.asymmetries(dataclasses.replace(data, spec=spec))
    assert answered.verdict is Verdict.PASS
    assert fitted.with_findings([answered]).withheld == ""


def test_what_was_as_true_before_is_no_leak_and_what_was_not_is_refused():
    world = World(2, 7, binary=False)
    world.amount = np.ones_like(world.amount)
    world.amount[:, 100] = 5
    level = np.cumsum(world.amount, axis=1)
    world.label = np.full(level.shape, np.nan)
    world.label[:, :-7] = level[:, 7:]
    for values, leaks in ((level, False), (world.label, True)):
        data = world.rows(values)
        words = {
            "features": ["x"], "label": "label", "task": Task.REGRESSION, "entity": data.entity, "model": "m",
            "persists": lambda name, exactly, data=data: asymmetry.persists(data, name, exactly=exactly),
        }  # fmt: skip
        if leaks:
            with pytest.raises(LeakageError, match="column x of m"):
                probe.check_features(data.frame, **words)
        else:
            probe.check_features(data.frame, **words)
            with pytest.raises(LeakageError):
                probe.check_features(data.frame, **words | {"persists": lambda *_: False})


def test_rows_of_events_and_of_few_windows_are_not_judged():
    data = leaking()
    few = data.frame[
        data.frame["_day"] < data.frame["_day"].min() + (data.frame["_day"][1] - data.frame["_day"][0]) * 12
    ]
    small = dataclasses.replace(data, frame=few.reset_index(drop=True), entity=data.entity[few.index])
    assert asymmetry.asymmetries(small) == []
    by_event = dataclasses.replace(data, grain=dataclasses.replace(data.grain, time_type="timestamp"))
    assert asymmetry.asymmetries(by_event) == []

"""Asymmetry catches features that know the outcome, leaves honest ones alone, and asks before it blocks."""

from __future__ import annotations

import dataclasses
import sys

import numpy as np
import pytest

from framework.base.errors import LeakageError
from framework.core.results import Skip
from framework.declare.model import Task
from framework.training.data import Fitted
from framework.training.leakage import asymmetry, probe
from framework.training.leakage.finding import Verdict
from tests.leakage.worlds import HONEST, LEAKS, SYMMETRIC, World

SEEDS = (101, 102, 103, 104, 105)
"""No threshold was chosen on these."""
FORMS = ((1, True), (7, True), (1, False), (7, False))


def found(kinds, name):
    """Count how often a feature is asked about, over seeds, horizons and kinds of label."""
    hits = tries = 0
    for seed in SEEDS:
        for horizon, binary in FORMS:
            world = World(seed, horizon, binary=binary)
            with np.errstate(invalid="ignore"):
                data = world.rows(np.asarray(kinds[name](world), dtype=float))
            assert not isinstance(data.split, Skip)
            hits += bool(asymmetry.asymmetries(data))
            tries += 1
    return hits, tries


@pytest.fixture(scope="module")
def counts():
    told = {"leaks": {n: found(LEAKS, n) for n in LEAKS}, "honest": {n: found(HONEST, n) for n in HONEST}}
    for kind, rows in told.items():
        sys.stdout.write(
            f"\n{kind}\n" + "".join(f"  {name}: {hits} of {tries} asked\n" for name, (hits, tries) in rows.items())
        )
    return told


def test_leaks_are_asked_about(counts):
    hits, tries = (sum(pair[at] for pair in counts["leaks"].values()) for at in (0, 1))
    assert hits >= 0.95 * tries
    assert min(hit / tried for hit, tried in counts["leaks"].values()) >= 0.8


def test_honest_features_are_left_alone(counts):
    hits, tries = (sum(pair[at] for pair in counts["honest"].values()) for at in (0, 1))
    assert hits <= tries / 40


def test_what_knows_both_windows_alike_is_left_to_the_audit():
    assert found(SYMMETRIC, "mean over past and future")[0] == 0


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

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from framework.base.errors import LeakageError
from framework.training.leakage.finding import Verdict
from framework.training.leakage.label_audit import CHANGED, FEW, check_events, check_settled, check_unknown

DAY = date(2026, 9, 1)


def frame(labels, **columns):
    return pd.DataFrame({"job_id": [f"j{i}" for i in range(len(labels))], "label": labels, **columns})


def settled(then, now):
    check_settled(frame(then), frame(now), keys=["job_id"], day=DAY, model="m")


def unknown(early, now, earlier, honest=()):
    sides = (frame(labels) for labels in (early, now, earlier))
    return check_unknown(*sides, keys=["job_id"], model="m", honest=dict(honest))


@given(st.integers(20, 200), st.integers(0, 200))
def test_amounts_are_refused_from_one_in_ten_that_changed(rows, changed):
    changed = min(changed, rows)
    then = np.arange(rows, dtype=float)
    now = then + (np.arange(rows) < changed)
    if changed > max(FEW, CHANGED * rows):
        with pytest.raises(LeakageError, match=f"{changed} of {rows} labels"):
            settled(then, now)
    else:
        settled(then, now)


def test_of_two_classes_the_rarer_is_what_counts() -> None:
    now = np.array([1] * 20 + [0] * 480)
    settled(np.where(np.arange(500) < 2, 0, now), now)  # two late rows
    with pytest.raises(LeakageError, match="10 of 500"):
        settled(np.where(np.arange(500) < 10, 0, now), now)


def test_labels_that_only_one_side_has_prove_nothing() -> None:
    settled([1.0, np.nan, np.nan, np.nan, np.nan, np.nan], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0])


def test_the_label_of_no_event_tells_nothing() -> None:
    assert unknown([0] * 50, [0, 1] * 25, [0] * 50) == []
    assert unknown([np.nan] * 50, [0, 1] * 25, [0] * 50) == []


def test_a_label_that_its_own_day_tells_is_refused() -> None:
    dice = np.random.default_rng(3)
    now, earlier = dice.gamma(2, 1, (2, 50))
    with pytest.raises(LeakageError, match="is told for 49 rows"):
        unknown(now, now, earlier)
    (found,) = unknown(now, now, earlier, honest={"label": "a plan"}.items())
    assert found.verdict is Verdict.PASS


def test_a_state_that_lasts_is_no_leak() -> None:
    dice = np.random.default_rng(3)
    state = dice.integers(0, 4, 60)
    now = np.where(dice.random(60) < 0.1, dice.integers(0, 4, 60), state)
    assert unknown(state, now, state) == []


def test_a_label_of_which_a_part_is_told_is_asked_about() -> None:
    dice = np.random.default_rng(3)
    now, earlier = (dice.random((2, 200)) < 0.3).astype(int)
    told = now & (dice.random(200) < 0.6)
    told[np.flatnonzero(now == 0)[:4]] = 1  # and some of it wrong
    (found,) = unknown(told, now, earlier)
    assert found.verdict is Verdict.ASK
    assert found.column == "label"


def test_events_are_not_known_before_their_day() -> None:
    assert check_events(1000, 9, ["label"], model="m", honest={}) == []
    assert [one.verdict for one in check_events(1000, 100, ["label"], model="m", honest={})] == [Verdict.ASK]
    with pytest.raises(LeakageError, match="600 of 1000"):
        check_events(1000, 600, ["label"], model="m", honest={})

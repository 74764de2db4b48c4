"""The score from which an alert is worth a look, against a search of every score."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from framework.training.alarm import NEVER, alert_from, lower_bound

ROWS = st.lists(
    st.tuples(st.sampled_from([0.0, 1.0, float("nan")]), st.sampled_from([0.0, 0.3, 0.5, 0.9, 0.95, 1.0])), max_size=60
)


@given(ROWS, st.sampled_from([0.3, 0.5, 0.8]))
def test_it_is_the_lowest_score_that_surely_reaches_the_precision(rows, wanted):
    truth, score = (np.array([row[at] for row in rows], dtype=float) for at in (0, 1))
    known = ~np.isnan(truth)
    found = alert_from(truth, score, wanted)
    if not known.any():
        assert found is None
        return
    good = []
    for step in np.unique(score[known]):
        above = truth[known & (score >= step)]
        if lower_bound(np.array([above.mean()]), np.array([len(above)]))[0] >= wanted:
            good.append(step)
    assert found == (min(good) if good else NEVER)


def test_one_hit_proves_nothing_and_two_do():
    assert alert_from(np.array([1.0, 0.0]), np.array([0.9, 0.1]), 0.5) == NEVER
    assert alert_from(np.array([1.0, 1.0, 0.0]), np.array([0.9, 0.8, 0.1]), 0.5) == 0.8


def test_the_bound_holds_nine_times_in_ten():
    dice = np.random.default_rng(1)
    hits = dice.binomial(30, 0.6, 20_000)
    below = lower_bound(hits / 30, np.full(20_000, 30)) <= 0.6
    assert below.mean() == pytest.approx(0.9, abs=0.04)


def test_without_a_wanted_precision_each_answer_alerts():
    assert alert_from(np.array([0.0]), np.array([0.9]), 0.0) is None

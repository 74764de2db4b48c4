"""How sure a skill on outcomes is: labels that look days ahead overlap, and overlapping ones say the same twice."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from framework.declare.model import Task, days
from framework.monitoring.outcomes.performance import _judged

FIRST = date(2026, 3, 1)
DAYS = 28


def outcomes(rng, horizon):
    """Outcomes of twenty entities: noise of each day, summed over a horizon, as label windows are."""
    noise = rng.normal(size=DAYS + horizon)
    mood = np.convolve(noise, np.full(horizon, horizon**-0.5), mode="valid")[:DAYS]
    rows = [
        {"as_of_date": FIRST + timedelta(days=at), "outcome": abs(mood[at]) + rng.normal(0, 0.1), "entity": str(e)}
        for at in range(DAYS)
        for e in range(20)
    ]
    frame = pd.DataFrame(rows)
    return frame.assign(prediction=0.8, baseline=0.0, prediction_p10=np.nan, prediction_p90=np.nan)


def truth(horizon):
    """The skill that many windows come to."""
    many = pd.concat([outcomes(np.random.default_rng(900 + n), horizon) for n in range(60)])
    return 1 - (many["outcome"] - 0.8).abs().sum() / many["outcome"].abs().sum()


@pytest.mark.parametrize("horizon", [1, 7])
def test_the_interval_holds_the_true_skill_about_as_often_as_it_says(horizon):
    expected, inside = truth(horizon), []
    for seed in range(60):
        row = _judged(outcomes(np.random.default_rng(seed), horizon), Task.REGRESSION, days(horizon), 0)
        inside.append(row["skill_low"] <= expected <= row["skill_high"])
    assert np.mean(inside) >= 0.8


def test_labels_of_a_day_leave_the_interval_as_it_was():
    rows = outcomes(np.random.default_rng(1), 1)
    day, week = (_judged(rows, Task.REGRESSION, days(n), 0) for n in (1, 7))
    assert day["skill"] == week["skill"]
    wider = (week["skill_high"] - week["skill_low"]) / (day["skill_high"] - day["skill_low"])
    assert wider == pytest.approx(7**0.5)


@pytest.mark.parametrize(("events", "known"), [(4, False), (5, True)])
def test_a_few_events_give_a_skill_but_no_interval(events, known):
    """Ranked as the baseline ranks them, however many of a few are drawn: an interval would have no width."""
    at = np.arange(DAYS * 20)
    rows = pd.DataFrame(
        {
            "as_of_date": [FIRST + timedelta(days=int(n) // 20) for n in at],
            "entity": (at % 20).astype(str),
            "outcome": np.isin(at, 100 * np.arange(events)).astype(int),
            "prediction": np.where(np.isin(at, 100 * np.arange(events)), 0.9, 0.1),
        }
    )
    row = _judged(rows.assign(baseline=rows["prediction"]), Task.ANOMALY, days(3), 0)
    assert row["skill"] == 0.0
    assert (row["skill_low"] is not None) == (row["skill_high"] is not None) == known


def test_no_interval_reaches_beyond_a_perfect_skill():
    rows = outcomes(np.random.default_rng(1), 7).assign(prediction=lambda frame: frame["outcome"])
    rows.loc[:39, "prediction"] = 0.8
    assert _judged(rows, Task.REGRESSION, days(28), 0)["skill_high"] == 1.0

"""Made-up training rows, honest and leaking: what the leakage checks are measured on.

Two worlds that are not the product's own: plants whose pumps fail, and shops that sell. Each is drawn anew by its seed.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd

from framework import FromFeature, Lookup, ModelSpec, TableSpec
from framework import formulas as fx
from framework.training.data import TrainingData
from framework.training.split import cut_at

DAYS, ENTITIES = 240, 30


class World:
    """Daily amounts by entity, shape ``(ENTITIES, DAYS)``, and the label of each day.

    Args:
        seed: Draws the world.
        horizon: Days that the label looks ahead.
        binary: Whether the label is "does anything happen", else "how much".
    """

    def __init__(self, seed: int, horizon: int, *, binary: bool) -> None:
        self.dice = np.random.default_rng(seed)
        level = self.dice.gamma(2.0, 1.0, (ENTITIES, 1))
        state = np.zeros((ENTITIES, DAYS))
        for day in range(1, DAYS):
            state[:, day] = 0.8 * state[:, day - 1] + self.dice.normal(0, 0.5, ENTITIES)
        weekday = np.arange(DAYS) % 7
        season = np.where(weekday < 5, 1.0, 0.4)
        self.state, self.weekday, self.horizon, self.binary = state, weekday, horizon, binary
        chance = 0.12 * level / level.mean() * np.exp(state - 0.3) * season
        self.amount = (
            self.dice.poisson(chance) if binary else self.dice.gamma(2, 1, state.shape) * level * np.exp(state) * season
        )
        self.label = self.ahead(self.amount)
        self.middle = float(np.nanmedian(self.label[self.label > 0]))

    def ahead(self, amount: np.ndarray) -> np.ndarray:
        """Return the label: what the days ``(t, t + horizon]`` bring; NaN where they are not over."""
        found = np.full(amount.shape, np.nan)
        for day in range(DAYS - self.horizon):
            total = amount[:, day + 1 : day + 1 + self.horizon].sum(axis=1)
            found[:, day] = total > 0 if self.binary else total
        return found

    def past(self, days: int, amount: np.ndarray | None = None) -> np.ndarray:
        """Return trailing sums that include the row's own day."""
        sums = np.cumsum(self.amount if amount is None else amount, axis=1).astype(float)
        sums[:, days:] -= sums[:, :-days].copy()
        return sums

    def noisy(self, values: np.ndarray, share: float) -> np.ndarray:
        """Return values with noise of a share of their spread."""
        return np.asarray(values + share * np.nanstd(values) * self.dice.standard_normal(values.shape))

    def rows(self, values: np.ndarray) -> TrainingData:
        """Return training rows with one feature."""
        keys = [(f"e{e}", pd.Timestamp("2026-01-01") + timedelta(days=d)) for e in range(ENTITIES) for d in range(DAYS)]
        frame = pd.DataFrame(keys, columns=["entity_id", "_day"])
        frame["day"] = frame["_day"].dt.date
        frame["label"], frame["x"] = self.label.ravel(), values.ravel().astype(float)
        known = frame["_day"] + pd.Timedelta(days=self.horizon + 1)
        frame["label_known_at"] = known.where(frame["label"].notna()).dt.tz_localize("UTC")
        frame = frame[frame["label"].notna()].reset_index(drop=True)
        split = cut_at(
            frame["_day"], frame["label_known_at"].dt.tz_localize(None),
            cut=(frame["_day"].max() - timedelta(days=42)).date(),
            test_end=frame["_day"].max().date(), calibrate=timedelta(0),
        )  # fmt: skip
        spec = ModelSpec(
            name="made_up", question="q", action="a", label_description="l", unit="u",
            lookups=(Lookup(table="made_up"),),
            horizon=timedelta(days=self.horizon), baseline=FromFeature(columns=("x",)),
        )  # fmt: skip
        grain = TableSpec(
            name="made_up", description="d", keys=("entity_id",), time="day",
            columns=(fx.derived("x", "day_number", description="x"),),
        )  # fmt: skip
        return TrainingData(
            spec=spec, grain=grain, frame=frame, split=split, inputs=("x",), classes=(), dropped={}, labels=None,
            without_features=0, entity=frame.groupby("entity_id", sort=False).ngroup().to_numpy(), seed=7,
        )  # fmt: skip


def _shifted(values: np.ndarray, days: int) -> np.ndarray:
    """Return what stands so many days later on each row."""
    found = np.full(values.shape, np.nan)
    found[:, :-days] = values[:, days:]
    return found


LEAKS: dict[str, Any] = {
    "copy of the label": lambda w: w.label,
    "label with noise": lambda w: w.noisy(w.label, 0.5),
    "label with much noise": lambda w: w.noisy(w.label, 1.0),
    "tomorrow's amount": lambda w: _shifted(w.amount.astype(float), 1),
    "final status on an early row": lambda w: np.where(np.nan_to_num(w.label) > w.middle / 2, 2.0, 0.0),
    "proxy filled in afterwards": lambda w: np.where(w.dice.random(w.label.shape) < 0.7, w.label, w.middle),
    "number given after the outcome": lambda w: np.arange(DAYS) + np.nan_to_num(w.label) * 40 / w.middle,
    "peers' outcomes of the window": lambda w: w.noisy(w.label + 0.3 * np.nan_to_num(w.label).mean(axis=0), 0.3),
}  # fmt: skip
"""Features that know the outcome, by kind."""

SYMMETRIC: dict[str, Any] = {"mean over past and future": lambda w: w.past(7) + _shifted(w.past(7), 7)}
"""Features that know the outcome and the past alike: the as-of audit finds them, and no comparison of windows can."""

HONEST: dict[str, Any] = {
    "last week": lambda w: w.past(7),
    "last four weeks": lambda w: w.past(28),
    "today": lambda w: w.amount,
    "today with noise": lambda w: w.noisy(w.amount.astype(float), 1.0),
    "cumulative count": lambda w: np.cumsum(w.amount, axis=1),
    "a counter that grows": lambda w: np.arange(DAYS) + 0 * w.amount,
    "a level of the entity": lambda w: np.repeat(w.amount[:, :60].mean(axis=1, keepdims=True), DAYS, axis=1),
    "a setting that rarely changes": lambda w: np.repeat(w.dice.integers(0, 3, (ENTITIES, 4)), DAYS // 4, axis=1),
    "days since the last event": lambda w: _days_since(w.amount),
    "the state of today": lambda w: w.state,
    "ratio of week and month": lambda w: w.past(7) / np.maximum(w.past(28), 1e-9),
    "z-score of today": lambda w: (w.amount - w.past(28) / 28) / (np.std(w.amount) + 1e-9),
    "chance": lambda w: w.dice.random(w.amount.shape),
    "mean of all entities today": lambda w: np.repeat(w.amount.mean(axis=0, keepdims=True), ENTITIES, axis=0),
}  # fmt: skip
"""Features that know the past only, by kind."""


def _days_since(amount: np.ndarray) -> np.ndarray:
    found = np.zeros(amount.shape)
    for day in range(1, DAYS):
        found[:, day] = np.where(amount[:, day] > 0, 0, found[:, day - 1] + 1)
    return found

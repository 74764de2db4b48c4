"""Panels of telemetry that move by themselves: weekends, slow drifts of each entity, moods of the whole fleet."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pyarrow as pa

START = date(2026, 1, 1)
WEEKDAYS = np.array([0, 0.05, 0, 0.02, 0, -0.4, -0.5])
"""Log of the level by weekday."""


def wander(rng: np.random.Generator, shape: tuple[int, int], memory: float, spread: float) -> np.ndarray:
    """Return rows of a first-order autoregression with a given standard deviation."""
    noise = rng.normal(0, spread, shape) * np.sqrt(1 - memory**2)
    found = np.empty(shape)
    found[:, 0] = rng.normal(0, spread, shape[0])
    for at in range(1, shape[1]):
        found[:, at] = memory * found[:, at - 1] + noise[:, at]
    return found


def trailing(values: np.ndarray, days: int) -> np.ndarray:
    """Return means over the trailing days, or over as many as there are."""
    passed = np.cumsum(np.concatenate([np.zeros((len(values), 1)), values], axis=1), axis=1)
    ends = np.arange(1, values.shape[1] + 1)
    starts = np.maximum(ends - days, 0)
    return (passed[:, ends] - passed[:, starts]) / (ends - starts)


def feature(rng: np.random.Generator, kind: int, log: np.ndarray) -> np.ndarray:
    """Return one of the kinds of features that telemetry gives: levels, trailing means, counts, z-scores, flags."""
    if kind == 0:
        return np.exp(log)
    if kind in (1, 2):
        return trailing(np.exp(log), (7, 28)[kind - 1])
    if kind == 3:
        return rng.poisson(np.exp(log)).astype(float)
    if kind == 4:
        return (log - np.concatenate([log[:, :1], trailing(log, 28)[:, :-1]], axis=1)) / 0.45
    return (rng.random(log.shape) < np.clip(0.03 * np.exp(log), 0, 1)).astype(float)


def panel(
    *, entities: int, days: int, features: int, seed: int, fleet: float = 0.1, shift_from: int | None = None
) -> pa.Table:
    """Return features of entities by day.

    Args:
        entities: Number of entities; their levels differ by a factor of about e.
        days: Number of days.
        features: Number of features ``f0``, ``f1`` and so on.
        seed: Seed.
        fleet: Standard deviation of the log of what moves all entities together.
        shift_from: Day from which on everything is four times as large.
    """
    rng = np.random.default_rng(seed)
    columns = {}
    for at in range(features):
        log = rng.normal(size=(entities, 1)) + wander(rng, (entities, days), rng.uniform(0, 0.98), 0.4)
        log += wander(rng, (1, days), rng.uniform(0.3, 0.9), fleet)
        log += WEEKDAYS[np.arange(days) % 7] * rng.uniform(0, 1.5)
        if shift_from is not None:
            log[:, shift_from:] += np.log(4)
        values = feature(rng, at % 6, log)
        values[rng.random(values.shape) < 0.03] = np.nan
        columns[f"f{at}"] = pa.array(values.ravel(), from_pandas=True)
    calendar = [START + timedelta(days=at) for at in range(days)]
    return pa.table(
        {
            "entity": pa.array(np.repeat(np.arange(entities), days).astype(str)),
            "day": pa.array(calendar * entities, pa.date32()),
            **columns,
        }
    )

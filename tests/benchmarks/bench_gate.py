"""How many models that know nothing does the gate let through, by the days their labels speak of?

    python -m tests.benchmarks.bench_gate [--seeds 40] [--entities 12]

Labels of neighbouring days overlap as soon as a horizon is longer than a day, while the gate's interval draws days as
if each were news. A forecaster and a classifier per seed are fitted on features that wander and say nothing.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from framework.declare.model import days
from framework.registry.gate import objection
from framework.training.split import split_by_time
from tests.unit.training.test_rolling import FIRST, SPEC, Chance, Forecast, panel, tags_of_training

if TYPE_CHECKING:
    from framework.training.data import TrainingData

HORIZONS = (1, 3, 7, 14, 28)
LENGTH = 120
WANDER = 28
"""Days over which a feature is a mean, as many of the real ones are."""
RARE = 3.0
"""Logit below which the usual chance of an event lies."""


def windows(daily: np.ndarray, width: int) -> np.ndarray:
    """Return sums of ``width`` consecutive rows, one for each of the first ``LENGTH`` days."""
    return np.lib.stride_tricks.sliding_window_view(daily, width, axis=0).sum(axis=-1)[:LENGTH]


def ignorant(seed: int, horizon: int, entities: int, *, binary: bool) -> TrainingData:
    """Return a panel whose baseline knows each entity's level, and whose features know nothing."""
    rng = np.random.default_rng(seed)
    level = rng.normal(size=entities)
    a, b = (windows(rng.normal(size=(LENGTH + WANDER, entities)), WANDER) / WANDER**0.5 for _ in range(2))
    if binary:
        chance = 1 / (1 + np.exp(RARE - level))
        label = windows(rng.random((LENGTH + horizon, entities)) < chance, horizon) > 0
        usual = np.tile(1 - (1 - chance) ** horizon, (LENGTH, 1))
    else:
        label = level + windows(rng.normal(size=(LENGTH + horizon, entities)), horizon) / horizon**0.5
        usual = level + 0.3 * rng.normal(size=(LENGTH, entities))
    day = FIRST + pd.to_timedelta(np.repeat(np.arange(LENGTH), entities), unit="D")
    frame = pd.DataFrame({"k": np.tile(np.arange(entities), LENGTH).astype(str), "_day": day, "day": day.date})
    frame = frame.assign(label=label.ravel() * 1.0, usual=usual.ravel(), a=a.ravel(), b=b.ravel())
    known = pd.Series(day + timedelta(days=horizon + 1))
    frame["label_known_at"] = known.dt.tz_localize("UTC")
    spec = dataclasses.replace(SPEC, horizon=days(horizon))
    calibrate = spec.calibrate if binary else timedelta(0)
    split = split_by_time(frame["_day"], known, calibrate=calibrate, test=spec.test)
    like = panel(seed, binary=binary)
    return dataclasses.replace(like, spec=spec, frame=frame, split=split, entity=frame["k"].to_numpy())


def main() -> None:
    """Fit, judge, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=40)
    parser.add_argument("--entities", type=int, default=12)
    given = parser.parse_args()
    for horizon in HORIZONS:
        passed = {True: 0, False: 0}
        for seed in range(given.seeds):
            for trainer in (Forecast(), Chance()):
                data = ignorant(seed, horizon, given.entities, binary=trainer.calibrates)
                passed[trainer.calibrates] += not objection(tags_of_training(trainer, data))
        told = f"{passed[False]} of {given.seeds} forecasters, {passed[True]} of {given.seeds} classifiers passed"
        sys.stdout.write(f"horizon {horizon:2} days: {told}\n")


if __name__ == "__main__":
    main()

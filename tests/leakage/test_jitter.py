"""A nudge wipes out answers that are looked up, and leaves those of every honest kind of estimator alone."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pandas as pd
import pytest

from framework import learners
from framework.base.errors import LeakageError
from framework.core.results import Skip
from framework.training.data import Judged, TrainingData
from framework.training.leakage import jitter
from tests.leakage.worlds import DAYS, ENTITIES, HONEST, World


class LooksUp:
    """Remembers the outcome of every row, those of the future included."""

    def fit(self, rows: Any, truth: Any) -> LooksUp:
        self.known = {tuple(row): label for row, label in zip(rows.to_numpy(), truth, strict=True)}
        self.middle = float(np.median(truth))
        return self

    def predict(self, rows: Any) -> np.ndarray:
        return np.array([self.known.get(tuple(row), self.middle) for row in rows.to_numpy()])


def linear() -> Any:
    from sklearn.linear_model import Ridge

    return Ridge()


def forest() -> Any:
    from sklearn.ensemble import RandomForestRegressor

    return RandomForestRegressor(n_estimators=20, min_samples_leaf=5, random_state=7)


def neighbours() -> Any:
    from sklearn.neighbors import KNeighborsRegressor

    return KNeighborsRegressor(20)


def measured(estimator: Any, kind: str, seed: int, *, every: bool = False) -> float:
    world = World(seed, 7, binary=seed % 2 == 0)
    with np.errstate(invalid="ignore"):
        data = world.rows(np.asarray(HONEST[kind](world), dtype=float))
    assert not isinstance(data.split, Skip)
    known = data.frame if every else data.part("train")
    estimator.fit(known[["x"]], known["label"])
    answer, again = (estimator.predict(rows.features("test")) for rows in (data, jitter.nudged(data)))
    return jitter.lost(judged(data, answer), judged(data, again))


def judged(data: TrainingData, answer: Any) -> Judged:
    truth = data.truth("test", "label")
    return Judged(
        truth=truth,
        answer=np.asarray(answer, float),
        baseline=np.zeros(len(truth)),
        day=data.part("test")["_day"],
        rows=data.split.test,
        answered=np.ones(len(truth), dtype=bool),
    )


@pytest.mark.parametrize("kind", sorted(HONEST))
@pytest.mark.parametrize("make", [linear, forest, neighbours, learners.boosted_regression])
def test_what_learns_from_values_passes(make: Any, kind: str) -> None:
    jitter.check(measured(make(), kind, 201 + sorted(HONEST).index(kind) % 2), "honest")


@pytest.mark.parametrize("seed", [201, 202, 203])
def test_what_looks_rows_up_is_refused(seed: int) -> None:
    with pytest.raises(LeakageError, match="estimator of leaking"):
        jitter.check(measured(LooksUp(), "the state of today", seed, every=True), "leaking")


def test_no_rows_and_one_value_lose_nothing() -> None:
    none = np.zeros(0)
    empty = Judged(truth=none, answer=none, baseline=none, day=pd.Series(), rows=none.astype(int), answered=none > 0)
    assert jitter.lost(empty, empty) == 0.0
    data = World(201, 7, binary=False).rows(np.zeros((ENTITIES, DAYS)))
    assert np.array_equal(jitter.nudged(data).frame["x"], data.frame["x"])


@pytest.mark.filterwarnings("error")
def test_flags_and_empty_columns_are_moved_too() -> None:
    data = World(201, 7, binary=False).rows(np.zeros((ENTITIES, DAYS)))
    frame = data.frame.assign(
        flag=data.frame["label"] > 1, empty=np.nan, some=data.frame["label"].where(lambda x: x > 1)
    )
    moved = jitter.nudged(dataclasses.replace(data, frame=frame, inputs=("flag", "empty", "some"))).frame
    change = (moved["some"] - frame["some"]).dropna()
    assert 0 < change.max() <= jitter.NUDGE * frame["some"].quantile([0.25, 0.75]).diff().iloc[-1]
    assert moved["empty"].isna().all()
    assert (moved["flag"] - frame["flag"]).between(0, jitter.NUDGE).all()


def test_many_classes_are_compared_by_their_chances() -> None:
    data = World(201, 7, binary=True).rows(np.zeros((ENTITIES, DAYS)))
    sure = np.eye(2)[data.truth("test", "label").astype(int)]
    assert jitter.lost(judged(data, sure), judged(data, sure)) == 0.0
    assert jitter.lost(judged(data, sure), judged(data, sure[:, ::-1])) > 1

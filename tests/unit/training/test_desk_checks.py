"""What a domain team finds at its desk: an estimator that knows rows instead of learning from values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, RegressorMixin

from framework import discover
from framework.testing import check_learns

PLUGINS = discover(strict=True)


class Remembers(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Answers with the label of the row that it was fitted on, and with the usual one for any other."""

    def fit(self, rows: Any, truth: Any, **_weights: Any) -> Remembers:
        self.seen_ = dict(zip(self._names(rows), np.asarray(truth), strict=True))
        self.usual_ = np.median(np.asarray(truth))
        return self

    def predict(self, rows: Any) -> np.ndarray:
        return np.array([self.seen_.get(name, self.usual_) for name in self._names(rows)])

    @staticmethod
    def _names(rows: Any) -> list[int]:
        return [hash(tuple(map(str, row))) for row in pd.DataFrame(rows).itertuples(index=False)]


@pytest.mark.parametrize("model", ["pipeline_health_scorer", "job_duration_forecaster"])
def test_an_estimator_that_remembers_rows_is_found(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = PLUGINS.trainers[model].item
    monkeypatch.setattr(trainer, "estimator", lambda _self: Remembers())
    with pytest.raises(AssertionError, match="looks rows up"):
        check_learns(trainer, PLUGINS)

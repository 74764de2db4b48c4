"""A regression on multiples of what is usual, while it is trained; the served model multiplies by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin, clone

from framework.base.errors import SpecError
from framework.training.served_model import usual_log

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd


class MultipleRegressor(RegressorMixin, BaseEstimator):  # type: ignore[misc] # scikit-learn carries no types
    """Learns log((1 + y) / (1 + x)) of a column x, and answers y.

    Args:
        regressor: The regression of the log of the multiple.
        column: Column of what is usual, not negative; where it is missing, the median label stands in.
    """

    def __init__(self, regressor: Any = None, column: str = "") -> None:
        self.regressor = regressor
        self.column = column

    def fit(self, rows: pd.DataFrame, label: np.ndarray) -> MultipleRegressor:
        """Fit on rows ``(rows, columns)`` and labels ``(rows,)``.

        Raises:
            SpecError: If the column is no input, or a label is negative.
        """
        what = ""
        if self.column not in rows:
            what = f"'{self.column}' is no input of the model: it was not looked up, or is NULL in all training rows"
        elif np.min(label) < 0:
            what = f"a label is {np.min(label):g}, and a multiple of the usual cannot be negative"
        if what:
            fix = "look the column up and list it under `required`, or forecast the label itself"
            raise SpecError(what=what, where=f"as_multiple_of('{self.column}')", fix=fix)
        logs = np.log1p(np.asarray(label, dtype=float))
        self.middle_ = float(np.median(logs))
        self.regressor_ = clone(self.regressor).fit(rows, logs - usual_log(rows, self.column, self.middle_))
        self.feature_names_in_ = np.asarray(rows.columns, dtype=object)
        self.n_features_in_ = len(rows.columns)
        return self

    def predict(self, rows: pd.DataFrame) -> np.ndarray:
        """Return forecasts ``(rows,)`` in units of the label."""
        found: np.ndarray = np.expm1(self.regressor_.predict(rows) + usual_log(rows, self.column, self.middle_))
        return found


def unwrapped(estimators: Mapping[str, Any]) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    """Return what the served model must know of the multiple, and the estimators without any class of ours.

    Args:
        estimators: Fitted estimators by role, all of one kind.

    Returns:
        ``column`` and ``middle`` (log of the label that stands in for a missing value), or ``None`` if they forecast
        the label itself; and the estimators to keep.
    """
    wrapped = {role: one for role, one in estimators.items() if isinstance(one, MultipleRegressor)}
    fact = next(({"column": one.column, "middle": one.middle_} for one in wrapped.values()), None)
    return fact, dict(estimators) | {role: one.regressor_ for role, one in wrapped.items()}

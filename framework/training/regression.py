"""RegressionTrainer: a forecast with its quantiles, judged by MAE against the baseline's."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from framework.declare.model import Task
from framework.training.base import SupervisedTrainer
from framework.training.baseline import CONSTANT
from framework.training.correction import (
    MIN_ROWS,
    best_weight,
    can_correct,
    correction,
    figures_of,
    remarks_of,
    weight_of,
)
from framework.training.data import Fitted, Judged
from framework.training.evaluate import pinball
from framework.training.fitting import importance, label_range, reason_outputs, training_ranges
from framework.training.leakage import jitter
from framework.training.split import cut_at
from framework.training.verdict import judge

if TYPE_CHECKING:
    import numpy as np

    from framework.gold.runtime import Runtime
    from framework.training.data import TrainingData

INNER = 4
"""The part of the fitted days whose last one tells how far forecasts may move from the baseline's."""
INNER_WINDOWS = 2
"""Windows of the label that those days must hold: of less than two the second could say the opposite."""
MIN_INNER_DAYS = 14
"""Days to fit on without which those last ones tell less of the model than of how little it saw."""


class RegressionTrainer(SupervisedTrainer, abstract=True):
    """Forecasts a number; ``estimator`` must take NULL, or impute inside its pipeline."""

    task = Task.REGRESSION
    bounds: ClassVar[tuple[float | None, float | None]] = (None, None)
    """Smallest and largest value that the forecast can take."""

    def fit(self, data: TrainingData, runtime: Runtime) -> Fitted:
        """Fit the forecast and its quantiles; a constant label gives a dummy that says so."""
        from framework.training.multiple import unwrapped  # brings scikit-learn along

        truth = data.truth("train", self.spec.labels[0])
        verdict = judge(data.part("train")[[*self.spec.labels]], self.task)
        dummy = verdict.kind == "fallback"
        roles, estimators = self._fit_all(data, truth, dummy=dummy)
        found = None if dummy else self._correction(data)
        judged = self._judge(data, estimators["estimator"], found)
        held_back, again = judged.truth, self._judge(jitter.nudged(data), estimators["estimator"], found)
        weights = importance(estimators["estimator"], data, held_back, "neg_mean_absolute_error")
        training_range = training_ranges(data, weights)
        extras = self._pinballs(data, roles, estimators) if len(held_back) else {}
        multiple, stored = unwrapped(estimators)
        return Fitted(
            estimators=stored,
            served={
                "task": str(self.task),
                "multiple_of": multiple,
                "inputs": list(data.inputs),
                "usual": training_range,
                "importance": weights,
                "correction": found,
                "quantiles": roles,
                "bounds": list(self.bounds),
            },
            outputs=(
                ("prediction", "double"),
                *((n, "double") for n in roles.values()),
                *reason_outputs(training_range),
            ),
            evaluation=judged.evaluation(self.task, data.seed),
            judged=judged,
            fallback=verdict.reason,
            remarks=(*self._weak_baseline(data), *remarks_of(found)),
            extras=extras | label_range(truth) | {jitter.FIGURE: jitter.lost(judged, again)} | figures_of(found),
        )

    def _pinballs(self, data: TrainingData, roles: dict[str, str], estimators: dict[str, Any]) -> dict[str, float]:
        """Return the pinball loss of each quantile on the held-back rows."""
        held_back, rows = data.truth("test", self.spec.labels[0]), data.features("test")
        return {
            f"pinball_{name.rsplit('_', 1)[1]}": pinball(
                held_back, _clip(estimators[role].predict(rows), self.bounds), q
            )
            for (role, name), q in zip(roles.items(), self.spec.quantiles, strict=False)
        }

    def _weak_baseline(self, data: TrainingData) -> tuple[str, ...]:
        if data.baseline(self.task).kind != (CONSTANT,):
            return ()
        return ("baseline: the median label; the declared one erred more on the training rows",)

    def evaluate_fit(self, data: TrainingData, runtime: Runtime) -> Judged | None:
        """Fit the forecast alone, without its quantiles, and judge it."""
        from sklearn.dummy import DummyRegressor

        truth = data.truth("train", self.spec.labels[0])
        constant = judge(data.part("train")[[*self.spec.labels]], self.task).kind == "fallback"
        estimator = DummyRegressor(strategy="median") if constant else self.estimator()
        found = None if constant else self._correction(data)
        return self._judge(data, estimator.fit(data.features("train"), truth), found)

    def _correction(self, data: TrainingData) -> dict[str, Any] | None:
        """Return how far forecasts may move from the baseline's, by the last days of those fitted on.

        Forecasts are not calibrated, so no days are kept for it: a fit on the earlier days alone answers the last
        ones. Its weight holds for the fit on all of them, for the rolling origins, and for the fit that is served.
        """
        rule = data.baseline(self.task)
        if not can_correct(rule, data):
            return None
        if data.weights is not None:
            return correction(rule, data.weights)
        label, (early, late) = self.spec.labels[0], self._inner(data)
        day = data.frame["_day"]
        short = day.iloc[late].nunique() < INNER_WINDOWS * self.spec.horizon.days
        if short or min(len(early), len(late)) < MIN_ROWS or day.iloc[early].nunique() < MIN_INNER_DAYS:
            return correction(rule, [weight_of(None, data)])
        rows = data.frame[list(data.inputs)]
        estimator = self.estimator().fit(rows.iloc[early], data.frame[label].iloc[early].to_numpy())
        part = dataclasses.replace(data, split=dataclasses.replace(data.split, train=early))
        answer = _clip(estimator.predict(rows.iloc[late]), self.bounds)
        base = part.baseline(self.task).answer(data.frame.iloc[late], self.task)
        happened = data.frame[label].iloc[late].to_numpy()
        measured = best_weight(self.task, happened, answer, base, day.iloc[late].to_numpy())
        return correction(rule, [weight_of(measured, data)])

    def _inner(self, data: TrainingData) -> tuple[np.ndarray, np.ndarray]:
        """Return fitted rows by time: those known before the last days, and those of the last days."""
        import numpy as np

        day, known = data.frame["_day"], data.frame["label_known_at"].dt.tz_localize(None)
        end = day.iloc[data.split.train].max().date()
        last = min(self.spec.calibrate, timedelta(days=data.split.train_days // INNER))
        cut = cut_at(day, known, cut=end - last, test_end=end, calibrate=timedelta(0))
        return cut.train, np.intersect1d(cut.test, data.split.train)

    def _judge(self, data: TrainingData, estimator: Any, found: dict[str, Any] | None) -> Judged:
        """Return the held-back forecasts beside the truth and the baseline's."""
        from framework.training.served_model import corrected

        spec, test, inputs = self.spec, data.part("test"), data.features("test")
        truth, rule = test[spec.labels[0]].to_numpy(), data.baseline(self.task)
        answer = corrected(estimator.predict(inputs), inputs, found, str(self.task)) if len(test) else truth
        return Judged(
            truth=truth,
            answer=_clip(answer, self.bounds),
            baseline=rule.answer(test, self.task),
            day=test["_day"],
            rows=data.split.test,
            answered=rule.answered(test),
        )

    def _fit_all(self, data: TrainingData, truth: np.ndarray, *, dummy: bool) -> tuple[dict[str, str], dict[str, Any]]:
        """Fit the point forecast, and a clone per quantile where the estimator has a quantile loss."""
        from sklearn.base import clone
        from sklearn.dummy import DummyRegressor

        rows = data.features("train")
        if dummy:
            return {}, {"estimator": DummyRegressor(strategy="median").fit(rows, truth)}
        estimator = self.estimator()
        roles: dict[str, str] = {}
        fitted: dict[str, Any] = {}
        at = next((p.removesuffix("loss") for p in estimator.get_params() if p.split("__")[-1] == "loss"), None)
        if at is not None and f"{at}quantile" in estimator.get_params():
            for q in self.spec.quantiles:
                role = f"q{round(q * 100)}"
                roles[role] = f"prediction_p{round(q * 100)}"
                fitted[role] = (
                    clone(estimator).set_params(**{f"{at}loss": "quantile", f"{at}quantile": q}).fit(rows, truth)
                )
        fitted["estimator"] = estimator.fit(rows, truth)
        return roles, fitted


def _clip(values: np.ndarray, bounds: tuple[float | None, float | None]) -> np.ndarray:
    import numpy as np

    return np.asarray(values, dtype=float) if bounds == (None, None) else np.clip(values, *bounds)

"""RegressionTrainer: a forecast with its quantiles, judged by MAE against the baseline's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from framework.declare.model import Task
from framework.training.base import SupervisedTrainer
from framework.training.baseline import CONSTANT
from framework.training.data import Fitted, Judged
from framework.training.evaluate import pinball
from framework.training.fitting import importance, label_range, reason_outputs, training_ranges
from framework.training.leakage import jitter
from framework.training.verdict import judge

if TYPE_CHECKING:
    import numpy as np

    from framework.gold.runtime import Runtime
    from framework.training.data import TrainingData


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
        roles, estimators = self._fit_all(data, truth, dummy=verdict.kind == "fallback")
        judged = self._judge(data, estimators["estimator"])
        held_back, again = judged.truth, self._judge(jitter.nudged(data), estimators["estimator"])
        weights = importance(estimators["estimator"], data, held_back, "neg_mean_absolute_error")
        training_range = training_ranges(data, weights)
        extras = {
            f"pinball_{name.rsplit('_', 1)[1]}": pinball(
                held_back, _clip(estimators[role].predict(data.features("test")), self.bounds), q
            )
            for (role, name), q in zip(roles.items(), self.spec.quantiles, strict=False)
            if len(held_back)
        }
        multiple, stored = unwrapped(estimators)
        return Fitted(
            estimators=stored,
            served={
                "task": str(self.task),
                "multiple_of": multiple,
                "inputs": list(data.inputs),
                "usual": training_range,
                "importance": weights,
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
            remarks=self._weak_baseline(data),
            extras=extras | label_range(truth) | {jitter.FIGURE: jitter.lost(judged, again)},
        )

    def _weak_baseline(self, data: TrainingData) -> tuple[str, ...]:
        if data.baseline(self.task).kind != (CONSTANT,):
            return ()
        return ("baseline: the median label; the declared one erred more on the training rows",)

    def evaluate_fit(self, data: TrainingData, runtime: Runtime) -> Judged | None:
        """Fit the forecast alone, and judge it."""
        from sklearn.dummy import DummyRegressor

        truth = data.truth("train", self.spec.labels[0])
        constant = judge(data.part("train")[[*self.spec.labels]], self.task).kind == "fallback"
        estimator = DummyRegressor(strategy="median") if constant else self.estimator()
        return self._judge(data, estimator.fit(data.features("train"), truth))

    def _judge(self, data: TrainingData, estimator: Any) -> Judged:
        """Return the held-back forecasts beside the truth and the baseline's."""
        spec, test = self.spec, data.part("test")
        truth = test[spec.labels[0]].to_numpy()
        return Judged(
            truth=truth,
            answer=_clip(estimator.predict(data.features("test")), self.bounds) if len(test) else truth,
            baseline=data.baseline(self.task).answer(test, self.task),
            day=test["_day"],
            rows=data.split.test,
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

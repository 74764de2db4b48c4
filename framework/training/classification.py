"""ClassificationTrainer: binary, multi-class and multi-label, with calibrated probabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from framework.declare.model import Task
from framework.training.base import SupervisedTrainer
from framework.training.baseline import baseline_predictions
from framework.training.data import Fitted, Judged
from framework.training.fitting import (
    best_threshold,
    calibrate,
    confident_from,
    importance,
    reason_outputs,
    training_ranges,
)
from framework.training.leakage import jitter
from framework.training.verdict import judge

if TYPE_CHECKING:
    import numpy as np

    from framework.gold.runtime import Runtime
    from framework.training.data import TrainingData


class ClassificationTrainer(SupervisedTrainer, abstract=True):
    """Predicts a class. Two classes by default; set ``task`` for many classes or many labels.

    Many classes: the label is the INT code of one of ``spec.classes``, or text where the spec leaves the
    classes open. Many labels: one INT 0/1 column per name in ``spec.labels``, each fitted with an estimator
    of its own.
    """

    task = Task.BINARY
    calibrates = True

    def fit(self, data: TrainingData, runtime: Runtime) -> Fitted:
        """Fit, calibrate, choose thresholds; degenerate labels give a prior that says so."""
        labels = list(self.spec.labels)
        verdict = judge(data.part("train")[labels], self.task)
        estimators, remarks = self._fit_all(data, dummy=verdict.kind == "fallback")
        thresholds = {role: self._threshold(data, role, e) for role, e in estimators.items()}
        threshold = next(iter(thresholds.values()))
        judged = self._judge(data, estimators, threshold)
        again = self._judge(jitter.nudged(data), estimators, threshold)
        weights = dict.fromkeys(data.inputs, 1.0)
        if self.task is Task.BINARY and not verdict.reason:
            weights = importance(estimators["estimator"], data, data.truth("test", labels[0]), "average_precision")
        abstain_below = self._abstain_below(data, estimators)
        if abstain_below > 1:
            remarks += (f"it gives no class yet: no calibration rows reached {self.spec.confidence:.0%} right answers",)
        training_range = training_ranges(data, weights)
        served = {
            "task": str(self.task),
            "inputs": list(data.inputs),
            "usual": training_range,
            "importance": weights,
            "threshold": threshold,
            "thresholds": thresholds,
            "classes": list(data.classes),
            "abstain_below": abstain_below,
        }
        return Fitted(
            estimators=estimators,
            served=served,
            outputs=(*self._outputs(len(data.classes)), *reason_outputs(training_range)),
            evaluation=judged.evaluation(self.task, data.seed),
            judged=judged,
            fallback=verdict.reason,
            remarks=remarks,
            extras={"threshold": threshold, jitter.FIGURE: jitter.lost(judged, again)},
        )

    def evaluate_fit(self, data: TrainingData, runtime: Runtime) -> Judged | None:
        """Fit and calibrate, and judge the probabilities."""
        verdict = judge(data.part("train")[[*self.spec.labels]], self.task)
        estimators, _ = self._fit_all(data, dummy=verdict.kind == "fallback")
        return self._judge(data, estimators, 0.5)

    def _judge(self, data: TrainingData, estimators: dict[str, Any], threshold: float) -> Judged:
        """Return the held-back answers beside the truth and the baseline's."""
        spec, test = self.spec, data.part("test")
        truth = test[list(spec.labels)].to_numpy()
        classes = len(data.classes)
        if self.task is Task.MULTICLASS and len(truth):
            classes = max(classes, int(truth.max()) + 1)  # a class that training did not see: never answered
        baseline = baseline_predictions(spec.baseline, data.part("train"), test, spec.labels, self.task, classes)
        return Judged(
            truth=truth if self.task is Task.MULTILABEL else truth[:, 0],
            answer=self._answers(estimators, data, classes),
            baseline=baseline,
            day=test["_day"],
            rows=data.split.test,
            threshold=threshold,
        )

    def _fit_all(self, data: TrainingData, *, dummy: bool) -> tuple[dict[str, Any], tuple[str, ...]]:
        """Fit one estimator, or one per label; labels that cannot be learnt get the prior."""
        from sklearn.dummy import DummyClassifier

        roles = {"estimator": self.spec.labels[0]}
        if self.task is Task.MULTILABEL:
            roles = {f"label_{name}": name for name in self.spec.labels}
        fitted: dict[str, Any] = {}
        remarks = []
        for role, label in roles.items():
            truth = data.truth("train", label)
            poor = judge(data.part("train")[[label]], Task.BINARY)
            if dummy or (self.task is Task.MULTILABEL and poor.kind != "learnable"):
                fitted[role] = DummyClassifier(strategy="prior").fit(data.features("train"), truth)
                remarks.append(poor.reason)
            else:
                fitted[role] = self._fit_one(data, label, truth)
        return fitted, () if dummy else tuple(remarks)

    def _fit_one(self, data: TrainingData, label: str, truth: np.ndarray) -> Any:
        estimator = self.estimator().fit(data.features("train"), truth)
        if self.task is Task.MULTICLASS or not len(data.split.calibrate):
            return estimator
        part = data.part("calibrate")
        better = calibrate(estimator, data.features("calibrate"), data.truth("calibrate", label), part["_day"])
        return estimator if better is None else better

    def _threshold(self, data: TrainingData, role: str, estimator: Any) -> float:
        if self.task is Task.MULTICLASS or not len(data.split.calibrate):
            return 0.5
        label = self.spec.labels[0] if role == "estimator" else role.removeprefix("label_")
        return best_threshold(data.truth("calibrate", label), _chance(estimator, data.features("calibrate")))

    def _abstain_below(self, data: TrainingData, estimators: dict[str, Any]) -> float:
        """Return the top probability below which a multi-class model gives no class."""
        if self.task is not Task.MULTICLASS or not self.spec.confidence:
            return 0.0
        rows = data.features("calibrate")
        truth = data.truth("calibrate", self.spec.labels[0])
        return confident_from(truth, _by_class(estimators["estimator"], rows, len(data.classes)), self.spec.confidence)

    def _answers(self, estimators: dict[str, Any], data: TrainingData, classes: int) -> np.ndarray:
        """Return held-back probabilities in the shape that the evaluation expects."""
        import numpy as np

        rows = data.features("test")
        if self.task is Task.BINARY:
            return _chance(estimators["estimator"], rows)
        if self.task is Task.MULTILABEL:
            return np.column_stack([_chance(e, rows) for e in estimators.values()])
        return _by_class(estimators["estimator"], rows, classes)

    def _outputs(self, classes: int) -> tuple[tuple[str, str], ...]:
        if self.task is Task.BINARY:
            return (("prediction", "double"), ("probability", "double"), ("predicted_class", "string"))
        if self.task is Task.MULTICLASS:
            each = tuple((f"probability_{at}", "double") for at in range(classes))
            return (("prediction", "double"), ("probability", "double"), ("predicted_class", "string"), *each)
        return (("prediction", "double"), *((f"probability_{at}", "double") for at in range(len(self.spec.labels))))


def _by_class(estimator: Any, rows: Any, classes: int) -> np.ndarray:
    """Return ``(rows, classes)`` probabilities, 0 for a class that the estimator does not know."""
    import numpy as np

    every = np.zeros((len(rows), classes))
    if len(rows):
        every[:, np.asarray(estimator.classes_, dtype=int)] = estimator.predict_proba(rows)
    return every


def _chance(estimator: Any, rows: Any) -> np.ndarray:
    """Return P(1), also for a dummy that saw one class only."""
    import numpy as np

    if not len(rows):
        return np.zeros(0)
    classes = list(estimator.classes_)
    every = np.asarray(estimator.predict_proba(rows), dtype=float)
    return every[:, classes.index(1)] if 1 in classes else np.zeros(len(rows))

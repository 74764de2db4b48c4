"""ClassificationTrainer: binary, multi-class and multi-label, with calibrated probabilities."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Literal

from framework.declare.model import Task
from framework.training.alarm import alert_from
from framework.training.base import SupervisedTrainer
from framework.training.baseline import fit_baseline
from framework.training.correction import (
    best_weight,
    can_correct,
    correction,
    figures_of,
    remarks_of,
    scale_of,
    weight_of,
)
from framework.training.data import Fitted, Judged
from framework.training.fitting import (
    best_threshold,
    calibrate,
    chance_of,
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
    from framework.training.baseline import Baseline
    from framework.training.data import TrainingData


@dataclasses.dataclass(frozen=True, slots=True)
class Voices:
    """What answers together.

    Args:
        estimators: By role: one, or one per label.
        correction: How far they may move from the baseline's answers; ``None`` where they answer alone.
    """

    estimators: dict[str, Any]
    correction: dict[str, Any] | None


class ClassificationTrainer(SupervisedTrainer, abstract=True):
    """Predicts a class. Two classes by default; set ``task`` for many classes or many labels.

    Many classes: the label is the INT code of one of ``spec.classes``, or text where the spec leaves the
    classes open. Many labels: one INT 0/1 column per name in ``spec.labels``, each fitted with an estimator
    of its own.
    """

    task = Task.BINARY
    calibrates = True

    def fit(self, data: TrainingData, runtime: Runtime) -> Fitted:
        """Fit, calibrate, correct the baseline, choose thresholds; degenerate labels give a prior that says so."""
        labels = list(self.spec.labels)
        verdict = judge(data.part("train")[labels], self.task)
        voices, remarks = self._fit_all(data, dummy=verdict.kind == "fallback")
        thresholds = self._thresholds(data, voices)
        threshold = next(iter(thresholds.values()))
        judged = self._judge(data, voices, threshold)
        again = self._judge(jitter.nudged(data), voices, threshold)
        weights = dict.fromkeys(data.inputs, 1.0)
        if self.task is Task.BINARY and not verdict.reason:
            one = voices.estimators["estimator"]
            weights = importance(one, data, data.truth("test", labels[0]), "average_precision")
        abstain_below = self._abstain_below(data, voices)
        if abstain_below > 1:
            remarks += (f"it gives no class yet: no calibration rows reached {self.spec.confidence:.0%} right answers",)
        training_range = training_ranges(data, weights)
        served = {
            "task": str(self.task),
            "inputs": list(data.inputs),
            "usual": training_range,
            "importance": weights,
            "correction": voices.correction,
            "threshold": threshold,
            "thresholds": thresholds,
            "classes": list(data.classes),
            "abstain_below": abstain_below,
        }
        return Fitted(
            estimators=voices.estimators,
            served=served,
            outputs=(*self._outputs(len(data.classes)), *reason_outputs(training_range)),
            evaluation=judged.evaluation(self.task, data.seed),
            judged=judged,
            fallback=verdict.reason,
            remarks=(*remarks, *remarks_of(voices.correction)),
            extras={"threshold": threshold, jitter.FIGURE: jitter.lost(judged, again)}
            | figures_of(voices.correction)
            | self._alert_from(data, voices, judged),
        )

    def evaluate_fit(self, data: TrainingData, runtime: Runtime) -> Judged | None:
        """Fit, calibrate and correct the baseline, and judge the probabilities."""
        verdict = judge(data.part("train")[[*self.spec.labels]], self.task)
        voices, _ = self._fit_all(data, dummy=verdict.kind == "fallback")
        return self._judge(data, voices, 0.5)

    def _judge(self, data: TrainingData, voices: Voices, threshold: float) -> Judged:
        """Return the held-back answers beside the truth and the baseline's."""
        import numpy as np

        spec, test = self.spec, data.part("test")
        truth = test[list(spec.labels)].to_numpy()
        classes = len(data.classes)
        if self.task is Task.MULTICLASS and len(truth):
            classes = max(classes, int(truth.max()) + 1)  # a class that training did not see: never answered
        rule = fit_baseline(spec.baseline, data.part("train"), spec.labels, self.task, classes)
        answer = self._answers(voices, data, "test")
        if answer.ndim > 1:
            answer = np.pad(answer, ((0, 0), (0, max(0, classes - answer.shape[1]))))
        return Judged(
            truth=truth if self.task is Task.MULTILABEL else truth[:, 0],
            answer=answer,
            baseline=rule.answer(test, self.task),
            day=test["_day"],
            rows=data.split.test,
            answered=rule.answered(test),
            threshold=threshold,
        )

    def _fit_all(self, data: TrainingData, *, dummy: bool) -> tuple[Voices, tuple[str, ...]]:
        """Fit one estimator, or one per label; labels that cannot be learnt get the prior."""
        from sklearn.dummy import DummyClassifier

        roles = {"estimator": self.spec.labels[0]}
        if self.task is Task.MULTILABEL:
            roles = {f"label_{name}": name for name in self.spec.labels}
        rule = data.baseline(self.task)
        corrects = not dummy and can_correct(rule, data)
        scale, base = self._scaled_baseline(data, rule) if corrects else ([], None)
        fitted: dict[str, Any] = {}
        weights: list[float] = []
        remarks = []
        for at, (role, label) in enumerate(roles.items()):
            truth = data.truth("train", label)
            poor = judge(data.part("train")[[label]], Task.BINARY)
            if dummy or (self.task is Task.MULTILABEL and poor.kind != "learnable"):
                fitted[role] = DummyClassifier(strategy="prior").fit(data.features("train"), truth)
                weights.append(1.0)
                remarks.append(poor.reason)
            else:
                own = base[:, at] if base is not None and self.task is Task.MULTILABEL else base
                fitted[role], weight = self._fit_one(data, at, truth, own)
                weights.append(weight)
        found = correction(rule, weights, scale) if corrects else None
        return Voices(fitted, found), () if dummy else tuple(remarks)

    def _scaled_baseline(self, data: TrainingData, rule: Baseline) -> tuple[list[tuple[float, float]], np.ndarray]:
        """Return how the baseline's chances are put to scale, and its answers to the calibration rows."""
        from framework.training.served_model import scaled

        base = rule.answer(data.part("calibrate"), self.task)
        if self.task is Task.MULTICLASS:  # shares of classes, of training rows: they are to scale
            return [], base
        seen = rule.answer(data.part("train"), self.task).reshape(len(data.split.train), -1)
        scale = [scale_of(data.truth("train", label), seen[:, at]) for at, label in enumerate(self.spec.labels)]
        return scale, scaled(base, scale)

    def _fit_one(self, data: TrainingData, at: int, truth: np.ndarray, base: np.ndarray | None) -> tuple[Any, float]:
        """Fit and calibrate one estimator, and measure how far it may move from the baseline's answers."""
        import numpy as np

        estimator = self.estimator().fit(data.features("train"), truth)
        if not len(data.split.calibrate):
            return estimator, weight_of(None, data, at)
        rows, happened = data.features("calibrate"), data.truth("calibrate", self.spec.labels[at])
        if self.task is Task.MULTICLASS:
            unseen = np.ones(len(rows), dtype=bool)
            answer = _by_class(estimator, rows, len(data.classes))
        else:
            estimator, unseen, answer = calibrate(estimator, rows, happened, data.part("calibrate")["_day"])
        if base is None:
            return estimator, 1.0
        day = data.part("calibrate")["_day"].to_numpy()[unseen]
        measured = best_weight(Task.BINARY, happened[unseen], answer, base[unseen], day)
        return estimator, weight_of(measured, data, at)

    def _thresholds(self, data: TrainingData, voices: Voices) -> dict[str, float]:
        """Return P(1) with the highest F1 on calibration rows, per estimator."""
        if self.task is Task.MULTICLASS or not len(data.split.calibrate):
            return dict.fromkeys(voices.estimators, 0.5)
        answers = self._answers(voices, data, "calibrate").reshape(len(data.split.calibrate), -1)
        return {
            role: best_threshold(data.truth("calibrate", label), answers[:, at])
            for at, (role, label) in enumerate(zip(voices.estimators, self.spec.labels, strict=True))
        }

    def _alert_from(self, data: TrainingData, voices: Voices, judged: Judged) -> dict[str, float]:
        """Return P(1) from which an alert is surely worth a look, by calibration and held-back rows."""
        import numpy as np

        if self.task is not Task.BINARY:
            return {}
        part = data.truth("calibrate", self.spec.labels[0])
        truth = np.concatenate([part, judged.truth])
        chance = np.concatenate([self._answers(voices, data, "calibrate"), judged.answer])
        found = alert_from(truth, chance, self.spec.alert_precision)
        return {} if found is None else {"alert_from": found}

    def _abstain_below(self, data: TrainingData, voices: Voices) -> float:
        """Return the top probability below which a multi-class model gives no class."""
        if self.task is not Task.MULTICLASS or not self.spec.confidence:
            return 0.0
        truth = data.truth("calibrate", self.spec.labels[0])
        return confident_from(truth, self._answers(voices, data, "calibrate"), self.spec.confidence)

    def _answers(self, voices: Voices, data: TrainingData, part: Literal["calibrate", "test"]) -> np.ndarray:
        """Return probabilities as they would be served: ``(rows,)``, or ``(rows, classes|labels)``."""
        import numpy as np

        from framework.training.served_model import corrected

        rows = data.features(part)
        if self.task is Task.MULTICLASS:
            answers = _by_class(voices.estimators["estimator"], rows, len(data.classes))
        else:
            answers = np.column_stack([chance_of(one, rows) for one in voices.estimators.values()])
            answers = answers if self.task is Task.MULTILABEL else answers[:, 0]
        found: np.ndarray = corrected(answers, rows, voices.correction, str(self.task))
        return found

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

"""The model as it is served: loaded from files, needs mlflow, scikit-learn, xgboost, pandas, numpy.

This file travels inside each logged model ("models from code"), so the environment that scores
needs no package of ours and no pickle holds a class of ours. ``estimators.pkl`` holds scikit-learn
and XGBoost objects by role, ``served.json`` everything else.
"""

from __future__ import annotations

import hashlib
import json
import pickle
from pathlib import Path
from typing import Any

import joblib
import mlflow
import numpy as np
import pandas as pd

TOP = 3
MIDDLE = 50
LEAST_SHARE = 1e-5
LEAST_CHANCE = 0.005
"""A share of few days says never, or always, sooner than it knows."""


class ServedModel(mlflow.pyfunc.PythonModel):  # type: ignore[misc,name-defined]
    """Answers all outputs of one model: forecast, probability, class, score, flag, reasons."""

    def load_context(self, context: Any) -> None:
        """Load estimators and facts from the model's own files."""
        content = Path(context.artifacts["estimators"]).read_bytes()
        self.estimators = pickle.loads(content)  # noqa: S301 - the model's own artefact
        self.served = json.loads(Path(context.artifacts["served"]).read_text(encoding="utf-8"))

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> pd.DataFrame:
        """Return one row of outputs per input row.

        Args:
            context: Unused.
            model_input: Frame with the model's features; others are ignored.
            params: Unused.

        Returns:
            Columns as the model's output signature says.
        """
        rows = pd.DataFrame(model_input)
        inputs = rows[self.served["inputs"]]
        text = [name for name in inputs if inputs[name].dtype.kind == "O" and name not in self.served["usual"]]
        if text:
            inputs = inputs.fillna(dict.fromkeys(text, ""))
        # Forests add up their trees in whatever order their threads end: one thread gives the same digits every time.
        with joblib.parallel_config("sequential"):
            outputs = getattr(self, "_" + self.served["task"])(inputs)
        return pd.DataFrame(outputs | self._reasons(rows), index=rows.index)

    def _regression(self, inputs: pd.DataFrame) -> dict[str, Any]:
        low, high = self.served["bounds"]
        bounds = (-np.inf if low is None else low, np.inf if high is None else high)
        roles = {"estimator": "prediction"} | self.served["quantiles"]
        answers = {
            name: self._times_usual(_ask(self.estimators[role].predict, inputs), inputs) for role, name in roles.items()
        }
        answers["prediction"] = self._corrected(answers["prediction"], inputs)
        answers = {name: np.clip(values, *bounds) for name, values in answers.items()}
        names = sorted(self.served["quantiles"].values(), key=_percent)
        if names:  # quantile fits are independent: they may cross each other, and the forecast
            ordered = np.sort([answers[name] for name in names], axis=0)
            if _percent(names[0]) < MIDDLE:
                ordered[0] = np.minimum(ordered[0], answers["prediction"])
            if _percent(names[-1]) > MIDDLE:
                ordered[-1] = np.maximum(ordered[-1], answers["prediction"])
            answers |= dict(zip(names, ordered, strict=True))
        return answers

    def _times_usual(self, answers: Any, inputs: pd.DataFrame) -> Any:
        """Return forecasts in units of the label where the estimators forecast the log of its multiple of a column."""
        multiple = self.served.get("multiple_of")
        return answers if multiple is None else np.expm1(answers + usual_log(inputs, **multiple))

    def _corrected(self, answers: Any, inputs: pd.DataFrame) -> Any:
        return corrected(answers, inputs, self.served.get("correction"), self.served["task"])

    def _binary(self, inputs: pd.DataFrame) -> dict[str, Any]:
        chance = self._corrected(_chance(self.estimators["estimator"], inputs), inputs)
        return {
            "prediction": chance,
            "probability": chance,
            "predicted_class": np.where(chance >= self.served["threshold"], "1", "0"),
        }

    def _multiclass(self, inputs: pd.DataFrame) -> dict[str, Any]:
        estimator = self.estimators["estimator"]
        names = np.array(self.served["classes"], dtype=object)
        every = np.zeros((len(inputs), len(names)))
        if len(inputs):
            every[:, np.asarray(estimator.classes_, dtype=int)] = estimator.predict_proba(inputs)
        every = self._corrected(every, inputs)
        top = every.argmax(axis=1)
        answers = {
            "prediction": top.astype(float),
            "probability": every.max(axis=1),
            "predicted_class": np.where(every.max(axis=1) >= self.served["abstain_below"], names[top], None),
        }
        return answers | {f"probability_{at}": every[:, at] for at in range(len(names))}

    def _multilabel(self, inputs: pd.DataFrame) -> dict[str, Any]:
        answers: dict[str, Any] = {}
        flags = np.zeros(len(inputs))
        thresholds = self.served["thresholds"]
        every = np.column_stack([_chance(self.estimators[role], inputs) for role in thresholds])
        for at, (chance, threshold) in enumerate(
            zip(self._corrected(every, inputs).T, thresholds.values(), strict=True)
        ):
            answers[f"probability_{at}"] = chance
            flags += chance >= threshold
        return {"prediction": flags} | answers

    def _anomaly(self, inputs: pd.DataFrame) -> dict[str, Any]:
        raw = -_ask(self.estimators["estimator"].score_samples, inputs)
        raw = strangeness(raw, inputs, self.served.get("mixture"))
        steps = np.asarray(self.served["score_steps"], dtype=float)
        score = np.interp(raw, steps, np.linspace(0.0, 1.0, len(steps)))
        flagged = (raw > self.served["raw_threshold"]).astype(float)
        return {"prediction": score, "anomaly_score": score, "is_anomaly": flagged}

    def _reasons(self, rows: pd.DataFrame) -> dict[str, Any]:
        """The three features furthest outside their usual range, weighted by importance."""
        training_range = self.served["usual"]
        names = np.array(list(training_range), dtype=object)
        if not len(names):
            return {}
        low, high, weight = (np.array([training_range[n][at] for n in names], dtype=float) for at in range(3))
        values = rows[list(names)].to_numpy(dtype=float)
        spread = np.maximum(high - low, 1e-9)
        outside = np.maximum(values - high, low - values) / spread
        # Inside the range the distance is negative; squash so that one wild value cannot drown the weights.
        strength = np.nan_to_num((np.tanh(outside) + 1.0) * weight, nan=-1.0)
        count = min(TOP, len(names))
        order = np.argsort(-strength, axis=1, kind="stable")[:, :count] if len(rows) else np.zeros((0, count), int)
        picked = np.take_along_axis(values, order, axis=1)
        reasons: dict[str, Any] = {}
        for rank in range(count):
            reasons[f"reason_{rank + 1}_feature"] = names[order[:, rank]]
            reasons[f"reason_{rank + 1}_value"] = picked[:, rank]
            reasons[f"reason_{rank + 1}_low"] = low[order[:, rank]]
            reasons[f"reason_{rank + 1}_high"] = high[order[:, rank]]
        return reasons


def strangeness(raw: Any, rows: pd.DataFrame, mixture: dict[str, Any] | None) -> Any:
    """Return a detector's raw scores, mixed with the plain rule that known events speak for; training asks too.

    Args:
        raw: The estimator's, higher is stranger.
        rows: Rows with the inputs.
        mixture: ``weight`` of the estimator, ``steps`` of its raw scores, ``rule`` (of :func:`distance`) and
            ``rule_steps``; ``None`` for an estimator that scores alone.
    """
    if mixture is None:
        return raw
    weight = mixture["weight"]
    by_rule = surprise(distance(rows, mixture["rule"]), mixture["rule_steps"])
    return weight * surprise(raw, mixture["steps"]) + (1.0 - weight) * by_rule


def distance(rows: pd.DataFrame, rule: dict[str, Any]) -> Any:
    """Return how far the furthest of some inputs lies from its middle, in spreads; a missing one does not count.

    Args:
        rows: Rows with the inputs.
        rule: ``columns``, and their ``middle`` and ``spread`` on the training rows.
    """
    away = np.abs(rows[rule["columns"]].to_numpy(dtype=float) - np.asarray(rule["middle"])) / np.asarray(rule["spread"])
    return np.nan_to_num(away, nan=0.0).max(axis=1) if len(rows) else np.zeros(0)


def surprise(values: Any, steps: list[float]) -> Any:
    """Return the negative log of the share of training rows that lie higher: what makes two scores comparable."""
    higher = 1.0 - np.interp(values, steps, np.linspace(0.0, 1.0, len(steps)))
    return -np.log(np.maximum(higher, LEAST_SHARE))


def usual_log(rows: pd.DataFrame, column: str, middle: float) -> Any:
    """Return log(1 + x) of a column of what is usual; ``middle`` where it is missing. Training reads it here too."""
    training_range = np.log1p(rows[column].to_numpy(dtype=float).clip(min=0.0))
    return np.where(np.isnan(training_range), middle, training_range)


def corrected(answers: Any, rows: pd.DataFrame, correction: dict[str, Any] | None, task: str) -> Any:
    """Return the baseline's answers, moved towards the model's by the weight that calibration found; training asks too.

    Args:
        answers: The model's, in the shape that :func:`baseline_answer` has.
        rows: Rows with the columns that the baseline looks at.
        correction: ``baseline`` (the facts); ``weights``, one or one per label: 0 is the baseline, 1 the model; and for
            two classes ``scale``: intercept and slope of the baseline's log odds. ``None`` for a model that answers
            alone.
        task: What kind of model it is.
    """
    if correction is None:
        return answers
    base = scaled(baseline_answer(correction["baseline"], rows, task), correction["scale"])
    return base + np.asarray(correction["weights"], dtype=float) * (answers - base)


def scaled(base: Any, scale: Any) -> Any:
    """Return a baseline's chances put to scale: a share of days that ranks well may still be far too high or low.

    Args:
        base: Its answers, ``(rows,)`` or ``(rows, labels)``.
        scale: Intercept and slope of the log odds, one pair or one per label; empty to leave the answers.
    """
    if not len(scale):
        return base
    intercept, slope = np.asarray(scale, dtype=float).T
    chance = np.clip(base, LEAST_CHANCE, 1.0 - LEAST_CHANCE)
    found = 1.0 / (1.0 + np.exp(-(intercept + slope * np.log(chance / (1.0 - chance)))))
    return found.reshape(base.shape)


def baseline_answer(facts: dict[str, Any], rows: pd.DataFrame, task: str) -> Any:
    """Return what a fitted baseline answers.

    Args:
        facts: ``kind``, ``by``, ``otherwise`` and ``rates``, as :class:`framework.training.baseline.Baseline` has them.
        rows: Rows with the columns that it looks at.
        task: What kind of model it is.

    Returns:
        Shape ``(rows,)`` for regression, binary and anomaly, ``(rows, classes)`` for many classes,
        ``(rows, labels)`` for many labels; probabilities where the task has classes.
    """
    parts = [_baseline_output(facts, rows, at, task) for at in range(len(facts["kind"]))]
    if task == "multiclass":
        stacked = np.column_stack(parts) if parts else np.zeros((len(rows), 0))
        return stacked / np.maximum(stacked.sum(axis=1, keepdims=True), 1e-12)
    return np.column_stack(parts) if task == "multilabel" else parts[0]


def _baseline_output(facts: dict[str, Any], rows: pd.DataFrame, at: int, task: str) -> Any:
    kind, by, otherwise = facts["kind"][at], list(facts["by"][at]), facts["otherwise"][at]
    if kind == "constant":
        return np.full(len(rows), otherwise, dtype=float)
    if kind == "column":
        values = rows[by[0]].to_numpy(dtype=float)
        answers = np.where(np.isnan(values), otherwise, np.abs(values) if task == "anomaly" else values)
        return np.clip(answers, 0.0, 1.0) if task in ("binary", "multilabel") else answers
    known = {tuple(key): rate for key, rate in facts["rates"][at]}
    keys = zip(*(map(group_key, rows[name]) for name in by), strict=True)
    return np.array([known.get(key, otherwise) for key in keys], dtype=float)


def group_key(value: Any) -> Any:
    """Return a group's value as JSON knows it: 1.0 from 1, so that a key read back is the same key.

    Text is hashed: a group may be a person, and what is kept with a version names nobody.
    """
    if isinstance(value, str):
        return hashlib.sha256(json.dumps([value]).encode()).hexdigest()[:12]
    if value is None:
        return None
    number = float(value)
    return None if np.isnan(number) else number


def _ask(method: Any, inputs: pd.DataFrame) -> Any:
    """Return one number per row; scikit-learn refuses to answer no rows."""
    return np.asarray(method(inputs), dtype=float) if len(inputs) else np.zeros(0)


def _chance(estimator: Any, inputs: pd.DataFrame) -> Any:
    """Return P(1), also of a dummy that saw one class only."""
    classes = list(estimator.classes_)
    if not len(inputs) or 1 not in classes:
        return np.zeros(len(inputs))
    return np.asarray(estimator.predict_proba(inputs), dtype=float)[:, classes.index(1)]


def _percent(name: str) -> int:
    return int(name.rsplit("_p", 1)[1])


mlflow.models.set_model(ServedModel())

"""The model as it is served: loaded from files, needs mlflow, scikit-learn, xgboost, pandas, numpy.

This file travels inside each logged model ("models from code"), so the environment that scores
needs no package of ours and no pickle holds a class of ours. ``estimators.pkl`` holds scikit-learn
and XGBoost objects by role, ``served.json`` everything else.
"""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd

TOP = 3


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
        outputs = getattr(self, "_" + self.served["task"])(inputs)
        return pd.DataFrame(outputs | self._reasons(rows), index=rows.index)

    def _regression(self, inputs: pd.DataFrame) -> dict[str, Any]:
        answers = {"prediction": self.estimators["estimator"].predict(inputs)}
        for role, name in self.served["quantiles"].items():
            answers[name] = self.estimators[role].predict(inputs)
        low, high = self.served["bounds"]
        clipped = {name: np.clip(np.asarray(v, dtype=float), low, high) for name, v in answers.items()}
        names = list(clipped)
        if len(names) > 1:  # quantile fits are independent and may cross
            clipped[names[1]] = np.minimum(clipped[names[1]], clipped["prediction"])
            clipped[names[-1]] = np.maximum(clipped[names[-1]], clipped["prediction"])
        return clipped

    def _binary(self, inputs: pd.DataFrame) -> dict[str, Any]:
        estimator = self.estimators["estimator"]
        classes = list(estimator.classes_)
        every = np.asarray(estimator.predict_proba(inputs), dtype=float)
        chance = every[:, classes.index(1)] if 1 in classes else np.zeros(len(inputs))
        return {
            "prediction": chance,
            "probability": chance,
            "predicted_class": np.where(chance >= self.served["threshold"], "1", "0"),
        }

    def _multiclass(self, inputs: pd.DataFrame) -> dict[str, Any]:
        estimator = self.estimators["estimator"]
        names = np.array(self.served["classes"], dtype=object)
        every = np.zeros((len(inputs), len(names)))
        every[:, np.asarray(estimator.classes_, dtype=int)] = estimator.predict_proba(inputs)
        top = every.argmax(axis=1)
        answers = {
            "prediction": top.astype(float),
            "probability": every.max(axis=1),
            "predicted_class": names[top],
        }
        return answers | {f"probability_{at}": every[:, at] for at in range(len(names))}

    def _multilabel(self, inputs: pd.DataFrame) -> dict[str, Any]:
        answers: dict[str, Any] = {}
        flags = np.zeros(len(inputs))
        for at, (role, threshold) in enumerate(self.served["thresholds"].items()):
            estimator = self.estimators[role]
            classes = list(estimator.classes_)
            every = np.asarray(estimator.predict_proba(inputs), dtype=float)
            chance = every[:, classes.index(1)] if 1 in classes else np.zeros(len(inputs))
            answers[f"probability_{at}"] = chance
            flags += chance >= threshold
        return {"prediction": flags} | answers

    def _anomaly(self, inputs: pd.DataFrame) -> dict[str, Any]:
        raw = -np.asarray(self.estimators["estimator"].score_samples(inputs), dtype=float)
        steps = np.asarray(self.served["score_steps"], dtype=float)
        score = np.interp(raw, steps, np.linspace(0.0, 1.0, len(steps)))
        flagged = (raw > self.served["raw_threshold"]).astype(float)
        return {"prediction": score, "anomaly_score": score, "is_anomaly": flagged}

    def _reasons(self, rows: pd.DataFrame) -> dict[str, Any]:
        """The three features furthest outside their usual range, weighted by importance."""
        usual = self.served["usual"]
        names = np.array(list(usual), dtype=object)
        if not len(names):
            return {}
        low, high, weight = (np.array([usual[n][at] for n in names], dtype=float) for at in range(3))
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


mlflow.models.set_model(ServedModel())

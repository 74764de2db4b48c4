"""What a new model of each kind says at first."""

from __future__ import annotations

from typing import Any, Literal

Kind = Literal["regression", "classification", "anomaly"]

KINDS: dict[str, dict[str, Any]] = {
    "regression": {
        "base": "RegressionTrainer",
        "question": "How many events will the entity have over the next seven days?",
        "label": "number of events in (t, t+7]",
        "value": "count(*)",
        "horizon": 7,
        "estimator": "boosted_regression",
        "estimator_says": "Return boosted trees",
        "names": (
            "FromFeature", "GoldView", "Label", "Lookup", "ModelSpec", "RegressionTrainer", "days", "learners",
        ),
    },
    "classification": {
        "base": "ClassificationTrainer",
        "question": "Will the entity have an event over the next seven days?",
        "label": "1 if there is an event in (t, t+7], else 0",
        "value": "max(1)",
        "horizon": 7,
        "estimator": "boosted_trees",
        "estimator_says": "Return boosted trees",
        "names": (
            "ClassificationTrainer", "FromFeature", "GoldView", "Label", "Lookup", "ModelSpec", "days", "learners",
        ),
    },
    "anomaly": {
        "base": "AnomalyTrainer",
        "question": "Is the entity's day unlike its days before?",
        "label": "none: nothing judges it yet",
        "value": "",
        "horizon": 1,
        "estimator": "isolation_forest",
        "estimator_says": "Return an isolation forest",
        "names": ("AnomalyTrainer", "FromFeature", "Lookup", "ModelSpec", "days", "learners"),
    },
}  # fmt: skip

"""A version's contract: the thresholds and ranges by which its answers are to be read, as one tag of the version."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

from framework.declare.model import Task

if TYPE_CHECKING:
    from collections.abc import Mapping

    from framework.declare.model import ModelSpec
    from framework.training.data import Fitted

TAG = "contract"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Contract:
    """What a version's figures mean; a part that is ``None`` or empty is not known, or not of its task.

    Args:
        threshold: P(1) from which a binary version says 1.
        thresholds: Probability from which a label of a multi-label version counts as given, by label.
        classes: Number of classes of a multi-class version.
        abstain_below: Top probability below which a multi-class version gives no class.
        score_threshold: Anomaly score above which a row is anomalous.
        anomaly_rate: 5 % and 95 % quantile of the daily share of anomalous rows on the held-back days.
        alert_budget: Expected anomalies per workspace and day.
        alert_from: Score or probability from which an answer raises an alert; above 1 where past rows never reached the
            precision that is asked for, ``None`` where each answer does.
        label_range: 5 % and 95 % quantile of the labels that a regression was fitted on.
    """

    threshold: float | None = None
    thresholds: Mapping[str, float] = dataclasses.field(default_factory=dict)
    classes: int | None = None
    abstain_below: float | None = None
    score_threshold: float | None = None
    anomaly_rate: tuple[float, float] | None = None
    alert_budget: float | None = None
    alert_from: float | None = None
    label_range: tuple[float, float] | None = None

    def tag(self) -> str:
        """Return the contract as JSON, without what is not known."""
        return json.dumps({name: value for name, value in dataclasses.asdict(self).items() if value not in (None, {})})

    @classmethod
    def of(cls, facts: Mapping[str, str]) -> Contract:
        """Return the contract of a version from its tags; an empty one if it was registered without."""
        stored: dict[str, Any] = json.loads(facts.get(TAG, "{}"))
        pairs: dict[str, Any] = {
            name: tuple(stored[name]) for name in ("anomaly_rate", "label_range") if name in stored
        }
        return cls(**stored | pairs)


def contract_of(spec: ModelSpec, task: Task, fitted: Fitted) -> Contract:
    """Return the contract of a fitted model.

    Args:
        spec: The model's declaration.
        task: Its task.
        fitted: The model with its thresholds.
    """
    served, extras = fitted.served, fitted.extras
    if task is Task.BINARY:
        return Contract(threshold=served["threshold"], alert_from=extras.get("alert_from"))
    if task is Task.MULTILABEL:
        return Contract(thresholds={role.removeprefix("label_"): at for role, at in served["thresholds"].items()})
    if task is Task.MULTICLASS:
        return Contract(classes=len(served["classes"]), abstain_below=served["abstain_below"])
    if task is Task.REGRESSION:
        return Contract(label_range=(extras["label_low"], extras["label_high"]))
    return Contract(
        score_threshold=_score_at(served["raw_threshold"], served["score_steps"]),
        anomaly_rate=(extras["anomaly_rate_low"], extras["anomaly_rate_high"]),
        alert_budget=spec.alert_budget,
        alert_from=extras.get("alert_from"),
    )


def _score_at(raw: float, steps: list[float]) -> float:
    """Return the anomaly score of a raw one, as the served model maps it."""
    import numpy as np

    return float(np.interp(raw, steps, np.linspace(0.0, 1.0, len(steps))))

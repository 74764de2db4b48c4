"""Which predictions raise an alert: read from the model's declaration and the contract of the version that answered.

No figure stands here that a version could set for itself. The one below only says where, between a version's own
threshold and certainty, a warning becomes critical.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

from framework.declare.model import Task
from framework.tables.table import entity_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from framework.declare.model import ModelSpec
    from framework.training.contract import Contract

    Row = Mapping[str, Any]

CRITICAL_FROM = 0.5
"""Share of the way from the threshold to certainty."""
SEVERITIES = ("info", "warning", "critical")
NAMED_REASONS = 2


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """Something worth an alert on one day.

    Args:
        kind: Kind of the alert.
        entity: The model's keys as JSON; empty if it is about the model.
        severity: ``info``, ``warning`` or ``critical``.
        reason: Why, in a sentence.
        action: What to do.
        strength: How far beyond its threshold, 0 to 1; orders findings of one severity.
        prediction: The prediction.
        model_version: The version that gave it.
    """

    kind: str
    entity: str
    severity: str
    reason: str
    action: str
    strength: float = 0.0
    prediction: float | None = None
    model_version: int | None = None

    @property
    def subject(self) -> tuple[str, str]:
        """Kind and entity: what the alert is about."""
        return self.kind, self.entity

    @property
    def order(self) -> tuple[int, float, str]:
        """Sorts the worst first, and equals by entity."""
        return -SEVERITIES.index(self.severity), -self.strength, self.entity


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """What raises an alert about a prediction of one version.

    Args:
        spec: The model's declaration.
        task: Its task.
        contract: The version's contract.
        words: The answers that alert.
        proven: Whether the version serves as champion; what another one finds is never more than an information.
    """

    spec: ModelSpec
    task: Task
    contract: Contract
    words: tuple[str, ...]
    proven: bool = True

    @property
    def alert_from(self) -> float:
        """Score from which an answer raises an alert; all do where the version's training knew no such score."""
        return self.contract.alert_from or 0.0

    @property
    def columns(self) -> list[str]:
        """Columns of the prediction table that the rule reads, besides the entity's keys."""
        answers = {
            Task.ANOMALY: ["anomaly_score", "is_anomaly"],
            Task.BINARY: ["probability", "predicted_class"],
            Task.MULTICLASS: ["probability", "predicted_class"],
            Task.MULTILABEL: ["flags"],
            Task.REGRESSION: [*self.spec.quantile_columns],
        }[self.task]
        return ["prediction", *answers, "reasons"]

    @property
    def where(self) -> list[tuple[str, str, Any]]:
        """Conditions that every row worth an alert meets; the store applies them."""
        if self.task is Task.ANOMALY:
            return [("is_anomaly", "=", 1)]
        if self.task in (Task.BINARY, Task.MULTICLASS):
            return [("predicted_class", "in", list(self.words))]
        return [("prediction", ">", 0.0)] if self.task is Task.MULTILABEL else []

    def findings(self, rows: Iterable[Row], keys: Sequence[str], version: int) -> list[Finding]:
        """Return what the rows of one day raise, the worst first and each entity once.

        Args:
            rows: Prediction rows with :attr:`columns` and the keys.
            keys: The entity's keys, in declared order.
            version: The version that answered.
        """
        worst: dict[str, Finding] = {}
        for row in rows:
            judged = _JUDGES[self.task](self, row)
            if judged is None:
                continue
            strength, description = judged
            found = Finding(
                kind="prediction",
                entity=entity_of({key: row[key] for key in keys}),
                severity=self._severity(strength),
                reason="; ".join([description, *_outside(row.get("reasons") or ())]),
                action=self.spec.action,
                strength=strength,
                prediction=_number(row["prediction"]),
                model_version=version,
            )
            if found.entity not in worst or found.order < worst[found.entity].order:
                worst[found.entity] = found
        return sorted(worst.values(), key=lambda found: found.order)

    def _severity(self, strength: float) -> str:
        if not self.proven:
            return "info"
        return "critical" if strength >= CRITICAL_FROM else "warning"


def rule_of(spec: ModelSpec, task: Task, contract: Contract, *, proven: bool = True) -> Rule | None:
    """Return the rule of a version, or ``None`` where no answer of it raises an alert."""
    words = spec.alert_condition(task)
    return Rule(spec=spec, task=task, contract=contract, words=words, proven=proven) if words else None


Judged = tuple[float, str]
"""How far beyond the threshold, 0 to 1, and what that is in words."""


def _anomaly(rule: Rule, row: Row) -> Judged | None:
    score = _number(row["anomaly_score"])
    if row["is_anomaly"] != 1 or score is None or score < rule.alert_from:
        return None
    threshold = rule.contract.score_threshold
    return _share(score, threshold), f"anomaly score {score:.4g}{_from(threshold)}"


def _binary(rule: Rule, row: Row) -> Judged | None:
    answer, chance, threshold = row["predicted_class"], _number(row["probability"]), rule.contract.threshold
    if answer not in rule.words or chance is None or (answer == "1" and chance < rule.alert_from):
        return None
    description = f"probability {chance:.2f}, and {'1' if answer == '1' else '0'} is the answer"
    if threshold is None:
        return 0.0, description
    description += f" {'from' if answer == '1' else 'below'} {threshold:.2f}"
    return (_share(chance, threshold) if answer == "1" else _share(1 - chance, 1 - threshold)), description


def _multiclass(rule: Rule, row: Row) -> Judged | None:
    answer, chance, contract = row["predicted_class"], _number(row["probability"]), rule.contract
    if answer not in rule.words or chance is None:
        return None
    least = max(contract.abstain_below or 0.0, 1 / contract.classes) if contract.classes else None
    return _share(chance, least), f"{answer}, with probability {chance:.2f}"


def _multilabel(rule: Rule, row: Row) -> Judged | None:
    given: list[tuple[float, str]] = []
    flags, thresholds = dict(row["flags"] or ()), rule.contract.thresholds
    for label in rule.words:
        chance, threshold = _number(flags.get(label)), thresholds.get(label)
        if chance is not None and threshold is not None and chance >= threshold:
            given.append((_share(chance, threshold), f"{label} {chance:.2f} (from {threshold:.2f})"))
    given.sort(key=lambda one: -one[0])
    return (given[0][0], ", ".join(description for _, description in given)) if given else None


def _regression(rule: Rule, row: Row) -> Judged | None:
    """Judge the whole interval: a forecast without one, or with half of it, tells nothing."""
    columns = sorted(zip(rule.spec.quantiles, rule.spec.quantile_columns, strict=True))
    usual = rule.contract.label_range
    if len(columns) < 2 or usual is None:  # noqa: PLR2004 - an interval has two ends
        return None
    low, high = _number(row[columns[0][1]]), _number(row[columns[-1][1]])
    if low is None or high is None:
        return None
    description = f"between {low:.4g} and {high:.4g}, where {usual[0]:.4g} to {usual[1]:.4g} is usual"
    width = usual[1] - usual[0]
    for word, beyond in (("high", low - usual[1]), ("low", usual[0] - high)):
        if word in rule.words and beyond > 0:
            return (min(1.0, beyond / width) if width > 0 else 0.0), description
    return None


_JUDGES: Mapping[Task, Callable[[Rule, Row], Judged | None]] = {
    Task.ANOMALY: _anomaly,
    Task.BINARY: _binary,
    Task.MULTICLASS: _multiclass,
    Task.MULTILABEL: _multilabel,
    Task.REGRESSION: _regression,
}


def _share(value: float, threshold: float | None) -> float:
    """Return how far a value lies on the way from its threshold to 1; 0 where that cannot be told."""
    if threshold is None or threshold >= 1:
        return 0.0
    return min(1.0, max(0.0, (value - threshold) / (1 - threshold)))


def _from(threshold: float | None) -> str:
    return "" if threshold is None else f", above {threshold:.4g}"


def _outside(reasons: Iterable[Row]) -> list[str]:
    """Name the features that stand out most."""
    found = []
    for reason in reasons:
        value, low, high = (_number(reason[part]) for part in ("value", "low", "high"))
        if value is not None and low is not None and high is not None and not low <= value <= high:
            found.append(f"{reason['feature']} {value:.4g}, usually {low:.4g} to {high:.4g}")
    return found[:NAMED_REASONS]


def _number(value: Any) -> float | None:
    """Return a finite number, or ``None`` for NULL, NaN and infinity."""
    return float(value) if value is not None and math.isfinite(value) else None

"""Metrics by task, each beside its baseline, and skill with its interval over days."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from framework.declare.model import Task

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import pandas as pd

PRIMARY = {
    Task.REGRESSION: "mae",
    Task.BINARY: "average_precision",
    Task.MULTICLASS: "macro_average_precision",
    Task.MULTILABEL: "macro_average_precision",
    Task.ANOMALY: "average_precision",
}
RESAMPLES = 100
LARGE = 20_000
BINS = 10


@dataclasses.dataclass(frozen=True, slots=True)
class Evaluation:
    """How model and baseline did on the held-back rows.

    Args:
        primary: Name of the primary metric.
        model: The model's metrics.
        baseline: The baseline's metrics, same names.
        skill: ``1 - mae/mae_b`` for regression, else ``(m - m_b) / (1 - m_b)``.
        skill_low: Lower end of the 90 % interval over days.
        skill_high: Upper end.
        rows: Rows judged.
        days: Days judged.
    """

    primary: str
    model: dict[str, float]
    baseline: dict[str, float]
    skill: float
    skill_low: float
    skill_high: float
    rows: int
    days: int

    def figures(self) -> dict[str, Any]:
        """Return metric, value, baseline and skill with its bounds, by the names that tables and tags use."""
        return {
            "metric": self.primary,
            "value": self.model[self.primary],
            "baseline": self.baseline[self.primary],
            "skill": self.skill,
            "skill_low": self.skill_low,
            "skill_high": self.skill_high,
        }

    @property
    def beats_baseline(self) -> bool:
        """Whether skill is above 0 and, for probabilities, Brier is not worse."""
        brier_ok = self.model.get("brier", 0.0) <= self.baseline.get("brier", 0.0) + 1e-12
        return self.skill > 0 and brier_ok


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Rival:
    """What a model was compared with on the held-back rows.

    Args:
        name: The plain rule, or which rows of the baseline.
        plain: Whether it is a plain rule.
        metric: Name of the metric.
        value: The model's.
        rival: The rival's on the same rows.
        skill: Skill of the model against it; 0 is the rival.
        skill_low: Lower 90 % bound.
        rows: Rows judged.
    """

    name: str
    plain: bool
    metric: str
    value: float
    rival: float
    skill: float
    skill_low: float
    rows: int


def evaluate(
    task: Task,
    truth: np.ndarray,
    answer: np.ndarray,
    baseline: np.ndarray,
    day: pd.Series,
    *,
    threshold: float = 0.5,
    seed: int = 7,
    primary_only: bool = False,
) -> Evaluation | None:
    """Judge answers against truth, beside the baseline.

    Args:
        task: What kind of model it is.
        truth: ``(rows,)`` values or class codes, or ``(rows, labels)`` of 0/1.
        answer: Forecasts, P(1), scores, or ``(rows, classes|labels)`` probabilities.
        baseline: Same shape as ``answer``.
        day: Day of each row; the interval resamples whole days.
        threshold: Decision threshold of a binary model.
        seed: Seed of the resampling.
        primary_only: Leave the other metrics out.

    Returns:
        The evaluation, or ``None`` if the rows cannot tell (none, or one class).
    """
    import numpy as np

    name, found = PRIMARY[task], primary_metric(task, truth, answer)
    if not np.isfinite(found):
        return None
    if primary_only:
        model, of_baseline = {name: found}, {name: primary_metric(task, truth, baseline)}
    else:
        metrics = {Task.REGRESSION: _regression, Task.BINARY: _binary, Task.ANOMALY: _ranking}.get(task, _macro)
        model, of_baseline = (metrics(truth, a, threshold) for a in (answer, baseline))
    low, high = _interval(task, truth, answer, baseline, day, seed)
    return Evaluation(
        primary=name,
        model=model,
        baseline=of_baseline,
        skill=_skill(task, model[name], of_baseline[name]),
        skill_low=low,
        skill_high=high,
        rows=len(truth),
        days=int(day.nunique()),
    )


def pinball(truth: np.ndarray, answer: np.ndarray, q: float) -> float:
    """Return the mean pinball loss of a quantile forecast, in units of the label."""
    from sklearn.metrics import mean_pinball_loss

    return float(mean_pinball_loss(truth, answer, alpha=q))


def tenths(truth: np.ndarray, answer: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return mean forecast, observed rate and rows of each tenth of the forecasts that holds any.

    Args:
        truth: ``(rows,)`` of 0/1.
        answer: ``(rows,)`` probabilities.
    """
    import numpy as np

    at = np.minimum((answer * BINS).astype(int), BINS - 1)
    rows = np.bincount(at, minlength=BINS)
    some = rows > 0
    said, seen = (np.bincount(at, weights=w, minlength=BINS)[some] / rows[some] for w in (answer, truth))
    return said, seen, rows[some]


def expected_calibration_error(truth: np.ndarray, answer: np.ndarray) -> float:
    """Return the mean distance of forecast and observed rate over tenths, weighted by rows."""
    import numpy as np

    said, seen, rows = tenths(truth, answer)
    return float((np.abs(said - seen) * rows).sum() / max(rows.sum(), 1))


def _skill(task: Task, model: float, baseline: float) -> float:
    if task is Task.REGRESSION:
        return 1.0 - model / baseline if baseline > 0 else 0.0 if model == 0 else -1.0
    return (model - baseline) / (1.0 - baseline) if baseline < 1.0 else 0.0 if model >= 1.0 else -1.0


def _interval(
    task: Task, truth: np.ndarray, answer: np.ndarray, baseline: np.ndarray, day: pd.Series, seed: int
) -> tuple[float, float]:
    """90 % percentile interval of skill; whole days are drawn, since rows of a day hang together."""
    import numpy as np

    codes, days = np.unique(day.to_numpy(), return_inverse=True)
    rng = np.random.default_rng(seed)
    metrics = [_metric_of_weights(task, truth, a) for a in (answer, baseline)]
    found = []
    for _ in range(RESAMPLES if len(truth) <= LARGE else RESAMPLES // 2):
        weight = np.bincount(rng.integers(0, len(codes), len(codes)), minlength=len(codes))[days].astype(float)
        model, of_baseline = (metric(weight) for metric in metrics)
        if np.isfinite(model) and np.isfinite(of_baseline):
            found.append(_skill(task, model, of_baseline))
    if not found:
        return float("nan"), float("nan")
    low, high = np.quantile(found, [0.05, 0.95])
    return float(low), float(high)


def primary_metric(task: Task, truth: np.ndarray, answer: np.ndarray) -> float:
    """Return the metric that decides for a task; NaN where the rows cannot tell. Shapes as in :func:`evaluate`."""
    import numpy as np

    return _metric_of_weights(task, truth, answer)(np.ones(len(truth))) if len(truth) else float("nan")


def _metric_of_weights(task: Task, truth: np.ndarray, answer: np.ndarray) -> Callable[[np.ndarray], float]:
    """Return the primary metric as a function of the rows' weights; what does not hang on them is done once."""
    import numpy as np

    if task is Task.REGRESSION:
        error = np.abs(truth - answer)
        return lambda weight: float(weight @ error / weight.sum()) if weight.sum() else float("nan")
    each = [_average_precision(is_class, score) for is_class, score in _one_by_one(task, truth, answer)]

    def mean(weight: np.ndarray) -> float:
        scores = [score for score in (one(weight) for one in each) if np.isfinite(score)]
        return float(np.mean(scores)) if scores else float("nan")

    return mean


def _average_precision(is_class: np.ndarray, score: np.ndarray) -> Callable[[np.ndarray], float]:
    """Return average precision as a function of the rows' weights, as scikit-learn has it; rows are sorted once.

    scikit-learn sorts and checks the same rows anew for each of the hundreds of draws.
    """
    import numpy as np

    order = np.argsort(-score, kind="stable")
    positive, ends = is_class[order].astype(float), np.flatnonzero(np.diff(score[order], append=np.nan) != 0)

    def weighted(weight: np.ndarray) -> float:
        drawn = weight[order]
        hits, seen = np.cumsum(drawn * positive)[ends], np.cumsum(drawn)[ends]
        if not len(ends) or not 0 < hits[-1] < seen[-1]:
            return float("nan")
        gained = np.diff(hits, prepend=0.0)
        return float((gained * hits / np.maximum(seen, 1e-300)).sum() / hits[-1])

    return weighted


def _one_by_one(task: Task, truth: np.ndarray, answer: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return (is this class, its score) for each class or label."""
    if answer.ndim == 1:
        return [(truth, answer)]
    if task is Task.MULTICLASS:
        return [((truth == code).astype(int), answer[:, code]) for code in range(answer.shape[1])]
    return [(truth[:, at], answer[:, at]) for at in range(answer.shape[1])]


def _regression(truth: np.ndarray, answer: np.ndarray, _: float) -> dict[str, float]:
    import numpy as np
    from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score

    found = {
        "mae": float(mean_absolute_error(truth, answer)),
        "rmse": float(np.sqrt(mean_squared_error(truth, answer))),
    }
    if np.ptp(truth) > 0:
        found["r2"] = float(r2_score(truth, answer))
    nonzero = truth != 0
    if nonzero.any():
        found["mape"] = float(np.mean(np.abs((truth - answer)[nonzero] / truth[nonzero])))
    return found


def _ranking(truth: np.ndarray, answer: np.ndarray, _: float) -> dict[str, float]:
    import numpy as np
    from sklearn.metrics import average_precision_score, roc_auc_score

    events = int(truth.sum())
    top = np.argsort(-answer, kind="stable")[:events]
    return {
        "average_precision": float(average_precision_score(truth, answer)),
        "roc_auc": float(roc_auc_score(truth, answer)),
        "precision_at_k": float(truth[top].mean()),
        "recall_at_2k": float(truth[np.argsort(-answer, kind="stable")[: 2 * events]].sum() / events),
        "prevalence": float(truth.mean()),
    }


def _binary(truth: np.ndarray, answer: np.ndarray, threshold: float) -> dict[str, float]:
    import numpy as np
    from sklearn.metrics import average_precision_score, brier_score_loss, f1_score, log_loss, roc_auc_score

    tenth = np.argsort(-answer, kind="stable")[: max(1, len(answer) // 10)]
    return {
        "average_precision": float(average_precision_score(truth, answer)),
        "roc_auc": float(roc_auc_score(truth, answer)),
        "brier": float(brier_score_loss(truth, answer)),
        "log_loss": float(log_loss(truth, np.clip(answer, 1e-6, 1 - 1e-6), labels=[0, 1])),
        "f1": float(f1_score(truth, answer >= threshold, zero_division=0)),
        "lift_at_10pct": float(truth[tenth].mean() / truth.mean()),
        "calibration_error": expected_calibration_error(truth, answer),
        "prevalence": float(truth.mean()),
    }


def _macro(truth: np.ndarray, answer: np.ndarray, threshold: float) -> dict[str, float]:
    """Macro averages over classes or labels that the rows can tell apart."""
    import numpy as np

    task = Task.MULTICLASS if truth.ndim == 1 else Task.MULTILABEL
    each: list[dict[str, float]] = [
        _binary(is_class, score, threshold)
        for is_class, score in _one_by_one(task, truth, answer)
        if 0 < is_class.sum() < len(is_class)
    ]
    shown = ("average_precision", "roc_auc", "brier", "f1")
    found = {f"macro_{key}": float(np.mean([m[key] for m in each])) for key in shown}
    if truth.ndim == 1:
        found["accuracy"] = float((answer.argmax(axis=1) == truth).mean())
    return found

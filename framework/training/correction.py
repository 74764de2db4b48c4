"""How far a model's answers may move from its baseline's: as far as days that it was not fitted on support.

A model that finds nothing is then no worse than the rule it was to beat: it answers as the rule does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from framework.declare.model import Task

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from framework.training.baseline import Baseline
    from framework.training.data import TrainingData

STEPS = 21
"""Weights that are tried, from the baseline's answer (0) to the model's (1)."""
MIN_ROWS = 20
"""Rows, and of each class :data:`OF_EACH_CLASS`, without which no weight can be measured."""
OF_EACH_CLASS = 5
ERRORS = 2.0
"""Standard errors from which on days speak against a weight."""
FEW_DAYS = 60
UNMEASURED = 0.5
"""Weight where none can be measured, and fewer than so many days were fitted on; a model that saw more has its say."""
NOTHING_FOUND = "it answers as its baseline does: what it learnt made no answer better on the days kept for that"


def can_correct(baseline: Baseline, data: TrainingData) -> bool:
    """Tell whether the served model can ask the baseline: it sees inputs, and no keys."""
    return set(baseline.columns()) <= set(data.inputs)


def best_weight(task: Task, truth: np.ndarray, answer: np.ndarray, base: np.ndarray, day: np.ndarray) -> float | None:
    """Return the largest weight of the model's answer that days do not speak against.

    Args:
        task: What kind of model it is.
        truth: ``(rows,)`` values, 0/1 or class codes of rows that neither was fitted on.
        answer: The model's answers, ``(rows,)`` or ``(rows, classes)``.
        base: The baseline's, same shape.
        day: Day of each row; whole days are compared, since rows of a day hang together.

    Returns:
        Between 0 and 1, by absolute error for numbers and by squared error for probabilities: the largest whose loss
        is not above the least by more than :data:`ERRORS` standard errors of their difference. Counts are the
        model's or the baseline's: between two whole numbers no answer is right. ``None`` where rows cannot tell.
    """
    import numpy as np

    if len(truth) < MIN_ROWS or (task is not Task.REGRESSION and _rarest(truth) < OF_EACH_CLASS):
        return None
    whole = task is Task.REGRESSION and not np.any(np.mod(answer, 1))
    weights = np.linspace(0.0, 1.0, 2 if whole else STEPS)
    wanted = (truth[:, None] == np.arange(answer.shape[1])).astype(float) if answer.ndim > 1 else truth.astype(float)
    power = 1 if task is Task.REGRESSION else 2
    losses = np.stack([np.abs(wanted - base - weight * (answer - base)) ** power for weight in weights])
    by_row = losses.reshape(len(weights), len(truth), -1).sum(axis=2)
    codes = np.unique(day, return_inverse=True)[1]
    days = np.stack([np.bincount(codes, loss) for loss in by_row])
    above = days - days[int(np.argmin(days.sum(axis=1)))]
    error = above.std(axis=1) * np.sqrt(above.shape[1])  # of the sum over days
    return float(weights[np.flatnonzero(above.sum(axis=1) <= ERRORS * error)[-1]])


def weight_of(measured: float | None, data: TrainingData, at: int = 0) -> float:
    """Return the weight that holds: the training's own, else what was measured, else what stands in for it.

    Args:
        measured: What this fit measured.
        data: Its rows; what the first fit of a training measured holds for its later ones.
        at: Which output, of many labels.
    """
    if data.weights is not None:
        return data.weights[at]
    if measured is not None:
        return measured
    return UNMEASURED if data.split.train_days < FEW_DAYS else 1.0


def _rarest(truth: np.ndarray) -> int:
    """Return the rows of the second most frequent class."""
    import numpy as np

    counts = np.sort(np.unique(truth, return_counts=True)[1])
    return int(counts[-2]) if len(counts) > 1 else 0


def scale_of(truth: np.ndarray, base: np.ndarray) -> tuple[float, float]:
    """Return intercept and slope that put a baseline's log odds to scale; (0, 1) leaves them as they are.

    Args:
        truth: ``(rows,)`` of 0/1, rows that the model is fitted on.
        base: The baseline's chances of them. Their order is kept.
    """
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    from framework.training.served_model import LEAST_CHANCE

    if _rarest(truth) < OF_EACH_CLASS:
        return 0.0, 1.0
    chance = np.clip(base, LEAST_CHANCE, 1.0 - LEAST_CHANCE)
    fitted = LogisticRegression().fit(np.log(chance / (1.0 - chance)).reshape(-1, 1), truth)
    slope = float(fitted.coef_[0, 0])
    return (float(fitted.intercept_[0]), slope) if slope > 0 else (0.0, 1.0)


def correction(
    baseline: Baseline, weights: Sequence[float], scale: Sequence[tuple[float, float]] = ()
) -> dict[str, Any]:
    """Return what the served model needs to mix the answers."""
    return {"baseline": baseline.to_json(), "weights": list(weights), "scale": [list(pair) for pair in scale]}


def figures_of(found: dict[str, Any] | None) -> dict[str, float]:
    """Return the mean weight of the model's answers as a figure to log; nothing where it answers alone."""
    return {} if found is None else {"weight_of_model": sum(found["weights"]) / len(found["weights"])}


def remarks_of(found: dict[str, Any] | None) -> tuple[str, ...]:
    """Return what the operator should know of a correction: that there is none."""
    return (NOTHING_FOUND,) if found is not None and not any(found["weights"]) else ()

"""Fitting pieces that the trainers share: calibration, thresholds, importance, usual ranges."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import contextlib

    import numpy as np
    import pandas as pd

    from framework.training.data import TrainingData

IMPORTANCE_ROWS = 300
PARALLEL_FROM = 100_000
ISOTONIC_FROM = 1_000
REASONS = 3
OF_EACH_CLASS = 5
"""Rows of the rarer class without which a calibrator cannot be cross-fitted, nor judged."""


def few_threads(rows: int) -> contextlib.AbstractContextManager[Any]:
    """Keep OpenMP to one thread where rows are few: a tree's splits are then too small to be worth waking another."""
    import sklearn.ensemble  # noqa: F401 - limits hold for what is loaded: a first fit's trees took ten times as long
    from threadpoolctl import threadpool_limits

    found: contextlib.AbstractContextManager[Any] = threadpool_limits(1 if rows < PARALLEL_FROM else None, "openmp")
    return found


def calibrate(
    estimator: Any, inputs: pd.DataFrame, truth: np.ndarray, day: pd.Series
) -> tuple[Any, np.ndarray, np.ndarray]:
    """Calibrate on days later than those fitted on, if that lowers the Brier score.

    Args:
        estimator: A fitted classifier.
        inputs: Calibration rows.
        truth: Their 0/1 labels.
        day: Their days; the earlier half fits the calibrator that the later half judges.

    Returns:
        The classifier, calibrated unless there is too little to tell or it does not help; which of the rows
        ``(rows,)`` nothing of it was fitted on when it answered them; and P(1) of those.
    """
    import numpy as np
    from sklearn.metrics import brier_score_loss

    days = np.sort(day.unique())
    early = (day < days[len(days) // 2]).to_numpy()
    raw = chance_of(estimator, inputs)
    plain = (estimator, np.ones(len(truth), dtype=bool), raw)
    if min(_rarer(truth[early]), _rarer(truth[~early])) < OF_EACH_CLASS:
        return plain
    trial = chance_of(_calibrated(estimator, inputs[early], truth[early]), inputs[~early])
    if brier_score_loss(truth[~early], trial) >= brier_score_loss(truth[~early], raw[~early]):
        return plain
    return _calibrated(estimator, inputs, truth), ~early, trial


def chance_of(estimator: Any, rows: pd.DataFrame) -> np.ndarray:
    """Return P(1), also for a dummy that saw one class only."""
    import numpy as np

    if not len(rows):
        return np.zeros(0)
    classes = list(estimator.classes_)
    every = np.asarray(estimator.predict_proba(rows), dtype=float)
    return every[:, classes.index(1)] if 1 in classes else np.zeros(len(rows))


def _rarer(truth: np.ndarray) -> int:
    """Return how many rows the rarer of two classes has."""
    return int(min(truth.sum(), len(truth) - truth.sum()))


def _calibrated(estimator: Any, inputs: pd.DataFrame, truth: np.ndarray) -> Any:
    from sklearn.calibration import CalibratedClassifierCV

    method = "isotonic" if len(truth) >= ISOTONIC_FROM else "sigmoid"
    try:
        from sklearn.frozen import FrozenEstimator
    except ImportError:  # scikit-learn before 1.6 knows cv="prefit" instead
        return CalibratedClassifierCV(estimator, method=method, cv="prefit").fit(inputs, truth)
    return CalibratedClassifierCV(FrozenEstimator(estimator), method=method).fit(inputs, truth)


def best_threshold(truth: np.ndarray, chance: np.ndarray) -> float:
    """Return the threshold with the highest F1; 0.5 where the labels cannot tell."""
    import numpy as np
    from sklearn.metrics import precision_recall_curve

    if len(truth) == 0 or len(set(truth)) < 2:  # noqa: PLR2004 - both classes are needed
        return 0.5
    precision, recall, steps = precision_recall_curve(truth, chance)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    return float(steps[int(np.argmax(f1[:-1]))])


def confident_from(truth: np.ndarray, every: np.ndarray, wanted: float) -> float:
    """Return the lowest top probability from which on enough answers are right.

    Args:
        truth: Class codes of calibration rows.
        every: ``(rows, classes)`` probabilities.
        wanted: Share of answers that should be right.

    Returns:
        The threshold; above 1 (never answer) if no part of the rows reaches ``wanted``, or there are none.
    """
    import numpy as np

    top = every.max(axis=1, initial=0.0)
    order = np.argsort(-top, kind="stable")
    right = (every.argmax(axis=1) == truth)[order] if every.shape[1] else np.zeros(len(truth), dtype=bool)
    share = np.cumsum(right) / np.arange(1, len(right) + 1)
    # Rows of equal probability are answered together or not at all.
    last = np.append(np.diff(top[order]) != 0, True) if len(right) else np.zeros(0, dtype=bool)
    enough = np.flatnonzero((share >= wanted) & last)
    # A forest adds up its trees in whatever order its threads end: the last digits vary from call to call.
    return float(top[order][enough[-1]]) - 1e-9 if len(enough) else 1.01


def importance(estimator: Any, data: TrainingData, truth: np.ndarray, scoring: str) -> dict[str, float]:
    """Return how much each input matters on held-back rows (permutation), scaled to a maximum of 1."""
    import numpy as np
    from sklearn.inspection import permutation_importance

    rows = data.features("test")
    flat = dict.fromkeys(data.inputs, 1.0)
    if len(rows) == 0 or len(set(truth)) < 2:  # noqa: PLR2004 - nothing to tell apart
        return flat
    some = np.random.default_rng(data.seed).permutation(len(rows))[:IMPORTANCE_ROWS]
    if len(set(truth[some])) < 2:  # noqa: PLR2004 - nothing to tell apart
        return flat
    found = permutation_importance(
        estimator, rows.iloc[some], truth[some], scoring=scoring, n_repeats=1, random_state=data.seed
    ).importances_mean
    top = float(found.max())
    return {n: max(0.0, float(v)) / top for n, v in zip(data.inputs, found, strict=True)} if top > 0 else flat


def training_ranges(data: TrainingData, weights: dict[str, float]) -> dict[str, list[float]]:
    """Return per numeric input: 5 % and 95 % quantile on training rows, and its weight."""
    import numpy as np

    train = data.part("train")
    training_range: dict[str, list[float]] = {}
    for name in data.numeric:
        values = train[name].dropna().to_numpy(float)
        if len(values) and name in weights:
            low, high = np.quantile(values, [0.05, 0.95])
            training_range[name] = [float(low), float(high), float(weights[name])]
    return training_range


def label_range(truth: np.ndarray) -> dict[str, float]:
    """Return 5 % and 95 % quantile of a regression's training labels, as ``label_low`` and ``label_high``."""
    import numpy as np

    low, high = np.quantile(np.asarray(truth, dtype=float), [0.05, 0.95])
    return {"label_low": float(low), "label_high": float(high)}


def reason_outputs(training_range: dict[str, list[float]]) -> tuple[tuple[str, str], ...]:
    """Return the output columns that carry the top reasons."""
    columns: list[tuple[str, str]] = []
    for rank in range(1, min(REASONS, len(training_range)) + 1):
        columns.append((f"reason_{rank}_feature", "string"))
        columns += [(f"reason_{rank}_{part}", "double") for part in ("value", "low", "high")]
    return tuple(columns)

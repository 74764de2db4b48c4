"""Plots of one training, small enough to cost next to nothing: importance, and how the held-back days came out."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from framework.base.logging import get_logger
from framework.declare.model import Task

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from matplotlib.figure import Figure

    from framework.training.data import Fitted, Judged

SIZE, DPI = (4.2, 3.2), 80
"""Inches, and dots per inch."""
FEATURES, ROWS, CLASSES = 12, 1_500, 12
MODEL, BASELINE = "#0b57a4", "#6b7580"


def draw(task: Task, fitted: Fitted, classes: tuple[str, ...] = ()) -> Iterator[tuple[str, Figure]]:
    """Yield name and figure of each plot that a training can fill.

    Args:
        task: What kind of model it is.
        fitted: The model with its held-back rows.
        classes: Class names of a multi-class model.

    Yields:
        ``importance``, ``residuals``, ``calibration``, ``precision_recall`` or ``confusion`` with its figure; nothing
        where matplotlib is not installed, which is logged once.
    """
    if not _there():
        return
    weights: dict[str, float] = fitted.served.get("importance", {})
    if len(set(weights.values())) > 1:
        yield "importance", _importance(weights)
    judged = fitted.judged
    if judged is None or not len(judged.truth):
        return
    if task is Task.REGRESSION:
        yield "residuals", _residuals(judged)
        return
    truth, answer, baseline = _pooled(judged)
    if task is not Task.ANOMALY:
        yield "calibration", _calibration(truth, answer)
    if 0 < truth.sum() < len(truth):
        yield "precision_recall", _precision_recall(truth, {"model": answer, "baseline": baseline})
    if task in (Task.BINARY, Task.MULTICLASS):
        yield "confusion", _confusion(judged, classes)


@functools.cache
def _there() -> bool:
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError:
        get_logger().info("plots_skipped", reason="matplotlib is not installed", fix="install the extra 'plots'")
        return False
    return True


def _axes(title: str, x: str, y: str, left: float = 0.15) -> tuple[Figure, Any]:
    """Return a figure that belongs to nobody: no window, no global state, nothing to close."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=SIZE, dpi=DPI)
    figure.subplots_adjust(left=left, right=0.97, bottom=0.14, top=0.91)  # a layout engine would draw all of it twice
    axes = figure.add_subplot()
    axes.set_title(title, fontsize=9)
    axes.set_xlabel(x, fontsize=8)
    axes.set_ylabel(y, fontsize=8)
    axes.tick_params(labelsize=7)
    return figure, axes


def _importance(weights: dict[str, float]) -> Figure:
    figure, axes = _axes("importance, 1 for the most important", "", "", left=0.45)
    top = sorted(weights.items(), key=lambda pair: pair[1])[-FEATURES:]
    axes.barh([name for name, _ in top], [value for _, value in top], color=MODEL)
    return figure


def _residuals(judged: Judged) -> Figure:
    figure, axes = _axes("held-back days", "forecast", "what happened less the forecast")
    step = max(1, len(judged.truth) // ROWS)
    answer, left = judged.answer[::step], (judged.truth - judged.answer)[::step]
    axes.scatter(answer, left, s=4, alpha=0.5, color=MODEL, linewidths=0)
    axes.axhline(0, color=BASELINE, linewidth=1)
    return figure


def _pooled(judged: Judged) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return 0/1 truth, answer and baseline in one dimension: several classes or labels are pooled."""
    import numpy as np

    if judged.answer.ndim == 1:
        return np.asarray(judged.truth, dtype=int), judged.answer, judged.baseline
    truth = judged.truth
    if truth.ndim == 1:
        truth = np.asarray(truth, dtype=int)[:, None] == np.arange(judged.answer.shape[1])
    return np.asarray(truth, dtype=int).ravel(), judged.answer.ravel(), judged.baseline.ravel()


def _calibration(truth: np.ndarray, answer: np.ndarray) -> Figure:
    from framework.training.evaluate import tenths

    figure, axes = _axes("calibration on held-back days", "forecast", "observed rate")
    said, seen, rows = tenths(truth, answer)
    axes.plot([0, 1], [0, 1], "--", color=BASELINE, linewidth=1)
    axes.plot(said, seen, color=MODEL, linewidth=1)
    axes.scatter(said, seen, s=8 + 60 * rows / rows.max(), color=MODEL)
    return figure


def _precision_recall(truth: np.ndarray, answers: dict[str, np.ndarray]) -> Figure:
    from sklearn.metrics import precision_recall_curve

    figure, axes = _axes("held-back days", "recall", "precision")
    for (name, answer), colour in zip(answers.items(), (MODEL, BASELINE), strict=True):
        precision, recall, _ = precision_recall_curve(truth, answer)
        step = max(1, len(recall) // ROWS)
        axes.plot(recall[::step], precision[::step], color=colour, label=name, linewidth=1.2)
    axes.legend(fontsize=7)
    return figure


def _confusion(judged: Judged, classes: tuple[str, ...]) -> Figure:
    import numpy as np

    truth = np.asarray(judged.truth, dtype=int)
    answer = judged.answer.argmax(axis=1) if judged.answer.ndim > 1 else (judged.answer >= judged.threshold).astype(int)
    size = max(int(truth.max()), int(answer.max()), len(classes) - 1, 1) + 1
    counts = np.bincount(truth * size + answer, minlength=size * size).reshape(size, size)
    figure, axes = _axes("confusion on held-back days", "answer", "truth")
    axes.imshow(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1), cmap="Blues", vmin=0, vmax=1)
    if size > CLASSES:
        return figure
    names = [*classes, *(str(code) for code in range(len(classes), size))]
    axes.set_xticks(range(size), names)
    axes.set_yticks(range(size), names)
    for row, column in np.ndindex(size, size):
        dark = counts[row, column] > counts[row].sum() / 2
        colour = "white" if dark else "black"
        axes.text(column, row, f"{counts[row, column]:,}", ha="center", va="center", fontsize=8, color=colour)
    return figure

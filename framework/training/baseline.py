"""What a model must beat, computed on the same rows and from training days only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from framework.spec import FromFeature, GroupPrior, Task

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


def baseline_answers(
    baseline: FromFeature | GroupPrior,
    train: pd.DataFrame,
    rows: pd.DataFrame,
    labels: tuple[str, ...],
    task: Task,
    classes: int,
) -> np.ndarray:
    """Return the baseline's answer for each row.

    Args:
        baseline: The declaration.
        train: Rows fitted on, with label and feature columns.
        rows: Rows to answer.
        labels: Label columns.
        task: What kind of model it is.
        classes: Number of classes (multi-class only).

    Returns:
        Shape ``(rows,)`` for regression, binary and anomaly, ``(rows, classes)`` for many classes,
        ``(rows, labels)`` for many labels; probabilities where the task has classes.
    """
    import numpy as np

    if task is Task.MULTICLASS:
        return _class_priors(baseline, train, rows, labels[0], classes)
    if isinstance(baseline, GroupPrior):
        parts = [_group_means(train, rows, label, baseline) for label in labels]
    elif task is Task.REGRESSION:
        parts = [rows[baseline.columns[0]].fillna(float(train[labels[0]].median())).to_numpy(float)]
    elif task is Task.ANOMALY:
        column = rows[baseline.columns[0]].abs()
        parts = [column.fillna(0.0).to_numpy(float)]
    else:
        columns = baseline.columns * (len(labels) if len(baseline.columns) == 1 else 1)
        parts = [_as_probability(train, rows, c, label) for c, label in zip(columns, labels, strict=True)]
    return parts[0] if task is not Task.MULTILABEL else np.column_stack(parts)


def _as_probability(train: pd.DataFrame, rows: pd.DataFrame, column: str, label: str) -> np.ndarray:
    """Answer a share as it is; a 0/1 answer becomes the training rate given that answer."""
    prior = float(train[label].mean())
    answers = rows[column]
    seen = train[column].dropna()
    if len(seen) and set(seen.unique()) <= {0.0, 1.0}:
        answers = answers.map(train.groupby(column)[label].mean())
    return answers.fillna(prior).clip(0.0, 1.0).to_numpy(float)


def _group_means(train: pd.DataFrame, rows: pd.DataFrame, label: str, prior: GroupPrior) -> np.ndarray:
    """Mean of the label per group, shrunk to the global mean."""
    by = list(prior.by)
    overall = float(train[label].mean())
    stats = train.groupby(by)[label].agg(["sum", "count"])
    shrunk = (stats["sum"] + prior.strength * overall) / (stats["count"] + prior.strength)
    found = rows[by].merge(shrunk.rename("answer"), left_on=by, right_index=True, how="left")["answer"]
    return found.fillna(overall).to_numpy(float)


def _class_priors(
    baseline: FromFeature | GroupPrior, train: pd.DataFrame, rows: pd.DataFrame, label: str, classes: int
) -> np.ndarray:
    """Class distribution given a feature's answer, or given the group."""
    import numpy as np

    by = list(baseline.by) if isinstance(baseline, GroupPrior) else list(baseline.columns)
    strength = baseline.strength if isinstance(baseline, GroupPrior) else 1.0
    given = GroupPrior(by=tuple(by), strength=strength)
    columns = []
    for code in range(classes):
        is_class = train.assign(**{label: (train[label] == code).astype(float)})
        columns.append(_group_means(is_class, rows, label, given))
    stacked: np.ndarray = np.column_stack(columns)
    total: np.ndarray = np.maximum(stacked.sum(axis=1, keepdims=True), 1e-12)
    shares: np.ndarray = stacked / total
    return shares

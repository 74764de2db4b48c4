"""What a model must beat, computed on the same rows and from training days only."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from framework.declare.model import USUAL, FromFeature, GroupPrior, Task

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pandas as pd

COLUMN, ANSWERS, GROUP, CONSTANT = "column", "answers", "group", "constant"
CLASS_STRENGTH = 1.0
"""Rows at which a feature's own class shares and the global ones weigh the same."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Baseline:
    """A baseline that has seen the training rows; JSON types only, so that it is kept with the version.

    Args:
        kind: ``column`` (a feature answers), ``answers`` (a rate given a feature's 0/1), ``group`` (a rate given a
            group), or ``constant`` (one answer for all).
        by: Columns that it looks at, one list per output.
        otherwise: The answer where nothing else is known, one per output.
        rates: Per output, pairs of the columns' values and the answer.
    """

    kind: tuple[str, ...]
    by: tuple[tuple[str, ...], ...]
    otherwise: tuple[float, ...]
    rates: tuple[tuple[tuple[tuple[Any, ...], float], ...], ...]

    def to_json(self) -> dict[str, Any]:
        """Return the facts as JSON types."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, facts: dict[str, Any]) -> Baseline:
        """Return the baseline that :meth:`to_json` wrote."""
        rates = tuple(tuple((tuple(key), float(rate)) for key, rate in one) for one in facts["rates"])
        by = tuple(tuple(columns) for columns in facts["by"])
        return cls(kind=tuple(facts["kind"]), by=by, otherwise=tuple(facts["otherwise"]), rates=rates)

    def columns(self) -> list[str]:
        """Return the columns that rows must have to be answered."""
        return sorted({name for columns in self.by for name in columns})

    def answer(self, rows: pd.DataFrame, task: Task) -> np.ndarray:
        """Return the baseline's answer for each row.

        Args:
            rows: Rows with the columns that it looks at.
            task: What kind of model it is.

        Returns:
            Shape ``(rows,)`` for regression, binary and anomaly, ``(rows, classes)`` for many classes,
            ``(rows, labels)`` for many labels; probabilities where the task has classes.
        """
        from framework.training.served_model import baseline_answer  # it travels with the model, which answers alike

        found: np.ndarray = baseline_answer(self.to_json(), rows, str(task))
        return found

    def answered(self, rows: pd.DataFrame) -> np.ndarray:
        """Return which rows ``(rows,)`` it answers by what it looks at, and not by ``otherwise``."""
        import numpy as np

        columns = {by[0] for kind, by in zip(self.kind, self.by, strict=True) if kind in (COLUMN, ANSWERS)}
        known = [rows[name].notna().to_numpy(bool) for name in sorted(columns)]
        found: np.ndarray = np.logical_and.reduce(known) if known else np.ones(len(rows), dtype=bool)
        return found


def fit_baseline(
    baseline: FromFeature | GroupPrior,
    train: pd.DataFrame,
    labels: Sequence[str],
    task: Task,
    classes: int,
) -> Baseline:
    """Show a baseline the training rows.

    Args:
        baseline: The declaration.
        train: Rows fitted on, with label and feature columns.
        labels: Label columns; not needed for anomalies.
        task: What kind of model it is.
        classes: Number of classes (multi-class only).
    """
    if task is Task.MULTICLASS:
        parts = [_class_prior(baseline, train, labels[0], code) for code in range(classes)]
    elif isinstance(baseline, GroupPrior):
        parts = [(GROUP, baseline.by, *_group_means(train, train[n], baseline.by, baseline.strength)) for n in labels]
    elif task is Task.REGRESSION:
        column = baseline.columns[0]
        parts = [(COLUMN, (column,), _otherwise(baseline, train, column, train[labels[0]], "median"), ())]
    elif task is Task.ANOMALY:
        number = baseline.otherwise if isinstance(baseline.otherwise, (int, float)) else 0.0
        parts = [(COLUMN, baseline.columns[:1], float(number), ())]
    else:
        columns = baseline.columns * (len(labels) if len(baseline.columns) == 1 else 1)
        parts = [_as_probability(baseline, train, c, label) for c, label in zip(columns, labels, strict=True)]
    kinds, by, otherwise, rates = zip(*parts, strict=True) if parts else ((), (), (), ())
    found = Baseline(kind=kinds, by=tuple(tuple(b) for b in by), otherwise=otherwise, rates=rates)
    return _or_constant(found, train, labels[0]) if task is Task.REGRESSION else found


def silent_share(baseline: FromFeature | GroupPrior, train: pd.DataFrame, task: Task) -> float:
    """Return in which share of the training rows a baseline would have to invent its answer.

    Args:
        baseline: The declaration.
        train: Rows fitted on, with the columns that it looks at.
        task: What kind of model it is.

    Returns:
        Share of rows without any of its columns; 0 where it says what it answers to them, where a group's prior
        stands in, and for classes by value, where NULL is a value of its own.
    """
    if isinstance(baseline, GroupPrior) or baseline.otherwise is not None or task is Task.MULTICLASS:
        return 0.0
    return float(train[list(baseline.columns)].isna().any(axis=1).mean()) if len(train) else 0.0


def _or_constant(found: Baseline, train: pd.DataFrame, label: str) -> Baseline:
    """Return a regression's baseline, or the median of the labels where that errs less on the training rows.

    A baseline worse than a constant would let a model pass that has learnt nothing but the constant.
    """
    middle = float(train[label].median())
    if (train[label] - found.answer(train, Task.REGRESSION)).abs().mean() <= (train[label] - middle).abs().mean():
        return found
    return Baseline(kind=(CONSTANT,), by=((),), otherwise=(middle,), rates=((),))


def _otherwise(baseline: FromFeature, train: pd.DataFrame, column: str, label: pd.Series, how: str) -> float:
    """Return the answer to a row without the column, as the declaration says; else the middle of all labels."""
    if isinstance(baseline.otherwise, (int, float)):
        return float(baseline.otherwise)
    like = label[train[column].isna()] if baseline.otherwise == USUAL else label
    return float((like if len(like) else label).agg(how))


def _as_probability(
    baseline: FromFeature, train: pd.DataFrame, column: str, label: str
) -> tuple[str, tuple[str, ...], float, tuple[Any, ...]]:
    """Answer a share as it is; a 0/1 answer becomes the training rate given that answer."""
    otherwise = _otherwise(baseline, train, column, train[label], "mean")
    seen = train[column].dropna()
    if not (len(seen) and set(seen.unique()) <= {0.0, 1.0}):
        return COLUMN, (column,), otherwise, ()
    from framework.training.served_model import group_key

    rates = train.groupby(column)[label].mean().items()
    return ANSWERS, (column,), otherwise, tuple(((group_key(value),), float(rate)) for value, rate in rates)


def _class_prior(
    baseline: FromFeature | GroupPrior, train: pd.DataFrame, label: str, code: int
) -> tuple[str, tuple[str, ...], float, tuple[Any, ...]]:
    """Answer the share of a class given a feature's answer, NULL among them, or given the group."""
    by = baseline.by if isinstance(baseline, GroupPrior) else baseline.columns
    strength = baseline.strength if isinstance(baseline, GroupPrior) else CLASS_STRENGTH
    return GROUP, by, *_group_means(train, (train[label] == code).astype(float), by, strength)


def _group_means(
    train: pd.DataFrame, label: pd.Series, by: Sequence[str], strength: float
) -> tuple[float, tuple[tuple[tuple[Any, ...], float], ...]]:
    """Return the mean of the label, and per group, shrunk to it."""
    from framework.training.served_model import group_key

    overall = float(label.mean())
    stats = label.groupby([train[name] for name in by], dropna=False).agg(["sum", "count"])
    shrunk = (stats["sum"] + strength * overall) / (stats["count"] + strength)
    keys = shrunk.index if len(by) > 1 else [(value,) for value in shrunk.index]
    return overall, tuple((tuple(map(group_key, key)), float(r)) for key, r in zip(keys, shrunk, strict=True))

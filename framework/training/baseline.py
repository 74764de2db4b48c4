"""What a model must beat, computed on the same rows and from training days only."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from framework.declare.model import FromFeature, GroupPrior, Task, short_hash

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pandas as pd

CONSTANT = "constant"
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
        import numpy as np

        parts = [self._output(rows, at, task) for at in range(len(self.kind))]
        if task is Task.MULTICLASS:
            stacked = np.column_stack(parts) if parts else np.zeros((len(rows), 0))
            shares: np.ndarray = stacked / np.maximum(stacked.sum(axis=1, keepdims=True), 1e-12)
            return shares
        return np.column_stack(parts) if task is Task.MULTILABEL else parts[0]

    def _output(self, rows: pd.DataFrame, at: int, task: Task) -> np.ndarray:
        by, otherwise = list(self.by[at]), self.otherwise[at]
        if self.kind[at] == CONSTANT:
            return _array([otherwise] * len(rows))
        if self.kind[at] == "column":
            values = rows[by[0]].abs() if task is Task.ANOMALY else rows[by[0]]
            answers = values.astype(float).fillna(otherwise)
            bounded = task in (Task.BINARY, Task.MULTILABEL)
            return (answers.clip(0.0, 1.0) if bounded else answers).to_numpy(float)
        known = dict(self.rates[at])
        found = [known.get(key, otherwise) for key in zip(*(_plain(rows[name]) for name in by), strict=True)]
        return _array(found)


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
        parts = [("group", baseline.by, *_group_means(train, train[n], baseline.by, baseline.strength)) for n in labels]
    elif task is Task.REGRESSION:
        parts = [("column", baseline.columns[:1], float(train[labels[0]].median()), ())]
    elif task is Task.ANOMALY:
        parts = [("column", baseline.columns[:1], 0.0, ())]
    else:
        columns = baseline.columns * (len(labels) if len(baseline.columns) == 1 else 1)
        parts = [_as_probability(train, c, label) for c, label in zip(columns, labels, strict=True)]
    kinds, by, otherwise, rates = zip(*parts, strict=True) if parts else ((), (), (), ())
    found = Baseline(kind=kinds, by=tuple(tuple(b) for b in by), otherwise=otherwise, rates=rates)
    return _or_constant(found, train, labels[0]) if task is Task.REGRESSION else found


def baseline_predictions(
    baseline: FromFeature | GroupPrior,
    train: pd.DataFrame,
    rows: pd.DataFrame,
    labels: tuple[str, ...],
    task: Task,
    classes: int,
) -> np.ndarray:
    """Return what a baseline that saw ``train`` answers to ``rows``; shapes as in :meth:`Baseline.answer`."""
    return fit_baseline(baseline, train, labels, task, classes).answer(rows, task)


def _or_constant(found: Baseline, train: pd.DataFrame, label: str) -> Baseline:
    """Return a regression's baseline, or the median of the labels where that errs less on the training rows.

    A baseline worse than a constant would let a model pass that has learnt nothing but the constant.
    """
    middle = float(train[label].median())
    if (train[label] - found.answer(train, Task.REGRESSION)).abs().mean() <= (train[label] - middle).abs().mean():
        return found
    return Baseline(kind=(CONSTANT,), by=((),), otherwise=(middle,), rates=((),))


def _as_probability(
    train: pd.DataFrame, column: str, label: str
) -> tuple[str, tuple[str, ...], float, tuple[Any, ...]]:
    """Answer a share as it is; a 0/1 answer becomes the training rate given that answer."""
    prior = float(train[label].mean())
    seen = train[column].dropna()
    if not (len(seen) and set(seen.unique()) <= {0.0, 1.0}):
        return "column", (column,), prior, ()
    rates = train.groupby(column)[label].mean()
    return "answers", (column,), prior, tuple(((_item(value),), float(rate)) for value, rate in rates.items())


def _class_prior(
    baseline: FromFeature | GroupPrior, train: pd.DataFrame, label: str, code: int
) -> tuple[str, tuple[str, ...], float, tuple[Any, ...]]:
    """Answer the share of a class given a feature's answer, or given the group."""
    by = baseline.by if isinstance(baseline, GroupPrior) else baseline.columns
    strength = baseline.strength if isinstance(baseline, GroupPrior) else CLASS_STRENGTH
    return "group", by, *_group_means(train, (train[label] == code).astype(float), by, strength)


def _group_means(
    train: pd.DataFrame, label: pd.Series, by: Sequence[str], strength: float
) -> tuple[float, tuple[tuple[tuple[Any, ...], float], ...]]:
    """Return the mean of the label, and per group, shrunk to it."""
    overall = float(label.mean())
    stats = label.groupby([train[name] for name in by]).agg(["sum", "count"])
    shrunk = (stats["sum"] + strength * overall) / (stats["count"] + strength)
    keys = shrunk.index if len(by) > 1 else [(value,) for value in shrunk.index]
    return overall, tuple((tuple(_item(v) for v in key), float(r)) for key, r in zip(keys, shrunk, strict=True))


def _plain(column: pd.Series) -> list[Any]:
    return [_item(value) for value in column]


def _item(value: Any) -> Any:
    """Return a value as JSON knows it: 1.0 from 1, so that a key read back is the same key.

    Text is hashed: a group may be a person, and what is kept with a version names nobody.
    """
    if isinstance(value, str):
        return short_hash([value])
    if value is None:
        return None
    number = float(value)
    return number if number == number else None  # noqa: PLR0124 - NaN is no key


def _array(values: list[float]) -> np.ndarray:
    import numpy as np

    return np.array(values, dtype=float)

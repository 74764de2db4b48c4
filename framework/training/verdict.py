"""Degenerate labels are a decision, taken before fitting."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Literal

from framework.declare.model import Task

if TYPE_CHECKING:
    import pandas as pd

RARE_ROWS = 10


@dataclasses.dataclass(frozen=True, slots=True)
class Verdict:
    """Whether labels can be learnt.

    Args:
        kind: ``learnable``, ``fallback`` (a dummy stands in) or ``skip``.
        reason: Why, for the last two.
    """

    kind: Literal["learnable", "fallback", "skip"]
    reason: str = ""


def judge(labels: pd.DataFrame, task: Task) -> Verdict:
    """Judge the labels of the rows to fit on.

    Args:
        labels: One column per label, NULL-free, one row per training row.
        task: What kind of model it is.

    Returns:
        The verdict: no rows are skipped; one class, or fewer than 10 rows of the rarer class, and a
        constant regression label fall back to a dummy.
    """
    if labels.empty:
        return Verdict("skip", "no rows with a settled label")
    if task is Task.REGRESSION:
        first = labels.iloc[:, 0]
        if (first == first.iloc[0]).all():
            return Verdict("fallback", f"the label is {first.iloc[0]:g} in all {len(first)} rows")
        return Verdict("learnable")
    if task is Task.ANOMALY:
        return Verdict("learnable")
    reasons = [_poor(labels[name]) for name in labels]
    if all(reasons):
        return Verdict("fallback", "; ".join(r for r in reasons if r))
    return Verdict("learnable")


def _poor(label: pd.Series) -> str:
    """Return why a class label cannot be learnt, or an empty string."""
    counts = label.value_counts()
    if len(counts) == 1:
        return f"{label.name} has one class ({counts.index[0]}) in all {len(label)} rows"
    second = int(counts.iloc[1])
    if second < RARE_ROWS:
        return f"{label.name} has {second} rows of its rarer class {counts.index[1]}, {RARE_ROWS} are needed"
    return ""

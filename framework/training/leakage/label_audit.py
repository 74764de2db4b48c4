"""The label audit: a label is unknown on its own day, and does not change once it has settled.

Labels are made once more from gold that ends on past days: those of that very day, which nothing known by then may
tell, and those that gold of then called settled, which later gold may not change. Events are known when they happen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from framework.base.errors import LeakageError
from framework.training.leakage.finding import Finding, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    import pandas as pd

CHECK = "label"
CHANGED = 0.1
"""Share of settled labels that may change, of two classes the rarer: rows that arrive later still are few."""
RIGHT = 0.9
"""Share of right ones from which a label that is told beforehand is the label itself."""
EARLY = 0.01
"""Share of events that a wrong clock may date after they became known."""
FEW = 3
"""Rows that prove nothing."""
MORE = 0.2
"""By how much the share of right ones must pass that of the day a horizon before."""


def check_settled(then: pd.DataFrame, now: pd.DataFrame, *, keys: Sequence[str], day: date, model: str) -> None:
    """Check that labels which gold of a past day called settled are those of today.

    Args:
        then: Keys and labels, settled ones only, from gold that ends on ``day``.
        now: The same columns from all of gold.
        keys: Entity keys and time.
        day: The day on which gold was cut.
        model: For messages.

    Raises:
        LeakageError: If more than one label in ten has changed since, of two classes the rarer.
    """
    for label in [name for name in then.columns if name not in keys]:
        both = then[[*keys, label]].merge(now[[*keys, label]], on=list(keys), suffixes=("_then", "_now")).dropna()
        changed = int((~_same(both[f"{label}_then"], both[f"{label}_now"])).sum())
        values = both[f"{label}_now"].value_counts()
        judged = int(values.min()) if len(values) == 2 else len(both)  # noqa: PLR2004 - two classes
        if changed > max(FEW, CHANGED * judged):
            raise LeakageError(
                what=f"{changed} of {len(both)} labels that had settled by {day} are others today",
                where=f"{label} of {model}",
                fix="the window is longer than `horizon`, or rows are known later than `known_at` says: let "
                "label_known_at wait for them (`settle`)",
            )


def check_unknown(
    early: pd.DataFrame,
    now: pd.DataFrame,
    earlier: pd.DataFrame,
    *,
    keys: Sequence[str],
    model: str,
    honest: Mapping[str, str],
) -> list[Finding]:
    """Check that gold of a past day does not tell that day's labels.

    A label that says how things stand (the last state seen) may be made of the past: it then agrees with the label of
    a horizon before just as well, and passes.

    Args:
        early: Keys and labels of a day, each from gold that ends on it.
        now: Keys and labels from all of gold.
        earlier: The same labels under the day a horizon later.
        keys: Entity keys and time.
        model: For messages.
        honest: Why a label may be told beforehand, by name.

    Returns:
        A finding per label of which some rows are told beforehand.

    Raises:
        LeakageError: If they are the labels themselves.
    """
    found = []
    for label in [name for name in early.columns if name not in keys]:
        told = early[[*keys, label]].dropna()
        if told[label].nunique() < 2:  # noqa: PLR2004 - the label of no event, which tells nothing
            continue
        told = told[told[label] != told[label].mode()[0]]
        right, past = (_agreement(told, other, keys, label) for other in (now, earlier))
        if len(told) <= FEW or right < past + MORE:
            continue
        evidence = f"is told for {len(told)} rows by gold that ends on their day, and right for {right:.0%} of them"
        found.append(_told(label, evidence, surely=right >= RIGHT, model=model, honest=honest))
    return found


def check_events(
    events: int, early: int, labels: Sequence[str], *, model: str, honest: Mapping[str, str]
) -> list[Finding]:
    """Check that a label's events are not known before their own day.

    Args:
        events: Events in all.
        early: Those known before the day on which they count.
        labels: Labels made of them.
        model: For messages.
        honest: Why a label may be told beforehand, by name.

    Returns:
        A finding for the first label where some events are.

    Raises:
        LeakageError: If most are.
    """
    if early <= max(FEW, EARLY * events):
        return []
    evidence = f"is made of events of which {early} of {events} are known before the day they count on"
    return [_told(labels[0], evidence, surely=2 * early > events, model=model, honest=honest)]


def _told(label: str, evidence: str, *, surely: bool, model: str, honest: Mapping[str, str]) -> Finding:
    """Return what to make of a label that is told beforehand; refuse it where there is no doubt."""
    if surely and label not in honest:
        raise LeakageError(
            what=f"the label {evidence}",
            where=f"{label} of {model}",
            fix="its window must begin after the row's day: is `day` the day on which the event happened?",
        )
    return Finding(
        check=CHECK, column=label, evidence=evidence, verdict=Verdict.PASS if label in honest else Verdict.ASK
    )


def _agreement(told: pd.DataFrame, other: pd.DataFrame, keys: Sequence[str], label: str) -> float:
    """Return the share of told labels that another day's, or another gold's, agree with."""
    both = told.merge(other[[*keys, label]].dropna(), on=list(keys), suffixes=("", "_other"))
    return float(_same(both[label], both[f"{label}_other"]).mean()) if len(both) else 0.0


def _same(one: pd.Series, two: pd.Series) -> pd.Series:
    import numpy as np
    import pandas as pd

    if one.dtype.kind in "fiub" and two.dtype.kind in "fiub":
        return pd.Series(np.isclose(one.to_numpy(float), two.to_numpy(float), rtol=1e-9, atol=1e-12), index=one.index)
    return one == two

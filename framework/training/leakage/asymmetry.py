"""Asymmetry: a feature that knows the coming window much better than the one just ended has seen what is to come.

At the end of day ``t`` the window ``(t - horizon, t]`` is over and ``(t, t + horizon]`` has not begun. What a feature
is made of happened in the first; so it goes with the first one's label at least as well as with the second's. Only a
forerunner (a full disk before a failure), a season (last year's same week) or a plan knows more of the future, and
these are worth a sentence in the declaration.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from framework.training.leakage.finding import Finding, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    import pandas as pd

    from framework.training.data import TrainingData

CHECK = "asymmetry"
LEAST = 20
"""Independent windows, of each class if there are any, that a comparison needs."""
KNOWS = 0.2
"""Strength below which a feature gives too little of the coming window away to be a leak."""
MORE = 0.12
"""By how much it must pass the strength for the window just ended."""
CERTAIN = 4.0
"""Deviations by which the difference must pass chance."""
SAME = 0.001
"""By how much two strengths may differ and still be the same."""


class Compared(NamedTuple):
    """How well a feature knows two windows.

    Args:
        coming: Strength for the window that begins after the row's day.
        ended: Strength for the window that ended with it.
        deviation: Standard deviation of a strength by chance.
        independent: Windows that do not overlap, of the rarer class if there are classes.
    """

    coming: float
    ended: float
    deviation: float
    independent: float

    @property
    def is_certain(self) -> bool:
        """Whether there are windows enough to say that the coming one is known better."""
        chance = CERTAIN * math.sqrt(2) * self.deviation * (1 - self.coming**2)
        return self.independent >= LEAST and self.coming - self.ended >= chance

    @property
    def is_told(self) -> bool:
        """Whether the difference is worth a question."""
        return self.is_certain and self.coming >= KNOWS and self.coming - self.ended >= MORE


def asymmetries(data: TrainingData) -> list[Finding]:
    """Return the features that know the coming window better than the one just ended.

    The strength of a feature for a window is, within entities, the absolute rank correlation with an amount, or the
    distance of the ROC AUC from a half, doubled, for a class: 0 for nothing, 1 for all.

    Args:
        data: The labelled rows of a model with one row per entity and day; of any other, and of a detector, there is
            nothing to compare, and the list is empty.

    Returns:
        At most one finding per feature, the most telling first.
    """
    if not set(data.spec.labels) <= set(data.frame.columns):
        return []
    calendar = {column.name for column in data.grain.columns if column.calendar}
    worst: dict[str, Compared] = {}
    for name, found in compared(data, [name for name in data.numeric if name not in calendar]).items():
        told = [one for one in found if one.is_told]
        if told:
            worst[name] = max(told, key=_difference)
    return [_finding(data, name, worst[name]) for name in sorted(worst, key=lambda name: -_difference(worst[name]))]


def compared(data: TrainingData, names: Sequence[str]) -> dict[str, list[Compared]]:
    """Return how well some features know the two windows, label by label and class by class."""
    found: dict[str, list[Compared]] = {name: [] for name in names}
    if data.grain.time_type != "date":
        return found
    for label in data.spec.labels:
        rows = _both_windows(data, label)
        regression = data.frame[label].nunique() > LEAST and not data.classes
        for name in names if len(rows) else ():
            found[name] += _strengths(rows, data.frame[name], data.spec.horizon.days, regression=regression)
    return found


def persists(data: TrainingData, name: str, *, exactly: bool) -> bool:
    """Tell whether a feature knows the window just ended as well as the coming one: what it says was true before.

    Args:
        data: The labelled rows.
        name: The feature.
        exactly: Whether to ask for equal values, and not for equal strengths.
    """
    if not exactly:
        found = compared(data, [name])[name]
        return bool(found) and all(one.ended >= one.coming - SAME for one in found)
    shares = [_equal_shares(_both_windows(data, label), data.frame[name]) for label in data.spec.labels]
    return data.grain.time_type == "date" and all(ended >= coming - SAME for coming, ended in shares)


def _equal_shares(rows: pd.DataFrame, feature: pd.Series) -> tuple[float, float]:
    """Return the shares of rows whose value is the label of the coming window, and that of the one just ended."""
    import numpy as np

    if not len(rows):
        return 1.0, 0.0
    values = feature.to_numpy(float)[rows["row"].to_numpy()]
    coming, ended = (np.isclose(values, rows[side].to_numpy(float), rtol=1e-9, atol=0) for side in ("coming", "ended"))
    return float(coming.mean()), float(ended.mean())


def _difference(found: Compared) -> float:
    return found.coming - found.ended


def _finding(data: TrainingData, name: str, found: Compared) -> Finding:
    evidence = (
        f"knows the coming window at {found.coming:.2f} and the one just ended at {found.ended:.2f} of 1: "
        "a forerunner, a season or a leak"
    )
    verdict = Verdict.PASS if name in data.spec.honest else Verdict.ASK
    return Finding(check=CHECK, column=name, evidence=evidence, verdict=verdict)


def _both_windows(data: TrainingData, label: str) -> pd.DataFrame:
    """Return rows of which both windows are known: number of the row, entity, and the two labels."""
    import numpy as np
    import pandas as pd

    frame = data.frame
    settled = (frame["label_known_at"].notna() & frame[label].notna()).to_numpy()
    day = (frame["_day"] - pd.Timestamp(0)).dt.days.to_numpy()
    told = {"row": np.arange(len(frame)), "entity": data.entity, "day": day, "coming": frame[label].to_numpy()}
    table = pd.DataFrame(told)[settled]
    before = table[["entity", "day", "coming"]].rename(columns={"coming": "ended"})
    before = before.assign(day=before["day"] + max(1, data.spec.horizon.days))
    return table.merge(before, on=["entity", "day"])


def _strengths(rows: pd.DataFrame, feature: pd.Series, horizon: int, *, regression: bool) -> Iterator[Compared]:
    """Yield strengths for the coming window and for the one just ended, class by class."""
    import numpy as np

    values = feature.to_numpy(float)[rows["row"].to_numpy()]
    seen = np.isfinite(values)
    if not seen.any():
        return
    entity = rows["entity"].to_numpy()[seen]
    coming, ended = rows["coming"].to_numpy(float)[seen], rows["ended"].to_numpy(float)[seen]
    span = max(1, horizon)  # neighbouring days share most of their windows
    if regression:
        inner = _within(_ranked(values[seen]), entity)
        one, other = (_correlation(inner, _within(_ranked(target), entity)) for target in (coming, ended))
        yield Compared(one, other, deviation=math.sqrt(span / len(entity)), independent=len(entity) / span)
        return
    codes = sorted(set(coming) | set(ended))
    for code in codes[1:] if len(codes) == 2 else codes:  # noqa: PLR2004 - of two classes one mirrors the other
        inside = [target == code for target in (coming, ended)]
        fewest = min(min(is_class.sum(), (~is_class).sum()) for is_class in inside) / span
        if fewest >= 1:
            one, other = (_separation(values[seen], is_class, entity) for is_class in inside)
            yield Compared(one, other, deviation=math.sqrt(1 / (3 * fewest)), independent=fewest)


def _ranked(values: np.ndarray) -> np.ndarray:
    from scipy.stats import rankdata

    ranks: np.ndarray = rankdata(values)
    return ranks


def _within(values: np.ndarray, entity: np.ndarray) -> np.ndarray:
    """Take each entity's mean off: that some fail more often than others is known before and after."""
    import numpy as np

    rows = np.maximum(np.bincount(entity), 1)
    inner: np.ndarray = values - (np.bincount(entity, weights=values) / rows)[entity]
    return inner


def _correlation(one: np.ndarray, two: np.ndarray) -> float:
    """Return the absolute correlation of two columns without mean; 0 where one does not vary."""
    import numpy as np

    spread = float(np.std(one)) * float(np.std(two))
    return abs(float(np.mean(one * two))) / spread if spread > 0 else 0.0


def _separation(values: np.ndarray, is_class: np.ndarray, entity: np.ndarray) -> float:
    """Return how far the ROC AUC lies from a half, doubled; a row is compared with those of its entity only."""
    import numpy as np
    import pandas as pd

    ranks = pd.Series(values).groupby(entity, sort=False).rank().to_numpy()
    ours = np.bincount(entity, weights=is_class)
    others = np.bincount(entity) - ours
    above = np.bincount(entity, weights=ranks * is_class) - ours * (ours + 1) / 2
    pairs = float((ours * others).sum())
    return abs(2 * float(above.sum()) / pairs - 1) if pairs else 0.0

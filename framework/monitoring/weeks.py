"""How far weeks without a known change lie from the training days: what a later week is allowed."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from framework.monitoring.counting import days_of
from framework.monitoring.histogram import ks, psi

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    import numpy as np
    import pyarrow as pa

    from framework.monitoring.histogram import Counted, Sketch

WINDOW_DAYS = 7
"""Days that are compared with the training days; a week, so that weekends are no change."""
LATE_DAYS = 42
"""Last days of training that stand in for held-back weeks where there are none."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Usual:
    """Extremes of the rolling weeks that training held back.

    Args:
        weeks: Weeks seen; 0 tells that nothing is known.
        psi: Highest PSI.
        ks: Highest Kolmogorov-Smirnov distance.
        missing_low: Lowest share of missing values, that of training included.
        missing_high: Highest.
        new: Highest share of categories that training never saw; of text only.
    """

    weeks: int
    psi: float
    ks: float
    missing_low: float
    missing_high: float
    new: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Weeks:
    """Rows told apart in training and held back, and the rolling weeks of the latter.

    Args:
        training: ``(rows,)`` mask of the training days.
        held_back: ``(rows,)`` mask of the days that weeks are made of.
        training_entities: Distinct entities of the training days.
        days: Calendar days of the weeks, ascending.
        entities: Distinct entities of each week.
        inside: Whether the weeks are training days themselves, for lack of others.
    """

    training: np.ndarray
    held_back: np.ndarray
    training_entities: int
    days: tuple[date, ...]
    entities: tuple[int, ...]
    inside: bool

    @classmethod
    def of(cls, rows: pa.Table, keys: Sequence[str], time: str, train_end: date) -> Weeks:
        """Tell rows apart by day.

        Args:
            rows: Rows of the training days and the days after.
            keys: Columns that make an entity.
            time: Date or timestamp column.
            train_end: Last training day.
        """
        import numpy as np

        day = days_of(rows[time]).to_numpy().astype("datetime64[D]")
        entity = _codes(rows, keys)
        cut = np.datetime64(train_end, "D")
        training, after = day <= cut, day > cut
        inside = not after.any() or int((day.max() - cut).astype(int)) < WINDOW_DAYS
        held_back = (day > cut - np.timedelta64(LATE_DAYS, "D")) & training if inside else after
        first, last = (day[held_back].min(), day[held_back].max()) if held_back.any() else (cut, cut)
        days = tuple(np.arange(first, last + np.timedelta64(1, "D")).tolist())
        entities = []
        for at in range(len(days) - WINDOW_DAYS + 1):
            low = first + np.timedelta64(at, "D")
            entities.append(_distinct(entity[(day >= low) & (day < low + np.timedelta64(WINDOW_DAYS, "D"))]))
        return cls(
            training=training,
            held_back=held_back,
            training_entities=_distinct(entity[training]),
            days=days,
            entities=tuple(entities),
            inside=inside,
        )

    def usual(self, sketch: Sketch, counted: Counted) -> Usual:
        """Return the extremes of one column.

        Args:
            sketch: Its training days.
            counted: Its held-back rows, counted by day.
        """
        counts, missing = self.windows(counted.daily, len(sketch.counts))
        found: dict[str, list[float]] = {"psi": [0.0], "ks": [0.0], "missing": [sketch.missing_rate], "new": [0.0]}
        weeks = 0
        for now, lacking, entities in zip(counts, missing, self.entities, strict=True):
            rows = now.sum() + lacking
            if not rows:
                continue
            weeks += 1
            found["missing"].append(float(lacking / rows))
            before = sketch.against(now) if self.inside else sketch
            index = psi(sketch.binned(now), sketch.binned(before.counts), entities, sketch.entities)
            found["psi"].append(index or 0.0)
            found["ks"].append(ks(now, np_array(before.counts)) or 0.0)
            found["new"].append(new_share(sketch, now))
        return Usual(
            weeks=weeks,
            psi=max(found["psi"]),
            ks=max(found["ks"]),
            missing_low=min(found["missing"]),
            missing_high=max(found["missing"]),
            new=max(found["new"]),
        )

    def windows(self, daily: Mapping[date, tuple[np.ndarray, int, float]], buckets: int) -> tuple[Any, Any]:
        """Return rows per week and bucket, and missing rows per week."""
        import numpy as np

        each = np.zeros((len(self.days), buckets + 1), dtype=np.int64)
        for at, day in enumerate(self.days):
            if day in daily:
                counts, missing, _ = daily[day]
                each[at] = [*counts, missing]
        if not len(self.entities):
            return each[:0, :-1], each[:0, -1]
        passed = np.concatenate([np.zeros((1, buckets + 1), dtype=np.int64), np.cumsum(each, axis=0)])
        weeks = passed[WINDOW_DAYS:] - passed[:-WINDOW_DAYS]
        return weeks[:, :-1], weeks[:, -1]


def new_share(sketch: Sketch, counts: np.ndarray) -> float:
    """Return the share of values that training never saw; what was too rare to be kept is taken off."""
    if sketch.kind != "text" or not counts.sum():
        return 0.0
    rare = sketch.counts[-1] / max(sketch.filled, 1)
    return max(0.0, float(counts[-1] / counts.sum()) - rare)


def np_array(counts: Sequence[int]) -> np.ndarray:
    """Return counts as an array."""
    import numpy as np

    return np.asarray(counts)


def _codes(rows: pa.Table, keys: Sequence[str]) -> np.ndarray:
    """Return one integer per row, equal where all keys are."""
    import numpy as np

    codes = np.zeros(len(rows), dtype=np.int64)
    for key in keys:
        column = rows[key].combine_chunks().dictionary_encode()
        own = np.asarray(column.indices.to_numpy(zero_copy_only=False), dtype=np.int64)
        codes = np.unique(codes * max(len(column.dictionary), 1) + own, return_inverse=True)[1]
    return codes


def _distinct(codes: np.ndarray) -> int:
    import numpy as np

    return int(np.count_nonzero(np.bincount(codes))) if len(codes) else 0

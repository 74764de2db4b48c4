"""How far weeks without a known change lie from the training days: what a later week is allowed."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING

from framework.monitoring.drift.counting import days_of
from framework.monitoring.drift.distance import ks, psi

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    import numpy as np
    import pyarrow as pa

    from framework.monitoring.drift.histogram import Counted, Sketch

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
        day: ``(rows,)`` day of each row.
        entity: ``(rows,)`` code of each row's entity.
        training: ``(rows,)`` mask of the training days.
        held_back: ``(rows,)`` mask of the days that weeks are made of.
        days: Calendar days of the weeks, ascending.
        inside: Whether the weeks are training days themselves, for lack of others.
    """

    day: np.ndarray
    entity: np.ndarray
    training: np.ndarray
    held_back: np.ndarray
    days: tuple[date, ...]
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
        cut = np.datetime64(train_end, "D")
        training, after = day <= cut, day > cut
        inside = not after.any() or int((day.max() - cut).astype(int)) < WINDOW_DAYS
        held_back = (day > cut - np.timedelta64(LATE_DAYS, "D")) & training if inside else after
        days: tuple[date, ...] = ()
        if held_back.any():
            days = tuple(np.arange(day[held_back].min(), day[held_back].max() + np.timedelta64(1, "D")).tolist())
        return cls(day=day, entity=_codes(rows, keys), training=training, held_back=held_back, days=days, inside=inside)

    @functools.cached_property
    def training_entities(self) -> int:
        """Distinct entities of the training days."""
        return _distinct(self.entity[self.training])

    def usual(self, sketch: Sketch, counted: Counted, width: int = WINDOW_DAYS) -> Usual:
        """Return the extremes of one column.

        Args:
            sketch: Its training days.
            counted: Its held-back rows, counted by day.
            width: Days of a window, if not a week.
        """
        found: dict[str, list[float]] = {"psi": [0.0], "ks": [0.0], "missing": [sketch.missing_rate], "new": [0.0]}
        counts, missing = self._windows(counted.daily, len(sketch.counts), width)
        weeks = 0
        for now, lacking, entities in zip(counts, missing, self._entities(width), strict=True):
            rows = now.sum() + lacking
            if not rows:
                continue
            weeks += 1
            found["missing"].append(float(lacking / rows))
            before = sketch.against(now) if self.inside else sketch
            index = psi(sketch.binned(now), sketch.binned(before.counts), entities, sketch.entities)
            found["psi"].append(index or 0.0)
            found["ks"].append(ks(now, before.array) or 0.0)
            found["new"].append(new_share(sketch, now))
        return Usual(
            weeks=weeks,
            psi=max(found["psi"]),
            ks=max(found["ks"]),
            missing_low=min(found["missing"]),
            missing_high=max(found["missing"]),
            new=max(found["new"]),
        )

    def _windows(
        self, daily: Mapping[date, tuple[np.ndarray, int, float]], buckets: int, width: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return rows per window and bucket, and missing rows per window."""
        import numpy as np

        passed = np.zeros((len(self.days) + 1, buckets + 1), dtype=np.int64)
        for at, day in enumerate(self.days, 1):
            if day in daily:
                counts, missing, _ = daily[day]
                passed[at] = [*counts, missing]
        passed = np.cumsum(passed, axis=0)
        weeks = passed[width:] - passed[: max(len(passed) - width, 0)]
        return weeks[:, :-1], weeks[:, -1]

    def _entities(self, width: int) -> list[int]:
        """Return the distinct entities of each window."""
        import numpy as np

        starts = [np.datetime64(day, "D") for day in self.days[: max(len(self.days) - width + 1, 0)]]
        span = np.timedelta64(width, "D")
        return [_distinct(self.entity[(self.day >= low) & (self.day < low + span)]) for low in starts]


def new_share(sketch: Sketch, counts: np.ndarray) -> float:
    """Return the share of values that training never saw; what was too rare to be kept is taken off."""
    if sketch.kind != "text" or not counts.sum():
        return 0.0
    rare = sketch.counts[-1] / max(sketch.filled, 1)
    return max(0.0, float(counts[-1] / counts.sum()) - rare)


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

"""Split by time: train, calibrate, test, with the embargo of ``label_known_at``."""

from __future__ import annotations

import dataclasses
from datetime import date, timedelta
from typing import TYPE_CHECKING

from framework.core.results import Skip

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

SETTLED_SHARE = 0.95
MIN_TRAIN_DAYS = 20
CALIBRATE_FROM_DAYS = 30


@dataclasses.dataclass(frozen=True, slots=True)
class Split:
    """Row positions of the three parts, and the cuts between them.

    Args:
        train: Positions to fit on.
        calibrate: Positions to calibrate and choose thresholds on; may be empty.
        test: Positions to judge on.
        train_end: Last day that may be fitted (c1).
        calibrate_end: Last day before the test (c2).
        test_end: Last day by which labels have settled (c3).
        train_days: Days from the first to the last fitted row.
        unsettled: Rows whose label had not settled.
        embargoed: Rows that lie before a cut but whose label became known after it.
        too_new: Rows with a settled label on days after the test, most of whose labels have not settled.
    """

    train: np.ndarray
    calibrate: np.ndarray
    test: np.ndarray
    train_end: date
    calibrate_end: date
    test_end: date
    train_days: int
    unsettled: int
    embargoed: int
    too_new: int


def split_by_time(day: pd.Series, known_at: pd.Series, *, calibrate: timedelta, test: timedelta) -> Split | Skip:
    """Cut rows by day so that nothing is fitted that was not known at its cut.

    Args:
        day: Day of each row, ``datetime64`` at midnight, without zone.
        known_at: When each row's label became known, ``datetime64`` UTC without zone; NaT = not settled.
        calibrate: Length of the calibration part.
        test: Length of the held-back part.

    Returns:
        The split, or why there is none. With under 30 days to train on, calibration is dropped first;
        with under 20 there is no split.
    """
    settled = known_at.notna().to_numpy()
    c3 = _settled_until(day, settled)
    if c3 is None:
        return Skip(f"none of {len(day)} labels has settled")
    found = cut_at(day, known_at, cut=c3 - test, test_end=c3, calibrate=calibrate)
    if found.train_days < CALIBRATE_FROM_DAYS:
        found = cut_at(day, known_at, cut=c3 - test, test_end=c3, calibrate=timedelta(0))
    if found.train_days < MIN_TRAIN_DAYS:
        return Skip(
            f"{found.train_days} days to train on, {MIN_TRAIN_DAYS} are needed: labels from {day.min().date()} to {c3} "
            f"have settled, the last {test.days} days are held back, and a label must be known before "
            f"{found.calibrate_end}"
        )
    return found


def cut_at(day: pd.Series, known_at: pd.Series, *, cut: date, test_end: date, calibrate: timedelta) -> Split:
    """Cut rows at a day: nothing known later is fitted, the days after it are judged.

    Args:
        day: Day of each row, ``datetime64`` at midnight, without zone.
        known_at: When each row's label became known, ``datetime64`` UTC without zone; NaT = not settled.
        cut: Last day that may be known (c2).
        test_end: Last day that is judged (c3).
        calibrate: Length of the calibration part.

    Returns:
        The split; any part of it may be empty.
    """
    import numpy as np

    settled = known_at.notna().to_numpy()
    days = day.to_numpy().astype("datetime64[D]")
    known = known_at.to_numpy()
    c2, c3 = np.datetime64(cut, "D"), np.datetime64(test_end, "D")
    c1 = c2 - np.timedelta64(calibrate.days, "D")
    fitted = settled & (days <= c1) & (known <= _after(c1))
    tuned = settled & (days > c1) & (days <= c2) & (known <= _after(c2))
    judged = settled & (days > c2) & (days <= c3)
    return Split(
        train=np.flatnonzero(fitted),
        calibrate=np.flatnonzero(tuned),
        test=np.flatnonzero(judged),
        train_end=_date(c1),
        calibrate_end=cut,
        test_end=test_end,
        train_days=int((days[fitted].max() - days[fitted].min()).astype(int)) + 1 if fitted.any() else 0,
        unsettled=int((~settled).sum()),
        embargoed=int((settled & (days <= c2) & ~fitted & ~tuned).sum()),
        too_new=int((settled & (days > c3)).sum()),
    )


def held_back_windows(day: pd.Series, entity: pd.Series, horizon: timedelta) -> int:
    """Count label windows on the held-back side that do not overlap, entities counted separately.

    Args:
        day: Day of each held-back row.
        entity: Code of each row's entity.
        horizon: Length of the label window.

    Returns:
        The count; it says how much independent evidence the test holds.
    """
    import pandas as pd

    step = max(1, -(-horizon // timedelta(days=1)))
    windows = 0
    for _, days in pd.DataFrame({"day": day.to_numpy(), "entity": entity.to_numpy()}).groupby("entity")["day"]:
        ordinals = sorted(set(days.to_numpy().astype("datetime64[D]").astype(int)))
        free_from = ordinals[0]
        for ordinal in ordinals:
            if ordinal >= free_from:
                windows += 1
                free_from = ordinal + step
    return windows


def _settled_until(day: pd.Series, settled: np.ndarray) -> date | None:
    """Return the newest day on which at least 95 % of labels have settled."""
    import pandas as pd

    share = pd.Series(settled).groupby(day.to_numpy()).mean()
    enough = share[share >= SETTLED_SHARE]
    newest: date | None = None if enough.empty else enough.index.max().date()
    return newest


def _after(day: np.datetime64) -> np.datetime64:
    """Return the first moment after a day."""
    import numpy as np

    after: np.datetime64 = (day + np.timedelta64(1, "D")).astype("datetime64[ns]")
    return after


def _date(day: np.datetime64) -> date:
    return date.fromisoformat(str(day))

"""Time and chance of the simulated world.

All times inside the simulator are whole seconds since the world's first midnight (UTC). Every draw comes from a stream
that is addressed by name, so that a new job or table never changes what the others draw.
"""

from __future__ import annotations

import dataclasses
from datetime import UTC, date, datetime
from typing import TypeAlias
from zlib import crc32

import numpy as np
import numpy.typing as npt

EPOCH = date(2025, 10, 1)
WORLD_DAYS = 456
MINUTE, HOUR, DAY, WEEK = 60, 3_600, 86_400, 604_800

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]
Flags: TypeAlias = npt.NDArray[np.bool_]


def stream(seed: int, *path: str | int) -> np.random.Generator:
    """Return the random stream at a path: the same path always gives the same draws."""
    key = tuple(crc32(part.encode()) if isinstance(part, str) else part for part in path)
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))


def chance(rng: np.random.Generator, probability: float) -> bool:
    """Return True with the given probability."""
    return bool(rng.random() < probability)


@dataclasses.dataclass(frozen=True, slots=True)
class Calendar:
    """The days that the world lives through, whatever part of them is written."""

    first_day: date = EPOCH
    days: int = WORLD_DAYS

    @property
    def end(self) -> int:
        """The world's last moment."""
        return self.days * DAY

    def weekday(self, seconds: Ints) -> Ints:
        """Return the weekdays (0 is Monday) of some times."""
        return (self.first_day.weekday() + seconds // DAY) % 7

    def day(self, seconds: Ints) -> Ints:
        """Return the day numbers of some times, held within the calendar."""
        return np.clip(seconds // DAY, 0, self.days - 1)

    def midnight(self, day: date) -> int:
        """Return the start of a day."""
        return (day - self.first_day).days * DAY

    def micros(self, seconds: Ints) -> Ints:
        """Return some times as microseconds since 1970."""
        start = int(datetime(self.first_day.year, self.first_day.month, self.first_day.day, tzinfo=UTC).timestamp())
        return (seconds + start) * 1_000_000

"""The only place that asks the machine for the time."""

from __future__ import annotations

import dataclasses
from datetime import UTC, date, datetime, time


@dataclasses.dataclass(frozen=True, slots=True)
class Clock:
    """A clock in UTC; a frozen one repeats a past moment.

    Args:
        frozen: The moment to answer, or ``None`` for the machine's time.
    """

    frozen: datetime | None = None

    def now(self) -> datetime:
        """Return the current time, timezone-aware, UTC."""
        return self.frozen or datetime.now(UTC)


def midnight(day: date) -> datetime:
    """Return the first moment of a day, UTC."""
    return datetime.combine(day, time.min, tzinfo=UTC)

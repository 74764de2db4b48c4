"""When a job's runs are due: a schedule's rhythm, minus the days on which nothing runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from domains.simulator.calendar import DAY, HOUR, Calendar, Floats, Ints
from domains.simulator.workspaces import load_at

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from domains.simulator.jobs import Job

SATURDAY = 5
OFFICE_DAY = np.array((1.2, 1.1, 1.0, 1.0, 0.8, 0.12, 0.08))
HOURLY_RHYTHM = np.array([0.1] * 7 + [0.5, 1.2, 2, 2.2, 1.8, 1.1, 1.6, 2, 1.9, 1.5, 1] + [0.5] * 3 + [0.2] * 3)


def due_times(job: Job, calendar: Calendar, rng: np.random.Generator) -> Ints:
    """Return the starts of a job's runs, in order."""
    due = RHYTHMS[job.schedule.kind](job, calendar, rng)
    starts = np.sort(due + _delay(job, calendar, due, rng).astype(np.int64))
    end = calendar.end if job.deleted is None else job.deleted
    day = calendar.day(starts)
    idle = job.silent[day] | job.workspace.closed[day]
    if job.schedule.kind in ("weekdays", "adhoc"):
        idle |= job.workspace.holiday[day]
    return starts[~idle & (starts >= max(job.born, 0)) & (starts < end)]


def _delay(job: Job, calendar: Calendar, due: Ints, rng: np.random.Generator) -> Floats:
    """Queues are longer on strained days, and now and then a start is very late."""
    waits = rng.exponential(job.schedule.jitter, size=len(due))
    late = rng.exponential(1.5 * HOUR, size=len(due)) * (rng.random(len(due)) < 0.01)  # noqa: PLR2004 -- parameter
    return waits * np.exp(0.5 * load_at(job.workspace, calendar, due)) + late


def _every_day(job: Job, calendar: Calendar, _: np.random.Generator) -> Ints:
    return np.arange(calendar.days, dtype=np.int64) * DAY + job.schedule.second


def _every_gap(job: Job, calendar: Calendar, _: np.random.Generator) -> Ints:
    gap = job.schedule.gap * HOUR
    return np.arange(job.schedule.second % gap, calendar.end, gap, dtype=np.int64)


def _weekdays(job: Job, calendar: Calendar, rng: np.random.Generator) -> Ints:
    due = _every_day(job, calendar, rng)
    return due[calendar.weekday(due) < SATURDAY]


def _weekly(job: Job, calendar: Calendar, rng: np.random.Generator) -> Ints:
    due = _every_day(job, calendar, rng)
    return due[np.equal(calendar.weekday(due), job.schedule.weekday)]


def _adhoc(job: Job, calendar: Calendar, rng: np.random.Generator) -> Ints:
    """People start these: by office hours, some days often, many days not at all."""
    days = np.arange(calendar.days, dtype=np.int64) * DAY
    mood = rng.gamma(0.8, 1.25, size=len(days))
    counts = rng.poisson(job.schedule.per_day * OFFICE_DAY[calendar.weekday(days)] * mood)
    local = rng.choice(24, size=int(counts.sum()), p=HOURLY_RHYTHM / HOURLY_RHYTHM.sum())
    hours = (local - job.workspace.utc_offset) % 24
    starts: Ints = np.repeat(days, counts) + hours * HOUR + rng.integers(HOUR, size=len(hours))
    return starts


RHYTHMS: Mapping[str, Callable[[Job, Calendar, np.random.Generator], Ints]] = {
    "hourly": _every_gap,
    "several": _every_gap,
    "daily": _every_day,
    "weekdays": _weekdays,
    "weekly": _weekly,
    "adhoc": _adhoc,
    "long": _every_day,
    "multi_day": _weekly,
}

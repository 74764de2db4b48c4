"""Workspaces: who shares a platform, its good and bad days, its holidays."""

from __future__ import annotations

import dataclasses

import numpy as np

from domains.simulator.calendar import DAY, HOUR, Calendar, Flags, Floats, Ints, chance, stream

TEAMS = (
    "finance", "sales", "marketing", "logistics", "risk", "pricing", "growth", "support", "fraud", "billing", "search",
    "catalog", "identity", "telemetry", "payments", "supply", "people", "legal", "research", "ads", "content", "iot",
    "claims", "treasury",
)  # fmt: skip
WORKSPACES = 24
REGIONS = 3
UTC_OFFSETS = (0, 1, -5)
COMMON_HOLIDAYS = ((12, 24), (12, 25), (12, 26), (12, 31), (1, 1), (5, 1))
LOAD_MEMORY = 0.7


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Workspace:
    """One workspace.

    Args:
        index: Its number in the world.
        workspace_id: Its identifier.
        team: The team that owns it; job names begin with it.
        region: Workspaces of a region share its outages.
        size: Its share of the world's jobs; the mean over workspaces is 1.
        utc_offset: Hours that its people are ahead of UTC.
        load: How strained the platform is on each day; about standard normal, with spikes.
        holiday: Days on which people do not work.
        closed: Days on which nothing runs at all.
        late_day: Days whose rows reach gold late.
        warehouses: Identifiers of its SQL warehouses.
        users: Its people.
    """

    index: int
    workspace_id: str
    team: str
    region: int
    size: float
    utc_offset: int
    load: Floats
    holiday: Flags
    closed: Flags
    late_day: Flags
    warehouses: tuple[str, ...]
    users: tuple[str, ...]

    def local_hour(self, seconds: Ints) -> Ints:
        """Return the local hours of some times."""
        return (seconds // HOUR + self.utc_offset) % 24


def draw_workspace(seed: int, index: int, calendar: Calendar) -> Workspace:
    """Draw workspace number ``index``."""
    rng = stream(seed, "workspace", index)
    team = TEAMS[index % len(TEAMS)]
    return Workspace(
        index=index,
        workspace_id=str(1_480_233_000_000_000 + index * 7_919_000_003 + int(rng.integers(1_000_000))),
        team=team,
        region=index % REGIONS,
        size=0.5 + (index * 0.6180339887) % 1.0,  # evenly spread, so that sizes average 1 whatever the seed
        utc_offset=UTC_OFFSETS[index % REGIONS],
        load=_load(rng, calendar.days),
        holiday=_holidays(rng, calendar),
        closed=_closed(rng, calendar.days),
        late_day=rng.random(calendar.days) < 0.015,  # noqa: PLR2004 -- one of the world's parameters
        warehouses=tuple(f"wh{number:02d}a7c4e{number:05d}" for number in range(1, 2 + int(rng.integers(1, 4)))),
        users=tuple(f"{name}@{team}.example.com" for name in ("ana", "bo", "chen", "dara", "eli", "farah")),
    )


def _load(rng: np.random.Generator, days: int) -> Floats:
    """A strained day is often followed by another: autoregressive noise, with rare spikes on top."""
    noise = rng.normal(size=days) + 3.0 * (rng.random(days) < 0.02)  # noqa: PLR2004 -- one of the world's parameters
    memory = LOAD_MEMORY ** np.arange(20)
    return np.asarray(np.convolve(noise, memory)[:days] * np.sqrt(1 - LOAD_MEMORY**2), dtype=np.float64)


def _holidays(rng: np.random.Generator, calendar: Calendar) -> Flags:
    days = np.arange(calendar.days)
    dates = np.datetime64(calendar.first_day) + days
    months = dates.astype("datetime64[M]").astype(np.int64) % 12 + 1
    of_month = (dates - dates.astype("datetime64[M]")).astype(np.int64) + 1
    common = np.isin(months * 100 + of_month, [month * 100 + day for month, day in COMMON_HOLIDAYS])
    return common | np.isin(days, rng.choice(calendar.days, size=8, replace=False))


def _closed(rng: np.random.Generator, days: int) -> Flags:
    closed = np.zeros(days, dtype=np.bool_)
    for first in rng.integers(days, size=3):
        if chance(rng, 0.6):
            closed[first : first + int(rng.integers(1, 4))] = True
    return closed


def load_at(workspace: Workspace, calendar: Calendar, seconds: Ints) -> Floats:
    """Return the platform's load at some times."""
    return workspace.load[np.clip(seconds // DAY, 0, calendar.days - 1)]

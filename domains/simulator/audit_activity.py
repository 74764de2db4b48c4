"""People's ordinary days, and the service principals that never sleep."""

from __future__ import annotations

import dataclasses
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from domains.simulator.audit_events import (
    ACTIONS,
    AGENTS,
    CODE,
    HABITS,
    ORDINARY,
    SCRIPTS,
    Events,
    events,
    join_events,
    lake_table,
    local,
)
from domains.simulator.calendar import DAY, HOUR, Floats, Ints, chance
from domains.simulator.people import emails_on

if TYPE_CHECKING:
    from domains.simulator.people import Person
    from domains.simulator.workspaces import Workspace
    from domains.simulator.world import World

EVENTS_A_DAY = 1.4
P_TYPO, P_DENIED = 0.035, 0.012
P_HOME, P_VPN = 0.27, 0.1
P_EVENING, P_CLOSING, P_ON_CALL, P_CALLED, P_SERVICE_FAILS = 0.02, 0.3, 0.12, 0.3, 0.01
EXPORTS = (CODE["downloadQueryResult"], CODE["downloadLargeResults"], CODE["workspaceExport"])
HABIT_STRENGTH = 25.0
"""How near a person's habits are to those of the role."""


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Habits:
    """What a person usually does, from where and with what.

    Args:
        shares: Shares of the ordinary actions in the first and, after a change of role or project, in a later period.
        changes: Day on which the later period begins.
        office: Address at the office.
        home: Address at home.
        agents: Clients, the usual one first.
        journeys: First day, length and address of each journey.
    """

    shares: tuple[Floats, Floats]
    changes: int
    office: str
    home: str
    agents: tuple[int, ...]
    journeys: tuple[tuple[int, int, str], ...]


@lru_cache(maxsize=4096)
def habits(world: World, person: Person) -> Habits:
    """Return a person's habits; what attackers imitate, and incidents depart from."""
    rng = world.stream("fact_audit_logs", "habits", person.workspace.index, person.number)
    usual = np.array(HABITS[person.role]) + 0.02
    first = _shares(rng, usual)
    # Half a new job, for some: their mix of work is another one from some day on.
    later = _shares(rng, 0.5 * usual + 0.5 * np.array(HABITS["engineer"])) if chance(rng, 0.35) else first
    journeys = tuple(
        (int(rng.integers(world.calendar.days)), int(rng.integers(2, 11)), _somewhere(rng, 93))
        for _ in range(int(rng.poisson(2.2)))
    )
    agents = tuple(int(a) for a in rng.choice(len(AGENTS) - len(SCRIPTS), size=2, replace=False))
    return Habits(
        shares=(first, later),
        changes=int(rng.integers(60, world.calendar.days - 20)),
        office=f"{person.address}.{int(rng.integers(2, 250))}",
        home=_somewhere(rng, 88),
        agents=(*agents, *([int(rng.choice(SCRIPTS))] if chance(rng, 0.2) else [])),
        journeys=journeys,
    )


def _shares(rng: np.random.Generator, usual: Floats) -> Floats:
    drawn = rng.gamma(HABIT_STRENGTH * usual / usual.sum() + 0.02)
    drawn[0] = 0.0
    return np.asarray(drawn / drawn.sum(), dtype=np.float64)


def _somewhere(rng: np.random.Generator, first: int) -> str:
    return f"{first}.{rng.integers(256)}.{rng.integers(256)}.{rng.integers(1, 255)}"


def ordinary_days(world: World, person: Person) -> Events:
    """Return what a person does on working days, under whatever name stands there."""
    rng = world.stream("fact_audit_logs", "days", person.workspace.index, person.number)
    usual = habits(world, person)
    day, busy = _working_days(world, person, rng)
    amount = rng.poisson(busy)
    which = np.repeat(np.arange(len(day)), 1 + amount)
    first = np.concatenate([[True], which[1:] != which[:-1]]) if len(which) else np.zeros(0, dtype=np.bool_)
    hour = person.begins + person.hours * rng.beta(1.3, 1.5, size=len(which)) + rng.normal(0, 0.15, size=len(which))
    hour = np.where(first, person.begins + rng.normal(0, 0.3, size=len(which)), hour)
    # Some evenings are long, for whom it suits.
    hour += np.where(rng.random(len(which)) < P_EVENING, rng.uniform(2, 7, size=len(which)), 0.0)
    seconds = local(person.workspace, day[which], hour)
    action = _actions(world, usual, day[which], rng)
    action = np.where(first, CODE["login"], action)
    address, agent = _where_from(usual, person.workspace, day, which, rng)
    done = events(
        seconds, emails_on(world, person, day[which] * DAY), action, address, agent,
        failed=(rng.random(len(which)) < P_DENIED) & ~first, target=_targets(person, action, rng),
    )  # fmt: skip
    return join_events((done, _typos(done, first, rng), _nights(world, person, usual)))


def _working_days(world: World, person: Person, rng: np.random.Generator) -> tuple[Ints, Floats]:
    """Return the days on which a person works, and how much is to be done on each."""
    days = np.arange(world.calendar.days, dtype=np.int64)
    mood = rng.gamma(2.5, 1 / 2.5, size=len(days))
    project = np.exp(0.35 * np.sin(2 * np.pi * (days / rng.uniform(40, 120) + rng.random())))
    busy = EVENTS_A_DAY * person.busy * mood * project
    present = ~person.away & (days * DAY >= person.born)
    return days[present], busy[present]


def _actions(world: World, usual: Habits, day: Ints, rng: np.random.Generator) -> Ints:
    """Draw actions by the habits of the day's period; at a quarter's end everybody exports more."""
    draws = rng.random(len(day))
    steps = [np.cumsum(shares) for shares in usual.shares]
    chosen = [np.searchsorted(step, draws * step[-1], side="right") for step in steps]
    action = np.where(day < usual.changes, chosen[0], chosen[1])
    closing = quarter_end(world, day) & (rng.random(len(day)) < P_CLOSING)
    return np.where(closing, rng.choice(EXPORTS[:2], size=len(day)), np.minimum(action, ORDINARY - 1))


def quarter_end(world: World, day: Ints) -> np.ndarray:
    """Return which days are among the last four of a quarter."""
    dates = np.datetime64(world.calendar.first_day) + day
    soon = (dates + 4).astype("datetime64[M]")
    month = soon.astype(np.int64) % 12
    quarter: np.ndarray = (soon != dates.astype("datetime64[M]")) & (month % 3 == 0)
    return quarter


def _where_from(
    usual: Habits, workspace: Workspace, day: Ints, which: Ints, rng: np.random.Generator
) -> tuple[list[str], Ints]:
    """A day is spent in one place, mostly with one client."""
    place = rng.random(len(day))
    places = np.where(place < P_HOME, usual.home, usual.office).astype(object)
    places[place > 1 - P_VPN] = f"172.16.{workspace.index}.{workspace.index % 9 + 1}"
    for first, length, address in usual.journeys:
        places[(day >= first) & (day < first + length)] = address
    client = np.minimum((rng.exponential(0.45, size=len(which))).astype(np.int64), len(usual.agents) - 1)
    return places[which].tolist(), np.array(usual.agents)[client]


def _targets(person: Person, action: Ints, rng: np.random.Generator) -> list[str]:
    """Name what each action was done to: a person has favourite things."""
    number = (rng.exponential(4.0, size=len(action)) + 3 * person.number).astype(np.int64) % 60
    return [
        lake_table(person.workspace, n) if ACTIONS[code][3] == "full_name_arg" else f"{code}{person.workspace.index}{n}"
        for code, n in zip(action.tolist(), number.tolist(), strict=True)
    ]


def _typos(done: Events, first: np.ndarray, rng: np.random.Generator) -> Events:
    """A mistyped password comes just before the login that worked; after a new password it comes often."""
    logins = np.flatnonzero(first & (rng.random(len(first)) < P_TYPO))
    often = np.repeat(logins, np.minimum(rng.geometric(0.45, size=len(logins)), 6))
    failed = done.take(often)
    before = rng.integers(4, 90, size=len(often))
    # Part of them mistype their name, which is then what is recorded.
    slip = rng.random(len(often))
    name = [_mistyped(n, s) for n, s in zip(failed.name.tolist(), slip.tolist(), strict=True)]
    target = failed.target.tolist()
    return events(
        failed.time - before, name, failed.action, failed.address.tolist(), failed.agent, failed=True, target=target
    )


def _mistyped(name: str, slip: float) -> str:
    if slip < 0.06:  # noqa: PLR2004 -- one of the world's parameters
        return name[:2] + name[3:]
    return f"{name.upper()} " if slip < 0.1 else name  # noqa: PLR2004 -- one of the world's parameters


def _nights(world: World, person: Person, usual: Habits) -> Events:
    """Engineers are on call for a week now and then: they look after jobs from home, at any hour."""
    rng = world.stream("fact_audit_logs", "nights", person.workspace.index, person.number)
    weeks = (
        np.flatnonzero(rng.random(world.calendar.days // 7) < P_ON_CALL) if person.role == "engineer" else np.zeros(0)
    )
    day = (np.repeat(weeks, 7) * 7 + np.tile(np.arange(7), len(weeks))).astype(np.int64)
    day = day[(rng.random(len(day)) < P_CALLED) & (day * DAY >= person.born)]
    calls = rng.integers(1, 6, size=len(day))
    which, hour = np.repeat(day, calls), np.repeat(rng.uniform(-2, 6, size=len(day)), calls)
    codes = [CODE[name] for name in ("login", "runNow", "start", "getSecret", "runCommand")]
    action = rng.choice(codes, p=(0.3, 0.3, 0.15, 0.1, 0.15), size=len(which))
    seconds = local(person.workspace, which, hour) + rng.integers(0, HOUR, size=len(which))
    named, agent = emails_on(world, person, which * DAY), usual.agents[0]
    return events(seconds, named, action, usual.home, agent, target=_targets(person, action, rng))


def service_days(world: World, workspace: Workspace, number: int) -> Events:
    """Return the work of a service principal: the same every day, until its token expires."""
    rng = world.stream("fact_audit_logs", "service", workspace.index, number)
    name = f"{workspace.index:08x}-5e{number:02d}-4a7c-9e11-{int(rng.integers(1 << 40)):012x}"
    day = np.flatnonzero(~workspace.closed).astype(np.int64)
    seconds = day * DAY + int(rng.integers(DAY)) + rng.integers(0, 600, size=len(day))
    codes = [CODE[name] for name in ("login", "runNow", "getSecret", "getTable")]
    action = rng.choice(codes, p=(0.3, 0.4, 0.1, 0.2), size=len(day))
    failed = rng.random(len(day)) < P_SERVICE_FAILS
    work = events(
        seconds, name, action, f"10.200.{workspace.index}.7", 10, failed=failed,
        target=[lake_table(workspace, code) for code in action.tolist()],
    )  # fmt: skip
    expired = []
    for start in rng.integers(0, world.calendar.end, size=int(rng.poisson(1.3))).tolist():
        tries = start + np.cumsum(rng.exponential(900, size=int(rng.integers(10, 90)))).astype(np.int64)
        login = np.full(len(tries), CODE["login"])
        expired.append(events(tries, name, login, f"10.200.{workspace.index}.7", 10, failed=True))
    return join_events((work, *expired))

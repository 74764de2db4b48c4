"""Who gives rights to whom, and which of these gifts reviewers take back."""

from __future__ import annotations

import dataclasses
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from domains.simulator.audit_activity import habits
from domains.simulator.audit_events import CODE, Events, events, lake_table, local
from domains.simulator.calendar import DAY, HOUR, chance
from domains.simulator.people import GRANT_ABUSE, Person, all_people, people_incidents

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from domains.simulator.world import World

A_DAY = {"admin": 0.35, "engineer": 0.035, "scientist": 0.012, "analyst": 0.006}
ADMIN_WORK = {"admin": 0.08, "engineer": 0.004, "scientist": 0.0, "analyst": 0.0}
POWERS = ("SELECT", "MODIFY", "ALL PRIVILEGES", "MANAGE")
POWERFUL = 2
P_GROUP, P_OUTSIDE, P_SELF = 0.35, 0.1, 0.035
OBJECTS = 24


@dataclasses.dataclass(frozen=True, slots=True)
class Grant:
    """One right given.

    Args:
        actor: Who gave it.
        time: When.
        principal: To whom.
        target: On what.
        power: Position in ``POWERS``; ``None`` for membership of a group.
        undone: When a reviewer took it back; ``None`` if nobody did.
        used: When the actor, who is the principal, used it; ``None`` otherwise.
    """

    actor: Person
    time: int
    principal: str
    target: str
    power: int | None
    undone: int | None
    used: int | None


@lru_cache(maxsize=4096)
def grants_of(world: World, person: Person) -> tuple[Grant, ...]:
    """Return all that a person grants, in whatever order."""
    rng = world.stream("fact_audit_logs", "grants", person.workspace.index, person.number)
    # Some are careless, and some for a while only; nobody says so, but their record shows it.
    careless = float(rng.normal(0, 0.9)) + 1.2 * np.sin(
        2 * np.pi * (np.arange(world.calendar.days) / 110 + rng.random())
    )
    known: set[str] = set()
    return tuple(sorted(_drawn(world, person, rng, careless, known), key=lambda grant: grant.time))


def _drawn(
    world: World, person: Person, rng: np.random.Generator, careless: np.ndarray, known: set[str]
) -> Iterator[Grant]:
    days = np.flatnonzero(~person.away & (np.arange(world.calendar.days) * DAY >= person.born))
    days = days[rng.random(len(days)) < A_DAY[person.role]]
    for day in days.tolist():
        # Newcomers arrive together, and somebody who knows what they need lets them in.
        wave = person.role == "admin" and chance(rng, 0.06)
        late = chance(rng, 0.1)
        for _ in range(int(rng.integers(6, 20)) if wave else int(rng.geometric(0.6))):
            hour = float(rng.uniform(19, 23)) if late else person.begins + float(rng.uniform(0, person.hours))
            at = int(local(person.workspace, np.array([day]), np.array([hour]))[0])
            yield _grant(person, rng, at, careless[day] - 2.0 * wave + 0.8 * late, known)
    for incident in people_incidents(world)[person]:
        if incident.kind == GRANT_ABUSE:
            for _ in range(int(rng.integers(1, 4))):
                at = int(rng.integers(incident.start, incident.end))
                yield _grant(person, rng, at, 1.8, known, abuse=True)


def _grant(
    person: Person, rng: np.random.Generator, at: int, odds: float, known: set[str], *,
    abuse: bool = False,
) -> Grant:  # fmt: skip
    workspace, draws = person.workspace, rng.random(6)
    number = int(rng.exponential(5.0) + 2 * person.number) % OBJECTS
    member = draws[0] < P_GROUP
    target = f"{workspace.team}_group_{number % 6}" if member else lake_table(workspace, number)
    power = None if member else int(rng.choice(4, p=(0.1, 0.2, 0.4, 0.3) if abuse else (0.62, 0.22, 0.1, 0.06)))
    colleagues = workspace.users
    principal = colleagues[int(draws[1] * len(colleagues))]
    outside = draws[2] < P_OUTSIDE
    if outside:
        principal = f"partner{int(draws[1] * 40)}@vendor.example.net"
    if draws[3] < (0.5 if abuse else P_SELF):
        principal, outside = person.email, False
    mine, new = principal == person.email, target not in known
    known.add(target)
    odds += -2.9 + 1.5 * (power is not None and power >= POWERFUL) + 0.7 * new + 1.1 * outside + 0.9 * mine
    taken = draws[4] < 1 / (1 + np.exp(-odds))
    undone = at + int(np.clip(rng.lognormal(1.3, 0.8), 0.05, 60) * DAY)
    used = at + int(rng.exponential(2.0) * DAY) + HOUR
    return Grant(
        person, at, principal, target, power, undone if taken else None,
        used if mine and draws[5] < 0.6 else None,  # noqa: PLR2004 -- the others asked in vain
    )  # fmt: skip


def grant_events(world: World, person: Person) -> Iterator[Events]:
    """Return a person's grants and administration, the use of what they gave themselves, and their reviews."""
    usual, given = habits(world, person), grants_of(world, person)
    if given:
        yield _changes(person, given, usual.office, usual.agents[0])
    used = [grant for grant in given if grant.used is not None and grant.power is not None]
    if used:
        read = np.full(len(used), CODE["getTable"])
        time = np.array([grant.used for grant in used], dtype=np.int64)
        yield events(time, person.email, read, usual.office, usual.agents[0], target=[g.target for g in used])
    if person.number == 0:
        taken = [grant for grant in _granted(world)[person.workspace.index] if grant.undone is not None]
        taken.sort(key=lambda grant: (grant.undone, grant.actor.number, grant.time))
        if taken:
            yield _changes(person, taken, usual.office, usual.agents[0], back=True)
    yield _administration(world, person)


def _changes(person: Person, grants: Sequence[Grant], address: str, agent: int, *, back: bool = False) -> Events:
    """Return grants, or (``back``) what takes them back."""
    code = CODE["removePrincipalFromGroup" if back else "addPrincipalToGroup"]
    action = np.array([code if grant.power is None else CODE["updatePermissions"] for grant in grants])
    sign = "-" if back else "+"
    return events(
        np.array([grant.undone if back else grant.time for grant in grants], dtype=np.int64),
        person.email, action, address, agent,
        target=[grant.target for grant in grants],
        principal=[grant.principal for grant in grants],
        gives=[None if grant.power is None else sign + POWERS[grant.power] for grant in grants],
    )  # fmt: skip


@lru_cache(maxsize=1)
def _granted(world: World) -> Mapping[int, list[Grant]]:
    found: dict[int, list[Grant]] = {workspace.index: [] for workspace in world.workspaces}
    for person in all_people(world):
        found[person.workspace.index] += grants_of(world, person)
    return found


def _administration(world: World, person: Person) -> Events:
    rng = world.stream("fact_audit_logs", "administration", person.workspace.index, person.number)
    days = np.flatnonzero(~person.away & (np.arange(world.calendar.days) * DAY >= person.born))
    days = np.repeat(days, rng.poisson(ADMIN_WORK[person.role], size=len(days)))
    hour = person.begins + person.hours * rng.random(len(days))
    action = rng.choice([CODE["workspaceConfEdit"], CODE["createUser"]], size=len(days))
    usual = habits(world, person)
    return events(local(person.workspace, days, hour), person.email, action, usual.office, usual.agents[0])

"""People: who works when, how much and from where, and what happens to their accounts."""

from __future__ import annotations

import dataclasses
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from domains.simulator.calendar import DAY, HOUR, Flags, Ints, chance
from domains.simulator.incidents import TOLD, Incident

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from domains.simulator.workspaces import Workspace
    from domains.simulator.world import World

PEOPLE_PER_WORKSPACE = 14
"""At scale 1, in a workspace of mean size."""
LEAST_PEOPLE = 3
ROLES = ("analyst", "engineer", "scientist", "admin")
BULK_READ, MASS_EXPORT, BRUTE_FORCE, TAKEOVER = "bulk_read", "mass_export", "brute_force", "account_takeover"
SWAPS = 9.0
"""Days on which somebody swaps with a colleague, over the whole life of the world; most colleagues are away on some."""
GRANT_ABUSE, SWAP = "grant_abuse", "identity_swap"


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Person:
    """One person; the same in every table that names them.

    Args:
        workspace: Where they work.
        number: Their number in the workspace.
        email: Their identity, unique in the world.
        role: One of ``ROLES``.
        busy: Mean events on a working day; the mean over people is about 1.
        begins: Local hour at which they begin to work.
        hours: How long they work.
        born: World second of their first day.
        away: Days on which they do not work.
        address: Network that they come from, without its last part.
    """

    workspace: Workspace
    number: int
    email: str
    role: str
    busy: float
    begins: float
    hours: float
    born: int
    away: Flags
    address: str


@lru_cache(maxsize=1)
def all_people(world: World) -> tuple[Person, ...]:
    """Return everybody; a larger world adds people and changes nobody."""
    per_workspace = {w.index: sum(job.workspace is w for job in world.jobs) for w in world.workspaces}
    return tuple(
        _person(world, workspace, number)
        for workspace in world.workspaces
        for number in range(max(LEAST_PEOPLE, round(per_workspace[workspace.index] * PEOPLE_PER_WORKSPACE / 30)))
    )


def _person(world: World, workspace: Workspace, number: int) -> Person:
    rng = world.stream("person", workspace.index, number)
    named = workspace.users[number] if number < len(workspace.users) else f"user{number}@{workspace.team}.example.com"
    days = world.calendar.days
    weekend = world.calendar.weekday(np.arange(days, dtype=np.int64) * DAY) >= 5  # noqa: PLR2004 -- Saturday
    away = (rng.random(days) < 0.08) | workspace.holiday | (weekend & (rng.random(days) > 0.06))  # noqa: PLR2004
    for first in rng.integers(0, days, size=3).tolist():  # holidays of their own
        away[first : first + int(rng.integers(3, 15))] = True
    return Person(
        workspace=workspace,
        number=number,
        email=named,
        role="admin" if number == 0 else str(rng.choice(ROLES, p=(0.5, 0.3, 0.17, 0.03))),
        busy=float(rng.lognormal(-0.25, 0.7)),
        begins=float(rng.normal(8.7, 1.1)),
        hours=float(rng.uniform(7, 10)),
        born=int(rng.integers(0, world.calendar.end * 7 // 10)) if chance(rng, 0.15) else -DAY,
        away=away,
        address=f"10.{workspace.index}.{int(rng.integers(4))}",
    )


@lru_cache(maxsize=1)
def people_incidents(world: World) -> Mapping[Person, Sequence[Incident]]:
    """Return what happens to each account, in order of time; ``volume`` says by how much it reads more than usual."""
    return {person: sorted(_incidents_for(world, person), key=lambda i: i.start) for person in all_people(world)}


def _incidents_for(world: World, person: Person) -> Iterator[Incident]:
    rng = world.stream("people_incidents", person.workspace.index, person.number)
    entity = (("user_id", person.email),)
    mean = {BULK_READ: 2.0, MASS_EXPORT: 1.6, BRUTE_FORCE: 2.0, TAKEOVER: 1.5, GRANT_ABUSE: 1.0}
    for kind, expected in mean.items():
        for start in rng.integers(max(person.born, 0), world.calendar.end, size=int(rng.poisson(expected))).tolist():
            length = int(np.clip(rng.lognormal(0.8, 0.8), 0.3, 10) * HOUR)
            # From a whisper that nobody could tell from a busy day to a whole copy of the lake.
            volume = float(rng.uniform(0.6, 3.2)) if kind in (BULK_READ, MASS_EXPORT) else 0.0
            yield Incident(kind, person.workspace, entity, start, start + length, volume=volume, told=chance(rng, TOLD))


@lru_cache(maxsize=1)
def swapped_days(world: World) -> Mapping[Person, Mapping[int, Person]]:
    """Return on which days somebody else's work stands under a person's name: an account that is shared or lent."""
    people = all_people(world)
    found: dict[Person, dict[int, Person]] = {person: {} for person in people}
    for person in people:
        rng = world.stream("swapped_days", person.workspace.index, person.number)
        # Only with those who were there before, so that a larger world takes no day from a smaller one.
        lenders = [other for other in people if other.workspace is person.workspace and other.number < person.number]
        for day in rng.integers(0, world.calendar.days, size=int(rng.poisson(SWAPS))).tolist():
            pick = float(rng.random())
            if not lenders:
                continue
            other = lenders[int(pick * len(lenders))]
            at_work = works(person, day) and works(other, day)
            if at_work and day not in found[person] and day not in found[other]:
                found[person][day], found[other][day] = other, person
    return found


def works(person: Person, day: int) -> bool:
    """Tell whether somebody works on a day."""
    return not person.away[day] and day * DAY >= person.born


def emails_on(world: World, person: Person, seconds: Ints) -> list[str]:
    """Return the name under which a person's work at some times is recorded."""
    swaps = swapped_days(world)[person]
    return [swaps[day].email if day in swaps else person.email for day in (seconds // DAY).tolist()]


def swap_incidents(world: World) -> Iterator[Incident]:
    """Return the swapped days as incidents of the account that is named."""
    for person, swaps in swapped_days(world).items():
        for day in swaps:
            entity = (("user_id", person.email),)
            yield Incident(SWAP, person.workspace, entity, day * DAY, (day + 1) * DAY)

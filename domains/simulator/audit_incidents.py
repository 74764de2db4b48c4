"""What attacks, thefts and lent accounts leave in the audit log: from a whisper to a shout."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from domains.simulator.audit_activity import Habits, habits
from domains.simulator.audit_events import CODE, SCRIPTS, Events, events, lake_table
from domains.simulator.calendar import HOUR, MINUTE, Ints, chance
from domains.simulator.people import BRUTE_FORCE, BULK_READ, MASS_EXPORT, TAKEOVER, people_incidents

if TYPE_CHECKING:
    from collections.abc import Iterator

    from domains.simulator.incidents import Incident
    from domains.simulator.people import Person
    from domains.simulator.world import World

HOSTS = 60
"""Hosts that attackers use again and again, against all workspaces."""
GUESSED = ("admin", "root", "test", "svc", "info")
P_GUESSED, P_TYPED_ANYHOW = 0.07, 0.05


def incident_events(world: World, person: Person) -> Iterator[Events]:
    """Return what each incident of an account adds to the log."""
    usual = habits(world, person)
    for number, incident in enumerate(people_incidents(world)[person]):
        rng = world.stream("fact_audit_logs", "incidents", person.workspace.index, person.number, number)
        if incident.kind == BRUTE_FORCE:
            yield _brute_force(rng, person, incident)
        elif incident.kind == TAKEOVER:
            yield _takeover(rng, person, incident, usual)
        elif incident.kind in (BULK_READ, MASS_EXPORT):
            yield _theft(rng, person, incident, usual)


def _within(rng: np.random.Generator, incident: Incident, count: int) -> Ints:
    return np.sort(rng.integers(incident.start, max(incident.end, incident.start + MINUTE), size=count))


def _hosts(rng: np.random.Generator, count: int) -> list[str]:
    return [f"185.{h % 7 + 100}.{h * 11 % 256}.{h % 250 + 1}" for h in rng.integers(HOSTS, size=count).tolist()]


def _brute_force(rng: np.random.Generator, person: Person, incident: Incident) -> Events:
    """Many guesses or few, fast or slow, from one host or several; now and then one is right."""
    count = 2 + int(min(rng.lognormal(2.0, 1.0), 150))
    hosts = _hosts(rng, int(rng.integers(1, 6)))
    draws = rng.random(count)
    typed = np.where(draws < P_TYPED_ANYHOW, person.email.upper(), person.email).astype(object)
    typed[draws > 1 - P_GUESSED] = str(rng.choice(GUESSED))
    failed = np.ones(count, dtype=np.bool_)
    if chance(rng, 0.15):
        failed[-1], typed[-1] = False, person.email
    return events(
        _within(rng, incident, count), typed.tolist(), np.full(count, CODE["login"]),
        [hosts[at] for at in rng.integers(len(hosts), size=count).tolist()],
        rng.choice(SCRIPTS, size=count), failed=failed,
    )  # fmt: skip


def _takeover(rng: np.random.Generator, person: Person, incident: Incident, usual: Habits) -> Events:
    """Somebody else is in: they look around, take secrets and make tokens; the careful ones come from near by."""
    count = 3 + int(min(rng.lognormal(1.2, 0.7), 30))
    names = ("getTable", "getSecret", "generateDbToken", "runCommand", "downloadQueryResult", "workspaceExport")
    action = rng.choice([CODE[n] for n in names], p=(0.3, 0.2, 0.15, 0.15, 0.1, 0.1), size=count)
    action[0] = CODE["login"]
    near = chance(rng, 0.25)
    address = usual.home if near else _hosts(rng, 1)[0]
    agent = usual.agents[0] if near or chance(rng, 0.3) else int(rng.choice(SCRIPTS))
    tables = [lake_table(person.workspace, n) for n in rng.integers(60, size=count).tolist()]
    failed = rng.random(count) < 0.15  # noqa: PLR2004 -- they try doors
    return events(
        _within(rng, incident, count), person.email, action, address, agent, failed=failed & (action != action[0]),
        target=tables,
    )  # fmt: skip


def _theft(rng: np.random.Generator, person: Person, incident: Incident, usual: Habits) -> Events:
    """The owner takes data along: most of it shows in what is read, some of it in downloads."""
    kinds = ("commandSubmit", "getTable") if incident.kind == BULK_READ else ("downloadQueryResult", "commandSubmit")
    share = 0.5 if incident.kind == BULK_READ else 0.8
    count = 1 + int(rng.poisson(0.5 * np.exp(incident.volume)))
    action = rng.choice([CODE[n] for n in kinds], p=(share, 1 - share), size=count)
    if incident.kind == MASS_EXPORT and chance(rng, 0.3):
        action = np.where(action == CODE["downloadQueryResult"], CODE["workspaceExport"], action)
    tables = [lake_table(person.workspace, n) for n in rng.integers(60, size=count).tolist()]
    address = usual.home if chance(rng, 0.4) else usual.office
    time = incident.start + np.sort(rng.integers(0, 1 + min(incident.end - incident.start, 8 * HOUR), size=count))
    return events(time, person.email, action, address, usual.agents[0], target=tables)

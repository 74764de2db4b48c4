"""What is metered: each job, person, cluster, warehouse and store, with its use of every day of the world."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from domains.simulator import skus
from domains.simulator.calendar import DAY, HOUR, Floats, Ints, chance
from domains.simulator.job_runs import all_runs
from domains.simulator.people import all_people
from domains.simulator.spend import MIS_SIZED, Mood, moods, spend_incidents
from domains.simulator.tags import Tags, tags_of, tags_of_job

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from domains.simulator.clusters import Cluster
    from domains.simulator.incidents import Incident
    from domains.simulator.job_runs import Runs
    from domains.simulator.jobs import Job
    from domains.simulator.people import Person
    from domains.simulator.workspaces import Workspace
    from domains.simulator.world import World

RHYTHM = np.array((1.05, 1.1, 1.05, 1.0, 0.85, 0.1, 0.08))
MIGRATING = 0.5
"""Share of workspaces that move their jobs from all-purpose to job clusters at some time."""
HOURLY_RATE = 0.8


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Meter:
    """One billed thing: quantity, SKU, first and last second of use by day of the world (quantity 0: no record)."""

    name: str
    workspace: Workspace
    quantity: Floats
    sku: Ints
    start: Ints
    end: Ints
    tags: Tags
    job: str | None = None
    warehouse: str | None = None
    cluster: str | None = None
    run_as: str | None = None


def all_meters(world: World) -> list[Meter]:
    """Return every meter of the world; a larger world adds some and changes none."""
    jobs = [_job(world, job, all_runs(world)[job]) for job in world.jobs]
    hands_on = (person for person in all_people(world) if person.role in ("engineer", "scientist"))
    people = [_person(world, person) for person in hands_on]
    fixed = [meter for workspace in world.workspaces for meter in _fixed(world, workspace)]
    return [*jobs, *people, *fixed]


@lru_cache(maxsize=1)
def _spikes(world: World) -> Mapping[tuple[str, str], Sequence[Incident]]:
    """Return the spend spikes by workspace and what runs away there."""
    found: dict[tuple[str, str], list[Incident]] = defaultdict(list)
    for spike in spend_incidents(world):
        found[spike.workspace.workspace_id, spike.entity[0][1]].append(spike)
    return found


def _job(world: World, job: Job, runs: Runs) -> Meter:
    rng = world.stream("usage", "job", job.workspace.index, job.number)
    days, mood = world.calendar.days, moods(world)[job.workspace]
    hours, start, end = _by_day(runs.start, runs.end, days)
    rate = _rate(rng, job.cluster, days) * mood.level**0.6
    quantity = hours * rate * mood.jobs * rng.lognormal(0.0, 0.06, days)
    for spike in _spikes(world).get((job.workspace.workspace_id, job.job_id), ()):
        if ("cause", MIS_SIZED) in spike.entity:
            quantity[spike.start // DAY : -(-spike.end // DAY)] *= np.exp(spike.volume + 1.0)
        else:
            quantity += _hours(spike, days) * rate * float(np.exp(spike.volume))
            start, end = _stretched(spike, quantity, start, end)
    return Meter(
        name=f"j{job.workspace.index:03d}-{job.number:05d}", workspace=job.workspace, quantity=quantity,
        sku=_sku_of_job(world, job), start=start, end=end, tags=tags_of_job(world, job), job=job.job_id,
        cluster=job.cluster.cluster_id if job.cluster else None, run_as=job.run_as,
    )  # fmt: skip


def _by_day(start: Ints, end: Ints, days: int) -> tuple[Floats, Ints, Ints]:
    """Return the hours of runs on each day, and when the first began and the last ended there."""
    count = np.maximum((end - 1) // DAY - start // DAY, 0) + 1
    run = np.repeat(np.arange(len(start)), count)
    number = np.arange(len(run)) - np.repeat(np.cumsum(count) - count, count)
    day = start[run] // DAY + number
    begins, ends = np.maximum(start[run], day * DAY), np.minimum(end[run], (day + 1) * DAY)
    kept = day < days
    day, begins, ends = day[kept], begins[kept], ends[kept]
    hours = np.zeros(days)
    np.add.at(hours, day, (ends - begins) / HOUR)
    midnights: Ints = np.arange(days + 1, dtype=np.int64) * DAY
    first, last = midnights[1:].copy(), midnights[:-1].copy()
    np.minimum.at(first, day, begins)
    np.maximum.at(last, day, ends)
    return hours, first, last


def _hours(spike: Incident, days: int) -> Floats:
    """Return the hours of a spike on each day."""
    first = np.arange(days) * DAY
    held: Floats = np.clip(np.minimum(spike.end, first + DAY) - np.maximum(spike.start, first), 0, DAY) / HOUR
    return held


def _stretched(spike: Incident, quantity: Floats, start: Ints, end: Ints) -> tuple[Ints, Ints]:
    """Let the records of a spike's days span what runs in it."""
    first = np.arange(len(quantity)) * DAY
    held = (first < spike.end) & (first + DAY > spike.start)
    begins, ends = np.maximum(spike.start, first), np.minimum(spike.end, first + DAY)
    return np.where(held, np.minimum(start, begins), start), np.where(held, np.maximum(end, ends), end)


def _rate(rng: np.random.Generator, cluster: Cluster | None, days: int) -> Floats:
    """Return DBU an hour by day: of the cluster's size at the time, for serverless of what it takes."""
    if cluster is None:
        return np.full(days, float(rng.lognormal(1.2, 0.5)))
    sizes = [v.workers if v.workers is not None else 0.6 * sum(v.bounds or (2, 2)) for v in cluster.versions]
    at = np.searchsorted([v.time for v in cluster.versions], np.arange(days) * DAY, side="right") - 1
    photon = 1.7 if "photon" in cluster.flavour else 1.0
    rates: Floats = (1 + np.array(sizes, dtype=float)[np.maximum(at, 0)]) * HOURLY_RATE * photon
    return rates


def _sku_of_job(world: World, job: Job) -> Ints:
    days = world.calendar.days
    if job.cluster is None:
        return np.full(days, skus.SERVERLESS)
    photon = int("photon" in job.cluster.flavour)
    if not job.cluster.shared:
        return np.full(days, skus.JOBS + photon)
    campaign = world.stream("migration", job.workspace.index)
    moves, since = chance(campaign, MIGRATING), int(campaign.integers(60, days))
    rng = world.stream("migration", job.workspace.index, job.number)
    day = since + int(rng.exponential(30)) if moves and chance(rng, 0.85) else days
    if chance(rng, 0.08):  # somebody moved it on their own
        day = int(rng.integers(30, days))
    return np.where(np.arange(days) < day, skus.ALL_PURPOSE + photon, skus.JOBS + photon)


def _person(world: World, person: Person) -> Meter:
    """People who write code use an all-purpose cluster on a part of their working days."""
    rng = world.stream("usage", "person", person.workspace.index, person.number)
    days, mood = world.calendar.days, moods(world)[person.workspace]
    cluster = world.shared_clusters[person.workspace.index][int(rng.integers(2))]
    first = np.arange(days) * DAY
    at_work = ~person.away & ~person.workspace.closed & (first >= person.born) & (rng.random(days) < 0.55)  # noqa: PLR2004
    hours = np.clip(person.busy * rng.gamma(2.0, 1.2, days), 0.2, 11) * at_work
    local = person.begins + rng.normal(0.0, 0.6, days) - person.workspace.utc_offset
    start = first + (np.clip(local, 0, 23) * HOUR).astype(np.int64)
    quantity = hours * _rate(rng, cluster, days) * 0.5 * mood.level * mood.people
    return Meter(
        name=f"p{person.workspace.index:03d}-{person.number:05d}", workspace=person.workspace,
        quantity=quantity, sku=np.full(days, skus.ALL_PURPOSE + int("photon" in cluster.flavour)), start=start,
        end=np.minimum(start + np.maximum(hours * HOUR, 60).astype(np.int64), first + DAY),
        tags=tags_of(world, person.workspace, "cluster", cluster.cluster_id, likely=0.6),
        cluster=cluster.cluster_id, run_as=person.email,
    )  # fmt: skip


def _fixed(world: World, workspace: Workspace) -> Iterator[Meter]:
    """What every workspace has at every scale: shared clusters, warehouses, storage, network, models, credits."""
    mood, weekday = moods(world)[workspace], world.calendar.weekday(np.arange(world.calendar.days) * DAY)
    rhythm = RHYTHM[weekday] * mood.level * mood.people * ~workspace.closed
    for number, cluster in enumerate(world.shared_clusters[workspace.index]):
        yield _cluster(world, workspace, cluster, number, rhythm)
    for number, warehouse in enumerate(workspace.warehouses):
        yield _warehouse(world, workspace, warehouse, number, rhythm)
    yield from _stores(world, workspace, mood)


def _cluster(world: World, workspace: Workspace, cluster: Cluster, number: int, rhythm: Floats) -> Meter:
    """What dashboards keep running on a shared cluster; when it is left on, its nights and weekends too."""
    rng = world.stream("usage", "cluster", workspace.index, number)
    days, rate = world.calendar.days, _rate(rng, cluster, world.calendar.days)
    quantity = rate * rhythm * rng.uniform(0.3, 1.5, days)
    start, end = _office(workspace, days)
    for spike in _spikes(world).get((workspace.workspace_id, cluster.cluster_id), ()):
        quantity += _hours(spike, days) * rate * 0.5 * float(np.exp(spike.volume))
        start, end = _stretched(spike, quantity, start, end)
    return Meter(
        name=f"c{workspace.index:03d}-{number:05d}", workspace=workspace, quantity=quantity,
        sku=np.full(days, skus.ALL_PURPOSE + int("photon" in cluster.flavour)), start=start, end=end,
        tags=tags_of(world, workspace, "cluster", cluster.cluster_id, likely=0.6), cluster=cluster.cluster_id,
    )  # fmt: skip


def _warehouse(world: World, workspace: Workspace, warehouse: str, number: int, rhythm: Floats) -> Meter:
    rng = world.stream("usage", "warehouse", workspace.index, number)
    days = world.calendar.days
    quantity = float(rng.lognormal(3.0, 0.6)) * rhythm * rng.lognormal(0.0, 0.18, days)
    quantity[rng.random(days) < 0.03] = 0.0  # noqa: PLR2004 -- nobody asked anything
    start, end = _office(workspace, days)
    for spike in _spikes(world).get((workspace.workspace_id, warehouse), ()):
        quantity *= np.where(_hours(spike, days) > 0, 1 + np.exp(spike.volume + 0.5), 1.0)
    return Meter(
        name=f"w{workspace.index:03d}-{number:05d}", workspace=workspace, quantity=quantity,
        sku=np.full(days, skus.SERVERLESS_SQL if chance(rng, 0.5) else skus.SQL_PRO), start=start, end=end,
        tags=tags_of(world, workspace, "warehouse", warehouse, likely=0.55), warehouse=warehouse,
    )  # fmt: skip


def _office(workspace: Workspace, days: int) -> tuple[Ints, Ints]:
    first = np.arange(days) * DAY
    start = first + (8 - workspace.utc_offset) * HOUR
    return start, np.minimum(start + 10 * HOUR, first + DAY)


def _stores(world: World, workspace: Workspace, mood: Mood) -> Iterator[Meter]:
    rng = world.stream("usage", "stores", workspace.index)
    days = world.calendar.days
    first = np.arange(days) * DAY
    dates = np.datetime64(world.calendar.first_day) + np.arange(days)
    of_month = (dates - dates.astype("datetime64[M]")).astype(np.int64)
    held = float(rng.lognormal(4.5, 0.8)) * np.cumprod(1 + rng.uniform(-0.001, 0.003, days))
    amounts = {
        skus.STORAGE: held,
        skus.EGRESS: rng.gamma(0.7, 9.0, days) * mood.level,
        skus.TOKENS: rng.lognormal(14.5, 0.6, days) * mood.people * (workspace.index % 3 == 0),
        skus.ANSWERS: rng.poisson(40, days) * mood.people * (workspace.index % 4 == 1),
        skus.CORES: rng.uniform(1, 9, days) * (rng.random(days) < 0.1) * (workspace.index % 6 == 2),  # noqa: PLR2004
        skus.CREDIT: -rng.uniform(5, 90, days) * (of_month == int(rng.integers(1, 12))) * chance(rng, 0.6),
    }
    nobody = Tags({}, np.zeros(days, dtype=np.bool_))
    for sku, quantity in amounts.items():
        yield Meter(
            name=f"s{workspace.index:03d}-{sku:05d}", workspace=workspace, quantity=np.asarray(quantity, dtype=float),
            sku=np.full(days, sku), start=first, end=first + DAY, tags=nobody,
        )  # fmt: skip

"""What drives spending besides the work itself: growth and decline, month ends, projects, and what runs away."""

from __future__ import annotations

import dataclasses
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from domains.simulator.calendar import DAY, HOUR, Floats, chance
from domains.simulator.incidents import TOLD, Incident

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from domains.simulator.jobs import Job
    from domains.simulator.workspaces import Workspace
    from domains.simulator.world import World

SPEND_SPIKE = "spend_spike"
RUNAWAY, MIS_SIZED, LEFT_ON, BUSY = "runaway_job", "mis_sized_cluster", "left_on_cluster", "runaway_warehouse"
PER_WORKSPACE, PER_JOB = 9.0, 0.12
"""Expected spikes in the life of the world: of what every workspace has at any scale, and of each further job."""
LEAST_LEVEL, MOST_LEVEL = -2.2, 1.1


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Mood:
    """How much a workspace spends for the same work, day by day; all factors are about 1.

    Args:
        level: Growth and decline.
        people: What also moves interactive work and SQL: projects, month ends, holidays.
        jobs: What also moves jobs: month ends, and the work that an outage left undone.
    """

    level: Floats
    people: Floats
    jobs: Floats


@lru_cache(maxsize=1)
def moods(world: World) -> Mapping[Workspace, Mood]:
    """Return the spending mood of every workspace."""
    return {workspace: _mood(world, workspace) for workspace in world.workspaces}


def _mood(world: World, workspace: Workspace) -> Mood:
    rng = world.stream("spend_mood", workspace.index)
    level = _level(rng, world.calendar.days)
    closing = _month_end(world) * float(rng.uniform(0.2, 1.2)) * chance(rng, 0.6)
    people = np.exp(closing + _projects(rng, world.calendar.days)) * np.where(workspace.holiday, 0.12, 1.0)
    backlog = np.zeros(world.calendar.days)
    for outage in world.outages[workspace.index]:
        size, caught_up = float(rng.uniform(0.1, 0.7)), chance(rng, 0.5)
        after = outage.end // DAY
        backlog[after : after + 2] += size * caught_up
    return Mood(level=np.exp(level), people=people, jobs=np.exp(0.5 * closing + backlog))


def _level(rng: np.random.Generator, days: int) -> Floats:
    """Phases of months: steady, growing, shrinking, or wound down; a trend lasts, so the past tells of the future."""
    log_level, now, at = np.zeros(days), 0.0, 0
    while at < days:
        length = int(rng.integers(35, 130))
        slope = float(rng.choice((0.0, 0.0, 1.0, -1.0, -3.0), p=(0.3, 0.17, 0.25, 0.2, 0.08)))
        slope *= float(rng.uniform(0.002, 0.011))
        if now < LEAST_LEVEL / 2 and slope < 0:
            slope = -slope  # what was wound down is taken up by somebody else in the end
        steps = np.clip(now + slope * np.arange(1, length + 1), LEAST_LEVEL, MOST_LEVEL)
        log_level[at : at + length] = steps[: days - at]
        now, at = float(steps[-1]), at + length
    return log_level + 0.05 * rng.normal(size=days)


def _month_end(world: World) -> Floats:
    """The books are closed on the last two days of a month and the first; quarters take more."""
    dates = np.datetime64(world.calendar.first_day) + np.arange(world.calendar.days)
    months = dates.astype("datetime64[M]")
    left = ((months + 1).astype("datetime64[D]") - dates).astype(np.int64)
    first = (dates - months.astype("datetime64[D]")).astype(np.int64) == 0
    closing = (left <= 2) | first  # noqa: PLR2004 -- the last two days
    quarter = (months.astype(np.int64) + np.where(first, 0, 1)) % 3 == 0
    return np.where(closing, np.where(quarter, 1.4, 0.8), 0.0)


def _projects(rng: np.random.Generator, days: int) -> Floats:
    found = np.zeros(days)
    for first in rng.integers(0, days, size=int(rng.poisson(2.5))).tolist():
        found[first : first + int(rng.integers(20, 70))] += float(rng.uniform(0.15, 0.55))
    return found


@lru_cache(maxsize=1)
def spend_incidents(world: World) -> tuple[Incident, ...]:
    """Return all spend spikes; ``volume`` is the log of their size, from what nobody notices to a month's budget."""
    found = [spike for workspace in world.workspaces for spike in _of_workspace(world, workspace)]
    further = (job for job in world.jobs if job.number)
    return tuple(found + [spike for job in further for spike in _of_job(world, job, PER_JOB)])


def _of_workspace(world: World, workspace: Workspace) -> Iterator[Incident]:
    """The first job, the shared clusters and the warehouses are there at every scale."""
    rng = world.stream("spend_incidents", workspace.index)
    for start in rng.integers(0, world.calendar.end, size=int(rng.poisson(PER_WORKSPACE * 2 / 3))).tolist():
        length = int(np.clip(rng.lognormal(0.5, 0.6), 0.5, 6) * DAY)
        clusters, warehouses = world.shared_clusters[workspace.index], workspace.warehouses
        cluster = clusters[int(rng.integers(len(clusters)))].cluster_id
        entity = ("cluster_id", cluster), ("cause", LEFT_ON)
        if chance(rng, 0.5):
            entity = ("warehouse_id", str(rng.choice(warehouses))), ("cause", BUSY)
        yield _spike(rng, workspace, entity, start, length)
    first = next(job for job in world.jobs if job.workspace is workspace)
    yield from _of_job(world, first, PER_WORKSPACE / 3)


def _of_job(world: World, job: Job, expected: float) -> Iterator[Incident]:
    rng = world.stream("spend_incidents_of_job", job.workspace.index, job.number)
    end = world.calendar.end if job.deleted is None else job.deleted
    for start in rng.integers(max(job.born, 0), end, size=int(rng.poisson(expected))).tolist():
        cause = RUNAWAY if chance(rng, 0.6) else MIS_SIZED
        mean = 0.3 if cause == RUNAWAY else 1.2
        length = int(np.clip(rng.lognormal(mean, 0.6), 0.3, 9) * DAY)
        entity = ("job_id", job.job_id), ("cause", cause)
        yield _spike(rng, job.workspace, entity, start, min(length, end - start))


def _spike(
    rng: np.random.Generator, workspace: Workspace, entity: tuple[tuple[str, str], ...], start: int, length: int
) -> Incident:
    volume = float(rng.uniform(-1.3, 1.6))
    told = chance(rng, TOLD)
    return Incident(SPEND_SPIKE, workspace, entity, start, start + max(length, HOUR), volume=volume, told=told)

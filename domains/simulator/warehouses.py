"""SQL warehouses: their settings over time, how their use grows, and what makes their statements slow."""

from __future__ import annotations

import dataclasses
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from domains.simulator.calendar import DAY, HOUR, Floats, chance
from domains.simulator.incidents import TOLD, Incident

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from domains.simulator.workspaces import Workspace
    from domains.simulator.world import World

WAREHOUSES_PER_JOB = 1.0 / 30
"""Warehouses beside a workspace's shared one, by the number of its jobs."""
SIZES = ("2X_SMALL", "X_SMALL", "SMALL", "MEDIUM", "LARGE", "X_LARGE", "2X_LARGE")
REGRESSION = "query_regression"
STATISTICS, SKEW, DEPLOYMENT = range(3)
"""What makes a warehouse's statements slower: bad plans, data that spills, a bad version of its dashboards."""


@dataclasses.dataclass(frozen=True, slots=True)
class Version:
    """A warehouse's settings from a time on; ``stop`` is in minutes, 0 for never."""

    time: int
    size: int
    least: int
    most: int
    stop: int


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Warehouse:
    """One SQL warehouse.

    Args:
        workspace: Where.
        number: Its number in the workspace; number 0 is shared by people, jobs and a few dashboards.
        warehouse_id: Identifier, unique within the workspace only.
        kind: CLASSIC, PRO or SERVERLESS.
        slots: Statements that one cluster runs beside each other.
        need: The size that suits its statements.
        pace: Log of the usual seconds of a statement on a suitable size.
        born: World second from which it is used.
        gone: World second from which it is not.
        demand: Log of how much it is used, by day, against its own first day.
        versions: Its settings.
    """

    workspace: Workspace
    number: int
    warehouse_id: str
    kind: str
    slots: int
    need: int
    pace: float
    born: int
    gone: int
    demand: Floats
    versions: tuple[Version, ...]


@lru_cache(maxsize=1)
def all_warehouses(world: World) -> tuple[Warehouse, ...]:
    """Return all warehouses; a larger world adds some and changes none."""
    jobs = {w.index: sum(job.workspace is w for job in world.jobs) for w in world.workspaces}
    return tuple(
        _warehouse(world, workspace, number)
        for workspace in world.workspaces
        for number in range(1 + _beside(workspace, jobs[workspace.index]))
    )


def _beside(workspace: Workspace, jobs: int) -> int:
    """Return how many warehouses a workspace has beside its shared one; spread, so that small worlds have some."""
    return int(jobs * WAREHOUSES_PER_JOB + (workspace.index * 0.7548776662 + 0.3) % 1.0)


def _warehouse(world: World, workspace: Workspace, number: int) -> Warehouse:
    rng = world.stream("warehouse", workspace.index, number)
    named = workspace.warehouses
    calendar = world.calendar
    new = number > 0 and chance(rng, 0.2)
    born = int(rng.integers(0, calendar.end * 6 // 10)) if new else -int(rng.integers(30, 500)) * DAY
    leaves = number > 0 and chance(rng, 0.1)
    gone = int(rng.integers(calendar.end // 2, calendar.end)) if leaves else calendar.end
    kind = str(rng.choice(("SERVERLESS", "PRO", "CLASSIC"), p=(0.6, 0.3, 0.1)))
    need = int(rng.choice(len(SIZES), p=(0.06, 0.14, 0.26, 0.26, 0.16, 0.08, 0.04)))
    return Warehouse(
        workspace=workspace,
        number=number,
        # No workspace in the identifier: warehouses are unique only within one.
        warehouse_id=named[number] if number < len(named) else f"wh{number + 1:02d}a7c4e{number + 1:05d}",
        kind=kind,
        slots=int(rng.integers(1, 3) if number == 0 else rng.integers(2, 5)),
        need=need,
        pace=float(rng.uniform(np.log(8), np.log(100))),
        born=born,
        gone=gone,
        demand=_demand(rng, calendar.days),
        versions=tuple(_versions(rng, kind, need, born, gone)),
    )


def _demand(rng: np.random.Generator, days: int) -> Floats:
    """Use grows with new projects over weeks, and falls when they end; some of it comes and goes without a reason."""
    at = np.arange(days, dtype=np.float64)
    demand = np.zeros(days)
    for start in rng.integers(-60, days, size=int(rng.poisson(2.6))).tolist():
        gain, weeks, lasts = float(rng.normal(0.35, 0.45)), float(rng.uniform(2, 9)), float(rng.uniform(30, 300))
        demand += gain * np.clip((at - start) / (7 * weeks), 0, 1) * (at < start + 7 * weeks + lasts)
    noise = rng.normal(size=days + 60)
    memory = 0.9 ** np.arange(60)
    wandering = np.convolve(noise, memory)[60 : 60 + days] * np.sqrt(1 - 0.9**2)
    total: Floats = np.clip(demand, -1.5, 1.5) + 0.22 * wandering
    return total


def _versions(rng: np.random.Generator, kind: str, need: int, born: int, gone: int) -> Iterator[Version]:
    """Some settings suit, some do not; owners change them now and then, and not always for the better."""
    version = _settings(rng, kind, need, born)
    yield version
    for time in sorted(rng.integers(max(born, 0), gone, size=int(rng.poisson(2.4))).tolist()):
        fresh = _settings(rng, kind, need, time)
        if chance(rng, 0.45):  # the size alone
            version = dataclasses.replace(version, time=time, size=fresh.size)
        elif chance(rng, 0.5):  # the clusters alone
            version = dataclasses.replace(version, time=time, least=fresh.least, most=fresh.most)
        else:
            version = dataclasses.replace(fresh, size=version.size)
        yield version


def _settings(rng: np.random.Generator, kind: str, need: int, time: int) -> Version:
    size = int(np.clip(need + rng.choice((-2, -1, 0, 1, 2), p=(0.06, 0.2, 0.46, 0.2, 0.08)), 0, len(SIZES) - 1))
    least = int(rng.choice((1, 2, 3), p=(0.8, 0.15, 0.05)))
    most = least + int(rng.choice((0, 1, 3, 6), p=(0.2, 0.3, 0.25, 0.25)))
    pauses = (10, 20, 30, 45) if kind == "SERVERLESS" else (30, 45, 60, 120)
    # Some never stop, because somebody once waited for a start.
    stop = 0 if chance(rng, 0.06) else int(rng.choice(pauses))
    return Version(time, size, least, most, stop)


@dataclasses.dataclass(frozen=True, slots=True)
class Regression:
    """A slowdown of a warehouse's statements that stays, and how it comes about."""

    incident: Incident
    how: int


@lru_cache(maxsize=1)
def regressions(world: World) -> Mapping[Warehouse, Sequence[Regression]]:
    """Return what makes each warehouse's statements slower, in order of time."""
    return {warehouse: sorted(_slower(world, warehouse), key=_start) for warehouse in all_warehouses(world)}


def _start(regression: Regression) -> int:
    return regression.incident.start


def _slower(world: World, warehouse: Warehouse) -> Iterator[Regression]:
    rng = world.stream("query_regressions", warehouse.workspace.index, warehouse.number)
    first = max(warehouse.born, 0)
    entity = (("warehouse_id", warehouse.warehouse_id),)
    for start in rng.integers(first, max(warehouse.gone, first + DAY), size=int(rng.poisson(4.5))).tolist():
        how = int(rng.choice(3, p=(0.45, 0.25, 0.3)))
        days = float(np.clip(rng.lognormal(2.5, 0.6), 2, 45))
        slower = float(rng.uniform(0.15, 1.4))
        # Plans rot and data skews over days; a deployment is there at once.
        grows = how != DEPLOYMENT and chance(rng, 0.5)
        begins = start // DAY * DAY + (int(rng.integers(7, 17)) * HOUR if how == DEPLOYMENT else start % DAY)
        span = (begins, begins + int(days * DAY))
        told = chance(rng, TOLD)
        yield Regression(
            Incident(REGRESSION, warehouse.workspace, entity, *span, slowdown=slower, ramp=grows, told=told), how
        )


def query_incidents(world: World) -> Iterator[Incident]:
    """Return the regressions as incidents of their warehouse."""
    for found in regressions(world).values():
        yield from (regression.incident for regression in found)

"""What goes wrong, when, and how hard: the one cause that every table family shows the effects of."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from domains.simulator.calendar import DAY, HOUR, Calendar, Floats, Ints, chance, stream
from domains.simulator.workspaces import REGIONS, Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from domains.simulator.jobs import Job

FRAGILE_ODDS = -2.7
LONG_SECONDS = 1_800
UPGRADE_RISK = (0.0, -1.1, 0.2, -0.5)
"""Log-odds that moving to a runtime hurts; the second jump is the hard one."""
TOLD = 0.85
"""Share of true incidents that anybody wrote down."""


@dataclasses.dataclass(frozen=True, slots=True)
class Incident:
    """A cause of trouble that holds from ``start`` to ``end``.

    Args:
        kind: What happened.
        workspace: Where.
        entity: Natural key of what was hit.
        start: First moment.
        end: Last moment.
        failure: Shift of the log-odds of failure.
        slowdown: Shift of the log of the duration.
        transient: Share of the failures that it causes which a new attempt may cure.
        volume: Shift of the log of the data read, for what happens to people's accounts.
        ramp: True if the effect grows from nothing at the start to its full size at the end.
        told: True if it stands in ``incident_truth``.
    """

    kind: str
    workspace: Workspace
    entity: tuple[tuple[str, str], ...]
    start: int
    end: int
    failure: float = 0.0
    slowdown: float = 0.0
    transient: float = 0.1
    volume: float = 0.0
    ramp: bool = False
    told: bool = True


@dataclasses.dataclass(frozen=True, slots=True)
class Effect:
    """What the incidents of one entity do to it at some times."""

    failure: Floats
    slowdown: Floats
    transient: Floats


def effect(incidents: Sequence[Incident], times: Ints, transient: float) -> Effect:
    """Add up the incidents at some times; ``transient`` is the entity's own share of curable failures."""
    failure, slowdown = np.zeros(len(times)), np.zeros(len(times))
    weight, curable = np.ones(len(times)), np.full(len(times), transient)
    for incident in incidents:
        held = ((times >= incident.start) & (times < incident.end)).astype(np.float64)
        if incident.ramp:
            held *= (times - incident.start) / max(incident.end - incident.start, 1)
        failure += held * incident.failure
        slowdown += held * incident.slowdown
        weight += held * max(incident.failure, 0.0)
        curable += held * max(incident.failure, 0.0) * incident.transient
    return Effect(failure, slowdown, curable / weight)


def draw_outages(seed: int, workspaces: Sequence[Workspace], calendar: Calendar) -> Iterator[Incident]:
    """Draw outages of the platform: of a region, which hit most of its workspaces at once, or of one workspace."""
    for region in range(REGIONS):
        rng = stream(seed, "region_outages", region)
        for start in rng.integers(calendar.end, size=10):
            hours = float(np.clip(rng.lognormal(0.9, 0.7), 0.4, 16))
            # One draw per workspace that could exist, so that who is hit does not depend on how many there are.
            hit = rng.random(256) < 0.75  # noqa: PLR2004 -- one of the world's parameters
            for workspace in workspaces:
                if workspace.region == region and hit[workspace.index]:
                    yield _outage(rng, workspace, int(start), hours)
    for workspace in workspaces:
        rng = stream(seed, "outages", workspace.index)
        for start in rng.integers(calendar.end, size=int(rng.poisson(5))):
            yield _outage(rng, workspace, int(start), float(np.clip(rng.lognormal(1.2, 0.9), 0.4, 30)))


def _outage(rng: np.random.Generator, workspace: Workspace, start: int, hours: float) -> Incident:
    return Incident(
        "platform_outage",
        workspace,
        (("workspace_id", workspace.workspace_id),),
        start,
        start + int(hours * HOUR),
        failure=float(rng.uniform(2.0, 5.0)),
        slowdown=float(rng.uniform(0.0, 0.6)),
        transient=0.95,
        told=chance(rng, TOLD),
    )


def draw_job_incidents(seed: int, job: Job, calendar: Calendar) -> list[Incident]:
    """Draw everything that happens to one job alone, in order of time."""
    end = calendar.end if job.deleted is None else job.deleted
    found: list[Incident] = []
    for name, draw in (
        ("deployments", _deployments),
        ("drifts", _drifts),
        ("spells", _spells),
        ("upgrades", _upgrades),
    ):
        rng = stream(seed, "incidents", name, job.workspace.index, job.number)
        found += draw(rng, job, end)
    cut = (dataclasses.replace(incident, end=min(incident.end, end)) for incident in found if not incident.ramp)
    ramps = (incident for incident in found if incident.ramp)
    return sorted((i for i in (*cut, *ramps) if i.start < end), key=lambda i: (i.start, i.kind))


def _of_job(job: Job) -> tuple[tuple[str, str], ...]:
    return (("job_id", job.job_id),)


def _deployments(rng: np.random.Generator, job: Job, _: int) -> list[Incident]:
    """Some deployments break the job until somebody mends it, some make it slower for longer."""
    found: list[Incident] = []
    bad = 0.08 + 0.14 * (job.health.odds > FRAGILE_ODDS)
    for time in job.deployments.tolist():
        outcome = float(rng.random())
        told = chance(rng, TOLD)
        if outcome < bad:
            days = float(np.clip(rng.lognormal(0.9, 0.8), 0.15, 25))
            # A part of them break some inputs only: the job then fails now and then instead of always.
            failure = float(rng.uniform(0.8, 2.2) if chance(rng, 0.3) else rng.uniform(2.5, 6.0))
            span = (time, time + int(days * DAY))
            found.append(Incident("bad_deployment", job.workspace, _of_job(job), *span, failure, told=told))
        elif outcome < bad + 0.08:
            days, slower = float(rng.uniform(5, 80)), float(rng.uniform(0.12, 0.9))
            span = (time, time + int(days * DAY))
            found.append(
                Incident("duration_regression", job.workspace, _of_job(job), *span, slowdown=slower, told=told)
            )
    return found


def _drifts(rng: np.random.Generator, job: Job, end: int) -> list[Incident]:
    """Data grows, or a source decays; after some months somebody mends it."""
    found: list[Incident] = []
    for kind, likely in (("slow_drift", 0.3), ("failure_creep", 0.22)):
        if not chance(rng, likely):
            continue
        weeks = float(rng.uniform(6, 26))
        start = int(rng.integers(max(job.born, 0), end))
        span = (start, start + int(weeks * 7) * DAY)
        told = chance(rng, TOLD)
        if kind == "slow_drift":
            shift = weeks * float(np.log(rng.uniform(1.008, 1.05)))
            found.append(Incident(kind, job.workspace, _of_job(job), *span, slowdown=shift, ramp=True, told=told))
        else:
            shift = float(rng.uniform(1.0, 3.5))
            found.append(
                Incident(kind, job.workspace, _of_job(job), *span, failure=shift, transient=0.4, ramp=True, told=told)
            )
    return found


def _spells(rng: np.random.Generator, job: Job, end: int) -> list[Incident]:
    """Trouble comes and goes as a two-state process; few spells are ever written down."""
    if not job.health.between:
        return []
    count = 2 + int((end - max(job.born, 0)) / DAY / job.health.between) * 2
    well = rng.exponential(job.health.between, count) * DAY
    ill = np.maximum(rng.exponential(job.health.spell, count), 0.2) * DAY
    ends = max(job.born, 0) + np.cumsum(well + ill).astype(np.int64)
    found: list[Incident] = []
    for last, length in zip(ends.tolist(), ill.astype(np.int64).tolist(), strict=True):
        first, failure, told = last - length, float(rng.uniform(1.5, 5.0)), chance(rng, 0.15)
        lead, slower = int(rng.integers(2, 6)) * DAY, float(rng.uniform(0.25, 0.9))
        shift = float(rng.uniform(-0.1, 0.3))
        found.append(Incident("degradation", job.workspace, _of_job(job), first, last, failure, shift, 0.35, told=told))
        if job.health.symptoms:
            span = (first - lead, first)
            found.append(
                Incident("symptom", job.workspace, _of_job(job), *span, slowdown=slower, ramp=True, told=False)
            )
    return found


def _upgrades(rng: np.random.Generator, job: Job, _: int) -> list[Incident]:
    """A new runtime hurts some jobs: fragile, long and shared ones rather, and some jumps more than others."""
    found: list[Incident] = []
    cluster = job.cluster
    if cluster is None:
        return found
    leaning = 1.1 * (job.health.odds > FRAGILE_ODDS) + 0.9 * (job.pace.median > LONG_SECONDS) + 0.7 * cluster.shared
    entity = (*_of_job(job), ("cluster_id", cluster.cluster_id))
    for time, runtime in cluster.upgrades():
        hurts = chance(rng, 1 / (1 + np.exp(-(leaning - 1.6 + UPGRADE_RISK[runtime]))))
        fails, slows = ((True, False), (False, True), (True, True))[int(rng.choice(3, p=(0.4, 0.45, 0.15)))]
        failure, slower = float(rng.uniform(1.2, 4.0)), float(rng.uniform(0.15, 0.8))
        days, quicker = float(rng.lognormal(2.7, 0.7)), float(rng.uniform(-0.12, 0.04))
        told = chance(rng, TOLD)
        if time < job.born:
            continue
        hurt = (time, time + int(days * DAY), failure * fails, slower * slows, 0.2)
        harmless = (time, time + 90 * DAY, 0.0, quicker)
        if hurts:
            found.append(Incident("runtime_upgrade", job.workspace, entity, *hurt, told=told))
        else:
            found.append(Incident("harmless_upgrade", job.workspace, entity, *harmless, told=False))
    return found

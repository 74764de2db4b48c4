"""Jobs and their traits: schedule, pace, health, retry policy, life."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from domains.simulator.calendar import DAY, HOUR, MINUTE, Calendar, Flags, Floats, Ints, chance, stream
from domains.simulator.clusters import Cluster, job_cluster
from domains.simulator.workspaces import WORKSPACES

if TYPE_CHECKING:
    from domains.simulator.workspaces import Workspace

PIPELINES = ("orders", "customers", "events", "ledger", "stock", "sessions", "invoices", "features", "kpi", "returns")
STEPS = ("ingest", "clean", "merge", "aggregate", "export", "score", "publish", "reconcile", "snapshot", "train")


@dataclasses.dataclass(frozen=True, slots=True)
class Kind:
    """A kind of schedule: its share of all jobs, the seconds between which medians lie, the worst failure rate."""

    name: str
    share: float
    fastest: int
    slowest: int
    worst: float = 0.25


KINDS = (
    Kind("hourly", 0.012, 60, 15 * MINUTE, worst=0.02),
    Kind("several", 0.058, 2 * MINUTE, 50 * MINUTE, worst=0.08),
    Kind("daily", 0.40, 2 * MINUTE, 150 * MINUTE),
    Kind("weekdays", 0.24, 2 * MINUTE, 120 * MINUTE),
    Kind("weekly", 0.09, 5 * MINUTE, 5 * HOUR),
    Kind("adhoc", 0.14, 1 * MINUTE, 90 * MINUTE),
    Kind("long", 0.045, 150 * MINUTE, 9 * HOUR),  # begins in the evening, so that it spans midnight
    Kind("multi_day", 0.015, 26 * HOUR, 60 * HOUR),
)


KIND_OFFSET = 0.44
"""Chosen so that a world of 36 jobs (scale 0.05) has jobs of every kind."""


@dataclasses.dataclass(frozen=True, slots=True)
class Schedule:
    """When a job is due: every ``gap`` hours, at a second of the day, or ``per_day`` times at random."""

    kind: str
    gap: int
    second: int
    weekday: int
    per_day: float
    jitter: float
    trigger: str
    run_type: str


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Pace:
    """How long runs take: median seconds, log spread, log shift by weekday, time limit."""

    median: float
    sigma: float
    weekday: Floats
    timeout: int | None


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Health:
    """How runs fail: log-odds on a quiet day, shift by weekday, share of transient failures, and spells of trouble.

    Args:
        odds: Log-odds of failure on a quiet day.
        weekday: Shift of the log-odds by weekday.
        transient: Share of failures that a new attempt may cure.
        sensitivity: How much the platform's load tells on this job.
        between: Mean days between spells of trouble; 0 for a job that has none.
        spell: Mean days of a spell.
        symptoms: True if runs slow down in the days before a spell.
        fails_at: Part of a run after which its own bugs strike.
    """

    odds: float
    weekday: Floats
    transient: float
    sensitivity: float
    between: float
    spell: float
    symptoms: bool
    fails_at: float


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Job:
    """One job; ``silent`` marks the days on which it is paused, ``deployments`` are the times of new code."""

    workspace: Workspace
    number: int
    job_id: str
    name: str
    creator: str
    run_as: str
    schedule: Schedule
    pace: Pace
    health: Health
    retries: int
    retry_delay: float
    concurrent: bool
    born: int
    deleted: int | None
    silent: Flags
    deployments: Ints
    cluster: Cluster | None
    compute_ids: tuple[str, ...]


def draw_job(seed: int, workspace: Workspace, calendar: Calendar, number: int, shared: tuple[Cluster, ...]) -> Job:
    """Draw job ``number`` of a workspace: the same at every scale, so that a larger world contains a smaller one."""
    rng = stream(seed, "job", workspace.index, number)
    # Evenly spread instead of random, so that the few jobs of a small world are a fair mix too.
    place = workspace.index + WORKSPACES * number + 1
    kind_at, health_at = (place * np.array((0.7548776662, 0.5698402910)) + (KIND_OFFSET, 0.0)) % 1.0
    kind = KINDS[min(int(np.searchsorted(np.cumsum([kind.share for kind in KINDS]), kind_at)), len(KINDS) - 1)]
    born, deleted = _life(rng, calendar)
    end = calendar.end if deleted is None else deleted
    compute = rng.choice(("job", "shared", "serverless"), p=(0.65, 0.25, 0.1))
    cluster = None if compute == "serverless" else shared[int(rng.integers(len(shared)))]
    if compute == "job":
        cluster = job_cluster(seed, workspace, number, (born, end), deleted)
    warehouse = workspace.warehouses[:1] if chance(rng, 0.1) else ()
    user = workspace.users[int(rng.integers(len(workspace.users)))]
    return Job(
        workspace=workspace,
        number=number,
        job_id=str(7_310_000 + 137 * number),  # the same in every workspace: unique only within one
        name=f"{workspace.team}_{rng.choice(PIPELINES)}_{rng.choice(STEPS)}",
        creator=user,
        run_as=f"svc-{workspace.team}@example.com" if chance(rng, 0.6) else user,
        schedule=_schedule(rng, kind.name),
        pace=_pace(rng, kind),
        health=_health(rng, float(health_at), kind.worst),
        retries=int(rng.choice(4, p=(0.45, 0.25, 0.2, 0.1))),
        retry_delay=float(np.exp(rng.uniform(np.log(60), np.log(40 * MINUTE)))),
        concurrent=chance(rng, 0.3),
        born=born,
        deleted=deleted,
        silent=_silent(rng, calendar.days),
        deployments=_deployments(rng, born, end),
        cluster=cluster,
        compute_ids=((cluster.cluster_id,) if cluster else ()) + warehouse,
    )


def _life(rng: np.random.Generator, calendar: Calendar) -> tuple[int, int | None]:
    born = int(rng.integers(-500 * DAY, -DAY))
    if chance(rng, 0.3):
        born = int(rng.integers(0, int(calendar.end * 0.75)))
    gone = max(born, 0) + int(rng.integers(60, 400)) * DAY + int(rng.integers(DAY))
    return born, gone if chance(rng, 0.18) and gone < calendar.end else None


def _schedule(rng: np.random.Generator, kind: str) -> Schedule:
    night = chance(rng, 0.7) or kind == "multi_day"
    hour = int(rng.integers(18, 23)) if kind == "long" else int(rng.integers(0, 6) if night else rng.integers(6, 20))
    trigger = "PERIODIC"
    if kind == "adhoc":
        trigger = str(rng.choice(("ONETIME", "FILE_ARRIVAL"), p=(0.7, 0.3)))
    return Schedule(
        kind=kind,
        gap=1 if kind == "hourly" else int(rng.choice((4, 6, 8, 12))),
        second=hour * HOUR + int(rng.choice((0, 0, 15, 30, 45))) * MINUTE,
        weekday=int(rng.choice(7, p=(0.25, 0.1, 0.1, 0.1, 0.1, 0.15, 0.2))),
        per_day=float(rng.uniform(0.25, 1.6)),
        jitter=float(np.exp(rng.uniform(np.log(5), np.log(240)))),
        trigger=trigger,
        run_type=str(rng.choice(("JOB_RUN", "WORKFLOW_RUN", "SUBMIT_RUN"), p=(0.9, 0.06, 0.04))),
    )


def _pace(rng: np.random.Generator, kind: Kind) -> Pace:
    median = float(np.exp(rng.uniform(np.log(kind.fastest), np.log(kind.slowest))))
    return Pace(
        median=median,
        sigma=float(rng.uniform(0.06, 0.45)),
        weekday=rng.normal(0.0, 0.1, size=7) + np.array((0.15, 0, 0, 0, 0, -0.15, -0.15)) * rng.random(),
        timeout=int(median * rng.uniform(2.2, 6.0)) if chance(rng, 0.4) else None,
    )


def _health(rng: np.random.Generator, at: float, worst: float) -> Health:
    rate = float(np.exp(np.log(0.002) + at**1.4 * (np.log(worst) - np.log(0.002))))
    return Health(
        odds=float(np.log(rate / (1 - rate))),
        weekday=rng.normal(0.0, 0.9, size=7) * chance(rng, 0.25),
        transient=float(rng.uniform(0.35, 0.9)),
        sensitivity=float(rng.gamma(2.0, 0.5)),
        between=float(rng.uniform(12, 110)) if chance(rng, 0.65) else 0.0,
        spell=float(rng.uniform(1.0, 4.0 + 4.0 * at)),
        symptoms=chance(rng, 0.35),
        fails_at=float(rng.uniform(0.05, 0.95)),
    )


def _silent(rng: np.random.Generator, days: int) -> Flags:
    silent: Flags = rng.random(days) < float(rng.choice((0.0, 0.01, 0.05)))
    if chance(rng, 0.25):
        for first in rng.integers(days, size=2):
            silent[first : first + int(rng.integers(5, 45))] = True
    return silent


def _deployments(rng: np.random.Generator, born: int, end: int) -> Ints:
    """Teams deploy at their own pace, on working days and in working hours mostly."""
    gaps = rng.exponential(float(rng.uniform(18, 80)), size=200) * DAY
    times = max(born, -60 * DAY) + np.cumsum(gaps).astype(np.int64)
    times = times // DAY * DAY + rng.integers(8 * HOUR, 17 * HOUR, size=len(times))
    return times[(times > born) & (times < end)]

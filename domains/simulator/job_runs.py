"""The runs of a job: attempts, their durations and how they end."""

from __future__ import annotations

import dataclasses
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from domains.simulator.calendar import DAY, HOUR, Flags, Floats, Ints
from domains.simulator.incidents import effect
from domains.simulator.schedules import due_times
from domains.simulator.workspaces import load_at

if TYPE_CHECKING:
    from collections.abc import Sequence

    from domains.simulator.jobs import Job
    from domains.simulator.world import World

STATES = ("SUCCEEDED", "FAILED", "ERROR", "TIMED_OUT", "CANCELLED", "SKIPPED", "BLOCKED", "EVICTED")
SUCCEEDED, FAILED, ERROR, TIMED_OUT, CANCELLED, SKIPPED, BLOCKED, EVICTED = range(8)
CODES = (
    "SUCCESS", "RUN_EXECUTION_ERROR", "CLUSTER_ERROR", "DRIVER_ERROR", "CLOUD_FAILURE", "STORAGE_ACCESS_ERROR",
    "LIBRARY_INSTALLATION_ERROR", "TIMED_OUT", "CANCELED", "USER_CANCELED", "MAX_CONCURRENT_RUNS_EXCEEDED",
    "MAX_JOB_QUEUE_SIZE_EXCEEDED",
)  # fmt: skip
CODE = {name: number for number, name in enumerate(CODES)}
TRANSIENT_CODES, OWN_CODES = (2, 3, 4, 1), (1, 5, 6)
TRANSIENT_MIX, OWN_MIX = (0.4, 0.25, 0.15, 0.2), (0.85, 0.09, 0.06)
LONGEST = 6 * DAY

P_CANCEL, P_CANCEL_ADHOC = 0.008, 0.05
P_BLOCKED, P_EVICTED, P_TAIL = 0.0008, 0.0007, 0.012
BY_PLATFORM = 0.3
"""Cancelled before this part of the run: nobody had time to do it by hand."""
P_BY_HAND = 0.25
"""Share of failures of a job without retries that somebody starts again by hand."""


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Runs:
    """Runs of one job in the order of their starts; their number in that order is part of the run id."""

    start: Ints
    duration: Ints
    state: Ints
    code: Ints
    retry: Flags
    by_hand: Flags
    transient: Flags

    @property
    def end(self) -> Ints:
        """The runs' ends."""
        return self.start + self.duration

    @property
    def failed(self) -> Flags:
        """Which runs failed, in the sense of the models' labels."""
        return np.isin(self.state, (FAILED, ERROR, TIMED_OUT))

    def take(self, which: Ints | Flags) -> Runs:
        """Return some of the runs."""
        return Runs(*(getattr(self, field.name)[which] for field in dataclasses.fields(self)))


def join_runs(parts: Sequence[Runs]) -> Runs:
    """Return several batches of runs as one, one after the other."""
    return Runs(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in dataclasses.fields(Runs)))


@lru_cache(maxsize=1)
def all_runs(world: World) -> dict[Job, Runs]:
    """Return the runs of every job: drawn once, read by each table that shows them."""
    return {job: _runs(world, job) for job in world.jobs}


def _runs(world: World, job: Job) -> Runs:
    rng = world.stream("runs", job.workspace.index, job.number)
    attempts = _attempts(world, job, rng, due_times(job, world.calendar, rng), None)
    batches = [attempts]
    for _ in range(max(job.retries, 1)):
        failed = attempts.take(attempts.failed)
        if not job.retries:  # nobody retries by itself: a person does, sometimes, some hours later
            failed = failed.take(rng.random(len(failed.start)) < P_BY_HAND)
        typical = job.retry_delay if job.retries else 2 * HOUR
        delay = 15 + typical * rng.lognormal(0.0, 0.4, size=len(failed.start))
        starts = failed.end + delay.astype(np.int64)
        order = np.argsort(starts, kind="stable")
        order = order[starts[order] < (world.calendar.end if job.deleted is None else job.deleted)]
        attempts = _attempts(world, job, rng, starts[order], failed.take(order))
        batches.append(attempts)
    runs = join_runs(batches)
    return runs.take(np.argsort(runs.start, kind="stable"))


def _attempts(world: World, job: Job, rng: np.random.Generator, start: Ints, before: Runs | None) -> Runs:
    """Run the job at some times: as scheduled, or again after the failures ``before``."""
    count, weekday = len(start), world.calendar.weekday(start)
    strain = job.health.sensitivity * load_at(job.workspace, world.calendar, start)
    felt = effect(world.incidents_of(job), start, job.health.transient)
    p_fail = 1 / (1 + np.exp(-(job.health.odds + job.health.weekday[weekday] + 0.3 * strain + felt.failure)))
    if before is not None:
        p_fail = np.where(before.transient, 0.1 + 0.6 * p_fail, 0.75 + 0.23 * p_fail)
    fails = rng.random(count) < p_fail
    transient = fails & (rng.random(count) < felt.transient)
    if before is not None:  # a bug that is still there fails again in its own way
        transient &= before.transient | (rng.random(count) < P_BY_HAND)
    seconds = _seconds(job, rng, np.log(job.pace.median) + job.pace.weekday[weekday] + 0.08 * strain + felt.slowdown)
    seconds = np.where(fails, _cut_short(job, rng, seconds, transient), seconds)
    duration, state, code = _interrupted(job, rng, start, seconds, _endings(rng, fails, transient))
    transient |= state == TIMED_OUT  # a new attempt may be quick enough
    again = np.full(count, before is not None)
    by_hand = again & (job.retries == 0)
    return Runs(start, duration, state, code, retry=again & ~by_hand, by_hand=by_hand, transient=transient)


def _seconds(job: Job, rng: np.random.Generator, log_seconds: Floats) -> Floats:
    count = len(log_seconds)
    tail = rng.exponential(0.8, size=count) * (rng.random(count) < P_TAIL)
    return np.clip(np.exp(log_seconds + job.pace.sigma * rng.normal(size=count) + tail), 2, LONGEST)


def _cut_short(job: Job, rng: np.random.Generator, seconds: Floats, transient: Flags) -> Floats:
    """A bug strikes at its own place in the code, a lost machine at any."""
    at_place = np.clip(job.health.fails_at + rng.normal(0.0, 0.05, size=len(seconds)), 0.02, 1.0)
    return seconds * np.where(transient, rng.uniform(0.02, 1.0, size=len(seconds)), at_place)


def _endings(rng: np.random.Generator, fails: Flags, transient: Flags) -> tuple[Ints, Ints]:
    count = len(fails)
    as_error = rng.random(count) < np.where(transient, 0.65, 0.1)
    state = np.where(fails, np.where(as_error, ERROR, FAILED), SUCCEEDED)
    own = rng.choice(OWN_CODES, p=OWN_MIX, size=count)
    code = np.where(transient, rng.choice(TRANSIENT_CODES, p=TRANSIENT_MIX, size=count), own)
    return state.astype(np.int64), np.where(fails, code, 0).astype(np.int64)


def _interrupted(
    job: Job, rng: np.random.Generator, start: Ints, seconds: Floats, ending: tuple[Ints, Ints]
) -> tuple[Ints, Ints, Ints]:
    """Let time limits, people and the platform end runs in their own ways; return durations, states and codes."""
    state, code = ending
    draws = rng.random((3, len(start)))
    part = rng.uniform(0.03, 1.0, size=len(start))
    cancelled = draws[0] < (P_CANCEL_ADHOC if job.schedule.kind == "adhoc" else P_CANCEL)
    evicted = (draws[1] < P_EVICTED) & ~cancelled
    seconds = np.where(cancelled | evicted, seconds * part, seconds)
    state = np.where(cancelled, CANCELLED, np.where(evicted, EVICTED, state))
    code = np.where(cancelled, np.where(part < BY_PLATFORM, CODE["CANCELED"], CODE["USER_CANCELED"]), code)
    if job.pace.timeout:
        late = seconds > job.pace.timeout
        seconds = np.where(late, job.pace.timeout + 5, seconds)
        state, code = np.where(late, TIMED_OUT, state), np.where(late, CODE["TIMED_OUT"], code)
    duration = np.maximum(seconds, 1).astype(np.int64)
    refused = _still_running(job, start, duration) | (draws[2] < P_BLOCKED)
    blocked = refused & (draws[2] < P_BLOCKED)
    state = np.where(refused, np.where(blocked, BLOCKED, SKIPPED), state)
    refusal = np.where(blocked, CODE["MAX_JOB_QUEUE_SIZE_EXCEEDED"], CODE["MAX_CONCURRENT_RUNS_EXCEEDED"])
    code = np.where(refused, refusal, code)
    duration = np.where(refused, (duration % 3).astype(np.int64), duration)
    return duration, state.astype(np.int64), code.astype(np.int64)


def _still_running(job: Job, start: Ints, duration: Ints) -> Flags:
    """A run is skipped while an earlier one goes on, unless the job may run beside itself."""
    ends = start + duration
    busy = np.zeros(len(start), dtype=np.bool_)
    if job.concurrent or not (start[1:] < ends[:-1]).any():
        return busy
    free = 0  # step by step, because a skipped run holds nothing back
    for number, (begin, end) in enumerate(zip(start.tolist(), ends.tolist(), strict=True)):
        busy[number] = begin < free
        free = free if begin < free else end
    return busy

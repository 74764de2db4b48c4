"""fact_job_run_timeline: runs cut into hourly slices, with the dirt that a real source has."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from domains.simulator.calendar import DAY, HOUR, MINUTE, Floats, Ints
from domains.simulator.job_runs import CODES, STATES, Runs, all_runs, join_runs
from domains.simulator.rows import Rows, arrivals

if TYPE_CHECKING:
    from collections.abc import Sequence

    from domains.simulator.jobs import Job
    from domains.simulator.world import World

RUN_NUMBERS = 1_000_000
P_TWICE = 0.001
P_NO_DURATION, P_NO_CODE = 0.002, 0.03
P_BROKEN = 0.0006
"""Share of slices of which a broken copy is written too: a key is missing, or the end lies before the start."""
BROKEN_KEYS = 4


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Slices:
    """Slices of the runs of one job; ``run`` is the position of the run, ``broken`` 1-4 names the missing key."""

    run: Ints
    start: Ints
    end: Ints
    last: Ints
    no_duration: Ints
    no_code: Ints
    broken: Ints
    arrival: Ints

    def take(self, which: Ints, **changed: Ints) -> Slices:
        """Return some of the slices, some columns replaced."""
        taken = {field.name: getattr(self, field.name)[which] for field in dataclasses.fields(self)}
        return Slices(**{**taken, **changed})


def cut_runs(start: Ints, end: Ints) -> tuple[Ints, Ints, Ints, Ints]:
    """Cut runs into slices of an hour counted from each run's own start.

    Args:
        start: Starts of the runs, in seconds.
        end: Their ends.

    Returns:
        For each slice the position of its run, its start, its end, and 1 if it is the run's last one.
    """
    count = np.maximum(1, -(-(end - start) // HOUR))
    run = np.repeat(np.arange(len(start)), count)
    number = np.arange(len(run)) - np.repeat(np.cumsum(count) - count, count)
    begins = start[run] + number * HOUR
    return run, begins, np.minimum(begins + HOUR, end[run]), (number == count[run] - 1).astype(np.int64)


def fact_job_run_timeline(world: World) -> Rows:
    """Return the timeline of all runs."""
    runs = all_runs(world)
    slices = [_slices(world, job, runs[job]) for job in world.jobs]
    per_job = [len(part.run) for part in slices]
    first_run = np.cumsum([0] + [len(runs[job].start) for job in world.jobs[:-1]])
    which_run = np.concatenate([part.run + base for part, base in zip(slices, first_run, strict=True)])
    joined, sliced = _joined(slices), join_runs([runs[job] for job in world.jobs]).take(which_run)
    job_at = np.repeat(np.arange(len(world.jobs)), per_job)
    columns = _keys(world, joined, job_at) | _outcome(joined, sliced)
    columns |= _settings(world, sliced, job_at)
    return Rows(columns, arrival=joined.arrival, time=joined.start)


def _slices(world: World, job: Job, runs: Runs) -> Slices:
    rng = world.stream("slices", job.workspace.index, job.number)
    run, start, end, last = cut_runs(runs.start, runs.end)
    none = np.zeros(len(run), dtype=np.int64)
    draws = rng.random((8, len(run)))
    clean = Slices(
        run=run, start=start, end=end, last=last, broken=none,
        no_duration=(draws[0] < P_NO_DURATION).astype(np.int64),
        no_code=(draws[1] < P_NO_CODE).astype(np.int64),
        arrival=arrivals(end, job.workspace, draws[2:5]),
    )  # fmt: skip
    twice = clean.take(np.flatnonzero(draws[5] < P_TWICE))
    return _joined((clean, twice, *_broken(clean, draws[6:])))


def _broken(clean: Slices, draws: Floats) -> tuple[Slices, Slices]:
    """Return copies without a key, and copies that end before they start."""
    hit = np.flatnonzero(draws[0] < P_BROKEN)
    kind = (draws[1][hit] * 6).astype(np.int64)  # 1-4 name the missing key, 0 and 5 turn the time around
    no_key = (kind >= 1) & (kind <= BROKEN_KEYS)
    turned = clean.take(hit[~no_key])
    return clean.take(hit[no_key], broken=kind[no_key]), dataclasses.replace(turned, start=turned.end + MINUTE)


def _joined(parts: Sequence[Slices]) -> Slices:
    return Slices(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in dataclasses.fields(Slices)))


def _keys(world: World, slices: Slices, job_at: Ints) -> dict[str, pa.Array]:
    no_workspace, no_job, no_run, no_start = (slices.broken == code for code in range(1, 1 + BROKEN_KEYS))
    workspaces = pa.array([job.workspace.workspace_id for job in world.jobs])
    jobs = pa.array([job.job_id for job in world.jobs])
    # Numbered within the job, so that no other job changes a run's id.
    runs = np.array([job.number + 1 for job in world.jobs])[job_at] * RUN_NUMBERS + slices.run + 1
    start, end = world.calendar.micros(slices.start), world.calendar.micros(slices.end)
    return {
        "workspace_id": workspaces.take(pa.array(job_at, mask=no_workspace)),
        "job_id": jobs.take(pa.array(job_at, mask=no_job)),
        "run_id": pa.array(runs, mask=no_run).cast(pa.string()),
        "period_start_time": pa.array(start, type=pa.timestamp("us", tz="UTC"), mask=no_start),
        "period_end_time": pa.array(end, type=pa.timestamp("us", tz="UTC")),
        "run_date": pa.array((start // (DAY * 1_000_000)).astype(np.int32)).cast(pa.date32()),
    }


def _outcome(slices: Slices, runs: Runs) -> dict[str, pa.Array]:
    last = slices.last == 1
    state = pa.array(STATES).take(pa.array(runs.state, mask=~last))
    code = pa.array(CODES).take(pa.array(runs.code, mask=~last | (slices.no_code == 1)))
    duration = pa.array(runs.duration, mask=~last | (slices.no_duration == 1))
    return {"run_duration_seconds": duration, "result_state": state, "termination_code": code}


def _settings(world: World, runs: Runs, job_at: Ints) -> dict[str, pa.Array]:
    jobs = world.jobs
    scheduled = np.array([job.schedule.trigger for job in jobs], dtype=object)[job_at]
    trigger = np.where(runs.retry, "RETRY", np.where(runs.by_hand, "ONETIME", scheduled))
    run_type = pa.array([job.schedule.run_type for job in jobs]).take(pa.array(job_at))
    used = pa.array([job.compute_ids or None for job in jobs], type=pa.list_(pa.field("element", pa.string())))
    return {"trigger_type": pa.array(trigger), "run_type": run_type, "compute_ids": used.take(pa.array(job_at))}

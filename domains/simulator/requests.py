"""Who asks what of a warehouse, and when: dashboards by schedule and by viewers, people by office hours, jobs."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from domains.simulator.calendar import DAY, HOUR, MINUTE, Flags, Floats, Ints, chance
from domains.simulator.job_runs import BLOCKED, SKIPPED, all_runs
from domains.simulator.people import BULK_READ, MASS_EXPORT, all_people, emails_on, people_incidents
from domains.simulator.schedules import HOURLY_RHYTHM
from domains.simulator.templates import Template, draw_template

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from domains.simulator.jobs import Job
    from domains.simulator.people import Person
    from domains.simulator.warehouses import Warehouse
    from domains.simulator.world import World

POOL = 10
"""Saved statements that the people of a workspace share."""
VIEWS = np.array((1.15, 1.1, 1.05, 1.0, 0.85, 0.08, 0.06))
P_USES_WAREHOUSE = 0.6
"""Share of the runs of a job with a warehouse that have something to ask of it."""
UNIFORMS, NORMALS = 7, 5


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Requests:
    """Statements that one source asks for, in order of time.

    Args:
        source: What identifies the source within the warehouse; part of the statement ids.
        templates: The templates that ``template`` counts through.
        time: World seconds.
        template: Which template.
        who: Who asks.
        volume: Shift of the log of the data asked for.
        exported: Further shift of the log of the rows taken out.
        seconds: Seconds of work, where the source knows them; else NaN.
        fails: Whether the statement is known to fail.
        uniform: Uniform draws, one row per use.
        normal: Normal draws, one row per use.
    """

    source: str
    templates: Sequence[Template]
    time: Ints
    template: Ints
    who: list[str | None]
    volume: Floats
    exported: Floats
    seconds: Floats
    fails: Flags
    uniform: Floats
    normal: Floats


def all_requests(world: World, warehouse: Warehouse) -> Iterator[Requests]:
    """Return what each source asks of a warehouse."""
    for number in range(_boards(world, warehouse)):
        yield _board(world, warehouse, number)
    if warehouse.number == 0:
        yield from _people(world, warehouse)
        asked = (_job(world, job) for job in world.jobs if job.workspace is warehouse.workspace)
        yield from (requests for requests in asked if requests is not None)


def _requests(
    rng: np.random.Generator, source: str, templates: Sequence[Template], time: Ints, template: Ints,
    who: list[str | None], *, volume: Floats | None = None, exported: Floats | None = None,
    seconds: Floats | None = None, fails: Flags | None = None,
) -> Requests:  # fmt: skip
    count = len(time)
    zero = np.zeros(count)
    return Requests(
        source, templates, time, template, who,
        volume=zero if volume is None else volume,
        exported=zero if exported is None else exported,
        seconds=np.full(count, np.nan) if seconds is None else seconds,
        fails=np.zeros(count, dtype=np.bool_) if fails is None else fails,
        uniform=rng.random((UNIFORMS, count)),
        normal=rng.normal(size=(NORMALS, count)),
    )  # fmt: skip


def _boards(world: World, warehouse: Warehouse) -> int:
    rng = world.stream("boards", warehouse.workspace.index, warehouse.number)
    return 1 if warehouse.number == 0 else 1 + min(int(rng.poisson(1.6)), 4)


def _board(world: World, warehouse: Warehouse, number: int) -> Requests:
    """Return a dashboard's refreshes: all of its tiles at once, by schedule and whenever somebody opens it."""
    rng = world.stream("board", warehouse.workspace.index, warehouse.number, number)
    shared = warehouse.number == 0
    tiles = int(rng.integers(1, 4)) if shared else int(rng.integers(3, 8))
    templates = [draw_template(rng, world, warehouse, f"b{number}t{tile}") for tile in range(tiles)]
    calendar, space = world.calendar, warehouse.workspace
    days = np.arange(calendar.days, dtype=np.int64)
    weekday = calendar.weekday(days * DAY)
    quiet = space.holiday | space.closed | (weekday >= 5)  # noqa: PLR2004 -- Saturday
    # Everybody wants the figures in the morning.
    times = 1 if shared else int(rng.choice((1, 1, 2)))
    hours = rng.choice((7, 8, 12, 16), p=(0.2, 0.55, 0.15, 0.1), size=times, replace=False).tolist()
    due = np.concatenate([days * DAY + (hour - space.utc_offset) % 24 * HOUR for hour in hours])
    weekends = chance(rng, 0.3)
    due = due[~space.closed[due // DAY] & (weekends | ~quiet[due // DAY])] + int(rng.integers(0, 60))
    views = float(rng.uniform(0.1, 0.5) if shared else rng.uniform(0.1, 0.7)) * np.exp(warehouse.demand)
    views *= VIEWS[weekday] * rng.gamma(2.5, 0.4, size=len(days))
    views *= 1 + 0.8 * month_end(world) * chance(rng, 0.4)
    seen = rng.poisson(np.where(space.holiday | space.closed, 0.05, views))
    local = rng.choice(24, size=int(seen.sum()), p=HOURLY_RHYTHM / HOURLY_RHYTHM.sum())
    opened = np.repeat(days * DAY, seen) + (local - space.utc_offset) % 24 * HOUR + rng.integers(HOUR, size=len(local))
    # A new dashboard makes its warehouse busier from one day to the next.
    new = number > 1 and chance(rng, 0.4)
    begins = int(rng.integers(0, calendar.end)) if new else max(warehouse.born, 0)
    starts = np.sort(np.concatenate([due, opened]))
    starts = starts[(starts >= max(begins, warehouse.born)) & (starts < warehouse.gone)]
    time = np.repeat(starts, tiles) + rng.integers(0, 4, size=len(starts) * tiles)
    template = np.tile(np.arange(tiles), len(starts))
    order = np.argsort(time, kind="stable")
    who: list[str | None] = [f"svc-{space.team}@example.com"] * len(time)
    return _requests(rng, f"b{number:02d}", templates, time[order], template[order], who)


def month_end(world: World) -> Floats:
    """Return 1 on the days around the end of a month, more at the end of a quarter."""
    dates = np.datetime64(world.calendar.first_day) + np.arange(world.calendar.days)
    months = dates.astype("datetime64[M]")
    of_month = (dates - months).astype(np.int64) + 1
    quarter = np.isin(months.astype(np.int64) % 12 % 3, (0,)) & (of_month <= 2)  # noqa: PLR2004 -- first two days
    near: Floats = ((of_month >= 29) | (of_month <= 2)) * 1.0 + quarter  # noqa: PLR2004 -- four or five days
    return near


def _people(world: World, warehouse: Warehouse) -> Iterator[Requests]:
    rng = world.stream("saved_statements", warehouse.workspace.index, warehouse.number)
    pool = [draw_template(rng, world, warehouse, f"s{number}", by_hand=True) for number in range(POOL)]
    for person in all_people(world):
        if person.workspace is warehouse.workspace:
            yield _person(world, person, pool)


def _person(world: World, person: Person, pool: Sequence[Template]) -> Requests:
    rng = world.stream("person_statements", person.workspace.index, person.number)
    days = np.arange(world.calendar.days, dtype=np.int64)
    rate = {"analyst": 1.0, "scientist": 0.8, "engineer": 0.5, "admin": 0.3}[person.role] * person.busy
    # Some people close the books: much at the end of a month, and nothing wrong with it.
    closes = 1.3 * month_end(world) * (chance(rng, 0.25))
    rate_by_day = np.where(person.away, 0.01, rate * (1 + closes))
    sessions = np.repeat(days, rng.poisson(0.25 * rate_by_day))
    hour = person.begins + person.hours * rng.beta(1.3, 1.3, size=len(sessions)) - person.workspace.utc_offset
    asked = rng.geometric(0.3, size=len(sessions))
    within = rng.exponential(9 * MINUTE, size=int(asked.sum()))
    day = np.repeat(sessions, asked)
    time = np.repeat(sessions * DAY + (hour * HOUR).astype(np.int64), asked) + within.astype(np.int64)
    volume, exported = 0.5 * closes[day], np.zeros(len(time))
    for incident in people_incidents(world)[person]:
        if incident.kind in (BULK_READ, MASS_EXPORT):
            more = rng.integers(incident.start, incident.end, size=1 + int(rng.poisson(1.6 * incident.volume)))
            time = np.concatenate([time, more])
            volume, exported = (np.concatenate([part, np.zeros(len(more))]) for part in (volume, exported))
            hit = (time >= incident.start) & (time < incident.end)
            volume = volume + hit * incident.volume
            exported = exported + hit * (incident.volume if incident.kind == MASS_EXPORT else 0.0)
    order = np.argsort(time, kind="stable")
    order = order[(time[order] >= max(person.born, 0)) & (time[order] < world.calendar.end)]
    favourites = rng.dirichlet(np.full(len(pool), 0.35))
    template = rng.choice(len(pool), size=len(time), p=favourites)[order]
    who: list[str | None] = list(emails_on(world, person, time[order]))
    return _requests(
        rng, f"p{person.number:03d}", pool, time[order], template, who, volume=volume[order], exported=exported[order]
    )


def _job(world: World, job: Job) -> Requests | None:
    """Return the statements of a job that works on the shared warehouse: one or two for most runs."""
    if not any(compute.startswith("wh") for compute in job.compute_ids):
        return None
    rng = world.stream("job_statements", job.workspace.index, job.number)
    runs = all_runs(world)[job]
    runs = runs.take(~np.isin(runs.state, (SKIPPED, BLOCKED)) & (runs.duration > MINUTE // 2))
    runs = runs.take(rng.random(len(runs.start)) < P_USES_WAREHOUSE)
    each = 1 + chance(rng, 0.2)
    first = rng.uniform(0.02, 0.2)
    part = rng.uniform(0.2, 0.7) / each
    templates = [draw_template(rng, world, None, f"j{job.number}s{step}") for step in range(each)]
    step = np.tile(np.arange(each), len(runs.start))
    long = np.repeat(runs.duration, each)
    time = np.repeat(runs.start, each) + ((first + step * 0.45) * long).astype(np.int64)
    fails = np.repeat(runs.failed, each) & (step == each - 1)
    order = np.argsort(time, kind="stable")
    who: list[str | None] = [job.run_as] * len(time)
    return _requests(
        rng, f"j{job.number:03d}", templates, time[order], step[order], who,
        seconds=np.minimum(part * long, HOUR)[order], fails=fails[order],
    )  # fmt: skip

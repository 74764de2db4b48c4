"""Data tables: who writes them and when, how many rows they hold, which columns they have."""

from __future__ import annotations

import dataclasses
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from domains.simulator.calendar import DAY, Flags, Floats, Ints, chance
from domains.simulator.incidents import TOLD, Incident
from domains.simulator.job_runs import SUCCEEDED, all_runs
from domains.simulator.jobs import PIPELINES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from domains.simulator.jobs import Job
    from domains.simulator.workspaces import Workspace
    from domains.simulator.world import World

JOBS_PER_TABLE = 10
KINDS, KIND_SHARES = ("append", "overwrite", "slow"), (0.5, 0.35, 0.15)
TRUNCATION, PARTIAL, DOUBLED = "truncation", "partial_load", "duplicate_load"
P_NOTHING_NEW = 0.04
"""Share of successful runs of the producer that find nothing to write."""
RETENTION = 0.25
"""Share of appended tables that somebody cuts back to some months now and then, on purpose."""


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Table:
    """One data table.

    Args:
        workspace: Whose it is.
        number: Its number in the workspace.
        catalog: Catalog.
        schema: Schema.
        name: Name, unique within the schema.
        kind: ``append`` grows with each write, ``overwrite`` varies about a level, ``slow`` hardly changes.
        producer: The job that writes it.
        rows: Rows at the start of the world.
        growth: Share of those rows that one write adds.
        noise: Spread of the log of what a write brings.
        width: Bytes per row.
    """

    workspace: Workspace
    number: int
    catalog: str
    schema: str
    name: str
    kind: str
    producer: Job
    rows: float
    growth: float
    noise: float
    width: float

    @property
    def full_name(self) -> str:
        """``catalog.schema.name``."""
        return f"{self.catalog}.{self.schema}.{self.name}"

    @property
    def entity(self) -> tuple[tuple[str, str], ...]:
        """Natural key."""
        return (("table_catalog", self.catalog), ("table_schema", self.schema), ("table_name", self.name))


@lru_cache(maxsize=1)
def all_tables(world: World) -> tuple[Table, ...]:
    """Return every table; a larger world adds tables and changes none."""
    found: list[Table] = []
    for workspace in world.workspaces:
        jobs = [job for job in world.jobs if job.workspace is workspace]
        found += [_table(world, jobs, number) for number in range(max(1, round(len(jobs) / JOBS_PER_TABLE)))]
    return tuple(found)


def _table(world: World, jobs: Sequence[Job], number: int) -> Table:
    # Number by number from the first jobs on, so that more jobs leave the earlier tables as they are.
    producer = jobs[min(number, len(jobs) - 1)]
    rng = world.stream("table", producer.workspace.index, number)
    kind = str(rng.choice(KINDS, p=KIND_SHARES))
    return Table(
        workspace=producer.workspace,
        number=number,
        catalog=producer.workspace.team,
        schema=str(rng.choice(PIPELINES)),
        name=f"{producer.name.split('_', 1)[1]}_{number:03d}",
        kind=kind,
        producer=producer,
        rows=float(rng.lognormal(12, 2)),
        growth=float(rng.uniform(0.0005, 0.02)) if kind == "append" else 0.0,
        noise={"append": 0.35, "overwrite": 0.06, "slow": 0.002}[kind] * float(rng.uniform(0.4, 1.8)),
        width=float(rng.lognormal(4.5, 0.8)),
    )


@lru_cache(maxsize=1)
def all_writes(world: World) -> Mapping[Table, Ints]:
    """Return when each table was written: at the ends of its producer's successful runs, most of them."""
    runs = all_runs(world)
    found: dict[Table, Ints] = {}
    for table in all_tables(world):
        rng = world.stream("writes", table.workspace.index, table.number)
        good = runs[table.producer].take(runs[table.producer].state == SUCCEEDED)
        ends = np.sort(good.end[rng.random(len(good.start)) >= P_NOTHING_NEW])
        by_hand = rng.integers(0, world.calendar.end, size=int(rng.poisson(6)))
        found[table] = np.sort(np.concatenate([ends, by_hand[by_hand > max(table.producer.born, 0)]]))
    return found


@lru_cache(maxsize=1)
def table_incidents(world: World) -> Mapping[Table, Sequence[Incident]]:
    """Return what happens to each table's content, in order of time; ``volume`` is the shift of the log of its rows."""
    return {table: sorted(_incidents_for(world, table), key=lambda i: i.start) for table in all_tables(world)}


def _incidents_for(world: World, table: Table) -> Iterator[Incident]:
    rng = world.stream("table_incidents", table.workspace.index, table.number)
    sizes = {TRUNCATION: (-4.0, -0.25), PARTIAL: (-0.25, -0.03), DOUBLED: (0.1, 0.69)}
    for kind, expected in {TRUNCATION: 3.0, PARTIAL: 3.0, DOUBLED: 1.5}.items():
        for start in rng.integers(0, world.calendar.end, size=int(rng.poisson(expected))).tolist():
            days = float(np.clip(rng.lognormal(1.2, 0.8), 0.3, 20))
            volume, told = float(rng.uniform(*sizes[kind])), chance(rng, TOLD)
            yield Incident(
                kind, table.workspace, table.entity, start, start + int(days * DAY), volume=volume, told=told
            )


def rows_by_day(world: World, table: Table) -> tuple[Ints, Flags]:
    """Return the rows of a table at the end of each day of the world, and on which days it existed."""
    rng = world.stream("rows_by_day", table.workspace.index, table.number)
    days = world.calendar.days
    writes = np.bincount(world.calendar.day(all_writes(world)[table]), minlength=days)[:days]
    brought = rng.lognormal(0.0, table.noise, size=days)
    if table.kind == "append":
        rows = table.rows * (1 + np.cumsum(table.growth * writes * brought))
        rows = _retained(rng, rows)
    else:
        # A level that wanders, seen anew at each write only.
        level = table.rows * np.exp(np.cumsum(rng.normal(0, table.noise / 6, size=days))) * brought
        rows = _held(level, writes > 0)
    return _hurt(world, table, rows, writes), _alive(table, days)


def _retained(rng: np.random.Generator, rows: Floats) -> Floats:
    """Cut back an appended table now and then: a fall that nobody needs to hear of."""
    if not chance(rng, RETENTION):
        return rows
    cut = np.zeros(len(rows))
    for day in rng.integers(0, len(rows), size=int(rng.integers(2, 7))).tolist():
        cut[day:] = np.maximum(cut[day:], rows[day] * rng.uniform(0.05, 0.35))
    return np.maximum(rows - cut, 1.0)


def _held(level: Floats, written: Flags) -> Floats:
    """Return on each day the level of the last write."""
    last = np.maximum.accumulate(np.where(written, np.arange(len(level)), 0))
    return level[last]


def _hurt(world: World, table: Table, rows: Floats, writes: Ints) -> Ints:
    """Let incidents show from the first write after they begin: nobody truncates a table that nobody writes."""
    shift = np.zeros(len(rows))
    for incident in table_incidents(world)[table]:
        first, last = incident.start // DAY, min(incident.end // DAY, len(rows) - 1)
        hit = np.flatnonzero(writes[first : last + 1])
        if len(hit):
            shift[first + hit[0] : last + 1] += incident.volume
    return np.asarray(np.maximum(rows * np.exp(shift), 0), dtype=np.int64)


def _alive(table: Table, days: int) -> Flags:
    day = np.arange(days)
    end = days if table.producer.deleted is None else table.producer.deleted // DAY + 60
    return (day >= max(table.producer.born, 0) // DAY) & (day < end)

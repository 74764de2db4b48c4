"""fact_table_lineage: which tables jobs write and people read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from domains.simulator.calendar import DAY, HOUR, Floats, Ints
from domains.simulator.people import BULK_READ, MASS_EXPORT, TAKEOVER, Person, all_people, emails_on
from domains.simulator.people import people_incidents as incidents_of
from domains.simulator.rows import Rows, arrivals
from domains.simulator.tables import all_tables, all_writes

if TYPE_CHECKING:
    from domains.simulator.incidents import Incident
    from domains.simulator.tables import Table
    from domains.simulator.world import World

READS_A_DAY = 0.45
"""Of a person of mean business, on a working day."""
FAVOURITES = 4
P_STRAY = 0.03
"""Share of reads that go to a table outside of a person's usual ones."""
P_TWICE, P_NO_AUTHOR = 0.001, 0.01
READERS = ("NOTEBOOK", "DBSQL_QUERY", "DASHBOARD_V3")

Columns = dict[str, Any]


def fact_table_lineage(world: World) -> Rows:
    """Return all writes of jobs and reads of people."""
    parts = [_writes(world, table, at) for at, table in enumerate(all_tables(world))]
    parts += [_reads(world, person) for person in all_people(world)]
    names = pa.array([table.full_name for table in all_tables(world)])
    joined = {name: np.concatenate([part[name] for part in parts]) for name in ("source", "target", "time", "arrival")}
    text = {name: [v for part in parts for v in part[name]] for name in ("record", "entity", "job", "author")}
    first = np.datetime64(world.calendar.first_day)
    columns = {
        "record_id": text["record"],
        "source_table_full_name": names.take(pa.array(joined["source"], mask=joined["source"] < 0)),
        "target_table_full_name": names.take(pa.array(joined["target"], mask=joined["target"] < 0)),
        "event_time": pa.array(world.calendar.micros(joined["time"])).cast(pa.timestamp("us", tz="UTC")),
        "event_date": pa.array(first + joined["time"] // DAY),
        "entity_type": text["entity"],
        "entity_metadata_job_id": text["job"],
        "created_by": text["author"],
    }
    return Rows(columns, arrival=joined["arrival"], time=joined["time"])


def _writes(world: World, table: Table, at: int) -> Columns:
    """Each write of a table, with the table that it was made from, if any is known."""
    rng = world.stream("lineage_writes", table.workspace.index, table.number)
    times = all_writes(world)[table]
    twice = np.flatnonzero(rng.random(len(times)) < P_TWICE)
    which = np.concatenate([np.arange(len(times)), twice])
    sources = [n for n, other in enumerate(all_tables(world)) if other.workspace is table.workspace and n < at]
    source = sources[int(rng.integers(len(sources)))] if sources else -1
    late = arrivals(times, table.workspace, rng.random((3, len(times))))
    silent = rng.random(len(times)) < P_NO_AUTHOR
    return {
        "record": [f"w-{table.workspace.index:02d}-{table.number:04d}-{number}" for number in which.tolist()],
        "source": np.full(len(which), source),
        "target": np.full(len(which), at),
        "time": times[which],
        "arrival": late[which],
        "entity": ["JOB"] * len(which),
        "job": [table.producer.job_id] * len(which),
        "author": [None if silent[n] else table.producer.run_as for n in which.tolist()],
    }


def _reads(world: World, person: Person) -> Columns:
    """A person's reads: of a few tables mostly, now and then of others, and of many when the account is abused."""
    rng = world.stream("lineage_reads", person.workspace.index, person.number)
    days = np.arange(world.calendar.days, dtype=np.int64)
    rate = READS_A_DAY * person.busy * ~person.away * (days * DAY >= person.born)
    day = np.repeat(days, rng.poisson(rate))
    hour = person.begins + person.hours * rng.random(len(day)) - person.workspace.utc_offset
    times = day * DAY + (hour * HOUR).astype(np.int64)
    tables = _choice(world, person, rng, len(times))
    abused = [i for i in incidents_of(world)[person] if i.kind in (BULK_READ, MASS_EXPORT, TAKEOVER)]
    more = [_abuse(world, incident, rng) for incident in abused]
    times = np.concatenate([times, *(t for t, _ in more)])
    tables = np.concatenate([tables, *(s for _, s in more)])
    kept = np.flatnonzero((times >= 0) & (times < world.calendar.end))
    times, tables = times[kept], tables[kept]
    return {
        "record": [f"r-{person.workspace.index:02d}-{person.number:04d}-{number}" for number in range(len(times))],
        "source": tables,
        "target": np.full(len(times), -1),
        "time": times,
        "arrival": arrivals(times, person.workspace, rng.random((3, len(times)))),
        "entity": rng.choice(READERS, p=(0.4, 0.45, 0.15), size=len(times)).tolist(),
        "job": [None] * len(times),
        "author": emails_on(world, person, times),
    }


def _choice(world: World, person: Person, rng: np.random.Generator, count: int) -> Ints:
    every = len(all_tables(world))
    own = [n for n, table in enumerate(all_tables(world)) if table.workspace is person.workspace]
    weights: Floats = rng.dirichlet(np.full(min(FAVOURITES, len(own)), 0.7))
    usual = rng.choice(rng.permutation(own)[: len(weights)], p=weights, size=count)
    # Work moves on: from some day on a person's usual tables include one more of another team.
    stray = rng.random(count) < P_STRAY
    return np.where(stray, rng.integers(0, every, size=count), usual)


def _abuse(world: World, incident: Incident, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """A few tables that the person never needed, up to dozens; some abuse stays with the usual ones."""
    reach = int(rng.integers(0, 3 + int(6 * max(incident.volume, 0.5))))
    times = rng.integers(incident.start, incident.end, size=reach)
    return times, rng.integers(0, len(all_tables(world)), size=reach)

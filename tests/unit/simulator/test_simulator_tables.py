"""Simulated tables: written by their jobs, hurt by incidents, reshaped in bursts, read by people."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from itertools import pairwise

import numpy as np
import pytest

from domains.gold.contract import TABLES
from domains.simulator.calendar import DAY, Calendar
from domains.simulator.job_runs import SUCCEEDED, all_runs
from domains.simulator.people import BULK_READ, MASS_EXPORT, all_people, people_incidents, swapped_days
from domains.simulator.tables import TRUNCATION, all_tables, all_writes, rows_by_day, table_incidents
from domains.simulator.world import build_world
from domains.simulator.write import FAMILIES

DECLARED = {table.name: table for table in TABLES}
KEYS = ("table_catalog", "table_schema", "table_name")


@pytest.fixture(scope="module")
def world():
    return build_world(7, 0.25, Calendar())


@pytest.fixture(scope="module")
def rows(world):
    """Whole-life rows of a family as plain dicts."""
    found = {}

    def read(name):
        if name not in found:
            end = world.calendar.end + 30 * DAY
            found[name] = FAMILIES[name](world).table(DECLARED[name], 0, end).to_pylist()
        return found[name]

    return read


def of(row):
    return tuple(row[key] for key in KEYS)


def test_there_is_a_table_in_each_workspace_and_names_are_unique(world):
    tables = all_tables(world)
    assert {table.workspace.index for table in tables} == set(range(24))
    assert len({table.full_name for table in tables}) == len(tables)
    assert set(Counter(table.kind for table in tables)) == {"append", "overwrite", "slow"}


def test_most_writes_end_a_successful_run_of_the_producer(world):
    runs, by_run, every = all_runs(world), 0, 0
    for table, writes in all_writes(world).items():
        own = runs[table.producer]
        ends = set(own.end[own.state == SUCCEEDED].tolist())
        by_run += sum(moment in ends for moment in writes.tolist())
        every += len(writes)
        assert (np.diff(writes) >= 0).all()
    assert 0.9 < by_run / every < 1


def test_appended_tables_grow_and_a_truncation_shows_until_it_ends(world):
    fell = told = 0
    for table in all_tables(world):
        rows, alive = rows_by_day(world, table)
        if table.kind == "append" and len(all_writes(world)[table]) > 100:
            assert np.median(rows[alive][-20:]) > 0
        for incident in table_incidents(world)[table]:
            first, last = incident.start // DAY, min(incident.end // DAY, len(rows) - 1)
            if incident.kind != TRUNCATION or first < 3 or incident.volume > -1:
                continue
            told += 1
            fell += rows[last] < 0.6 * rows[first - 1]
    assert told > 10
    # Some last less than a day between two writes, or overlap with a double load: nobody ever sees those.
    assert fell / told > 0.6


def test_snapshots_are_daily_but_for_missed_evenings(world, rows):
    days = sorted({row["snapshot_date"] for row in rows("table_snapshots")})
    missed = (days[-1] - days[0]).days + 1 - len(days)
    assert 0 < missed < 15
    assert {row["snapshot_date"] for row in rows("information_schema_columns")} == set(days)
    assert sum(row["row_count"] is None for row in rows("table_snapshots")) > 5


def test_columns_change_in_bursts_and_seldom_on_weekends(rows):
    shapes = {}
    for row in rows("information_schema_columns"):
        shapes.setdefault(of(row), {}).setdefault(row["snapshot_date"], set()).add(
            (row["column_name"], row["data_type"])
        )
    changes = {
        table: [day for day, before in zip(sorted(by_day)[1:], sorted(by_day), strict=False)
                if by_day[day] != by_day[before]]
        for table, by_day in shapes.items()
    }  # fmt: skip
    weekend = Counter(day.weekday() >= 5 for days in changes.values() for day in days)
    assert weekend[True] / weekend.total() < 0.15
    gaps = np.array([(b - a).days for days in changes.values() for a, b in pairwise(days)])
    assert len(gaps) > 100
    # A steady process of the same rate has as many gaps below a third of the mean as exp says: 28 %.
    assert (gaps < gaps.mean() / 3).mean() > 0.35


def test_lineage_names_who_wrote_and_who_read(world, rows):
    lineage = rows("fact_table_lineage")
    writes = [row for row in lineage if row["target_table_full_name"]]
    reads = [row for row in lineage if not row["target_table_full_name"]]
    assert {row["entity_type"] for row in writes} == {"JOB"}
    assert all(row["entity_metadata_job_id"] for row in writes)
    assert 0.002 < np.mean([row["created_by"] is None for row in writes]) < 0.05
    assert {row["created_by"] for row in reads} <= {person.email for person in all_people(world)}
    assert all(row["source_table_full_name"] for row in reads)
    twice = [n for n in Counter(row["record_id"] for row in lineage).values() if n > 1]
    assert twice


def test_who_takes_data_along_reads_more_tables_than_usual(world, rows):
    first = world.calendar.first_day
    read = Counter()
    tables = {}
    for row in rows("fact_table_lineage"):
        if not row["target_table_full_name"]:
            key = (row["created_by"], row["event_date"])
            read[key] += 1
            tables.setdefault(key, set()).add(row["source_table_full_name"])
    hit = {
        (person.email, first + timedelta(days=incident.start // DAY))
        for person, incidents in people_incidents(world).items()
        for incident in incidents
        if incident.kind in (BULK_READ, MASS_EXPORT) and incident.start // DAY not in swapped_days(world)[person]
    }
    usual = np.mean([len(found) for key, found in tables.items() if key not in hit])
    abused = np.mean([len(tables.get(key, ())) for key in hit])
    assert len(hit) > 30
    assert abused > 2 * usual
    # Subtle enough to hide: a part of them reads no more than others do.
    assert np.mean([len(tables.get(key, ())) <= usual for key in hit]) > 0.1


def test_only_what_somebody_wrote_down_is_truth(rows):
    truth = [row for row in rows("incident_truth") if "table_name" in dict(row["entity"])]
    kinds = Counter(row["kind"] for row in truth)
    assert set(kinds) == {"truncation", "partial_load", "duplicate_load"}
    assert any(row["start_time"].date() > date(2026, 9, 1) for row in truth)
    assert any(row["start_time"].date() < date(2026, 6, 1) for row in truth)
    assert len({row["incident_id"] for row in truth}) == len(truth)


def described(world):
    """What each table is and holds; the world is drawn once more where another was looked at meanwhile."""
    return {
        (t.workspace.index, t.number): (t.full_name, t.kind, t.rows, rows_by_day(world, t)[0].tolist())
        for t in all_tables(world)
    }


def test_a_larger_world_keeps_the_tables_of_a_smaller_one(world):
    small, large = described(build_world(7, 0.05, Calendar())), described(world)
    assert small.items() <= large.items()
    assert len(small) == 24

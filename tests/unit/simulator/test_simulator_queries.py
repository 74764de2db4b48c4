"""The simulated statements and warehouses: rhythm, waiting, cache, incidents, dirt, and events that agree."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from domains.simulator.calendar import DAY, Calendar
from domains.simulator.people import BULK_READ, MASS_EXPORT, people_incidents
from domains.simulator.queueing import Operation
from domains.simulator.statements import all_statements
from domains.simulator.warehouses import REGRESSION, Version, Warehouse, all_warehouses, regressions
from domains.simulator.world import build_world
from domains.simulator.write import simulate

HISTORY, EVENTS, SETTINGS = "fact_query_history", "fact_warehouse_events", "dim_warehouse"
TABLES = (HISTORY, EVENTS, SETTINGS)
HELD_BACK = datetime(2026, 8, 29, tzinfo=UTC)


@pytest.fixture(scope="module")
def world():
    return build_world(7, 0.25, Calendar())


@pytest.fixture(scope="module")
def gold(tmp_path_factory):
    folder = tmp_path_factory.mktemp("queries")
    simulate(folder, scale=0.25, tables=[*TABLES, "incident_truth"])
    return {name: pq.read_table(folder / f"{name}.parquet") for name in (*TABLES, "incident_truth")}


@pytest.fixture(scope="module")
def history(gold):
    return gold[HISTORY]


def share(flags):
    return pc.mean(pc.cast(pc.fill_null(flags, False), pa.float64())).as_py()


def days_of(column):
    return pc.floor_temporal(column, unit="day")


def test_every_workspace_asks_on_most_days(history):
    assert len(set(history["workspace_id"].to_pylist())) == 24
    assert len(pc.unique(days_of(history["start_time"]))) == 365


def test_people_work_by_day_and_dashboards_are_looked_at_on_weekdays(history):
    who = pc.fill_null(history["executed_by"], "")
    by_hand = history.filter(pc.invert(pc.starts_with(who, "svc-")))
    hours = Counter(pc.hour(by_hand["start_time"]).to_pylist())
    assert sum(hours[hour] for hour in range(8, 22)) > 0.7 * hours.total()
    weekdays = Counter(pc.day_of_week(history["start_time"]).to_pylist())
    assert weekdays[5] + weekdays[6] < 0.5 * (weekdays[1] + weekdays[2])


def test_every_problem_occurs_and_none_is_the_rule(history):
    total = pc.cast(history["total_duration_ms"], pa.float64())
    files = pc.add(history["read_files"], history["pruned_files"])
    found = {
        "cached": share(history["from_result_cache"]),
        "queued": share(pc.greater(history["waiting_at_capacity_duration_ms"], pc.multiply(total, 0.1))),
        "cold": share(pc.greater(history["waiting_for_compute_duration_ms"], 1_000)),
        "spilled": share(pc.greater(history["spilled_local_bytes"], 0)),
        "compiling": share(pc.greater(history["compilation_duration_ms"], pc.multiply(total, 0.3))),
        "unpruned": share(
            pc.and_(pc.greater_equal(files, 100), pc.less(history["pruned_files"], pc.multiply(files, 0.2)))
        ),
        "slow": share(pc.greater(total, 60_000)),
        "failed": share(pc.equal(history["execution_status"], "FAILED")),
        "cancelled": share(pc.equal(history["execution_status"], "CANCELED")),
    }
    floors = {"unpruned": 0.01, "compiling": 0.01, "failed": 0.005, "cancelled": 0.003}
    assert all(floors.get(name, 0.02) < value < 0.75 for name, value in found.items()), found


def test_durations_add_up(history):
    parts = ("execution", "compilation", "waiting_at_capacity", "waiting_for_compute")
    whole = sum(history[f"{part}_duration_ms"].to_numpy() for part in parts)
    assert np.abs(whole - history["total_duration_ms"].to_numpy()).max() <= 4


def test_what_comes_from_the_cache_reads_nothing_and_repeats_a_call_of_the_day(history):
    cached = history.filter(pc.fill_null(history["from_result_cache"], False))
    assert set(pc.drop_null(cached["read_bytes"]).to_pylist()) == {0}
    assert pc.max(cached["execution_duration_ms"]).as_py() < 1_000


def test_a_statement_has_one_text_with_many_literals(history):
    texts = [text for text in history["statement_text"].to_pylist() if text]
    bare = Counter(re.sub(r"/\*.*?\*/|--[^\n]*|\s+|'[^']*'|\b[\d.]+\b|[?,]", "", text.lower()) for text in texts)
    assert len(set(texts)) > 0.95 * len(texts)
    assert 300 < len(bare) < 0.05 * len(texts)


def test_a_larger_world_asks_the_same_and_more(tmp_path, gold):
    simulate(tmp_path, scale=0.05, tables=[HISTORY, SETTINGS])
    small = pq.read_table(tmp_path / f"{HISTORY}.parquet")
    assert small.num_rows < gold[HISTORY].num_rows
    # More people share a warehouse, so the same statement may wait longer, and so arrive later.
    large, asked = (
        dict(zip(table["statement_id"].to_pylist(), table["statement_text"].to_pylist(), strict=True))
        for table in (gold[HISTORY], small)
    )
    found = [large[name] == value for name, value in asked.items() if name in large and name]
    assert len(found) > 0.999 * len(asked)
    assert all(found)
    assert set(map(repr, pq.read_table(tmp_path / f"{SETTINGS}.parquet").to_pylist())) <= set(
        map(repr, gold[SETTINGS].to_pylist())
    )


def test_dirt_is_there(history):
    ids = Counter(history["statement_id"].to_pylist())
    missing = ids.pop(None)
    assert 0 < missing < 0.002 * len(history)
    assert 0 < sum(count - 1 for count in ids.values()) < 0.003 * len(history)
    assert 0 < share(pc.less(history["end_time"], history["start_time"])) < 0.002
    assert "CLOSED" in set(history["execution_status"].to_pylist())
    for name in ("compute_warehouse_id", "executed_by", "statement_text", "read_bytes", "from_result_cache"):
        assert 0 < history[name].null_count < 0.05 * len(history)


def test_some_statements_reach_gold_days_late(tmp_path, gold):
    earlier = datetime(2026, 10, 20, tzinfo=UTC)
    simulate(tmp_path, scale=0.25, tables=[HISTORY], last_day=earlier.date(), days=357)
    there = pc.sum(pc.cast(pc.less(gold[HISTORY]["end_time"], pa.scalar(earlier)), pa.int64())).as_py()
    table = pq.read_table(tmp_path / f"{HISTORY}.parquet")
    assert (
        0 < there - pc.sum(pc.cast(pc.less(table["end_time"], pa.scalar(earlier)), pa.int64())).as_py() < 0.01 * there
    )


def test_events_of_a_warehouse_follow_each_other(world):
    follows = {
        None: {"STARTING"},
        "STARTING": {"RUNNING"},
        "RUNNING": {"SCALED_UP", "SCALED_DOWN", "STOPPING"},
        "SCALED_UP": {"SCALED_UP", "SCALED_DOWN", "STOPPING"},
        "SCALED_DOWN": {"SCALED_UP", "SCALED_DOWN", "STOPPING"},
        "STOPPING": {"STOPPED"},
        "STOPPED": {"STARTING"},
    }
    kinds = Counter()
    for _, events in all_statements(world).values():
        before, at, count = None, 0.0, 0
        for time, kind, clusters in events:
            assert kind in follows[before]
            assert time >= at
            assert clusters == {"SCALED_UP": count + 1, "SCALED_DOWN": count - 1}.get(kind, clusters)
            before, at, count = kind, time, clusters
            kinds[kind] += 1
    assert min(kinds.values()) > 1_000


def test_no_statement_works_on_a_stopped_warehouse(world):
    for sources, events in list(all_statements(world).values())[:6]:
        time = np.array([at for at, _, _ in events])
        running = np.array([clusters > 0 for _, _, clusters in events])
        for part in sources:
            began = part.requests.time + part.for_compute + part.for_room
            assert running[np.searchsorted(time, began + 1e-6, side="right") - 1].all()


def test_an_operation_by_hand():
    one = Version(0, 2, 1, 2, 10)
    warehouse = Warehouse(None, 0, "wh", "SERVERLESS", 1, 2, 1.0, 0, 10**9, np.zeros(1), (one,))
    operation = Operation(warehouse)
    assert operation.serve(100.0, 60.0, 0.0, cached=False) == (4.0, 0.0)  # started by this one
    assert operation.serve(110.0, 60.0, 0.0, cached=False) == (0.0, 12.0)  # a second cluster is quicker than the queue
    assert operation.serve(112.0, 5.0, 0.0, cached=False) == (0.0, 52.0)  # none is left to ask for
    assert operation.serve(113.0, 0.1, 0.0, cached=True) == (0.0, 0.0)
    assert operation.close(10_000.0) == [
        (100.0, "STARTING", 0),
        (104.0, "RUNNING", 1),
        (122.0, "SCALED_UP", 2),
        (782.0, "STOPPING", 2),
        (802.0, "STOPPED", 0),
    ]


def test_settings_change_and_stay_within_reason(gold):
    table = gold[SETTINGS].to_pylist()
    versions = Counter((row["workspace_id"], row["warehouse_id"]) for row in table)
    assert max(versions.values()) > 3
    assert all(1 <= row["min_clusters"] <= row["max_clusters"] for row in table)
    assert {row["auto_stop_minutes"] == 0 for row in table} == {True, False}
    ids = defaultdict(set)
    for row in table:
        ids[row["warehouse_id"]].add(row["workspace_id"])
    assert max(len(found) for found in ids.values()) > 1  # unique within a workspace only


def test_regressions_make_statements_slower_subtly_or_grossly(world):
    ratios = []
    for warehouse, (sources, _) in all_statements(world).items():
        time = np.concatenate([part.requests.time for part in sources])
        work = np.concatenate([np.where(part.cached | (part.status > 0), np.nan, part.work) for part in sources])
        for regression in regressions(world)[warehouse]:
            incident = regression.incident
            during = work[(time >= incident.start) & (time < incident.end)]
            before = work[(time >= incident.start - 14 * DAY) & (time < incident.start)]
            if min(np.isfinite(during).sum(), np.isfinite(before).sum()) >= 20:
                ratios.append(np.nanmedian(during) / np.nanmedian(before))
    assert len(ratios) > 40
    assert 1.15 < np.median(ratios) < 2.5
    assert np.mean(np.array(ratios) < 1.15) > 0.1  # some cannot be told from noise


def test_truth_names_regressions_before_and_inside_the_held_back_days(gold, world):
    told = [row for row in gold["incident_truth"].to_pylist() if row["kind"] == REGRESSION]
    assert {row["start_time"] >= HELD_BACK for row in told} == {True, False}
    known = {(w.workspace.workspace_id, w.warehouse_id) for w in all_warehouses(world)}
    assert {(row["workspace_id"], dict(row["entity"])["warehouse_id"]) for row in told} <= known
    every = sum(len(found) for found in regressions(world).values())
    assert 0.7 < len(told) / every < 0.95


def test_bulk_reads_and_exports_show_in_the_statements_of_their_account(world):
    by_source = {
        (warehouse.workspace.index, part.requests.source): part
        for warehouse, (sources, _) in all_statements(world).items()
        for part in sources
    }
    counts, sizes = defaultdict(list), []
    for person, incidents in people_incidents(world).items():
        part = by_source[person.workspace.index, f"p{person.number:03d}"]
        time, volume = part.requests.time, part.requests.volume
        for incident in incidents:
            hit = (time >= incident.start) & (time < incident.end)
            counts[incident.kind].append(hit.sum())
            if incident.kind in (BULK_READ, MASS_EXPORT):
                sizes.append(volume[hit].min() - incident.volume)
    assert min(counts[BULK_READ]) >= 1
    assert min(sizes) > -1e-9
    assert np.mean(counts[BULK_READ]) > 3 * np.mean(counts["brute_force"])

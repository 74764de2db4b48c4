"""Labels of the seven models look strictly ahead and are what their cards say, against twins in plain Python."""

from __future__ import annotations

import random
import statistics
from collections import defaultdict
from datetime import UTC, date, datetime, time, timedelta

import pytest

from domains.performance.migration import DbrMigrationRiskScorer
from domains.performance.scorers import DbrMigrationScorer
from domains.performance.trainers import (
    CacheHitPredictor,
    ClusterCapacityPlanner,
    PerformanceRegressionDetector,
    QueryOptimizationRecommender,
    QueryPerformanceForecaster,
    WarehouseOptimizer,
)
from domains.performance.upgrades import HIGH, LOW, MEDIUM, risk
from framework.core.plugins import discover
from framework.testing import label_rows

PLUGINS = discover(strict=True)
FIRST = date(2026, 4, 1)
SPAN = 50
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
HISTORY, EVENTS, SETTINGS = "fact_query_history", "fact_warehouse_events", "dim_warehouse"
PROBLEMS = ("spill", "queue", "poor_pruning", "long_compile", "slow")


def midnight(day):
    return datetime.combine(day, time.min, UTC)


def aware(moment):
    return None if moment is None else moment.astimezone(UTC)


@pytest.fixture(scope="module")
def tables():
    """Two warehouses with days on and off; a cluster runs an hour on each day that has statements."""
    rng = random.Random(5)  # noqa: S311 -- any draw will do
    found = {HISTORY: [], EVENTS: [], SETTINGS: []}
    for warehouse in ("a", "b"):
        keys = {"workspace_id": "w", "warehouse_id": warehouse}
        found[SETTINGS].append(keys | {"change_time": midnight(FIRST - DAY), "min_clusters": 2, "max_clusters": 4})
        for number in range(SPAN):
            if rng.random() < 0.3 or (warehouse == "b" and 20 < number < 31):
                continue
            day = midnight(FIRST + number * DAY)
            clusters = rng.choice([1, 2, 2, 3])
            for hour, kind, count in [(6, "RUNNING", 1), (6.5, "SCALED_UP", clusters), (7, "STOPPED", 0)]:
                found[EVENTS].append(
                    keys | {"event_time": day + hour * 60 * MINUTE, "event_type": kind, "cluster_count": count}
                )
            slow = rng.choice([1, 1, 3])
            for again in range(rng.choice([1, 4, 9])):
                found[HISTORY].append(
                    statement(rng, warehouse, day + (365 + 4 * again) * MINUTE, len(found[HISTORY]), slow)
                )
    return found


def statement(rng, warehouse, start, number, slow):
    total = rng.choice([1_000, 40_000, 70_000]) * slow
    return {
        "statement_id": f"s{number}",
        "workspace_id": "w",
        "compute_warehouse_id": warehouse,
        "start_time": start,
        "end_time": start + timedelta(milliseconds=total),
        "statement_text": f"SELECT {'xyz'[number % 3]}, {number}",
        "total_duration_ms": total,
        "waiting_at_capacity_duration_ms": rng.choice([0, 0, 0, total // 2]),
        "compilation_duration_ms": rng.choice([0, total // 2, None]),
        "spilled_local_bytes": rng.choice([0, 0, 0, 9, None]),
        "read_files": rng.choice([50, 100]),
        "pruned_files": rng.choice([0, 200]),
        "from_result_cache": rng.choice([True, False, None]),
    }


@pytest.fixture(scope="module")
def labels(gold_view, tables):
    as_of = FIRST + (SPAN - 1) * DAY
    gold = gold_view(tables, as_of)

    def make(trainer, keys=("warehouse_id",)):
        task = trainer()
        frame = label_rows(task, PLUGINS, gold)
        found = {}
        for row in frame.collect():
            t = row["query_date"]
            at = (*(row[key] for key in keys), (t - FIRST).days)
            assert at not in found
            found[at] = row.asDict()
            if "label_known_at" in row:
                horizon = task.spec.horizon.days
                assert t + horizon * DAY <= as_of
                assert aware(row["label_known_at"]) == midnight(t + (horizon + 1) * DAY)
        return found

    return make


@pytest.fixture(scope="module")
def by_day(tables):
    found = defaultdict(list)
    for row in tables[HISTORY]:
        found[row["compute_warehouse_id"], (row["end_time"].date() - FIRST).days].append(row)
    return found


def p95(rows):
    ordered = sorted(row["total_duration_ms"] for row in rows)
    at = 0.95 * (len(ordered) - 1)
    low = int(at)
    return ordered[low] + (at - low) * (ordered[min(low + 1, len(ordered) - 1)] - ordered[low])


def ahead(by_day, warehouse, t, horizon):
    return [(day, by_day[warehouse, day]) for day in range(t + 1, t + horizon + 1) if by_day.get((warehouse, day))]


def every_day(horizon):
    return [(warehouse, t) for warehouse in "ab" for t in range(-horizon, SPAN - horizon)]


def test_next_active_days_p95(labels, by_day):
    found = {at: row["label"] for at, row in labels(QueryPerformanceForecaster).items()}
    expected = {at: p95(days[0][1]) for at in every_day(7) if (days := ahead(by_day, *at, 7))}
    assert found == {at: pytest.approx(value) for at, value in expected.items()}


def test_the_size_that_the_week_would_have_needed(labels, by_day, tables):
    found = {at: row["label"] for at, row in labels(WarehouseOptimizer).items()}
    expected = {}
    for warehouse, t in every_day(7):
        days = ahead(by_day, warehouse, t, 7)
        if not days:
            continue
        rows = [row for _, found_rows in days for row in found_rows]
        queue, whole = (sum(row[c] for row in rows) for c in ("waiting_at_capacity_duration_ms", "total_duration_ms"))
        busy = sum(
            min((midnight(FIRST + d * DAY) + 420 * MINUTE - r["start_time"]) / MINUTE, r["total_duration_ms"] / 6e4)
            for d, found_rows in days
            for r in found_rows
        )
        over = sum(
            30
            for d, _ in days
            for e in tables[EVENTS]
            if e["warehouse_id"] == warehouse and e["event_time"].date() == FIRST + d * DAY and e["cluster_count"] == 3
        )
        running = 60 * len(days)
        idle, least = running - busy, running - over
        expected[warehouse, t] = (
            0 if queue > 0.1 * whole else 1 if idle > 0.6 * running and least >= 0.95 * running else 2
        )
    assert found == expected
    assert set(expected.values()) == {0, 1, 2}


def test_shifts_that_persist_are_events(labels, by_day):
    found = {at: row["is_event"] for at, row in labels(PerformanceRegressionDetector).items()}
    expected = {}
    for warehouse, t in every_day(3):
        days = ahead(by_day, warehouse, t, 3)
        past = sorted(p95(by_day[warehouse, d]) for d in range(t - 27, t + 1) if by_day.get((warehouse, d)))
        if days and past:
            usual = past[(len(past) + 1) // 2 - 1]
            expected[warehouse, t] = int(statistics.median(p95(rows) for _, rows in days) >= 1.2 * usual)
    assert {at: value for at, value in found.items() if value is not None} == expected
    assert set(expected.values()) == {0, 1}


def test_peak_clusters_of_the_week(labels, tables):
    found = {at: row["label"] for at, row in labels(ClusterCapacityPlanner).items()}
    peaks = defaultdict(int)
    for event in tables[EVENTS]:
        at = event["warehouse_id"], (event["event_time"].date() - FIRST).days
        peaks[at] = max(peaks[at], event["cluster_count"])
    expected = {}
    for warehouse, t in every_day(7):
        if week := [peaks[warehouse, d] for d in range(t + 1, t + 8) if (warehouse, d) in peaks]:
            expected[warehouse, t] = max(week)
    assert found == expected


def test_cache_share_above_its_median(labels, by_day):
    found = {at: row["label"] for at, row in labels(CacheHitPredictor).items()}

    def share(rows):
        told = [int(row["from_result_cache"]) for row in rows if row["from_result_cache"] is not None]
        return statistics.fmean(told) if told else None

    expected = {}
    for warehouse, t in every_day(7):
        past = [by_day[warehouse, d] for d in range(t - 27, t + 1) if by_day.get((warehouse, d))]
        shares = sorted(s for s in map(share, past) if s is not None)
        days = [s for _, rows in ahead(by_day, warehouse, t, 7) if (s := share(rows)) is not None]
        if shares and days and sum(map(len, past)) >= 20:
            usual = shares[(len(shares) + 1) // 2 - 1]
            if 0 < usual < 1:
                expected[warehouse, t] = int(days[0] > usual)
    assert found == expected
    assert set(expected.values()) == {0, 1}


def test_problems_of_a_statement_next_week(labels, tables):
    found = labels(QueryOptimizationRecommender, keys=("query_fingerprint",))
    letters = {}
    for (print_, t), row in found.items():
        flags = tuple(row[name] for name in PROBLEMS)
        right = [letter for letter in "xyz" if flags_of(tables, letter, t) == flags]
        letters.setdefault(print_, set("xyz")).intersection_update(right)
    assert sorted(map(sorted, letters.values())) == [["x"], ["y"], ["z"]]
    # A part of the days, the same ones in every training; none without runs in its week.
    days = sum(flags_of(tables, letter, t) is not None for letter in "xyz" for t in range(-7, SPAN - 7))
    assert 0.15 < len(found) / days < 0.55
    every = {flags for t in range(-7, SPAN - 7) for letter in "xyz" if (flags := flags_of(tables, letter, t))}
    assert all({flags[at] for flags in every} == {0, 1} for at in range(3))


def flags_of(tables, letter, t):
    rows = [
        r
        for r in tables[HISTORY]
        if r["statement_text"][7] == letter and t < (r["end_time"].date() - FIRST).days <= t + 7
    ]
    return tuple(int(often(rows, name)) for name in PROBLEMS) if rows else None


def often(rows, name):
    told = [flag for flag in (bad(row)[name] for row in rows) if flag is not None]
    return bool(told) and sum(told) > 0.2 * len(told)


def bad(row):
    files, total = row["read_files"] + row["pruned_files"], row["total_duration_ms"]
    spilled, compiling = row["spilled_local_bytes"], row["compilation_duration_ms"]
    return {
        "spill": None if spilled is None else spilled > 0,
        "queue": row["waiting_at_capacity_duration_ms"] > 0.1 * total,
        "poor_pruning": files >= 100 and row["pruned_files"] < 0.2 * files,
        "long_compile": None if compiling is None else compiling > 0.3 * total,
        "slow": total > 60_000,
    }


# ---------------------------------------------------------------- runtime upgrades


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ((20, 0, [100] * 20), (20, 0, [100] * 20), LOW),
        ((20, 0, range(90, 110)), (20, 8, range(90, 102)), HIGH),  # Fisher: p = 0.003
        ((20, 0, range(90, 110)), (20, 2, range(90, 108)), MEDIUM),  # ten points more, but p = 0.49
        ((20, 8, range(90, 102)), (20, 0, range(90, 110)), LOW),  # better
        ((20, 0, range(90, 110)), (20, 0, range(120, 140)), HIGH),  # a quarter longer, beyond doubt
        ((20, 0, range(90, 110)), (20, 0, range(104, 124)), MEDIUM),  # a seventh longer
        ((5, 0, [90, 95, 100, 300, 400]), (5, 0, [80, 90, 130, 300, 310]), MEDIUM),  # much longer, but by chance
        ((5, 5, []), (5, 5, []), LOW),
        ((5, 0, [0, 0, 0, 0, 0]), (5, 0, [1, 1, 1, 1, 1]), LOW),  # no time to compare with
    ],
)
def test_risk_by_hand(before, after, expected):
    assert risk(*before, *after) == expected


def test_upgrades_are_labelled_by_the_runs_on_both_sides(gold_view):
    tables = {"fact_job_run_timeline": [], "dim_cluster": []}

    def run(job, day, hour, seconds, state="SUCCEEDED"):
        start = midnight(FIRST) + day * DAY + hour * 60 * MINUTE
        tables["fact_job_run_timeline"].append({
            "workspace_id": "w", "job_id": job, "run_id": f"{day}-{hour}", "period_start_time": start,
            "period_end_time": start + timedelta(seconds=seconds), "result_state": state, "compute_ids": [f"c-{job}"],
            "run_duration_seconds": seconds if state else None,
        })  # fmt: skip

    for job, change in {"slower": 20, "same": 20, "few": 20, "late": 33, "stays": None, "running": 20}.items():
        versions = [(-30, "14.3.x-scala2.12"), *([] if change is None else [(change + 0.5, "15.4.x-scala2.12")])]
        tables["dim_cluster"] += [
            {
                "workspace_id": "w",
                "cluster_id": f"c-{job}",
                "dbr_version": version,
                "change_time": midnight(FIRST) + at * DAY,
            }
            for at, version in versions
        ]
        for day in range(SPAN):
            if job == "few" and day % 4:
                continue
            after = change is not None and day >= change + 1
            run(job, day, 6, (100 + day % 5) * (2 if after and job == "slower" else 1))
    run("running", 31, 7, 60, None)  # never reports: lost, so it is waited for no longer
    run("running", SPAN - 1, 7, 60, None)
    as_of = FIRST + (SPAN - 1) * DAY
    gold = gold_view(tables, as_of)
    rows = {r["job_id"]: r for r in label_rows(DbrMigrationRiskScorer(), PLUGINS, gold).collect()}
    # The first run on the new version is that of the morning after the change.
    assert {job: (r["run_date"] - FIRST).days for job, r in rows.items()} == {
        "slower": 20,
        "same": 20,
        "late": 33,
        "running": 20,
    }
    assert {job: r["label"] for job, r in rows.items()} == {"slower": HIGH, "same": LOW, "late": LOW, "running": LOW}
    settled = midnight(FIRST + 49 * DAY)
    assert {job: aware(r["label_known_at"]) for job, r in rows.items()} == {
        "slower": settled,
        "same": settled,
        "late": None,
        "running": settled,
    }
    asked = DbrMigrationScorer().population(gold, as_of)
    assert [(r["job_id"], r["run_date"]) for r in asked.collect()] == [("stays", as_of)]


def test_labels_of_nothing_are_no_labels(gold_view):
    as_of = FIRST + 20 * DAY
    gold = gold_view({HISTORY: [], EVENTS: [], SETTINGS: []}, as_of)
    for trainer in (QueryPerformanceForecaster, WarehouseOptimizer, CacheHitPredictor, QueryOptimizationRecommender):
        assert label_rows(trainer(), PLUGINS, gold).isEmpty()

"""Fingerprints, cluster steps and the two performance tables against twins in plain Python."""

from __future__ import annotations

import math
import random
import re
import statistics
from bisect import bisect_right
from collections import defaultdict
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise

import pytest

from domains.performance.clusters import CARRIED, cluster_days
from domains.performance.query_features import PerformanceQueryFeatures
from domains.performance.statements import fingerprint
from domains.performance.warehouse_features import PerformanceFeatures
from framework.declare.gold import Days

FIRST = date(2026, 3, 1)
SPAN = 44
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
HISTORY, EVENTS, SETTINGS = "fact_query_history", "fact_warehouse_events", "dim_warehouse"


def midnight(day):
    return datetime.combine(day, time.min, UTC)


# ---------------------------------------------------------------- fingerprints

ALIKE = [
    [
        "SELECT a FROM t WHERE x = 1 AND s = 'one'",
        "select A from T where x=2 and s='it''s -- no comment'".replace("=", " = "),
        "/* run 17 */ SELECT a\n FROM t  WHERE x = 3.50 AND s = 'x /* y */' -- the end",
        'SELECT a FROM t WHERE x = 1e-5 AND s = "double"',
    ],
    [
        "SELECT a FROM t WHERE x IN (1, 2, 3)",
        "SELECT a FROM t WHERE x IN ( 'a','b' )",
        "SELECT a FROM t WHERE x IN (4)",
    ],
    ["SELECT a FROM t_1", "SELECT a FROM T_1"],
    ["SELECT a FROM t_2"],
    ["SELECT b FROM t WHERE x = 1 AND s = 'one'"],
    ["SELECT 'it is -- ' || a FROM t", "SELECT 'other' || a -- it's 'late\nFROM t"],
    ["SELECT x FROM t WHERE d = '" + "long " * 5_000 + "'", "SELECT x FROM t WHERE d = ''"],
]


def bare(text):
    """The twin: one character at a time, as a lexer does."""
    out, at = [], 0
    while at < len(text):
        rest = text[at:]
        if rest.startswith("--"):
            at += len(rest.split("\n", 1)[0])
            out.append(" ")
        elif rest.startswith("/*") and "*/" in rest[2:]:
            at += rest.index("*/", 2) + 2
            out.append(" ")
        elif rest[0] in "'\"":
            end = 1
            while end < len(rest) and (rest[end] != rest[0] or rest[end : end + 2] == "''"):
                end += 2 if rest[end : end + 2] == "''" else 1
            at += end + 1
            out.append(" ? ")
        elif (
            found := re.match(r"\d+(\.\d+)?([eE][+-]?\d+)?\b", rest) if not re.match(r"\w", text[at - 1 : at]) else None
        ):
            at += found.end()
            out.append("?")
        else:
            out.append(rest[0].lower())
            at += 1
    flat = re.sub(r"\?(\s*,\s*\?)+", "?", "".join(out))
    return re.sub(r"\s+", "", flat)


def test_statements_that_differ_in_literals_only_have_one_fingerprint(frame_of):
    texts = [text for group in ALIKE for text in group]
    frame = frame_of([{"text": text} for text in [*texts, None]], [("text", "string")])
    found = dict(frame.select("text", fingerprint(frame["text"]).alias("print")).collect())
    assert found.pop(None) is None
    groups = [{found[text] for text in group} for group in ALIKE]
    assert [len(group) for group in groups] == [1] * len(ALIKE)
    assert len(set.union(*groups)) == len(ALIKE)
    assert [{bare(text) for text in group} for group in ALIKE] == [{bare(group[0])} for group in ALIKE]


# ---------------------------------------------------------------- a small world, drawn without any pattern


def drawn(seed):
    """Statements, events and settings of three warehouses; some rows lack this and that, some know nothing."""
    rng = random.Random(seed)  # noqa: S311 -- any draw will do
    tables = {HISTORY: [], EVENTS: [], SETTINGS: []}
    for warehouse in ("a", "b", "c"):
        keys = {
            "workspace_id": "w" if warehouse != "c" else "v",
            "warehouse_id": warehouse if warehouse != "c" else "a",
        }
        at = midnight(FIRST)
        while at < midnight(FIRST + SPAN * DAY):
            at += timedelta(minutes=rng.choice([1, 7, 45, 600, 2_000]), seconds=rng.randrange(60))
            if warehouse == "b" and FIRST + 10 * DAY <= at.date() < FIRST + 42 * DAY:
                continue  # long enough to lose its row
            tables[HISTORY].append(statement(rng, keys, at, len(tables[HISTORY])))
        tables[EVENTS] += changes(rng, keys)
        for day in (-3, 12, 12, 30):
            least = rng.choice([1, 2, None])
            tables[SETTINGS].append(
                keys
                | {
                    "change_time": midnight(FIRST + day * DAY) + rng.randrange(1, 1_400) * MINUTE,
                    "warehouse_size": rng.choice(["SMALL", "2X-Large", "strange"]),
                    "min_clusters": least,
                    "max_clusters": 3,
                    "auto_stop_minutes": rng.choice([5, 10]),
                }
            )
    copy = dict(tables[HISTORY][5])
    tables[HISTORY] += [copy, dict(tables[HISTORY][6], statement_id=None)]
    return tables


def statement(rng, keys, start, number):
    total = rng.choice([50, 900, 4_000, 70_000, 4_000_000, 90_000_000])
    queue = rng.choice([0, 0, total // 3, None])
    files = rng.choice([0, 50, 200])
    return {
        "statement_id": f"s{number}",
        "workspace_id": keys["workspace_id"],
        "compute_warehouse_id": rng.choice([keys["warehouse_id"]] * 30 + [None]),
        "executed_by": rng.choice(["ana", "bo", None]),
        "start_time": start,
        "end_time": start + timedelta(milliseconds=total),
        "execution_status": rng.choice(["FINISHED", "FINISHED", "FAILED", "CANCELED", "ODD", None]),
        "statement_text": rng.choice([None, *(f"{name}, {number}" for name in ("SELECT a", "SELECT b", "SELECT c"))]),
        "total_duration_ms": total,
        "execution_duration_ms": rng.choice([total // 2, None]),
        "compilation_duration_ms": rng.choice([total // 2, 10, None]),
        "waiting_at_capacity_duration_ms": queue,
        "waiting_for_compute_duration_ms": rng.choice([0, 5_000, None]),
        "read_bytes": rng.choice([None, 0, 10**9]),
        "spilled_local_bytes": rng.choice([None, 0, 0, 10**8]),
        "read_files": rng.choice([files, None]),
        "pruned_files": rng.choice([0, 10, files]),
        "from_result_cache": rng.choice([True, False, False, None]),
    }


def changes(rng, keys):
    found, at, count = [], midnight(FIRST - 100 * DAY), 0
    if keys["warehouse_id"] == "b":  # runs for longer than anything is carried
        return [keys | {"event_time": at, "event_type": "RUNNING", "cluster_count": 2}]
    while at < midnight(FIRST + SPAN * DAY):
        kind = "STARTING" if not count else rng.choice(["SCALED_UP", "SCALED_DOWN", "STOPPED", "STOPPING"])
        if count and kind == "SCALED_DOWN" and count == 1:
            kind = "STOPPED"
        count += {"STARTING": 1, "SCALED_UP": 1, "SCALED_DOWN": -1}.get(kind, 0)
        if kind == "STOPPED":
            count = 0
        told = None if rng.random() < 0.08 else 0 if kind == "STARTING" else count
        found.append(keys | {"event_time": at, "event_type": kind, "cluster_count": told})
        at += timedelta(minutes=rng.choice([1, 30, 300, 3_000]), seconds=rng.randrange(60))
        if kind == "STARTING":
            found.append(keys | {"event_time": at, "event_type": "RUNNING", "cluster_count": rng.choice([1, None])})
            at += timedelta(minutes=3)
    return found


def known(tables):
    """Statements as the view shows them: each id once, none without one."""
    return list({row["statement_id"]: row for row in tables[HISTORY] if row["statement_id"]}.values())


@pytest.fixture(scope="module")
def tables():
    return drawn(11)


@pytest.fixture(scope="module")
def gold(gold_view, tables):
    return gold_view(tables, FIRST + (SPAN - 1) * DAY)


def of_warehouse(tables):
    found = defaultdict(list)
    for row in known(tables):
        if row["compute_warehouse_id"] and row["end_time"] < midnight(FIRST + SPAN * DAY):
            found[row["workspace_id"], row["compute_warehouse_id"]].append(row)
    return found


def least_on(tables, keys, day):
    versions = [r for r in tables[SETTINGS] if (r["workspace_id"], r["warehouse_id"]) == keys]
    held = [r for r in versions if r["change_time"] < midnight(day + DAY)]
    return max(held, key=lambda r: r["change_time"])["min_clusters"] if held else None


def twin_clusters(tables, keys, statements, day):
    """Looks at each span between two moments of a day, and at who was there in its middle."""
    events = [r for r in tables[EVENTS] if (r["workspace_id"], r["warehouse_id"]) == keys]
    steps = []
    for row in events:
        count = {"STARTING": 0, "STOPPED": 0}.get(row["event_type"], row["cluster_count"])
        if row["event_type"] == "RUNNING" and count is None:
            count = 1
        if count is not None:
            steps.append((row["event_time"], count))
    steps.sort()
    times = [at for at, _ in steps]
    spans = [(max(r["start_time"], midnight(day)), r["end_time"]) for r in statements if r["end_time"].date() == day]
    edges = {midnight(day), midnight(day + DAY), *(t for t in times if t.date() == day)}
    edges |= {at + CARRIED for at in times if (at + CARRIED).date() == day} | {t for span in spans for t in span}
    ordered = sorted(edge for edge in edges if midnight(day) <= edge <= midnight(day + DAY))
    least, found = least_on(tables, keys, day), defaultdict(float)
    for begin, end in pairwise(ordered):
        middle = begin + (end - begin) / 2
        at = bisect_right(times, middle) - 1
        count = steps[at][1] if at >= 0 and middle < times[at] + CARRIED else 0
        if not count:
            continue
        minutes = (end - begin) / MINUTE
        found["running_minutes"] += minutes
        found["cluster_minutes"] += minutes * count
        found["peak_clusters"] = max(found["peak_clusters"], count)
        found["idle_minutes"] += 0 if any(a <= middle < b for a, b in spans) else minutes
        found["least_minutes"] += minutes if least is not None and count <= least else 0
    if least is None and found:
        found["least_minutes"] = None
    return found


def test_cluster_days_are_the_twins(gold, tables):
    statements = of_warehouse(tables)
    rows = {(r["workspace_id"], r["warehouse_id"], r["day"]): r.asDict() for r in cluster_days(gold).collect()}
    seen = 0
    for keys in statements:
        for number in range(-100, SPAN):
            day = FIRST + number * DAY
            want, got = twin_clusters(tables, keys, statements[keys], day), rows.pop((*keys, day), None)
            assert bool(want) == (got is not None), (keys, day)
            for name, value in want.items():
                assert got[name] == (None if value is None else pytest.approx(value, abs=1e-6)), (keys, day, name)
                seen += 1
    assert not rows
    assert seen > 400


# ---------------------------------------------------------------- the feature tables


def percentile(numbers, q):
    ordered = sorted(numbers)
    at = q * (len(ordered) - 1)
    low = int(at)
    return ordered[low] + (at - low) * (ordered[min(low + 1, len(ordered) - 1)] - ordered[low])


def ratio(part, whole):
    return part / whole if whole else None


def day_facts(rows):
    """What the twin knows of one day with statements."""
    cached = [int(r["from_result_cache"]) for r in rows if r["from_result_cache"] is not None]
    return {
        "statements": len(rows),
        "p95_ms": percentile([r["total_duration_ms"] for r in rows], 0.95),
        "cache_share": statistics.fmean(cached) if cached else None,
        "mean_log": statistics.fmean(math.log(r["total_duration_ms"] + 1) for r in rows),
        "queue": sum(r["waiting_at_capacity_duration_ms"] or 0 for r in rows),
        "total": sum(r["total_duration_ms"] for r in rows),
        "failed": sum(r["execution_status"] == "FAILED" for r in rows),
    }


def nearest(numbers, q):
    return sorted(numbers)[max(math.ceil(q * len(numbers)), 1) - 1] if numbers else None


def twin_row(days, clusters, t):
    """A few features of one day from the facts of each day up to it: levels, lags, rules, flags."""

    def last(n, shift=0):
        return [days[t - i - shift] for i in range(n) if t - i - shift in days]

    p95 = [d["p95_ms"] for d in last(28)]
    week = last(7)
    ran = [clusters[t - i] for i in range(7) if t - i in clusters]
    running, idle = sum(c["running_minutes"] for c in ran), sum(c["idle_minutes"] for c in ran)
    queue, total = sum(d["queue"] for d in week), sum(d["total"] for d in week)
    least = sum(c["least_minutes"] or 0 for c in ran)
    above = None
    for at in sorted((day for day in days if t - 28 < day <= t), reverse=True):
        past = [days[at - i]["cache_share"] for i in range(1, 29) if at - i in days]
        usual = nearest([c for c in past if c is not None], 0.5)
        if usual is not None and days[at]["cache_share"] is not None:
            above = float(days[at]["cache_share"] > usual)
            break
    rule = None
    if queue > 0.1 * total:
        rule = 0.0
    elif idle > 0.6 * running and least >= 0.95 * running:
        rule = 1.0
    elif total > 0 and running > 0:
        rule = 2.0
    return {
        "statements": float(days[t]["statements"]) if t in days else 0.0,
        "statements_7d": float(sum(d["statements"] for d in week)),
        "p95_ms": days[t]["p95_ms"] if t in days else None,
        "mean_log_ms": days[t]["mean_log"] if t in days else None,
        "p95_median_28d": nearest(p95, 0.5),
        "p95_week_before": days[t - 6]["p95_ms"] if t - 6 in days else nearest(p95, 0.5),
        "p95_last": last(28)[0]["p95_ms"] if last(28) else None,
        "queue_share_7d": ratio(queue, total),
        "failure_rate_7d": ratio(sum(d["failed"] for d in week), sum(d["statements"] for d in week)),
        "cache_above_last": above,
        "idle_share_7d": ratio(idle, running),
        "peak_clusters_7d": float(max(c["peak_clusters"] for c in ran)) if ran else None,
        "size_now_7d": rule,
    }


def test_warehouse_features_are_the_twins(gold, tables):
    last = FIRST + (SPAN - 1) * DAY
    frame = PerformanceFeatures().features(gold, Days(FIRST + 20 * DAY, last))
    names = [c.name for c in PerformanceFeatures.table.features]
    found = frame.where("warehouse_id IS NOT NULL").select(*PerformanceFeatures.table.primary_key, *names)
    rows = [row.asDict() for row in found.collect()]
    statements = of_warehouse(tables)
    assert len({(r["workspace_id"], r["warehouse_id"], r["query_date"]) for r in rows}) == len(rows) > 60
    for row in rows:
        keys, t = (row["workspace_id"], row["warehouse_id"]), (row["query_date"] - FIRST).days
        by_day = defaultdict(list)
        for statement in statements[keys]:
            by_day[(statement["end_time"].date() - FIRST).days].append(statement)
        days = {day: day_facts(found) for day, found in by_day.items()}
        clusters = {}
        for day in range(t - 6, t + 1):
            if found := twin_clusters(tables, keys, statements[keys], FIRST + day * DAY):
                clusters[day] = found
        for name, value in twin_row(days, clusters, t).items():
            assert row[name] == (None if value is None else pytest.approx(value, rel=1e-9, abs=1e-6)), (keys, t, name)
        assert row["min_clusters"] is None or row["min_clusters"] >= 1
        assert row["max_clusters"] == 3.0


def test_statement_features_are_the_twins(gold, tables):
    last = FIRST + (SPAN - 1) * DAY
    frame = PerformanceQueryFeatures().features(gold, Days(FIRST + 30 * DAY, last))
    rows = frame.select(
        "workspace_id",
        "query_fingerprint",
        "query_date",
        "runs",
        "runs_7d",
        "spill_share_7d",
        "queue_share_7d",
        "poor_pruning_share_7d",
        "long_compile_share_7d",
        "slow_share_7d",
    ).collect()
    ran = [r for r in known(tables) if r["statement_text"] and r["end_time"] < midnight(FIRST + SPAN * DAY)]
    prints = defaultdict(list)
    for row in ran:
        prints[row["workspace_id"], bare(row["statement_text"])].append(row)
    week = lambda found, t: [r for r in found if t - 7 * DAY < r["end_time"].date() <= t]  # noqa: E731

    def share(flags):
        told = [flag for flag in flags if flag is not None]
        return ratio(sum(told), len(told))

    def twin(found):
        return (
            float(len(found)),
            share([None if r["spilled_local_bytes"] is None else r["spilled_local_bytes"] > 0 for r in found]),
            share(
                [
                    None if (q := r["waiting_at_capacity_duration_ms"]) is None else q > 0.1 * r["total_duration_ms"]
                    for r in found
                ]
            ),
            share([poor(r) for r in found]),
            share(
                [
                    None if (c := r["compilation_duration_ms"]) is None else c > 0.3 * r["total_duration_ms"]
                    for r in found
                ]
            ),
            share([r["total_duration_ms"] > 60_000 for r in found]),
        )

    expected = {
        (keys[0], t, *twin(week(found, t)))
        for keys, found in prints.items()
        for t in {r["query_date"] for r in rows}
        if any(t - 28 * DAY <= r["end_time"].date() <= t for r in found)
    }
    assert {(r[0], r["query_date"], *r[4:]) for r in rows} == expected
    assert len(expected) > 40


def poor(row):
    if row["read_files"] is None or row["pruned_files"] is None:
        return None
    every = row["read_files"] + row["pruned_files"]
    return every >= 100 and row["pruned_files"] < 0.2 * every


def test_a_mix_that_changes_is_no_slowdown_but_the_same_statement_slower_is(gold_view):
    rows = []
    for day in range(20):
        for number, (text, seconds) in enumerate([("SELECT a", 1), ("SELECT b", 100)]):
            times = (3 if day < 15 else 1, 1 if day < 15 else 5)[number]
            slower = 2 if day == 19 else 1
            for again in range(times):
                start = midnight(FIRST + day * DAY) + (number * 60 + again) * MINUTE
                rows.append(
                    {
                        "statement_id": f"{day}-{number}-{again}",
                        "workspace_id": "w",
                        "compute_warehouse_id": "a",
                        "start_time": start,
                        "end_time": start + timedelta(seconds=seconds * slower),
                        "statement_text": f"{text}, {again}",
                        "total_duration_ms": seconds * slower * 1_000,
                    }
                )
    last = FIRST + 19 * DAY
    frame = PerformanceFeatures().features(gold_view({HISTORY: rows}, last), Days(None, last))
    found = {r["query_date"]: r for r in frame.select("query_date", "slower_1d", "slower_share_1d", "p50_ms").collect()}
    assert found[FIRST]["slower_1d"] is None
    assert found[FIRST + 18 * DAY]["p50_ms"] > 10 * found[FIRST + 3 * DAY]["p50_ms"]
    assert found[FIRST + 18 * DAY]["slower_1d"] == pytest.approx(0, abs=1e-9)
    assert found[last]["slower_1d"] == pytest.approx(math.log(2))
    assert found[last]["slower_share_1d"] == 1.0


# ---------------------------------------------------------------- what is not there


def test_what_gold_does_not_tell_is_null_and_not_zero(make_runtime, write_gold, tmp_path, tables):
    only = ("statement_id", "workspace_id", "compute_warehouse_id", "start_time", "end_time", "total_duration_ms")
    rows = [{name: row[name] for name in only} for row in known(tables)]
    runtime = make_runtime(write_gold(tmp_path / "gold", {HISTORY: rows}), as_of=FIRST + 30 * DAY)
    builder = PerformanceFeatures()
    builder.build(runtime, Days(None, runtime.as_of))
    table = runtime.tables.read(runtime.feature_table(builder.table.name))
    filled = {name for name in table.column_names if table[name].null_count < table.num_rows}
    assert {"statements_7d", "p95_ms", "p95_week_before"} <= filled
    lacking = (
        "running_minutes",
        "peak_clusters",
        "queue_share_7d",
        "spill_rate_7d",
        "cache_share",
        "size_now_7d",
        "users",
        "read_gb",
        "slower_1d",
        "min_clusters",
    )
    assert not filled & set(lacking)


def test_a_day_needs_no_more_history_than_is_declared(gold_view):
    """As a daily build sees it: gold that begins as late as the declared history allows."""
    builder, rng = PerformanceFeatures(), random.Random(3)  # noqa: S311 -- any draw will do
    last, keys = FIRST + 60 * DAY, {"workspace_id": "w", "warehouse_id": "a"}
    tables = {HISTORY: [], EVENTS: [], SETTINGS: []}
    at = midnight(last - 320 * DAY)
    while at < midnight(last):
        at += rng.choice([5, 700, 3_000]) * MINUTE
        tables[HISTORY].append(statement(rng, keys, at, len(tables[HISTORY])) | {"compute_warehouse_id": "a"})
    # A warehouse that has said nothing for longer than anything is carried, and one that has for nearly as long.
    for warehouse, days in (("a", 100), ("b", CARRIED.days - 1)):
        tables[EVENTS].append(
            keys
            | {
                "warehouse_id": warehouse,
                "event_time": midnight(last - days * DAY),
                "event_type": "RUNNING",
                "cluster_count": 2,
            }
        )
    tables[SETTINGS].append(keys | {"change_time": midnight(last - 300 * DAY), "min_clusters": 2, "max_clusters": 3})
    names = [*builder.table.primary_key, *(c.name for c in builder.table.features)]
    since = last - timedelta(days=builder.history)
    assert tables[HISTORY][0]["end_time"] < midnight(since - 100 * DAY)
    whole, cut = (
        builder.features(gold_view(tables, last, start=start), Days(last, last)).select(*names).collect()
        for start in (None, since)
    )
    assert sorted(map(plain, cut)) == sorted(map(plain, whole))
    assert [row["warehouse_id"] for row in sorted(whole)] == ["a", "b"]


def plain(row):
    return [f"{value:.9g}" if isinstance(value, float) else str(value) for value in row]

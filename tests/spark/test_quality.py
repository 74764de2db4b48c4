"""Tables as their owners would work it out with a pencil: column changes, volume, freshness, and what came next."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from statistics import median

import numpy as np
import pytest

from domains.quality.changes import MAX_GAP, column_changes
from domains.quality.features import CAP_HOURS, QualityFeatures
from domains.quality.trainers import DataDriftDetector, DataFreshnessPredictor, SchemaChangePredictor
from framework.core.plugins import discover
from framework.declare.gold import Days
from framework.testing import label_rows

PLUGINS = discover(strict=True)
FIRST, LENGTH = date(2026, 1, 1), 130
LAST = FIRST + timedelta(LENGTH - 1)
KEYS = ("table_catalog", "table_schema", "table_name")
TABLES = [
    ("lake", "sales", "orders"),
    ("lake", "sales", "claims"),
    ("lake", "risk", "orders"),
    ("mart", "risk", "scores"),
]


def midnight(day):
    return datetime.combine(day, time.min, UTC)


def days():
    return [FIRST + timedelta(n) for n in range(LENGTH)]


class World:
    """Snapshots with missed days, columns that come, go and change their type, writes now and then."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.rows, self.columns, self.writes = {}, {}, defaultdict(list)
        for at, table in enumerate(TABLES):
            level, columns = 1000 * (at + 1), {"id": "bigint", "name": "string", "size": None}
            for n, day in enumerate(days()):
                if at == 3 and 40 <= n < 75:  # silent for long enough to lose its rows
                    continue
                level = round(level * self.pick([1, 1, 1, 1.01, 1.02, 0.4, 1.6] if n % 9 == 0 else [1, 1.01]))
                columns = self.changed(columns)
                if self.chance(0.9):
                    self.rows[table, day] = self.pick([level, level, level, level, None])
                    if at != 1 or n % 7 == 0:  # columns of one table are looked at once a week
                        self.columns[table, day] = columns
                for _ in range(self.pick([0, 0, 1, 2]) if at != 2 else self.chance(0.06)):
                    self.writes[table].append(midnight(day) + timedelta(seconds=int(self.rng.integers(86_400))))
        for moments in self.writes.values():
            moments.sort()

    def pick(self, choices):
        return choices[int(self.rng.integers(len(choices)))]

    def chance(self, share):
        return bool(self.rng.random() < share)

    def changed(self, columns):
        if self.chance(0.15):
            name = f"c{self.pick('01234')}"
            dropped = {k: v for k, v in columns.items() if k != name}
            columns = dropped if name in columns else columns | {name: "int"}
        if self.chance(0.05):
            columns = columns | {"id": self.pick(["bigint", "string"]), "size": self.pick([None, "int"])}
        return columns

    def gold(self, end=LAST):
        names = [dict(zip(KEYS, table, strict=True)) for table in TABLES]
        of = dict(zip(TABLES, names, strict=True))
        return {
            "table_snapshots": [
                of[table] | {"snapshot_date": day, "row_count": rows, "size_bytes": rows and rows * 100}
                for (table, day), rows in self.rows.items()
            ],
            "information_schema_columns": [
                of[table] | {"snapshot_date": day, "column_name": name, "data_type": kind, "ordinal_position": n}
                for (table, day), columns in self.columns.items()
                for n, (name, kind) in enumerate(columns.items())
            ],
            "fact_table_lineage": [
                {"record_id": f"{table}{n}", "target_table_full_name": ".".join(table), "event_time": moment}
                for table, moments in self.writes.items()
                for n, moment in enumerate(moments)
            ]
            + [
                {"record_id": "read", "source_table_full_name": "lake.sales.orders", "event_time": midnight(FIRST)},
                {"record_id": "path", "target_table_full_name": "orders", "event_time": midnight(FIRST)},
            ],
        }

    def changes(self, table):
        """Count of changed columns on each snapshot day."""
        seen = sorted(day for t, day in self.columns if t == table)
        found = {}
        for before, day in zip([None, *seen], seen, strict=False):
            now, then = self.columns[table, day], self.columns[table, before] if before else None
            if then is None or (day - before).days > MAX_GAP:
                found[day] = (0, 0, 0)
                continue
            both = [name for name in now if name in then and None not in (now[name], then[name])]
            retyped = sum(now[name] != then[name] for name in both)
            found[day] = (len(now.keys() - then.keys()), len(then.keys() - now.keys()), retyped)
        return found


@pytest.fixture(scope="module")
def world():
    return World(11)


@pytest.fixture(scope="module")
def view(world, gold_view):
    return gold_view(world.gold(), LAST)


@pytest.fixture(scope="module")
def built(view):
    rows = QualityFeatures().features(view, Days(None, LAST)).collect()
    found = {(tuple(row[k] for k in KEYS), row["snapshot_date"]): row for row in rows}
    assert len(found) == len(rows)
    return found


def test_changes_are_those_between_consecutive_snapshots(view, world):
    rows = column_changes(view).collect()
    found = {(tuple(r[k] for k in KEYS), r["day"]): (r["added"], r["dropped"], r["retyped"]) for r in rows}
    assert found == {(table, day): n for table in TABLES for day, n in world.changes(table).items()}
    assert all(any(n[which] for n in found.values()) for which in range(3))


def test_a_long_gap_between_snapshots_says_nothing(gold_view):
    table = dict(zip(KEYS, TABLES[0], strict=True))
    late = FIRST + timedelta(MAX_GAP + 1)
    rows = [table | {"snapshot_date": FIRST, "column_name": "a"}, table | {"snapshot_date": late, "column_name": "b"}]
    found = column_changes(gold_view({"information_schema_columns": rows}, late)).collect()
    assert [(r["day"], r["added"], r["dropped"]) for r in sorted(found, key=lambda r: r["day"])] == [
        (FIRST, 0, 0), (late, 0, 0)
    ]  # fmt: skip


def test_a_table_has_a_row_a_day_until_four_weeks_after_it_was_last_heard_of(built, world):
    heard = defaultdict(set)
    for table, day in world.rows:
        heard[table].add(day)
    for table, moments in world.writes.items():
        heard[table] |= {moment.date() for moment in moments}
    expected = {(t, d) for t in TABLES for d in days() if any(0 <= (d - h).days <= 28 for h in heard[t])}
    assert set(built) == expected
    assert len(expected) < len(TABLES) * LENGTH


def test_volume_is_compared_with_the_days_before(built, world):
    outside = 0
    for (table, day), row in built.items():
        past = [world.rows.get((table, day - timedelta(n))) for n in range(1, 29)]
        past = [rows for rows in past if rows is not None]
        now = world.rows.get((table, day))
        assert row["row_count"] == now
        if now is None or not past:
            assert row["rows_outside_28d"] is None
            continue
        margin = 0.5 * (max(past) - min(past)) + 0.01 * max(past)
        low, high = min(past) - margin, max(past) + margin
        expected = 10 * max(now - high, low - now, 0) / (1 + high - low)
        assert row["rows_outside_28d"] == pytest.approx(expected)
        outside += expected > 0
    assert outside > 5


def test_freshness_is_what_the_last_gaps_lead_one_to_expect(built, world):
    for (table, day), row in built.items():
        end = midnight(day + timedelta(1))
        known = [m for m in world.writes[table] if end - timedelta(90) <= m < end]
        assert row["writes_7d"] == sum(m >= end - timedelta(7) for m in known)
        if not known:
            assert row["hours_since_write"] is None
            continue
        # The source's seconds; six writes make five gaps.
        since = (end - known[-1]).total_seconds() / 3600
        assert row["hours_since_write"] == pytest.approx(since)
        last = known[-6:]
        gaps = [(b - a).total_seconds() / 3600 for a, b in pairwise(last)]
        if gaps:
            assert row["median_gap_hours"] == pytest.approx(median(gaps))
            assert row["expected_hours"] == pytest.approx(min(max(median(gaps) - since, 0), CAP_HOURS))
        else:
            assert row["expected_hours"] is None


def test_schema_history_counts_changed_days(built, world):
    changed = {table: {d for d, n in world.changes(table).items() if sum(n)} for table in TABLES}
    for (table, day), row in built.items():
        for span in (7, 28, 90):
            count = sum(0 <= (day - d).days < span for d in changed[table])
            assert row[f"changed_days_{span}d"] == count
        known = sum(world.rows.get((table, day - timedelta(n))) is not None for n in range(90))
        count = sum(0 <= (day - d).days < 90 for d in changed[table])
        rate = min((count + 0.5) / (max(known, count) + 1), 1)
        assert row["change_rate_90d"] == pytest.approx(1 - (1 - rate) ** 7)
        others = [t for t in TABLES if t != table and t[:2] == table[:2] and (t, day) in built]
        assert row["schema_changes_28d"] == sum(built[t, day]["changed_days_28d"] for t in others)


def labels_of(frame):
    found = {(tuple(r[k] for k in KEYS), r["snapshot_date"]): r for r in frame.collect()}
    assert found
    return found


def test_the_freshness_label_is_the_next_write(view, world, built):
    found = labels_of(label_rows(DataFreshnessPredictor(), PLUGINS, view))
    wanted = {}
    for (table, day), row in built.items():
        if row["hours_since_write"] is not None and day + timedelta(14) <= LAST:
            end = midnight(day + timedelta(1))
            ahead = [(m - end).total_seconds() / 3600 for m in world.writes[table] if m >= end]
            wanted[table, day] = min([*ahead[:1], CAP_HOURS])
    assert {at: row["label"] for at, row in found.items()} == pytest.approx(wanted)
    assert all(r["label_known_at"].astimezone(UTC) == midnight(day + timedelta(15)) for (_, day), r in found.items())
    assert CAP_HOURS in wanted.values()


def test_the_schema_label_needs_a_change_or_a_week_that_was_seen(view, world):
    found = labels_of(label_rows(SchemaChangePredictor(), PLUGINS, view))
    wanted = {}
    for table in TABLES:
        changed = {d for d, n in world.changes(table).items() if sum(n)}
        for day in days()[: LENGTH - 7]:
            ahead = [day + timedelta(n) for n in range(1, 8)]
            if (table, day) not in world.rows:
                continue
            if any(d in changed for d in ahead):
                wanted[table, day] = 1
            elif all((table, d) in world.rows for d in ahead):
                wanted[table, day] = 0
    assert {at: row["label"] for at, row in found.items()} == wanted
    assert set(wanted.values()) == {0, 1}
    assert len(wanted) < len(TABLES) * (LENGTH - 7)


def test_a_departure_counts_if_it_lasts(view, world, built):
    found = {at: row["is_event"] for at, row in labels_of(DataDriftDetector().events(view, LAST)).items()}
    wanted = {}
    for table, day in built:
        four = [world.rows.get((table, day + timedelta(n))) for n in range(4)]
        if None in four or any((table, day + timedelta(n)) not in built for n in range(4)):
            continue
        past = [world.rows.get((table, day - timedelta(n))) for n in range(1, 29)]
        past = [rows for rows in past if rows is not None]
        if not past:
            wanted[table, day] = None
            continue
        margin = 0.5 * (max(past) - min(past)) + 0.01 * max(past)
        wanted[table, day] = int(min(four) > max(past) + margin or max(four) < min(past) - margin)
    assert found == wanted
    assert sum(value or 0 for value in wanted.values()) > 1


def test_without_snapshots_or_columns_writes_still_tell(world, gold_view):
    gold = {"fact_table_lineage": world.gold()["fact_table_lineage"]}
    rows = QualityFeatures().features(gold_view(gold, LAST), Days(LAST, LAST)).collect()
    assert rows
    assert all(row["row_count"] is None and row["seen"] == 0 for row in rows)
    assert any(row["expected_hours"] is not None for row in rows)

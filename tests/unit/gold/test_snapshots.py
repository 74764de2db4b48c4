"""The monitor's own record of tables: one row a day for each, and the gold layer's own record goes first."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pyarrow as pa
import pytest

from domains.gold.contract import TABLES as DECLARED
from framework.gold.snapshots import COLUMNS, TABLES, WithSnapshots, take_snapshot
from framework.stores.local.tables import LocalTables

DAY = date(2026, 3, 1)


class Runtime:
    """As much of a runtime as a snapshot asks for: real tables below a folder."""

    def __init__(self, folder):
        self.tables = LocalTables(folder, lambda: None)

    def feature_table(self, name):
        return f"main.monitor.{name}"


@pytest.fixture
def runtime(tmp_path):
    made = Runtime(tmp_path)
    orders = pa.table({"id": ["a", "b"], "amount": [1.5, None]})
    made.tables.merge("lake.sales.orders", orders, keys=["id"])
    made.tables.merge("lake.sales.claims", pa.table({"id": ["x"]}), keys=["id"])
    made.tables.merge("lake.other.unseen", pa.table({"id": ["x"]}), keys=["id"])
    return made


def rows(runtime, name):
    return runtime.tables.read(f"main.monitor.{name}").to_pylist()


def test_a_snapshot_holds_every_table_and_column_of_the_schemas(runtime):
    before = datetime.now(UTC)
    assert take_snapshot(runtime, DAY, ["lake.sales"]) == {TABLES: 2, COLUMNS: 3}
    found = {row["table_name"]: row for row in rows(runtime, TABLES)}
    assert set(found) == {"orders", "claims"}
    assert found["orders"]["row_count"] == 2
    assert found["orders"]["size_bytes"] > 0
    assert abs((found["orders"]["last_altered"] - before).total_seconds()) < 60
    columns = {(r["table_name"], r["column_name"]): r for r in rows(runtime, COLUMNS)}
    assert columns["orders", "amount"]["data_type"] == "double"
    assert columns["orders", "amount"]["ordinal_position"] == 2
    assert [columns["orders", c]["is_nullable"] for c in ("id", "amount")] == ["NO", "YES"]


def test_the_same_evening_again_shows_the_last_state_and_the_next_day_adds_one(runtime):
    take_snapshot(runtime, DAY, ["lake.sales"])
    assert take_snapshot(runtime, DAY, ["lake.sales"]) == {TABLES: 0, COLUMNS: 0}
    runtime.tables.merge("lake.sales.claims", pa.table({"id": ["y"]}), keys=["id"])
    assert take_snapshot(runtime, DAY, ["lake.sales"])[TABLES] == 1
    take_snapshot(runtime, date(2026, 3, 2), ["lake.sales"])
    claims = [row for row in rows(runtime, TABLES) if row["table_name"] == "claims"]
    assert sorted((row["snapshot_date"], row["row_count"]) for row in claims) == [(DAY, 2), (date(2026, 3, 2), 2)]


def test_an_empty_schema_leaves_no_snapshot(runtime):
    assert take_snapshot(runtime, DAY, ["lake.nothing"]) == {}


def test_the_snapshots_have_the_columns_of_the_contract(runtime):
    take_snapshot(runtime, DAY, ["lake.sales"])
    declared = {table.name: set(table.names) for table in DECLARED}
    for name in (TABLES, COLUMNS):
        assert set(runtime.tables.schema(f"main.monitor.{name}").names) == declared[name]


class Gold:
    """A gold layer that has some tables."""

    def __init__(self, **tables):
        self._tables = tables

    def read(self, table):
        return self._tables.get(table.name)

    def newest_day(self):
        return DAY


@pytest.mark.parametrize(("held", "expected"), [({}, "ours"), ({TABLES: "theirs"}, "theirs")])
def test_gold_has_its_own_snapshots_or_else_ours(runtime, monkeypatch, held, expected):
    take_snapshot(runtime, DAY, ["lake.sales"])
    monkeypatch.setattr(runtime.tables, "spark", lambda name: "ours" if name == "main.monitor.table_snapshots" else "?")
    reader = WithSnapshots(Gold(**held), runtime.tables, {TABLES: "main.monitor.table_snapshots"})
    declared = {table.name: table for table in DECLARED}
    assert reader.read(declared[TABLES]) == expected
    assert reader.read(declared["fact_usage"]) is None
    assert reader.newest_day() == DAY

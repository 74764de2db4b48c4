"""Gold from system tables: the views give what the simulator says, and do what is right where rows are odd."""

from __future__ import annotations

import contextlib
import re
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from structlog.testing import capture_logs

from domains.gold.contract import TABLES
from domains.gold.runs import fold
from domains.gold.system.options import SystemOptions
from domains.gold.system.source import SystemSource
from domains.gold.system.views import system_views
from domains.simulator.write import simulate
from framework.base.errors import GoldError, MissingInputError
from framework.declare.gold import Days
from framework.gold.snapshots import COLUMNS, take_snapshot
from framework.gold.snapshots import TABLES as SNAPSHOTS
from framework.gold.view import GoldView
from framework.stores.arrow import to_arrow
from tests.conftest import SPARK
from tests.spark.system_tables import CATALOG, OURS, USED, as_set, hosted, system_rows

pytestmark = pytest.mark.skipif(not SPARK, reason="views are made in a workspace, by Spark: `make jvm` runs them")

LAST = date(2026, 3, 4)
DECLARED = {table.name: table for table in TABLES}
VIEWS = [view.name for view in system_views(SystemOptions())]
ELSEWHERE = {"information_schema_columns", "table_snapshots", "incident_truth"}
"""Kept by the monitor itself, or known to the simulator only."""


def at(day, hour=0, minute=0, month=3):
    return datetime(2026, month, day, hour, minute, tzinfo=UTC)


class Account:
    """An account's system tables while they are hosted: what the views show, and what was logged."""

    def __init__(self, runtime):
        self.runtime = runtime
        self.source = SystemSource(CATALOG)
        with capture_logs() as self.logs:
            self.reader = self.source.open(runtime, "system")

    def frame(self, name):
        return self.reader.read(DECLARED[name])

    def rows(self, name):
        frame = self.frame(name)
        return None if frame is None else to_arrow(frame).to_pylist()

    def told(self, event):
        return [
            {k: v for k, v in log.items() if k not in ("event", "log_level")}
            for log in self.logs
            if log["event"] == event
        ]


@pytest.fixture(scope="module")
def account(spark, open_runtime, tmp_path_factory):
    """Host system tables and open them: ``with account(tables, types, **options) as opened``."""

    @contextlib.contextmanager
    def make(tables, types=None, **options):
        folder = tmp_path_factory.mktemp("account")
        with hosted(spark, folder, tables, types):
            yield Account(open_runtime("system", folder / "home", catalog=CATALOG, schema_name=OURS, **options))

    return make


# ---------------------------------------------------------------- against the simulator


@pytest.fixture(scope="module")
def simulated(account, tmp_path_factory):
    """The simulator's rows and the views' rows and types, by gold table."""
    folder = tmp_path_factory.mktemp("gold")
    simulate(folder, scale=0.05, last_day=LAST, days=15)
    gold = {file.stem: pq.read_table(file).to_pylist() for file in folder.glob("*.parquet")}
    with account(system_rows(gold)) as opened:
        shown = {name: (opened.rows(name), opened.frame(name).dtypes) for name in VIEWS}
        told = [log for log in opened.logs if log["log_level"] != "info"]
    assert told == []
    return gold, shown


def test_every_table_of_the_contract_has_a_view_but_those_kept_elsewhere():
    assert set(VIEWS) == set(DECLARED) - ELSEWHERE
    assert len(VIEWS) == len(set(VIEWS))


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_has_the_names_and_types_of_the_contract(simulated, name):
    declared = [(c.name, c.type.lower()) for c in DECLARED[name].columns]
    assert [(column, kind.replace(", ", ",")) for column, kind in simulated[1][name][1]] == declared


@pytest.mark.parametrize("name", sorted(set(VIEWS) - {"fact_usage"}))
def test_a_view_shows_the_simulators_rows(simulated, name):
    gold, shown = simulated
    assert len(gold[name]) > 5
    assert as_set(shown[name][0]) == as_set(gold[name])


def test_usage_is_the_simulators_with_costs_and_tags_made_anew(simulated):
    gold, shown = simulated
    prices = gold["fact_list_prices"]
    found = shown["fact_usage"][0]

    def known(row):  # gold rounds floats and forgets some flags: both are looked at below
        return {k: v for k, v in row.items() if k not in ("list_cost", "is_tagged")}

    assert as_set([known(row) for row in found]) == as_set([known(row) for row in gold["fact_usage"]])
    found = [row for row in found if row["record_id"]]
    costs = {row["record_id"]: row["list_cost"] for row in gold["fact_usage"]}
    assert sum(cost is None for cost in costs.values()) > 3
    for row in found:
        assert row["is_tagged"] == (row["custom_tags"] is not None)
        cost = costs[row["record_id"]]
        if cost is None:
            assert row["list_cost"] is None
            continue
        (price,) = (
            p["pricing_default"]
            for p in prices
            if p["sku_name"] == row["sku_name"]
            and p["price_start_time"] <= row["usage_start_time"]
            and (p["price_end_time"] is None or row["usage_start_time"] < p["price_end_time"])
        )
        exact = (row["usage_quantity"] * price).quantize(Decimal("1e-6"), ROUND_HALF_UP)
        assert row["list_cost"] == exact
        assert abs(exact - cost) <= Decimal("1e-6")
    flags = {row["record_id"]: row["is_tagged"] for row in gold["fact_usage"] if row["is_tagged"] is not None}
    flags.pop(None, None)
    assert {row["record_id"]: row["is_tagged"] for row in found if row["record_id"] in flags} == flags


def test_the_simulator_gives_the_views_something_to_do(simulated):
    gold = simulated[0]
    slices = gold["fact_job_run_timeline"]
    assert any(row["result_state"] is None for row in slices)
    assert any(row["run_duration_seconds"] is None for row in slices if row["result_state"])
    assert {row["run_type"] for row in slices} >= {"JOB_RUN", "WORKFLOW_RUN"}
    assert {bool(row["compute_ids"]) for row in slices} == {True, False}
    assert any(row["is_failed_action"] and row["response_status_code"] is None for row in gold["fact_audit_logs"])
    assert {row["record_type"] for row in gold["fact_usage"]} >= {"ORIGINAL", "RETRACTION"}
    assert {row["is_sensitive_action"] for row in gold["fact_audit_logs"]} == {True, False}
    assert any(row["delete_time"] for row in gold["dim_cluster"])


# ---------------------------------------------------------------- odd rows


def use(record, start, **more):
    return {
        "record_id": record,
        "cloud": USED,
        "sku_name": "JOBS",
        "usage_unit": "DBU",
        "usage_quantity": Decimal(10),
        "usage_start_time": start,
        "usage_end_time": start,
        "record_type": "ORIGINAL",
    } | more


def price(start, end, amount, **more):
    return {
        "cloud": USED,
        "sku_name": "JOBS",
        "usage_unit": "DBU",
        "currency_code": "USD",
        "price_start_time": start,
        "price_end_time": end,
        "pricing": amount and {"default": Decimal(amount)},
    } | more


def run_slice(run, start, end, **more):
    keys = {"workspace_id": "1", "job_id": "7", "run_id": run, "run_type": "JOB_RUN"}
    return keys | {"period_start_time": start, "period_end_time": end} | more


def task(run, start, end, *compute):
    keys = {"workspace_id": "1", "job_id": "7", "job_run_id": run, "compute_ids": list(compute)}
    return keys | {"period_start_time": start, "period_end_time": end}


def event(name, action, service="unityCatalog", **more):
    return {"event_id": name, "action_name": action, "service_name": service, "event_time": at(1)} | more


ODD = {
    "billing.usage": [
        use("before", at(1, month=1)),
        use("first alone", at(1, month=2)),
        use("second begins", at(1)),
        use("within both", at(15)),
        use("second ended", at(1, month=4)),
        use("no such sku", at(15), sku_name="PREVIEW"),
        use("no such unit", at(15), usage_unit="GB"),
        use("no such cloud", at(15), cloud="GCP"),
        use("no start", None),
        use("taken back", at(15), record_type="RETRACTION", usage_quantity=Decimal(-10)),
        use("half a millionth", at(15), usage_quantity=Decimal("0.0000025")),
        use("twice", at(15)),
        use("twice", at(15)),
        use("not tagged", at(15), custom_tags=[]),
        use("tagged", at(15), custom_tags=[("équipe", "データ")], usage_metadata={"job_id": "7"}),
    ],
    "billing.list_prices": [
        price(at(15, month=1), None, "0.1"),
        price(at(15, month=1), None, "0.1"),
        price(at(1), at(1, month=4), "0.2"),
        price(at(10), None, None),
        price(at(2), None, "9", currency_code="EUR"),
        price(at(3), None, "9", cloud="AWS"),
    ],
    "access.audit": [
        event("of the account", "setAdmin", "accountsAdmin", workspace_id="0"),
        event("no response", "getTable"),
        event("not found", "getTable", response={"status_code": 404}),
        event("moved", "getTable", response={"status_code": 399}),
        event("message alone", "getTable", response={"error_message": "refusé: 権限"}),
        event("empty message", "getTable", response={"status_code": 200, "error_message": ""}),
        event("user deleted", "delete", "accounts", user_identity={"email": "jürgen@example.com"}),
        event("job deleted", "delete", "jobs"),
        event("token login", "tokenLogin", "accounts"),
        event("nameless", None, None),
    ],
    "access.table_lineage": [
        {"record_id": "job", "entity_type": "JOB", "entity_metadata": {"job_info": {"job_id": "7"}}},
        {"record_id": "nobody", "entity_metadata": {"job_info": None}, "source_path": "s3://x"},
        {"record_id": "nothing"},
    ],
    "query.history": [
        {"statement_id": "on a warehouse", "compute": {"type": "WAREHOUSE", "warehouse_id": "w"}},
        {"statement_id": "serverless", "compute": {"type": "SERVERLESS_COMPUTE"}, "read_io_cache_percent": 100},
        {"statement_id": "nowhere", "statement_text": "SELECT 'ñ' -- \n'"},
    ],
    "lakeflow.jobs": [
        {"workspace_id": "1", "job_id": "7", "name": "load", "change_time": at(1)},
        {"workspace_id": "1", "job_id": "7", "name": "charger les données", "change_time": at(2)},
        {"workspace_id": "2", "job_id": "7", "name": "load", "change_time": at(3), "delete_time": at(3)},
    ],
    "compute.clusters": [
        {"workspace_id": "1", "cluster_id": "c1", "worker_count": 4, "change_time": at(1)},
        {"workspace_id": "1", "cluster_id": "c1", "worker_count": 4, "change_time": at(2), "delete_time": at(2)},
    ],
    "lakeflow.job_run_timeline": [
        run_slice("long", at(1, 22), at(1, 23), run_duration_seconds=0),
        run_slice("long", at(1, 23), at(2), run_duration_seconds=9000),
        run_slice("long", at(2), at(2, 0, 30), run_duration_seconds=9000, result_state="SUCCEEDED"),
        run_slice("unmeasured", at(1, 22), at(1, 23), run_duration_seconds=0),
        run_slice("unmeasured", at(1, 23), at(1, 23, 15), run_duration_seconds=0, result_state="FAILED"),
        run_slice("skipped", at(1, 22), at(1, 22), run_duration_seconds=0, result_state="SKIPPED"),
        run_slice("started", at(1, 22), at(1, 23), run_type="WORKFLOW_RUN", compute_ids=["c2", "c1", "c2"]),
        run_slice("keyless", at(1, 22), at(1, 23), job_id=None, compute_ids=[]),
    ],
    "lakeflow.job_task_run_timeline": [
        task("long", at(1, 22), at(1, 23), "c9"),
        task("long", at(1, 22), at(1, 23), "c9", None),
        task("long", at(1, 23), at(2), "c9", "c3"),
        task("elsewhere", at(1, 22), at(1, 23), "c4"),
    ],
}


@pytest.fixture(scope="module")
def odd(account):
    with account(ODD) as opened:
        found = {name: opened.rows(name) for name in VIEWS}
        gold = GoldView(opened.reader, DECLARED, Days(None, LAST), None, lambda _, make: make())
        runs = {row["run_id"]: row for row in to_arrow(fold(gold)).to_pylist()}
    return found, runs


def test_a_cost_is_that_of_the_price_that_began_last_and_holds(odd):
    rows = odd[0]["fact_usage"]
    assert {row["record_id"]: row["list_cost"] and str(row["list_cost"]) for row in rows} == {
        "before": None,
        "first alone": "1.000000",
        "second begins": "2.000000",
        "within both": "2.000000",
        "second ended": "1.000000",
        "no such sku": None,
        "no such unit": None,
        "no such cloud": None,
        "no start": None,
        "taken back": "-2.000000",
        "half a millionth": "0.000001",
        "twice": "2.000000",
        "not tagged": "2.000000",
        "tagged": "2.000000",
    }
    assert len(rows) == len(ODD["billing.usage"])


def test_absent_structs_and_tags_are_null_not_errors(odd):
    rows = {row["record_id"]: row for row in odd[0]["fact_usage"]}
    assert {name for name, row in rows.items() if row["is_tagged"]} == {"tagged"}
    assert rows["not tagged"]["custom_tags"] == []
    assert rows["tagged"]["custom_tags"] == [("équipe", "データ")]
    assert [rows[name]["usage_metadata_job_id"] for name in ("tagged", "twice")] == ["7", None]
    assert rows["taken back"]["record_type"] == "RETRACTION"
    lineage = {row["record_id"]: row["entity_metadata_job_id"] for row in odd[0]["fact_table_lineage"]}
    assert lineage == {"job": "7", "nobody": None, "nothing": None}
    statements = {row["statement_id"]: row for row in odd[0]["fact_query_history"]}
    warehouses = {name: row["compute_warehouse_id"] for name, row in statements.items()}
    assert warehouses == {"on a warehouse": "w", "serverless": None, "nowhere": None}
    assert statements["nowhere"]["statement_text"] == "SELECT 'ñ' -- \n'"


def test_prices_of_other_currencies_and_unused_clouds_are_left_out(odd):
    prices = [row["pricing_default"] for row in odd[0]["fact_list_prices"]]
    assert sorted(str(amount) for amount in prices if amount) == ["0.100000", "0.100000", "0.200000"]
    assert prices.count(None) == 1


def test_what_failed_and_what_is_sensitive(odd):
    rows = {row["event_id"]: row for row in odd[0]["fact_audit_logs"]}
    assert {name for name, row in rows.items() if row["is_failed_action"]} == {"not found", "message alone"}
    assert {name for name, row in rows.items() if row["is_sensitive_action"]} == {"of the account", "user deleted"}
    assert all(row[flag] is not None for row in rows.values() for flag in ("is_failed_action", "is_sensitive_action"))
    assert rows["of the account"]["workspace_id"] == "0"
    assert rows["user deleted"]["user_identity_email"] == "jürgen@example.com"


def test_a_job_and_a_cluster_keep_all_their_versions(odd):
    names = [(row["workspace_id"], row["name"], row["delete_time"]) for row in odd[0]["dim_job"]]
    assert sorted(names, key=str) == [("1", "charger les données", None), ("1", "load", None), ("2", "load", at(3))]
    assert [row["delete_time"] for row in odd[0]["dim_cluster"]] == [None, at(2)]


def test_a_run_over_hours_has_its_duration_once_and_its_compute_as_it_became_known(odd):
    rows = sorted(odd[0]["fact_job_run_timeline"], key=lambda row: (row["run_id"], row["period_start_time"]))
    durations = [(row["run_id"], row["run_date"].day, row["run_duration_seconds"]) for row in rows]
    assert durations == [
        ("keyless", 1, None),
        ("long", 1, None),
        ("long", 1, None),
        ("long", 2, 9000),
        ("skipped", 1, 0),
        ("started", 1, None),
        ("unmeasured", 1, None),
        ("unmeasured", 1, None),
    ]
    compute = [row["compute_ids"] for row in rows]
    assert compute == [None, ["c9"], ["c3", "c9"], ["c3", "c9"], None, ["c1", "c2"], None, None]


def test_a_run_without_a_reported_duration_is_measured_when_it_is_folded(odd):
    assert {name: run["seconds"] for name, run in odd[1].items() if run["state"]} == {
        "long": 9000.0,
        "skipped": 0.0,
        "unmeasured": 4500.0,
    }


def test_a_table_that_is_not_there_costs_its_gold_table_only(odd):
    assert {name for name, rows in odd[0].items() if rows is None} == {"dim_warehouse", "fact_warehouse_events"}


def test_a_range_of_days_reaches_the_files_of_the_large_tables(account, capsys):
    """Otherwise a daily run would read the whole log."""
    with account(ODD) as opened:
        days = Days(date(2026, 3, 1), LAST)
        gold = GoldView(opened.reader, DECLARED, days, None, lambda _, make: make())
        for name, time in (
            ("fact_audit_logs", "event_time"),
            ("fact_table_lineage", "event_time"),
            ("fact_query_history", "end_time"),
            ("fact_job_run_timeline", "period_end_time"),
        ):
            gold.between(days).flagged(name).explain(mode="formatted")
            pushed = " ".join(re.findall(r"PushedFilters: \[([^]]*)\]", capsys.readouterr().out))
            assert f"{time},2026-03-01" in pushed, name
            assert f"{time},2026-03-05" in pushed, name


# ---------------------------------------------------------------- other accounts, other days


def test_an_older_account_gets_what_its_columns_can_give(account):
    tables = {
        "billing.usage": [use("a", at(1), workspace_id="1")],
        "access.audit": [event("e", "getSecret", workspace_id=12)],
        "access.table_lineage": [{"record_id": "r", "entity_type": "JOB", "entity_id": "7", "event_time": at(2, 5)}],
        "lakeflow.job_run_timeline": [
            run_slice("1", at(1), at(1, 1), result_state="SUCCEEDED", compute_ids=["b", "a"])
        ],
        "query.history": [{"statement_id": "q"}],
    }
    types = {
        "access.audit": {"workspace_id": pa.int64(), "response": None},
        "access.table_lineage": {"entity_metadata": None, "event_date": None},
        "lakeflow.job_run_timeline": {"run_duration_seconds": None},
        "query.history": {"statement_id": None},
    }
    tables["query.history"] = [{}]
    with account(tables, types) as opened:
        assert opened.rows("fact_query_history") is None
        (use_row,), (audit,), (lineage,), (run,) = (
            opened.rows(name)
            for name in ("fact_usage", "fact_audit_logs", "fact_table_lineage", "fact_job_run_timeline")
        )
        absent = {told["table"]: told["reason"] for told in opened.told("gold_table_absent")}
        lost = {told["table"]: told["columns"] for told in opened.told("gold_columns_absent")}
        unreadable = {told["table"] for told in opened.told("system_table_unreadable")}
    assert (use_row["workspace_id"], use_row["list_cost"]) == ("1", None)
    assert (audit["workspace_id"], audit["is_failed_action"], audit["is_sensitive_action"]) == ("12", None, True)
    assert (lineage["entity_metadata_job_id"], lineage["event_date"]) == ("7", date(2026, 3, 2))
    assert (run["compute_ids"], run["run_duration_seconds"]) == (["a", "b"], None)
    assert lost == {
        "fact_usage": ["list_cost"],
        "fact_audit_logs": ["response_status_code", "is_failed_action"],
        "fact_job_run_timeline": ["run_duration_seconds"],
    }
    assert "statement_id" in absent["fact_query_history"]
    assert set(absent) == set(VIEWS) - {"fact_usage", "fact_audit_logs", "fact_table_lineage", "fact_job_run_timeline"}
    assert f"{CATALOG}.compute.warehouses" in unreadable


def test_a_second_opening_deploys_nothing_and_another_option_one_view(account, open_runtime, tmp_path):
    with account({"billing.usage": [use("a", at(1))], "billing.list_prices": [price(at(1), None, "1")]}) as opened:
        deployed = {told["view"] for told in opened.told("gold_view_deployed")}
        assert deployed == {f"{CATALOG}.{OURS}.gold_{name}" for name in ("fact_usage", "fact_list_prices")}
        again = Account(opened.runtime)
        assert again.told("gold_view_deployed") == []
        assert len(again.rows("fact_usage")) == 1
        described = opened.runtime.spark.sql(f"DESCRIBE TABLE {CATALOG}.{OURS}.gold_fact_usage").collect()
        assert {row["col_name"]: row["comment"] for row in described} == {
            c.name: c.description for c in DECLARED["fact_usage"].columns
        }
        euro = {"catalog": CATALOG, "schema_name": OURS, "options": {"gold": {"currency": "EUR"}}}
        other = Account(open_runtime("system", tmp_path, **euro))
        assert len(other.told("gold_view_deployed")) == 2
        assert other.rows("fact_usage")[0]["list_cost"] is None


def test_the_newest_day_is_todays_and_one_day_is_left_to_arrive(account):
    with account({"billing.usage": [use("a", at(1))]}) as opened:
        assert opened.reader.newest_day() == opened.runtime.clock.now().date()
        assert opened.source.incomplete_days == 1


def test_without_any_system_table_or_a_schema_for_the_views_it_says_what_to_do(spark, account, open_runtime, tmp_path):
    with pytest.raises(GoldError, match=r"none of the system tables.*enable the system schemas"):
        SystemSource().open(open_runtime("system", tmp_path), "system")
    with account({"billing.usage": [use("a", at(1))]}):
        runtime = open_runtime("system", tmp_path, catalog=CATALOG, schema_name="nowhere")
        with pytest.raises(GoldError, match=r"gold_fact_usage.*CREATE TABLE"):
            SystemSource(CATALOG).open(runtime, "system")


# ---------------------------------------------------------------- the daily picture of a whole catalog

SEEN = [
    {"table_catalog": "lake", "table_schema": schema, "table_name": name, "table_type": kind, "last_altered": at(1)}
    for schema, name, kind in (
        ("sales", "orders", "MANAGED"),
        ("sales", "latest", "VIEW"),
        ("hr", "people", "EXTERNAL"),
        ("information_schema", "tables", "MANAGED"),
    )
]
SEEN.append(SEEN[0] | {"table_catalog": "system"})
COLUMNS_SEEN = [
    {key: row[key] for key in ("table_catalog", "table_schema", "table_name")}
    | {"column_name": "id", "ordinal_position": 1, "data_type": "DECIMAL", "full_data_type": "decimal(18,2)"}
    | {"is_nullable": "YES"}
    for row in SEEN
]


def test_a_whole_catalog_is_written_down_from_its_information_schema(spark, make_runtime, tmp_path):
    runtime = make_runtime("system")
    with hosted(spark, tmp_path, {"information_schema.tables": SEEN, "information_schema.columns": COLUMNS_SEEN}):
        assert take_snapshot(runtime, LAST, [CATALOG]) == {SNAPSHOTS: 2, COLUMNS: 2}
        assert take_snapshot(runtime, LAST, [CATALOG]) == {SNAPSHOTS: 0, COLUMNS: 0}
        # A schema that is looked at table by table is not overwritten by what knows less.
        next_day = date(2026, 3, 5)
        assert take_snapshot(runtime, next_day, [CATALOG, "lake.sales"]) == {SNAPSHOTS: 1, COLUMNS: 1}
    tables = runtime.tables.read(runtime.feature_table(SNAPSHOTS)).to_pylist()
    found = {(row["snapshot_date"], row["table_schema"], row["table_name"]): row for row in tables}
    assert set(found) == {(LAST, "sales", "orders"), (LAST, "hr", "people"), (next_day, "hr", "people")}
    first = found[LAST, "sales", "orders"]
    assert (first["row_count"], first["size_bytes"], first["last_altered"]) == (None, None, at(1))
    columns = runtime.tables.read(runtime.feature_table(COLUMNS)).to_pylist()
    assert {(row["data_type"], row["ordinal_position"], row["is_nullable"]) for row in columns} == {
        ("decimal(18,2)", 1, "YES")
    }
    for name in (SNAPSHOTS, COLUMNS):
        frame = runtime.tables.spark(runtime.feature_table(name))
        assert dict(frame.dtypes) == {c.name: c.type.lower() for c in DECLARED[name].columns}


def test_a_catalog_without_an_information_schema_is_named(make_runtime):
    with pytest.raises(MissingInputError, match=r"nowhere\.information_schema\.tables"):
        take_snapshot(make_runtime("system"), LAST, ["nowhere"])

"""Views over system tables, without Spark: what they refer to is documented, and what is missing has its price."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from domains.gold.contract import TABLES
from domains.gold.system.access import is_sensitive
from domains.gold.system.jobs import RUNS
from domains.gold.system.options import SystemOptions
from domains.gold.system.schemas import SYSTEM_TABLES, documented
from domains.gold.system.source import SystemSource
from domains.gold.system.view import write
from domains.gold.system.views import system_views
from domains.simulator.audit_events import ACTIONS
from framework.base.errors import ConfigError, MissingInputError, SpecError
from framework.core.config import load_settings

DECLARED = {table.name: table for table in TABLES}
VIEWS = {view.name: view for view in system_views(SystemOptions())}
PAGE = (Path(__file__).parents[3] / "docs" / "system_tables.md").read_text(encoding="utf-8")
KNOWN = {name: documented(name) for name in SYSTEM_TABLES}


def written(name, known=KNOWN):
    return write(VIEWS[name], DECLARED[name], known, lambda table: f"lake.{table}")


@pytest.mark.parametrize("name", VIEWS)
def test_each_view_refers_to_documented_columns_only(name):
    assert written(name).without == ()


@pytest.mark.parametrize("name", VIEWS)
def test_each_way_to_a_column_can_be_taken(name):
    """An account that has everything shows the first; none of the others may be a slip of the pen."""
    view = VIEWS[name]
    for column, ways in view.columns.items():
        for way in (ways,) if isinstance(ways, str) else ways:
            alone = dataclasses.replace(view, columns={**view.columns, column: way})
            assert write(alone, DECLARED[name], KNOWN, str).without == ()


def test_every_documented_system_table_is_read():
    assert {table for view in VIEWS.values() for table in view.reads} == set(SYSTEM_TABLES)


def test_structs_are_documented_down_to_their_fields():
    assert {"pricing", "pricing.effective_list.default"} <= documented("billing.list_prices")
    assert "entity_metadata.job_info.job_id" in documented("access.table_lineage")


def test_names_of_system_tables_are_put_in_once_each():
    text = written("fact_job_run_timeline").select
    assert "FROM lake.lakeflow.job_run_timeline AS s" in text
    assert "FROM lake.lakeflow.job_task_run_timeline" in text
    assert "{" not in text


def test_what_is_joined_may_be_missing_and_the_rows_may_not():
    known = {name: paths for name, paths in KNOWN.items() if name != "billing.list_prices"}
    usage = written("fact_usage", known)
    assert usage.without == ("list_cost",)
    assert "JOIN" not in usage.select
    with pytest.raises(MissingInputError, match=r"billing\.list_prices cannot be read.*in fact_list_prices"):
        written("fact_list_prices", known)


def test_without_the_tasks_a_run_has_the_compute_of_its_own_row():
    known = {name: paths for name, paths in KNOWN.items() if "task" not in name}
    runs = written("fact_job_run_timeline", known)
    assert runs.without == ()
    assert "s.compute_ids" in runs.select
    assert "t.used" not in runs.select


@pytest.mark.parametrize(
    ("name", "table", "column"),
    [
        ("fact_usage", "billing.usage", "record_id"),
        ("dim_job", "lakeflow.jobs", "change_time"),
        ("fact_warehouse_events", "compute.warehouse_events", "event_time"),
        ("fact_list_prices", "billing.list_prices", "currency_code"),
    ],
)
def test_rows_that_cannot_be_told_apart_or_placed_in_time_are_no_table(name, table, column):
    with pytest.raises(MissingInputError, match=name):
        written(name, KNOWN | {table: KNOWN[table] - {column}})


def test_a_column_that_an_account_lacks_is_null():
    known = KNOWN | {"billing.usage": KNOWN["billing.usage"] - {"usage_metadata.job_id"}}
    usage = written("fact_usage", known)
    assert usage.without == ("usage_metadata_job_id",)
    assert "CAST(NULL AS STRING) AS usage_metadata_job_id" in usage.select


def test_a_view_that_differs_from_the_contract_is_refused():
    short = dataclasses.replace(RUNS, columns={k: v for k, v in RUNS.columns.items() if k != "run_type"})
    with pytest.raises(SpecError, match="run_type"):
        write(short, DECLARED["fact_job_run_timeline"], KNOWN, str)


def test_what_the_simulator_calls_sensitive_is_sensitive_and_nothing_else_of_it_is():
    names = set(SystemOptions().sensitive_actions)
    assert len(names) == len(SystemOptions().sensitive_actions)
    for service, action, sensitive, _ in ACTIONS:
        assert ({action, f"{service}.{action}"} & names != set()) == sensitive, action


def test_names_of_actions_are_quoted():
    assert is_sensitive(["it's", "a.b", "c\\"]).count("IN ('c\\\\', 'it\\'s')") == 1
    assert "IN (NULL)" in is_sensitive(["plain"])


def test_a_currency_is_three_letters():
    with pytest.raises(ConfigError, match="currency"):
        SystemOptions.parse({"currency": "USD' OR 1=1 --"}, "options.gold")


def test_a_source_without_a_session_costs_nothing():
    assert (SystemSource().name, SystemSource().tables) == ("system", TABLES)


def test_the_page_says_what_each_view_reads():
    rows = re.findall(r"^\| (`fact_\w+`|`dim_\w+`) \| (.+?) \|", PAGE, re.MULTILINE)
    told = {name.strip("`"): set(re.findall(r"`([\w.]+)`", tables)) for name, tables in rows}
    assert told == {name: set(view.reads) for name, view in VIEWS.items()}


def test_the_page_asks_for_rights_on_what_is_read():
    granted = set(re.findall(r"^GRANT USE SCHEMA, SELECT ON SCHEMA system\.(\w+) ", PAGE, re.MULTILINE))
    assert granted == {table.partition(".")[0] for table in SYSTEM_TABLES}


def test_the_settings_of_the_page_are_read(tmp_path):
    file = tmp_path / "settings.toml"
    file.write_text(re.search(r"```toml\n(.*?)```", PAGE, re.DOTALL)[1], encoding="utf-8")
    settings = load_settings({}, file)
    options = SystemOptions.parse(settings.options["gold"], "the page")
    assert (settings.platform, settings.gold, options.currency) == ("databricks", "system", "EUR")
    assert "accounts.delete" in options.sensitive_actions

"""The dashboard: every query reads tables and columns that exist, every widget shows what its query gives."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from framework.core.plugins import discover
from framework.core.results import _schema
from framework.gold.quarantine import QUARANTINE
from framework.ops.bundle import dashboard
from framework.ops.bundle.load import OPTIONAL, read_bundle
from framework.ops.bundle.queries import queries
from framework.tables.declared import EVERY, LEDGER

ROOT = Path(__file__).parents[2]
DOMAINS = {"cost_watcher": "cost", "job_watcher": "reliability"}
TABLES = {table.name: {name: kind for name, kind, _ in table.columns} for table in EVERY} | {
    LEDGER: {field.name: str(field.type) for field in _schema()},
    QUARANTINE: dict.fromkeys(("table_name", "reason", "row_hash", "row"), "string")
    | {"known_at": "timestamp", "copies": "bigint"},
}
TYPES = {"bool": "boolean", "date32[day]": "date", "timestamp[us, tz=UTC]": "timestamp"}
SCHEMA = {table: {name: TYPES.get(kind, kind) for name, kind in columns.items()} for table, columns in TABLES.items()}
INSTALLED = "sqlglot is not installed: it is in the extras contract and floor"


@cache
def definition() -> dict[str, Any]:
    return json.loads(dashboard.definition(DOMAINS))


def widgets() -> list[tuple[str, dict[str, Any]]]:
    return [(page["name"], item["widget"]) for page in definition()["pages"] for item in page["layout"]]


def resolved(query: str, schema: dict[str, Any] = SCHEMA) -> Any:
    """Return a query with each column led back to its table; one that has none is refused."""
    sqlglot = pytest.importorskip("sqlglot", reason=INSTALLED)
    from sqlglot.optimizer.qualify import qualify

    (statement,) = sqlglot.parse(query, read="databricks")
    return qualify(statement, schema=schema, dialect="databricks")


@pytest.mark.parametrize("name", queries(DOMAINS))
def test_a_query_reads_only_tables_and_columns_that_are_declared(name: str) -> None:
    sqlglot = pytest.importorskip("sqlglot", reason=INSTALLED)
    found = resolved(queries(DOMAINS)[name])
    inner = {cte.alias for cte in found.find_all(sqlglot.exp.CTE)}
    read = {(t.catalog, t.db, t.name) for t in found.find_all(sqlglot.exp.Table) if t.name not in inner}
    assert read
    assert {(catalog, schema) for catalog, schema, _ in read} == {("", "")}
    assert {table for _, _, table in read} <= set(TABLES)


@pytest.mark.parametrize("name", queries(DOMAINS))
def test_a_column_that_its_table_loses_is_noticed(name: str) -> None:
    """Each column that a query reads is taken away in turn."""
    sqlglot = pytest.importorskip("sqlglot", reason=INSTALLED)
    query = queries(DOMAINS)[name]
    words = set(re.findall(r"\w+", query))
    (table,) = {table for table in TABLES if re.search(rf"\b(FROM|JOIN) {table}\b", query)}
    lost = [column for column in SCHEMA[table] if column in words and column not in ("domain", "model_name")]
    assert lost
    for column in lost:
        left = SCHEMA | {table: {c: kind for c, kind in SCHEMA[table].items() if c != column}}
        with pytest.raises(sqlglot.errors.OptimizeError):
            resolved(query, left)


def test_every_field_of_a_widget_is_a_column_of_its_dataset() -> None:
    columns = {name: set(resolved(query).named_selects) for name, query in queries(DOMAINS).items()}
    asked = 0
    for page, widget in widgets():
        for query in widget.get("queries", ()):
            for field in query["query"]["fields"]:
                named = set(re.findall(r"`(\w+)`", field["expression"]))
                assert named <= columns[query["query"]["datasetName"]], (page, widget["name"], named)
                asked += len(named)
    assert asked > 50


def test_the_four_pages_show_what_they_promise() -> None:
    shown: dict[str, set[str]] = {}
    for page, widget in widgets():
        shown.setdefault(page, set()).update(q["query"]["datasetName"] for q in widget.get("queries", ()))
    assert shown == {
        "attention": {"alerts", "alerts_by_domain"},
        "models": {"skill", "decisions", "requests"},
        "drift": {"drift", "findings"},
        "data": {"quarantine", "units"},
    }


def test_widgets_have_names_of_their_own_and_do_not_overlap() -> None:
    for page in definition()["pages"]:
        names = [item["widget"]["name"] for item in page["layout"]]
        assert len(names) == len(set(names))
        taken: set[tuple[int, int]] = set()
        for item in page["layout"]:
            at = item["position"]
            assert at["x"] + at["width"] <= dashboard.WIDTH
            cells = {
                (x, y) for x in range(at["x"], at["x"] + at["width"]) for y in range(at["y"], at["y"] + at["height"])
            }
            assert not cells & taken, (page["name"], item["widget"]["name"])
            taken |= cells
        high = max(y for _, y in taken) + 1
        assert len(taken) == high * dashboard.WIDTH, f"{page['name']}: the grid has holes"


def test_the_file_of_the_bundle_knows_every_loaded_model_and_its_domain() -> None:
    plugins = discover(strict=True)
    text = (ROOT / OPTIONAL / dashboard.FILE).read_text("utf-8")
    for model, offer in plugins.trainers.items():
        assert f"('{model}', '{offer.domain}')" in text
    (resource,) = read_bundle(ROOT).whole.resolved("prod")["dashboards"].values()
    assert resource["dataset_catalog"] == "main"
    assert resource["dataset_schema"] == "${resources.schemas.features.name}"
    assert resource["warehouse_id"] == "${var.warehouse_id}"

"""What must hold for dashboards and quality monitors: the platform says so only when somebody opens them."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from framework.ops.bundle.job_rules import schedule
from framework.ops.bundle.widgets import VERSIONS
from framework.tables.declared import EVERY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from framework.ops.bundle.load import Bundle

_DASHBOARD = ("display_name", "file_path", "warehouse_id", "dataset_catalog", "dataset_schema", "embed_credentials")
_MONITOR = ("table_name", "output_schema_name", "assets_dir", "schedule")
_MORE = ("slicing_exprs", "skip_builtin_dashboard", "notifications", "baseline_table_name", "custom_metrics")
_PROFILES = {
    "inference_log": ("problem_type", "prediction_col", "model_id_col", "timestamp_col", "granularities", "label_col"),
    "time_series": ("timestamp_col", "granularities"),
    "snapshot": (),
}
_FREE = ("label_col",)
_PROBLEMS = ("PROBLEM_TYPE_REGRESSION", "PROBLEM_TYPE_CLASSIFICATION")
_GRANULARITY = re.compile(r"5 minutes|30 minutes|1 hour|1 day|1 week|[2-4] weeks|1 month|1 year")
_PLACED = re.compile(r"\b(?:FROM|JOIN)\s+([\w`]+\.[\w`.]+)", re.IGNORECASE)
_FIELD = re.compile(r"`(\w+)`")


def dashboards(bundle: Bundle) -> Iterator[str]:
    """A dashboard has a warehouse, a catalog and a schema, and shows nobody what only its deployer may read."""
    for document in bundle.documents:
        for key, found in document.resources("dashboards").items():
            place = f"{document.name}: dashboards/{key}"
            yield from (f"{place}: {fault}" for fault in _keys(found, _DASHBOARD, ("permissions", "lifecycle")))
            if found.get("embed_credentials") is not False:
                yield f"{place}: embed_credentials is not false: everybody would see what the deployer may read"
            file = document.at(str(found.get("file_path", "")))
            if not file.is_file():
                yield f"{place}: there is no file {found.get('file_path')}"
                continue
            try:
                definition = json.loads(file.read_text(encoding="utf-8"))
            except ValueError as error:
                yield f"{place}: {file.name} is no JSON: {error}"
                continue
            yield from (f"{place}: {file.name}: {fault}" for fault in _definition_faults(definition))


def _definition_faults(definition: dict[str, Any]) -> Iterator[str]:
    """Datasets name no catalog and no schema; widgets ask for datasets that exist and show only what they ask for."""
    queries = {d.get("name"): "".join(d.get("queryLines") or []) for d in definition.get("datasets") or []}
    for name, query in queries.items():
        for placed in _PLACED.findall(query):
            yield f"dataset {name}: '{placed}' names a schema, and targets differ in it"
    used = set()
    for page in definition.get("pages") or []:
        for item in page.get("layout") or []:
            widget = item.get("widget") or {}
            used |= {query["query"]["datasetName"] for query in widget.get("queries") or []}
            yield from (
                f"{page.get('name')}/{widget.get('name')}: {fault}" for fault in _widget_faults(widget, queries)
            )
    for name in sorted(set(queries) - used):
        yield f"dataset {name}: no widget shows it"


def _widget_faults(widget: dict[str, Any], queries: dict[str, str]) -> Iterator[str]:
    asked = set()
    for query in widget.get("queries") or []:
        dataset, fields = query["query"]["datasetName"], query["query"]["fields"]
        if dataset not in queries:
            yield f"no dataset '{dataset}'"
            continue
        asked |= {field["name"] for field in fields}
        for column in (column for field in fields for column in _FIELD.findall(field["expression"])):
            if not re.search(rf"\b{column}\b", queries[dataset]):
                yield f"dataset {dataset} has no column '{column}'"
    spec = widget.get("spec") or {}
    kind, version = spec.get("widgetType"), spec.get("version")
    if spec and VERSIONS.get(str(kind)) != version:
        yield f"version {version} of a widget '{kind}' is not known"
    for name in sorted(set(_shown(spec)) - asked):
        yield f"shows '{name}', which it does not ask for"


def _shown(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if "fieldName" in value:
            yield value["fieldName"]
        for inner in value.values():
            yield from _shown(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _shown(inner)


def quality_monitors(bundle: Bundle) -> Iterator[str]:
    """A monitor looks at one table in one way, in our schema, at columns that the table has."""
    seen: dict[str, str] = {}
    for document in bundle.documents:
        for key, found in document.resources("quality_monitors").items():
            place = f"{document.name}: quality_monitors/{key}"
            yield from (f"{place}: {fault}" for fault in _monitor_faults(found))
            table = str(found.get("table_name"))
            if table in seen:
                yield f"{place}: {table} has the monitor {seen[table]} already"
            seen[table] = key
    for target in bundle.targets:
        for key, found in bundle.resolved(target).get("quality_monitors", {}).items():
            yield from (f"{target}: quality_monitors/{key}: {fault}" for fault in schedule(bundle.root, found))


def _monitor_faults(found: dict[str, Any]) -> Iterator[str]:
    yield from _keys(found, _MONITOR, (*_MORE, *_PROFILES))
    profiles = [name for name in _PROFILES if name in found]
    if len(profiles) != 1:
        yield f"looks at its table as {' and '.join(profiles) or 'nothing'}: one profile is needed"
    for word in ("table_name", "output_schema_name"):
        if not str(found.get(word)).startswith("${var.catalog}.${resources.schemas."):
            yield f"{word} names a catalog or schema by itself, and targets differ in both"
    for profile in profiles:
        given = found[profile] or {}
        needed = [name for name in _PROFILES[profile] if name not in _FREE]
        yield from (f"{profile}: {fault}" for fault in _keys(given, needed, _FREE))
        if profile == "inference_log" and given.get("problem_type") not in _PROBLEMS:
            yield f"inference_log: no problem_type {given.get('problem_type')!r}"
        for one in given.get("granularities") or []:
            if not _GRANULARITY.fullmatch(str(one)):
                yield f"{profile}: no granularity '{one}'"
        named = [value for name, value in given.items() if name.endswith("_col")]
        yield from _columns(str(found.get("table_name")), [*named, *(found.get("slicing_exprs") or [])])


def _columns(table: str, names: list[str]) -> Iterator[str]:
    """Only tables of the monitor are declared once for all; those of predictions are compared by a test."""
    declared = next((t for t in EVERY if t.name == table.rpartition(".")[2]), None)
    known = {name for name, _, _ in declared.columns} if declared else set(names)
    for name in names:
        if name not in known:
            yield f"{table} has no column '{name}'"


def _keys(found: dict[str, Any], needed: Any, allowed: Any) -> Iterator[str]:
    """The CLI warns of a key that it does not know, and goes on."""
    for key in needed:
        if found.get(key) in (None, "", []):
            yield f"{key} is missing"
    for key in found:
        if key not in (*needed, *allowed):
            yield f"unknown key '{key}'"


ASSET_RULES: tuple[Callable[[Bundle], Iterator[str]], ...] = (dashboards, quality_monitors)

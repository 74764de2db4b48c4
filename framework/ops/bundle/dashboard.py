"""The dashboard of the bundle: what needs attention, how models do, what drifts, what the data is like."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from framework.monitoring.drift.levels import DRIFT, WATCH
from framework.ops.bundle.queries import DRIFT_DAYS, SKILL_DAYS, UNIT_DAYS, queries
from framework.ops.bundle.widgets import NAME, NUMBER, TIME, chart, choice, counter, table, text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from framework.ops.bundle.widgets import Widget

FILE = "health_monitor.lvdash.json"
WIDTH = 6
"""Columns of a page's grid."""
Placed = tuple["Widget", int, int]


def definition(domains: Mapping[str, str]) -> str:
    """Return the dashboard's file.

    Args:
        domains: Domain of each loaded model.
    """
    datasets = [
        {"name": name, "displayName": name.replace("_", " "), "queryLines": query.splitlines(keepends=True)}
        for name, query in queries(domains).items()
    ]
    pages = [
        _page("attention", "Attention", _attention()),
        _page("models", "Models", _models()),
        _page("drift", "Drift", _drift()),
        _page("data", "Data", _data()),
    ]
    return json.dumps({"datasets": datasets, "pages": pages}, indent=2, ensure_ascii=False) + "\n"


def resource() -> dict[str, Any]:
    """Return the bundle's resource, and the variable that it alone needs."""
    warehouse = {
        "description": "Id of the SQL warehouse that runs the dashboard's queries. By default, the one of this name.",
        "lookup": {"warehouse": "Serverless Starter Warehouse"},
    }
    dashboard = {
        "display_name": "${var.job_prefix}Health Monitor",
        "file_path": f"./{FILE}",
        "warehouse_id": "${var.warehouse_id}",
        "dataset_catalog": "${var.catalog}",
        "dataset_schema": "${resources.schemas.features.name}",
        # Who looks sees what he or she may read: the tables hold names of people.
        "embed_credentials": False,
    }
    return {"variables": {"warehouse_id": warehouse}, "resources": {"dashboards": {"health_monitor": dashboard}}}


def _attention() -> list[Placed]:
    axes = {
        "x": ("domain", NAME, "Domain"),
        "y": ("open_alerts", NUMBER, "Open alerts"),
        "color": ("severity", NAME, "Severity"),
    }
    columns = {
        "severity": "Severity", "domain": "Domain", "model_name": "Model", "entity": "Entity", "reason": "Why",
        "action": "What to do", "prediction": "Prediction", "model_version": "Version", "first_day": "Since",
        "last_day": "Until", "state": "State",
    }  # fmt: skip
    return [
        (text("about", "What a person should look at. Close an alert with what it turned out to be."), 4, 1),
        (choice("by_domain", "Domain", "domain", ["alerts", "alerts_by_domain"]), 2, 1),
        (counter("open", "Open alerts", "alerts", "alert_id"), 2, 5),
        (counter("critical", "Critical", "alerts", "critical_alert_id"), 1, 5),
        (chart("alerts_by_domain", "bar", "Open alerts by domain and severity", "alerts_by_domain", axes), 3, 5),
        (table("alerts", "Open alerts, the most severe first", "alerts", columns), 6, 9),
    ]


def _models() -> list[Placed]:
    def over_time(column: str, description: str) -> dict[str, tuple[str, str, str]]:
        day, model = ("as_of_date", TIME, "Day"), ("model_name", NAME, "Model")
        return {"x": day, "y": (column, NUMBER, description), "color": model}

    beside, skill = "skill_beside_promise", over_time("skill", "Skill")
    decided = {
        "decided_at": "When", "domain": "Domain", "model_name": "Model", "model_version": "Version",
        "decision": "Decision", "decided_by": "By", "reason": "Why", "metric": "Metric", "skill": "Skill",
        "skill_low": "At least", "promote_above": "Must be above", "champion_version": "Champion then",
    }  # fmt: skip
    asked = {
        "urgency": "Urgency", "domain": "Domain", "model_name": "Model", "model_version": "Version",
        "reason": "Reason", "says": "Why", "requested_on": "Since", "last_seen_on": "Last seen",
    }  # fmt: skip
    every = ["skill", "decisions", "requests"]
    return [
        (text("about", f"The last {SKILL_DAYS} days. Skill is 0 for the baseline and 1 for no error."), 2, 1),
        (choice("by_domain", "Domain", "domain", every), 2, 1),
        (choice("by_model", "Model", "model_name", every), 2, 1),
        (
            chart("beside", "line", "Skill minus promise", "skill", over_time(beside, "Skill minus promise"), "AVG"),
            6,
            7,
        ),
        (chart("skill", "line", "Skill", "skill", skill, "AVG"), 3, 7),
        (chart("promise", "line", "Promised skill", "skill", over_time("promised_skill", "Promised"), "AVG"), 3, 7),
        (table("decisions", "Newest decision on each model", "decisions", decided), 6, 7),
        (table("requests", "Open requests to train again", "requests", asked), 6, 6),
    ]


def _drift() -> list[Placed]:
    axes = {
        "x": ("as_of_date", NAME, "Day"),
        "y": ("feature", NAME, "Feature"),
        "color": ("psi", NUMBER, "PSI"),
    }
    columns = {
        "level": "Level", "domain": "Domain", "model_name": "Model", "model_version": "Version", "kind": "Kind",
        "name": "Column", "says": "Finding", "psi": "PSI", "psi_usual": "Usual PSI", "ks_p": "KS p",
        "missing_rate": "Missing", "missing_rate_training": "Missing in training",
    }  # fmt: skip
    every = ["drift", "findings"]
    about = f"Features of {DRIFT_DAYS} days with a PSI above {WATCH} on one of them; above {DRIFT}, they drift."
    return [
        (text("about", about), 2, 1),
        (choice("by_domain", "Domain", "domain", every), 2, 1),
        (choice("by_model", "Model", "model_name", every), 2, 1),
        (counter("drifted", "Columns that drifted", "findings", "drifted_name"), 1, 12),
        (chart("psi", "heatmap", "PSI by feature and day", "drift", axes, "MAX"), 5, 12),
        (table("findings", "Findings of the newest day", "findings", columns), 6, 8),
    ]


def _data() -> list[Placed]:
    axes = {
        "x": ("table_name", NAME, "Gold table"),
        "y": ("bad_rows", NUMBER, "Rows"),
        "color": ("reason", NAME, "Reason"),
    }
    bad = {
        "table_name": "Gold table", "reason": "Reason", "bad_rows": "Rows", "first_known_at": "First",
        "last_known_at": "Last",
    }  # fmt: skip
    units = {
        "status": "Status", "stage": "Stage", "unit": "Unit", "reason": "Why", "as_of_date": "Day",
        "recorded_at": "When", "run_id": "Run",
    }  # fmt: skip
    about = f"Gold rows that features do not see, and units of the last {UNIT_DAYS} days that did not end well."
    return [
        (text("about", about), 6, 1),
        (counter("failed", "Units that failed", "units", "failed_unit"), 1, 6),
        (chart("bad_rows", "bar", "Rows in quarantine by table and reason", "quarantine", axes), 5, 6),
        (table("units", "What failed, was skipped or fell back", "units", units), 6, 8),
        (table("quarantine", "Quarantine", "quarantine", bad), 6, 6),
    ]


def _page(name: str, title: str, widgets: list[Placed]) -> dict[str, Any]:
    """Lay widgets out from left to right; a row is as high as its first."""
    layout, x, y, high = [], 0, 0, 0
    for widget, width, height in widgets:
        if x + width > WIDTH:
            x, y = 0, y + high
        high = height
        layout.append({"widget": widget, "position": {"x": x, "y": y, "width": width, "height": height}})
        x += width
    return {"name": name, "displayName": title, "pageType": "PAGE_TYPE_CANVAS", "layout": layout}

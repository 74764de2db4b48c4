"""What people said of alerts: closing them, and what that teaches about a model."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from framework.errors import ConfigError
from framework.monitoring.alert_book import ACKNOWLEDGED, MONITOR, OPEN, RESOLVED, days_of
from framework.monitoring.tables import ALERTS

if TYPE_CHECKING:
    import pandas as pd

    from framework.runtime import Runtime
    from framework.table_spec import TableSpec

    Row = dict[str, Any]

REAL, NOISE = "real", "noise"
EVENT = "is_event"
SHORTEST = 4
"""Characters of an id that may stand for all of it."""


def acknowledge(runtime: Runtime, alert: str) -> Row:
    """Record that a person looks into an alert: the monitor does not resolve it any more.

    Args:
        runtime: The runtime.
        alert: Id, or the unique beginning of one.

    Returns:
        The row as it is now.

    Raises:
        ConfigError: If there is no such alert, or it is resolved.
    """
    row = find(runtime, alert)
    if row["state"] == RESOLVED:
        raise ConfigError(
            what="the alert is resolved", where=f"alert {row['alert_id']}", fix="close it with a verdict instead"
        )
    row |= {"state": ACKNOWLEDGED}
    ALERTS.merge(runtime, [row])
    return row


def close(runtime: Runtime, alert: str, verdict: str, by: str = "person") -> Row:
    """Close an alert with what it turned out to be; the row never changes again, but for another verdict.

    Args:
        runtime: The runtime; its clock says when.
        alert: Id, or the unique beginning of one; the monitor may have resolved it already.
        verdict: ``real`` or ``noise``.
        by: Who says so.

    Returns:
        The row as it is now.

    Raises:
        ConfigError: If there is no such alert, or verdict or name cannot be used.
    """
    if verdict not in (REAL, NOISE):
        raise ConfigError(what="no such verdict", where="--verdict", fix=f"write {REAL} or {NOISE}")
    if not by.strip() or by == MONITOR:
        raise ConfigError(what="that is no person's name", where="--by", fix="leave it out, or name a person")
    row = find(runtime, alert)
    row |= {"state": RESOLVED, "verdict": verdict, "closed_by": by, "closed_at": runtime.clock.now()}
    ALERTS.merge(runtime, [row])
    return row


def find(runtime: Runtime, alert: str) -> Row:
    """Return the alert whose id begins with some characters.

    Raises:
        ConfigError: If there is none, or more than one.
    """
    rows = ALERTS.read(runtime).to_pylist()
    found: list[Row] = [row for row in rows if len(alert) >= SHORTEST and row["alert_id"].startswith(alert)]
    if len(found) != 1:
        how_many = "several alerts begin so" if found else "there is no such alert"
        raise ConfigError(what=how_many, where=f"alert '{alert}'", fix="see `health-monitor alerts list --state all`")
    return found[0]


def listed(runtime: Runtime, state: str | None = None) -> list[Row]:
    """Return alerts, newest first.

    Args:
        runtime: The runtime.
        state: ``open``, ``acknowledged`` or ``resolved``; ``None`` for all.

    Raises:
        ConfigError: If there is no such state.
    """
    if state not in (None, OPEN, ACKNOWLEDGED, RESOLVED):
        raise ConfigError(what=f"no state '{state}'", where="--state", fix="write open, acknowledged, resolved or all")
    rows = ALERTS.read(runtime, [("state", "=", state)] if state else []).to_pylist()
    rows.sort(key=lambda row: (row["severity"], row["model_name"], row["entity"], row["alert_id"]))
    return sorted(rows, key=lambda row: row["last_day"], reverse=True)


def verdict_events(runtime: Runtime, model: str, grain: TableSpec) -> pd.DataFrame:
    """Return the days of a model's closed alerts as known truth.

    Args:
        runtime: The runtime.
        model: The model.
        grain: The table that fixes its keys and time; one row a day, since an alert knows days.

    Returns:
        Columns of the primary key (keys as text, the time as ``date``) and ``is_event``: 1 if a person found a day
        real, 0 if noise. No rows for a table of single events.
    """
    import pandas as pd

    truth: dict[tuple[Any, ...], int] = {}
    for row in _judged(runtime, model) if grain.time_type == "date" else ():
        entity = json.loads(row["entity"])
        for day in days_of(row):
            at = (*(entity[key] for key in grain.keys), day)
            truth[at] = max(truth.get(at, 0), int(row["verdict"] == REAL))
    rows = [(*at, event) for at, event in sorted(truth.items())]
    return pd.DataFrame(rows, columns=[*grain.keys, grain.time, EVENT])


def precision_by_verdict(runtime: Runtime, model: str) -> float | None:
    """Return the share of a model's judged alerts that were real; ``None`` if a person judged none."""
    verdicts = [row["verdict"] for row in _judged(runtime, model)]
    return verdicts.count(REAL) / len(verdicts) if verdicts else None


def _judged(runtime: Runtime, model: str) -> list[Row]:
    """Return a model's alerts about entities that carry a verdict."""
    where = [("model_name", "=", model), ("kind", "=", "prediction"), ("verdict", "in", [REAL, NOISE])]
    return [row for row in ALERTS.read(runtime, where).to_pylist() if row["entity"]]

"""What people said of alerts: closing them, and what that teaches about a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from framework.base.errors import ConfigError
from framework.monitoring.alerts.book import ACKNOWLEDGED, MONITOR, OPEN, RESOLVED
from framework.tables.declared import ALERTS
from framework.tables.verdicts import NOISE, REAL

if TYPE_CHECKING:
    from framework.gold.runtime import Runtime

    Row = dict[str, Any]

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

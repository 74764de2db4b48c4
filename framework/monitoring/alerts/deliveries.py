"""Sends alerts to sinks, each once: a queue in a table, which outlives a dead endpoint and a killed run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from framework.base.errors import ConfigError, DeliveryError
from framework.base.logging import get_logger
from framework.core.results import Status, UnitResult
from framework.monitoring.alerts.messages import Message, masked
from framework.monitoring.alerts.rules import SEVERITIES
from framework.tables.declared import ALERTS, DELIVERIES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date

    from framework.gold.runtime import Runtime
    from framework.monitoring.alerts.sinks import AlertSink

    Row = dict[str, Any]

BATCH = 10
MOST_ATTEMPTS = 30
"""Runs that try to send an alert before it counts as failed."""
QUEUED, SENT, FAILED, PASSED_OVER = "queued", "sent", "failed", "passed over"


def send_alerts(runtime: Runtime) -> list[UnitResult]:
    """Send what is new, and what is still queued, to every sink.

    A sink that does not answer is left alone for the rest of the run. Its alerts stay queued.

    Args:
        runtime: The runtime.

    Returns:
        One result per sink: ``done``; ``skipped`` if alerts stay queued; ``failed`` if the sink cannot be opened.
    """
    from framework.monitoring.alerts.sinks import sinks_of

    sinks = sinks_of(runtime)
    alerts = {row["alert_id"]: row for row in ALERTS.read(runtime).to_pylist()} if sinks else {}
    results = []
    for name, open_sink in sinks.items():
        _enqueue(runtime, name, alerts.values())
        try:
            sink = open_sink()
        except ConfigError as error:
            results.append(UnitResult(stage="alerts", name=name, status=Status.FAILED, reason=str(error)))
            continue
        results.append(_send(runtime, name, sink, alerts))
    return results


def carry(runtime: Runtime, renamed: Mapping[str, str]) -> None:
    """Hand the deliveries of alerts that are no more to those that took their place.

    Args:
        runtime: The runtime.
        renamed: New id by old one; empty where nothing took its place.
    """
    rows = DELIVERIES.read(runtime).to_pylist()
    old = [row for row in rows if row["alert_id"] in renamed]
    if not old:
        return
    known = {(row["alert_id"], row["sink"]): row for row in rows}
    moved: dict[tuple[str, str], Row] = {}
    for row in old:
        at = renamed[row["alert_id"]], row["sink"]
        if at[0] and (at not in known or row["state"] == SENT):
            moved[at] = moved[at] if at in moved and moved[at]["state"] == SENT else row | {"alert_id": at[0]}
    DELIVERIES.merge(runtime, list(moved.values()))
    DELIVERIES.delete(runtime, sorted({row["alert_id"] for row in old}))


def _enqueue(runtime: Runtime, sink: str, alerts: Iterable[Row]) -> None:
    """Queue open alerts whose opening the sink has not seen; a new sink passes over those of earlier days."""
    alerts = list(alerts)
    seen = {row["alert_id"]: row["opened_on"] for row in DELIVERIES.read(runtime, [("sink", "=", sink)]).to_pylist()}
    newest: date | None = max((row["last_day"] for row in alerts), default=None)
    fresh = []
    for row in alerts:
        if row["state"] == "open" and _is_news(row, seen):
            state = QUEUED if seen or _opening(row) == newest else PASSED_OVER
            told = {"alert_id": row["alert_id"], "sink": sink, "opened_on": _opening(row)}
            fresh.append(told | {"state": state, "attempts": 0, "last_error": ""})
    DELIVERIES.merge(runtime, fresh)


def _is_news(alert: Row, seen: Mapping[str, date | None]) -> bool:
    """Tell whether a sink has not seen an alert, or only an opening before the newest one."""
    return alert["alert_id"] not in seen or (seen[alert["alert_id"]] or alert["first_day"]) < _opening(alert)


def _opening(alert: Row) -> date:
    """Return the day on which an alert was opened last; rows of older versions were never opened again."""
    opened: date = alert["opened_on"] or alert["first_day"]
    return opened


def _send(runtime: Runtime, name: str, sink: AlertSink, alerts: Mapping[str, Row]) -> UnitResult:
    """Send what is queued in small messages, writing down after each what became of it."""
    queued = DELIVERIES.read(runtime, [("sink", "=", name), ("state", "=", QUEUED)]).to_pylist()
    due = sorted((row for row in queued if row["alert_id"] in alerts), key=lambda row: _order(row, alerts))
    sent = 0
    for at in range(0, len(due), BATCH):
        batch = due[at : at + BATCH]
        problem = _handed_over(sink, [Message.of(alerts[row["alert_id"]]) for row in batch])
        DELIVERIES.merge(runtime, [_after(row, problem, runtime) for row in batch])
        if problem:
            left = len(due) - sent
            get_logger().warning("sink_failed", sink=name, error=problem, queued=left)
            reason = f"{left} alerts stay queued: {problem}"
            return UnitResult(stage="alerts", name=name, status=Status.SKIPPED, rows=sent, reason=reason)
        sent += len(batch)
    get_logger().info("alerts_sent", sink=name, sent=sent)
    return UnitResult(stage="alerts", name=name, status=Status.DONE, rows=sent)


def _order(row: Row, alerts: Mapping[str, Row]) -> tuple[int, int, date, str]:
    """Sort by attempts first, so that a message which is always refused does not hold up the others."""
    alert = alerts[row["alert_id"]]
    return row["attempts"], -SEVERITIES.index(alert["severity"]), alert["first_day"], row["alert_id"]


def _handed_over(sink: AlertSink, messages: list[Message]) -> str:
    """Hand messages to a sink; return what went wrong, without what a foreign error may quote."""
    try:
        sink.send(messages)
    except DeliveryError as error:
        return masked(error.what)
    except Exception as error:  # noqa: BLE001 - a stranger's sink may raise anything
        return type(error).__name__
    return ""


def _after(row: Row, problem: str, runtime: Runtime) -> Row:
    """Return a delivery as it is after an attempt."""
    attempts = row["attempts"] + 1
    state = (FAILED if attempts >= MOST_ATTEMPTS else QUEUED) if problem else SENT
    sent_at = None if problem else runtime.clock.now()
    return row | {"state": state, "attempts": attempts, "last_error": problem, "sent_at": sent_at}

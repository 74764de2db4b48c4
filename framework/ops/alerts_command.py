"""``health-monitor alerts``: what stands in the table, and a person's word on it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from framework.monitoring.alerts import verdicts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from framework.gold.runtime import Runtime

ALL = "all"


def list_alerts(options: Mapping[str, Any], state: str) -> int:
    """Print alerts, newest first.

    Args:
        options: Typed command-line options; ``config`` is no setting.
        state: A state, or ``all``.

    Returns:
        Exit code 0.
    """
    _show(verdicts.listed(open_tables(options), None if state == ALL else state))
    return 0


def acknowledge_alert(options: Mapping[str, Any], alert: str) -> int:
    """Record that a person looks into an alert, and print it; returns exit code 0."""
    _show([verdicts.acknowledge(open_tables(options), alert)])
    return 0


def close_alert(options: Mapping[str, Any], alert: str, verdict: str, by: str) -> int:
    """Record a person's verdict on an alert, and print it; returns exit code 0."""
    _show([verdicts.close(open_tables(options), alert, verdict, by)])
    return 0


def open_tables(options: Mapping[str, Any]) -> Runtime:
    """Open a home for its tables alone: no engine is started."""
    from framework.base import logging
    from framework.core.config import load_settings
    from framework.core.plugins import discover
    from framework.run.opening import open_runtime

    logging.configure(console=sys.stderr.isatty())
    settings = load_settings({k: v for k, v in options.items() if k != "config"}, options.get("config"))
    return open_runtime(settings, discover(strict=settings.strict), engines=False)


def _show(rows: Sequence[Mapping[str, Any]]) -> None:
    table = Table("id", "severity", "state", "verdict", "model", "entity", "since", "newest day", "reason")
    for row in rows:
        days = (row["first_day"].isoformat(), row["last_day"].isoformat())
        words = (row["state"], row["verdict"] or "", row["model_name"], row["entity"], *days, row["reason"])
        table.add_row(row["alert_id"], row["severity"], *(escape(word) for word in words))
    Console(width=None if sys.stdout.isatty() else 200).print(table)

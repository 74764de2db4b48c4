"""``health-monitor audit``: the twenty rows as a table, or as one JSON object."""

from __future__ import annotations

import dataclasses
import json
import sys
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from framework.ops.audit.rows import audit, passed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from framework.ops.audit.rows import Row

SHOWN = 5
"""Offenders of a row that the table shows; the JSON has all of them."""


def run_audit(options: Mapping[str, Any], bundle: Path, *, as_json: bool) -> int:
    """Audit what is registered and stored.

    Args:
        options: Typed command-line options; ``config`` is no setting.
        bundle: Folder that holds ``databricks.yml``.
        as_json: Print one JSON object instead of a table.

    Returns:
        Exit code: 0, or 1 if a row has not passed.
    """
    from framework.base import logging
    from framework.core.config import load_settings
    from framework.core.plugins import discover
    from framework.ops.audit.collect import collect
    from framework.run.opening import open_runtime

    logging.configure(console=sys.stderr.isatty())
    settings = load_settings({k: v for k, v in options.items() if k != "config"}, options.get("config"))
    plugins = discover(strict=settings.strict)
    plugins.select_models(settings.domains, settings.models)  # an unknown name opens nothing
    rows = audit(collect(open_runtime(settings, plugins), bundle))
    if as_json:
        sys.stdout.write(to_json(rows) + "\n")
    else:
        out = Console(width=None if sys.stdout.isatty() else 200)
        out.print(to_table(rows))
        out.print(f"{sum(row.passed for row in rows)} of {len(rows)} rows pass")
    return 0 if passed(rows) else 1


def to_json(rows: Sequence[Row]) -> str:
    """Return all rows as one JSON object."""
    return json.dumps({"passed": passed(rows), "rows": [dataclasses.asdict(row) for row in rows]})


def to_table(rows: Sequence[Row]) -> Table:
    """Return the rows as a table, each with its first offenders."""
    table = Table("#", "practice or criterion", "share", "passed", "who breaks it, or what was looked at")
    for row in rows:
        more = len(row.offenders) - SHOWN
        shown = [*row.offenders[:SHOWN], *([f"and {more} more: see --json"] if more > 0 else [])]
        table.add_row(
            str(row.number),
            row.title,
            f"{row.share:.0%}" if row.share in (0, 1) else f"{min(row.share, 0.999):.1%}",
            "[green]yes[/green]" if row.passed else "[red]no[/red]",
            escape("\n".join(shown) or row.evidence),
        )
    return table

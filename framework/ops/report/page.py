"""Renders the report as one HTML file that asks for nothing else."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from framework.base.errors import ConfigError
from framework.ops.report import readable
from framework.ops.report.collect import collect

if TYPE_CHECKING:
    from datetime import date
    from pathlib import Path

    from framework.gold.runtime import Runtime
    from framework.ops.report.facts import Report

PAST_ROWS = 14
"""Rows of a chart's data table; the chart shows all of them."""


def write_report(runtime: Runtime, path: Path, day: date | None = None) -> Path:
    """Write the report of a day.

    Args:
        runtime: The runtime; its settings choose the models.
        path: The file; its folder is made, and a file that is there is replaced at once.
        day: The day; ``None`` for the runtime's own.

    Returns:
        The file.

    Raises:
        ConfigError: If it cannot be written.
    """
    page = render(collect(runtime, day or runtime.as_of))
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(page, encoding="utf-8")
        beside.replace(path)
    except OSError as error:
        raise ConfigError(
            what=f"the report cannot be written: {error.strerror}", where=str(path), fix="give another file with --out"
        ) from error
    return path


def render(report: Report) -> str:
    """Return the page: HTML with its style inside, no script, nothing from elsewhere.

    Args:
        report: What to show; every text in it is escaped.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    from framework.ops.report.figures import Figures

    environment = Environment(
        loader=PackageLoader("framework.ops.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"readable": readable, "draw": Figures(), "past_rows": PAST_ROWS}
    return environment.get_template("report.html").render(report=report)

"""``health-monitor report``: writes the page and prints where it is."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FILE = "report.html"


def run_report(options: Mapping[str, Any], out: Path | None) -> int:
    """Write the report of the newest day that a run was about.

    Args:
        options: Typed command-line options; ``config`` is no setting.
        out: The file; ``None`` for ``report.html`` in the home.

    Returns:
        Exit code 0.
    """
    from framework.base import logging
    from framework.core.config import load_settings
    from framework.core.plugins import discover
    from framework.ops.report.page import write_report
    from framework.ops.report.reading import newest_day
    from framework.run.opening import open_runtime

    logging.configure(console=sys.stderr.isatty())
    settings = load_settings({k: v for k, v in options.items() if k != "config"}, options.get("config"))
    plugins = discover(strict=settings.strict)
    plugins.select_models(settings.domains, settings.models)  # an unknown name opens nothing
    runtime = open_runtime(settings, plugins, engines=False)
    file = out or settings.home.expanduser() / FILE
    written = write_report(runtime, file, newest_day(runtime, settings.as_of))
    sys.stdout.write(f"{written}\n")
    return 0

"""``health-monitor doctor``: checks what a run needs, and prints the step for whatever is missing."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from framework.ops.doctor import machine
from framework.ops.doctor.check import Check, gathered, healthy
from framework.ops.doctor.gold import costs, gold_columns
from framework.ops.doctor.grants import grants, not_executable
from framework.ops.doctor.privileges import UnityCatalog, spark_sql

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from framework.core.config import Settings
    from framework.core.plugins import Registry
    from framework.gold.runtime import Runtime

AGAIN = "run the doctor again after that"


def run_doctor(options: Mapping[str, Any]) -> int:
    """Check what a run with these options needs.

    Args:
        options: Typed command-line options; ``config`` is no setting.

    Returns:
        Exit code: 0, or 1 if something is missing without which a run cannot do its work.
    """
    from framework.base import logging
    from framework.core.config import load_settings
    from framework.core.plugins import discover

    logging.configure(console=sys.stderr.isatty())
    settings = load_settings({k: v for k, v in options.items() if k != "config"}, options.get("config"))
    plugins = discover(strict=settings.strict)
    checks = examine(settings, plugins, os.environ)
    out = Console(width=None if sys.stdout.isatty() else 200)
    out.print(to_table(checks))
    for fix in [check.fix for check in checks if check.fix]:
        out.print(escape(fix), soft_wrap=True, highlight=False)  # as it is, to be copied
    return 0 if healthy(checks) else 1


def examine(settings: Settings, plugins: Registry, environment: Mapping[str, str]) -> list[Check]:
    """Check everything that a run with these settings needs.

    Args:
        settings: The settings.
        plugins: What the loaded domains offer.
        environment: Environment variables.

    Returns:
        The checks; an error of one stops no other.
    """
    models = plugins.select_models(settings.domains, settings.models)
    checks = [
        Check(name=f"domain {name}", ok=False, detail=error, fix="mend or uninstall it", needed=False)
        for name, error in plugins.broken.items()
    ]
    serverless = machine.is_serverless(environment)
    with gathered(checks, "installation"):
        wanted, requires = machine.declared()
        checks.append(machine.python(wanted))
        checks.append(machine.libraries(requires, settings.platform, serverless=serverless))
    if settings.platform == "databricks":
        checks.append(machine.workspace_runtime(environment))
    else:
        checks.append(machine.home(settings.home))
        with gathered(checks, "engine"):
            checks.append(machine.engine(settings.engine))
    if all(check.ok for check in checks if check.needed):  # without these, no session can be opened
        with gathered(checks, "session"):
            _with_session(checks, settings, plugins, models)
    else:
        what = "not looked at: mend the above first"
        checks.append(Check(name="session and gold", ok=False, detail=what, fix=AGAIN))
    return checks


def _with_session(checks: list[Check], settings: Settings, plugins: Registry, models: Sequence[str]) -> None:
    from framework.run.opening import open_runtime

    runtime: Runtime = open_runtime(settings, plugins)
    version = runtime.spark.version
    checks.append(Check(name="session", ok=True, detail=f"Spark {version}, in UTC"))
    if settings.platform == "databricks":
        tables = sorted({need.partition(".")[0] for need in costs(plugins, models)})
        asked = UnityCatalog(spark_sql(runtime.spark))
        rights = grants(asked, settings, tables, lambda: not_executable(runtime.registry, models))
        checks += rights
        if not all(check.ok for check in rights if settings.gold in check.name):
            checks.append(Check(name="gold", ok=False, detail="not looked at: it cannot be read", fix=AGAIN))
            return
    if settings.gold == type(settings).model_fields["gold"].default:
        checks.append(Check(name="gold", ok=True, detail="simulated by the run itself"))
        return
    with gathered(checks, "gold"):
        checks += gold_columns(runtime.gold(), plugins, models)


def to_table(checks: Sequence[Check]) -> Table:
    """Return the checks as a table."""
    table = Table("check", "ok", "found")
    for check in checks:
        mark = "[green]yes[/green]" if check.ok else "[red]no[/red]" if check.needed else "[yellow]partly[/yellow]"
        table.add_row(escape(check.name), mark, escape(check.detail))
    return table

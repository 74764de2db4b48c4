"""``health-monitor leaks``: every leakage check of a model, to its end, without registering anything."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from framework.base.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from framework.gold.runtime import Runtime
    from framework.training.leakage.finding import Finding


def run_leaks(options: Mapping[str, Any], model: str) -> int:
    """Check a model, and print what each check found.

    Args:
        options: Typed command-line options; ``config`` is no setting.
        model: The model.

    Returns:
        Exit code: 0, or 1 if a check refuses, or asks what the declaration does not answer.
    """
    from framework.base import logging
    from framework.core.config import load_settings
    from framework.core.plugins import discover
    from framework.run.opening import open_runtime

    logging.configure(console=sys.stderr.isatty())
    settings = load_settings({k: v for k, v in options.items() if k != "config"}, options.get("config"))
    plugins = discover(strict=settings.strict)
    plugins.select_models((), (model,))
    found = find_leaks(open_runtime(settings, plugins), model)
    Console(width=None if sys.stdout.isatty() else 200).print(to_table(found, model))
    return int(any(row.verdict != "pass" for row in found))


def find_leaks(runtime: Runtime, model: str) -> list[Finding]:
    """Run all checks of a model, one fit among them.

    Args:
        runtime: The runtime; features must have been built.
        model: The model.

    Returns:
        At least one row per check.

    Raises:
        ConfigError: If there is nothing to train on.
    """
    from framework.core.results import Skip
    from framework.training.fitting import few_threads
    from framework.training.leakage import jitter
    from framework.training.leakage.checks import Check, checks, run_checks

    trainer = runtime.plugins.trainers[model].item()
    data = trainer.prepare(runtime, runtime.as_of)
    if isinstance(data, Skip):
        raise ConfigError(what=data.reason, where=model, fix="run `health-monitor features` on more days first")

    def fit() -> list[Finding]:
        with few_threads(len(data.split.train)):
            return jitter.check(trainer.fit(data, runtime).extras.get(jitter.FIGURE, 0.0), model)

    todo = [*checks(trainer, data, runtime, runtime.as_of), Check(jitter.CHECK, fit)]
    return run_checks(iter(todo), model, to_the_end=True)


def to_table(found: Sequence[Finding], model: str) -> Table:
    """Return the checks as a table, in their order; the time of a check stands on its first row."""
    table = Table("check", "verdict", "seconds", "column", "evidence", title=f"Leakage checks of {model}")
    before = ""
    for row in found:
        table.add_row(
            row.check, str(row.verdict), "" if row.check == before else f"{row.seconds:.1f}", row.column, row.evidence
        )
        before = row.check
    return table

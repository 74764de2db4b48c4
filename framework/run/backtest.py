"""``health-monitor backtest``: fits of a model at past days, each judged on the days after it."""

from __future__ import annotations

import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from framework.base.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from framework.gold.runtime import Runtime
    from framework.training.evaluate import Evaluation
    from framework.training.rolling import RollingEvaluation


def run_backtest(options: Mapping[str, Any], model: str, first: date, last: date, every: int) -> int:
    """Backtest a model, print the folds and store them in ``model_backtests``.

    Args:
        options: Typed command-line options; ``config`` is no setting.
        model: The model.
        first: First origin: the last day that its fit knows.
        last: Last origin.
        every: Days from one origin to the next.

    Returns:
        Exit code: 0, or 1 if no fold could be judged.
    """
    from framework.base import logging
    from framework.core.config import load_settings
    from framework.core.plugins import discover
    from framework.run.opening import open_runtime

    logging.configure(console=sys.stderr.isatty())
    settings = load_settings({k: v for k, v in options.items() if k != "config"}, options.get("config"))
    plugins = discover(strict=settings.strict)
    plugins.select_models((), (model,))
    rolling_result = backtest(open_runtime(settings, plugins), model, first, last, every)
    Console(width=None if sys.stdout.isatty() else 200).print(to_table(rolling_result, model))
    return 0 if rolling_result.evaluation else 1


def backtest(runtime: Runtime, model: str, first: date, last: date, every: int) -> RollingEvaluation:
    """Fit a model at each origin and judge it until the next; nothing is registered.

    Args:
        runtime: The runtime; features must have been built.
        model: The model.
        first: First origin.
        last: Last origin.
        every: Days from one origin to the next.

    Returns:
        The folds.

    Raises:
        ConfigError: If the range is empty, or there is nothing to train on.
    """
    from framework.core.results import Skip
    from framework.declare.model import short_hash
    from framework.tables.declared import BACKTESTS
    from framework.training import rolling
    from framework.training.fingerprint import fingerprint

    if first > last:
        raise ConfigError(what=f"{first} is after {last}", where="--from, --to", fix="give the earlier day first")
    trainer = runtime.plugins.trainers[model].item()
    data = trainer.prepare(runtime, runtime.as_of)
    if isinstance(data, Skip):
        raise ConfigError(what=data.reason, where=model, fix="build features of more days first")
    calibrate = trainer.spec.calibrate if trainer.calibrates else timedelta(0)
    found = list(rolling.every(first, last, timedelta(days=every), calibrate, until=data.split.test_end))
    rolling_result = rolling.backtest(trainer, data, found, runtime)
    identity = short_hash(["backtest", fingerprint(trainer, runtime, runtime.as_of), str(every)])
    BACKTESTS.merge(runtime, rolling.rows_of(rolling_result, model, identity, runtime.as_of, None))
    return rolling_result


def to_table(rolling_result: RollingEvaluation, model: str) -> Table:
    """Return the folds as a table, with all days together in the last row."""
    table = Table("origin", "judged until", "rows fitted", "rows judged", "metric against baseline", "skill (90 %)")
    table.title = f"Backtest of {model}"
    for fold in rolling_result.folds:
        rows = len(fold.judged.truth) if fold.judged else 0
        split = fold.split
        table.add_row(
            str(split.calibrate_end), str(split.test_end), f"{len(split.train):,}", f"{rows:,}",
            *(_shown(fold.evaluation) if fold.evaluation else (fold.description, "")),
        )  # fmt: skip
    if rolling_result.evaluation:
        table.add_section()
        table.add_row("all", "", "", f"{rolling_result.evaluation.rows:,}", *_shown(rolling_result.evaluation))
    return table


def _shown(found: Evaluation) -> tuple[str, str]:
    name = found.primary
    against = f"{name} {found.model[name]:.4g} against {found.baseline[name]:.4g}"
    return against, f"{found.skill:+.3f} ({found.skill_low:+.3f} … {found.skill_high:+.3f})"

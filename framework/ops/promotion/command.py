"""``health-monitor promote`` and ``rollback``: who is champion here, and copies of champions in another catalog."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from framework.ops.promotion.promote import Outcome, Promotion, promote

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def run_promotion(options: Mapping[str, Any], catalog: str, version: int | None) -> int:
    """Copy the selected models into another catalog.

    Args:
        options: Typed command-line options; ``config`` is no setting.
        catalog: The target catalog.
        version: Version to copy; ``None`` for each model's champion.

    Returns:
        Exit code: 0, or 1 if a model was refused or failed.

    Raises:
        ConfigError: If a version is named for several models.
    """
    from framework.base import logging
    from framework.base.errors import ConfigError
    from framework.core.config import load_settings
    from framework.core.plugins import discover
    from framework.run.opening import open_runtime

    logging.configure(console=sys.stderr.isatty())
    settings = load_settings({k: v for k, v in options.items() if k != "config"}, options.get("config"))
    plugins = discover(strict=settings.strict)
    models = plugins.select_models(settings.domains, settings.models)
    if version is not None and len(models) != 1:
        raise ConfigError(
            what=f"one version for {len(models)} models", where="--version", fix="name one model with --models"
        )
    found = promote(open_runtime(settings, plugins), catalog, models, version)
    Console(width=None if sys.stdout.isatty() else 200).print(to_table(found, catalog))
    return 1 if any(p.outcome in (Outcome.REFUSED, Outcome.FAILED) for p in found) else 0


def change_champion(options: Mapping[str, Any], model: str, version: int | None, *, back: bool) -> int:
    """Make a version champion, or take the champion back, because a person says so.

    Args:
        options: Typed command-line options; ``config`` is no setting.
        model: The model.
        version: The version; ``None`` for the challenger, or for the champion before the present one.
        back: Take the champion back.

    Returns:
        Exit code 0.
    """
    from framework.core.config import load_settings
    from framework.core.plugins import discover
    from framework.registry.aliases import promote_version, rollback
    from framework.run.opening import open_runtime

    settings = load_settings({k: v for k, v in options.items() if k != "config"}, options.get("config"))
    plugins = discover(strict=settings.strict)
    plugins.select_models((), (model,))
    change = rollback if back else promote_version
    number, decision = change(open_runtime(settings, plugins), model, version)
    Console().print(f"{model}: version {number} is champion, {escape(decision.reason)}")
    return 0


def to_table(promotions: Sequence[Promotion], catalog: str) -> Table:
    """Return the promotions as a table."""
    table = Table("model", "outcome", "version", f"version in {catalog}", "alias there", "reason")
    for one in promotions:
        numbers = ("" if number is None else str(number) for number in (one.source, one.target))
        table.add_row(one.model, str(one.outcome), *numbers, one.alias, escape(one.reason))
    return table

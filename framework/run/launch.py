"""What the command line and the jobs share: from settings to an open runtime, and the day's snapshot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from framework.core.config import split_words
from framework.core.plugins import discover

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import date

    from framework.core.config import Settings
    from framework.core.plugins import Registry
    from framework.gold.runtime import Runtime


def launch(settings: Settings, name_broken: Callable[[Registry], None]) -> Runtime:
    """Load the domains and open the runtime that the settings ask for.

    Args:
        settings: The settings.
        name_broken: Told of the loaded domains before anything slow starts; names the broken ones.

    Returns:
        The runtime.

    Raises:
        ConfigError: If a filter names something unknown, before a JVM or a session has started.
    """
    from framework.run.opening import open_runtime

    plugins = discover(strict=settings.strict)
    name_broken(plugins)
    plugins.select_tables(plugins.select_models(settings.domains, settings.models), settings.tables)
    return open_runtime(settings, plugins)


def snapshot(runtime: Runtime, schemas: str) -> tuple[date, tuple[str, ...], Mapping[str, int]]:
    """Take the day's snapshot of tables and columns.

    Args:
        runtime: The runtime; its settings may name another day than today.
        schemas: ``catalog.schema`` names, separated by commas; none for the monitor's own schema.

    Returns:
        The day, the schemas, and the rows written by snapshot table.
    """
    from framework.gold.snapshots import take_snapshot

    day = runtime.settings.as_of or runtime.clock.now().date()
    names = split_words(schemas) or (runtime.settings.schema_path,)
    return day, names, take_snapshot(runtime, day, names)

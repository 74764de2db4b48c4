"""Opens the runtime that the settings ask for; each adapter is imported only when it is the one."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from framework.clock import Clock
    from framework.config import Settings
    from framework.plugins import Registry
    from framework.runtime import Runtime


def open_runtime(settings: Settings, plugins: Registry, clock: Clock | None = None, *, engines: bool = True) -> Runtime:
    """Open the embedded runtime, or that of a Databricks workspace.

    Args:
        settings: The settings; ``platform`` decides.
        plugins: What the loaded domains offer.
        clock: A frozen clock for tests; the machine's by default.
        engines: Whether to start Spark and MLflow of the embedded runtime at once; else when they are asked for.

    Returns:
        The runtime.
    """
    if settings.platform == "databricks":
        from framework.stores.databricks.opening import open_databricks

        return open_databricks(settings, plugins, clock)
    from framework.stores.local.opening import open_local

    return open_local(settings, plugins, clock, engines=engines)

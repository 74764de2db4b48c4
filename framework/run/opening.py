"""Opens the runtime that the settings ask for; each adapter is imported only when it is the one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from framework.gold.runtime import Runtime

if TYPE_CHECKING:
    from framework.base.clock import Clock
    from framework.core.config import Settings
    from framework.core.plugins import Registry
    from framework.core.services import Services


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

        return with_monitor(open_databricks(settings, plugins, clock))
    from framework.stores.local.opening import open_local

    return with_monitor(open_local(settings, plugins, clock, engines=engines))


def with_monitor(services: Services) -> Runtime:
    """Return the runtime of some services, whose trainings leave what the monitor compares later days with."""
    return Runtime.over(services, observers=(_reference,))


def _reference(trainer: Any, runtime: Any, data: Any, fitted: Any) -> None:
    from framework.monitoring.drift.reference import log_reference  # heavy, and a run may train nothing

    log_reference(trainer, runtime, data, fitted)

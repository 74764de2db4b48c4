"""What this package offers: a simulated gold layer, for a machine that has none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from framework.core.plugins import hookimpl

if TYPE_CHECKING:
    from framework.gold.view import GoldSource


@hookimpl
def gold_sources() -> list[GoldSource]:
    """Return the simulated gold layer."""
    from domains.simulator.source import SimulatedSource

    return [SimulatedSource()]

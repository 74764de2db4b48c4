"""What this domain offers: the gold tables and two places that they come from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from framework.plugins import hookimpl

if TYPE_CHECKING:
    from framework.gold import GoldSource


@hookimpl
def gold_sources() -> list[GoldSource]:
    """Return a folder of files, and a simulated gold layer."""
    from domains.gold.sources import SimulatedSource
    from framework.folder import FolderSource

    # The tables are declared once, by the simulated source; a folder may hold any declared table.
    return [FolderSource(()), SimulatedSource()]

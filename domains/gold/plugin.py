"""What this domain offers: the gold tables and the places that they come from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from framework.plugins import hookimpl

if TYPE_CHECKING:
    from framework.gold import GoldSource


@hookimpl
def gold_sources() -> list[GoldSource]:
    """Return a folder of files, a schema of a catalog, the system tables, and a simulated gold layer."""
    from domains.gold.sources import SimulatedSource
    from domains.gold.system.source import SystemSource
    from framework.catalog_source import CatalogSource
    from framework.folder import FolderSource

    # A folder and a schema may hold any declared table: they declare none themselves.
    return [FolderSource(()), CatalogSource(()), SystemSource(), SimulatedSource()]

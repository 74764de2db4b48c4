"""What this domain offers: the gold tables and the places that they come from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from framework import hookimpl

if TYPE_CHECKING:
    from framework import GoldSource


@hookimpl
def gold_sources() -> list[GoldSource]:
    """Return a folder of files, a schema of a catalog, and the system tables."""
    from domains.gold.system.source import SystemSource
    from framework.gold.catalog import CatalogSource
    from framework.gold.folder import FolderSource

    # A folder and a schema may hold any declared table: they declare none themselves.
    return [FolderSource(()), CatalogSource(()), SystemSource()]

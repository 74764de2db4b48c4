"""All views over system tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from domains.gold.system.access import access_views
from domains.gold.system.billing import billing_views
from domains.gold.system.compute import CLUSTERS, STATEMENTS, WAREHOUSE_EVENTS, WAREHOUSES
from domains.gold.system.jobs import JOBS, RUNS

if TYPE_CHECKING:
    from domains.gold.system.options import SystemOptions
    from domains.gold.system.view import SystemView


def system_views(options: SystemOptions) -> tuple[SystemView, ...]:
    """Return the views, one for each gold table that the system tables can fill.

    The daily record of tables and columns is none of them: it is kept by ``health-monitor snapshot``.
    """
    return (
        RUNS,
        *billing_views(options),
        STATEMENTS,
        *access_views(options),
        WAREHOUSE_EVENTS,
        JOBS,
        CLUSTERS,
        WAREHOUSES,
    )

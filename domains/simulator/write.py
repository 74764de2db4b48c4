"""Writes the simulated gold layer as it looks at the end of a day."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

import pyarrow.parquet as pq

from domains.gold.contract import TABLES
from domains.simulator.audit_logs import fact_audit_logs
from domains.simulator.calendar import DAY, EPOCH, Calendar
from domains.simulator.dimensions import dim_cluster, dim_job, incident_truth
from domains.simulator.lineage import fact_table_lineage
from domains.simulator.queries import dim_warehouse, fact_query_history, fact_warehouse_events
from domains.simulator.skus import fact_list_prices
from domains.simulator.slices import fact_job_run_timeline
from domains.simulator.snapshots import information_schema_columns, table_snapshots
from domains.simulator.usage import fact_usage
from domains.simulator.world import World, build_world
from framework.base.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from pathlib import Path

    from domains.simulator.rows import Rows

FAMILIES: Mapping[str, Callable[[World], Rows]] = {
    "fact_job_run_timeline": fact_job_run_timeline,
    "dim_job": dim_job,
    "dim_cluster": dim_cluster,
    "fact_table_lineage": fact_table_lineage,
    "information_schema_columns": information_schema_columns,
    "table_snapshots": table_snapshots,
    "fact_query_history": fact_query_history,
    "fact_warehouse_events": fact_warehouse_events,
    "dim_warehouse": dim_warehouse,
    "incident_truth": incident_truth,
    "fact_audit_logs": fact_audit_logs,
    "fact_usage": fact_usage,
    "fact_list_prices": fact_list_prices,
}
"""All simulated tables. A new one: declare it in the contract, write a function from world to rows, name it here."""


def simulate(
    folder: Path,
    *,
    seed: int = 7,
    scale: float = 0.05,
    last_day: date = date(2026, 10, 28),
    days: int = 365,
    tables: Collection[str] | None = None,
    epoch: date = EPOCH,
) -> Mapping[str, int]:
    """Write ``<table>.parquet`` for each table: the rows that had reached gold by the end of ``last_day``.

    The same seed, scale and epoch always mean the same world; ``last_day`` and ``days`` only say how much of it is
    seen. With an unchanged first day, the gold of one day is therefore contained in the gold of the next.

    Args:
        folder: Where to write; made if it is absent.
        seed: Seed of the world.
        scale: Number of jobs, as a share of about 720; workspaces and days do not scale.
        last_day: The newest day that is seen.
        days: How many days of facts are kept; dimensions and incidents keep their past.
        tables: Names of the tables wanted; all by default.
        epoch: First day of the world, which spans 456 days.

    Returns:
        Rows written, by table.

    Raises:
        ConfigError: If ``last_day``, which is a run's ``as_of``, is outside of the world.
        ValueError: If a table is unknown, or a number is not positive.
    """
    calendar = Calendar(epoch)
    wanted = list(FAMILIES) if tables is None else list(tables)
    _check(calendar, wanted, scale, last_day, days)
    cutoff = calendar.midnight(last_day) + DAY
    declared = {table.name: table for table in TABLES}
    world = build_world(seed, scale, calendar)
    folder.mkdir(parents=True, exist_ok=True)
    written: dict[str, int] = {}
    for name in wanted:
        table = FAMILIES[name](world).table(declared[name], cutoff - days * DAY, cutoff)
        pq.write_table(table, folder / f"{name}.parquet", compression="zstd")
        written[name] = table.num_rows
    return written


def _check(calendar: Calendar, wanted: Collection[str], scale: float, last_day: date, days: int) -> None:
    unknown = sorted(set(wanted) - set(FAMILIES))
    if unknown:
        raise ValueError(f"no simulated table {', '.join(unknown)}; there are {', '.join(FAMILIES)}")
    end = calendar.first_day + timedelta(days=calendar.days - 1)
    if not calendar.first_day <= last_day <= end:
        raise ConfigError(
            what=f"the simulated world spans {calendar.first_day} to {end}, and {last_day} is outside of it",
            where="as_of",
            fix="choose a day within it, or read other gold with --gold",
        )
    if scale <= 0 or days <= 0:
        raise ValueError(f"scale and days must be positive, not {scale} and {days}")

"""How each warehouse has been doing, by day: latency, waiting, spill, cache, clusters, settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from domains.performance.alike import alike_days
from domains.performance.clusters import CARRIED, EVENTS, MEASURES, SETTINGS, changes, cluster_days, with_settings
from domains.performance.statements import WAREHOUSE, WAREHOUSE_NEEDS, statements
from domains.performance.warehouse_day import CLUSTER_DAY, STATEMENTS
from domains.performance.warehouse_levels import ACTIVITY, LATENCY, WAITING
from domains.performance.warehouse_shape import CACHED, CAPACITY, SHIFTS
from framework import DailyFeatures, TableSpec, stack

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from framework import GoldView


class PerformanceFeatures(DailyFeatures):
    """One row per warehouse and day."""

    reach = CARRIED.days
    table = TableSpec(
        name="performance_features",
        description="One row per SQL warehouse and day, from its first statement until 28 days "
        "without one or a setting.",
        keys=WAREHOUSE,
        time="query_date",
        needs=WAREHOUSE_NEEDS,
        columns=(*STATEMENTS, *CLUSTER_DAY, *LATENCY, *ACTIVITY, *WAITING, *CAPACITY, *CACHED, *SHIFTS),
    )

    def events(self, gold: GoldView) -> DataFrame:
        """Return statements on the day they ended, the clusters' days, and changes of settings."""
        events = statements(gold)
        if gold.has(EVENTS):
            events = stack(events, cluster_days(gold))
        else:
            events = events.selectExpr("*", *(f"cast(NULL AS double) AS {name}" for name in MEASURES))
        events = stack(events, alike_days(gold))
        if gold.has(SETTINGS):
            events = stack(events, changes(gold))
        return with_settings(gold, events)

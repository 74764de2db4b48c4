"""Who is scored: by default every warehouse or statement with a feature row on the day."""

from __future__ import annotations

from typing import TYPE_CHECKING

from domains.performance.upgrades import behind
from framework import BatchScorer

if TYPE_CHECKING:
    from datetime import date

    from pyspark.sql import DataFrame

    from framework import GoldView

USED = (("statements_28d", ">", 0),)


class QueryPerformanceScorer(BatchScorer):
    """Warehouses that were used within four weeks."""

    model = "query_performance_forecaster"
    where = USED


class WarehouseOptimizationScorer(BatchScorer):
    """Warehouses that were used within four weeks."""

    model = "warehouse_optimizer"
    where = USED


class PerformanceRegressionScorer(BatchScorer):
    """Warehouses that were used on the day."""

    model = "performance_regression_detector"
    where = (("statements", ">", 0),)


class ClusterCapacityScorer(BatchScorer):
    """Warehouses that were used within four weeks."""

    model = "cluster_capacity_planner"
    where = USED


class CacheHitScorer(BatchScorer):
    """Warehouses whose share from the cache can lie above or below its median."""

    model = "cache_hit_predictor"
    where = (("cache_median_28d", ">", 0), ("cache_median_28d", "<", 1), ("statements_28d", ">=", 20))


class QueryOptimizationScorer(BatchScorer):
    """Statements that ran within the week."""

    model = "query_optimization_recommender"
    where = (("runs_7d", ">", 0),)


class DbrMigrationScorer(BatchScorer):
    """Jobs on an older major version than the newest in use."""

    model = "dbr_migration_risk_scorer"

    def population(self, gold: GoldView, as_of: date) -> DataFrame | None:
        """Return the jobs that have an upgrade before them."""
        if not gold.has("dim_cluster"):
            return None
        return behind(gold).selectExpr("*", f"DATE'{as_of}' AS run_date")

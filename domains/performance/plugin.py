"""What this domain offers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from framework import hookimpl

if TYPE_CHECKING:
    from framework import BatchScorer, FeatureBuilder, ModelTrainer


@hookimpl
def feature_builders() -> list[type[FeatureBuilder]]:
    """Return the builders of the two feature tables."""
    from domains.performance.query_features import PerformanceQueryFeatures
    from domains.performance.warehouse_features import PerformanceFeatures

    return [PerformanceFeatures, PerformanceQueryFeatures]


@hookimpl
def model_trainers() -> list[type[ModelTrainer]]:
    """Return the seven trainers."""
    from domains.performance import trainers
    from domains.performance.migration import DbrMigrationRiskScorer

    return [
        trainers.QueryPerformanceForecaster,
        trainers.WarehouseOptimizer,
        trainers.PerformanceRegressionDetector,
        trainers.ClusterCapacityPlanner,
        DbrMigrationRiskScorer,
        trainers.CacheHitPredictor,
        trainers.QueryOptimizationRecommender,
    ]


@hookimpl
def batch_scorers() -> list[type[BatchScorer]]:
    """Return the one scorer whose population no condition on features names."""
    from domains.performance.scorers import DbrMigrationScorer

    return [DbrMigrationScorer]

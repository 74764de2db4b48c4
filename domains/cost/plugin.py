"""What this domain offers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from framework import hookimpl

if TYPE_CHECKING:
    from framework import FeatureBuilder, ModelTrainer


@hookimpl
def feature_builders() -> list[type[FeatureBuilder]]:
    """Return the builders of the three feature tables."""
    from domains.cost.allocation_features import CostAllocationFeatures
    from domains.cost.job_features import CostJobFeatures
    from domains.cost.workspace_features import CostFeatures

    return [CostFeatures, CostJobFeatures, CostAllocationFeatures]


@hookimpl
def model_trainers() -> list[type[ModelTrainer]]:
    """Return the six trainers."""
    from domains.cost import trainers

    return [
        trainers.CostAnomalyDetector,
        trainers.BudgetForecaster,
        trainers.JobCostOptimizer,
        trainers.ChargebackAttribution,
        trainers.CommitmentRecommender,
        trainers.TagRecommender,
    ]

"""What this domain offers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from framework import hookimpl

if TYPE_CHECKING:
    from framework import FeatureBuilder, ModelTrainer


@hookimpl
def feature_builders() -> list[type[FeatureBuilder]]:
    """Return the builders of the two feature tables."""
    from domains.reliability.job_features import ReliabilityFeatures
    from domains.reliability.run_features import ReliabilityRunFeatures

    return [ReliabilityFeatures, ReliabilityRunFeatures]


@hookimpl
def model_trainers() -> list[type[ModelTrainer]]:
    """Return the five trainers."""
    from domains.reliability import trainers

    return [
        trainers.JobFailurePredictor,
        trainers.JobDurationForecaster,
        trainers.SlaBreachPredictor,
        trainers.RetrySuccessPredictor,
        trainers.PipelineHealthScorer,
    ]

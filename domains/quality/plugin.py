"""What this domain offers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from framework import hookimpl

if TYPE_CHECKING:
    from framework import FeatureBuilder, ModelTrainer


@hookimpl
def feature_builders() -> list[type[FeatureBuilder]]:
    """Return the builder of the feature table."""
    from domains.quality.features import QualityFeatures

    return [QualityFeatures]


@hookimpl
def model_trainers() -> list[type[ModelTrainer]]:
    """Return the three trainers."""
    from domains.quality import trainers

    return [trainers.DataDriftDetector, trainers.DataFreshnessPredictor, trainers.SchemaChangePredictor]

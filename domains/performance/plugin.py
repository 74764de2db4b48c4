"""What this domain offers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from framework.plugins import hookimpl

if TYPE_CHECKING:
    from framework.features import FeatureBuilder
    from framework.scoring import BatchScorer
    from framework.training import ModelTrainer


@hookimpl
def feature_builders() -> list[type[FeatureBuilder]]:
    """Return the builders of the feature tables."""
    return []


@hookimpl
def model_trainers() -> list[type[ModelTrainer]]:
    """Return the trainers."""
    return []


@hookimpl
def batch_scorers() -> list[type[BatchScorer]]:
    """Return one scorer per model."""
    return []

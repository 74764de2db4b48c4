"""What this domain offers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from framework.core.plugins import hookimpl

if TYPE_CHECKING:
    from framework.features.builder import FeatureBuilder
    from framework.scoring.scorer import BatchScorer
    from framework.training import ModelTrainer


@hookimpl
def feature_builders() -> list[type[FeatureBuilder]]:
    """Return the builder of the feature table."""
    from domains.security.features import SecurityFeatures

    return [SecurityFeatures]


@hookimpl
def model_trainers() -> list[type[ModelTrainer]]:
    """Return the four trainers."""
    from domains.security import trainers

    return [
        trainers.SecurityThreatDetector,
        trainers.ExfiltrationDetector,
        trainers.PrivilegeEscalationDetector,
        trainers.UserBehaviorBaseline,
    ]


@hookimpl
def batch_scorers() -> list[type[BatchScorer]]:
    """Return one scorer per model."""
    from domains.security import scorers

    return [
        scorers.SecurityThreatScorer,
        scorers.ExfiltrationScorer,
        scorers.PrivilegeEscalationScorer,
        scorers.UserBehaviorScorer,
    ]

"""What this domain offers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from framework import hookimpl

if TYPE_CHECKING:
    from framework import FeatureBuilder, ModelTrainer


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

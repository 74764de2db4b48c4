"""One training, between its last fit and its registration."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from framework.training.data import Fitted, TrainingData
    from framework.training.rolling import RollingEvaluation


@dataclasses.dataclass(frozen=True, kw_only=True)
class Trained:
    """One training, ready to be registered.

    Args:
        data: The rows, split as the registered fit saw them.
        fitted: The fit.
        rolling_result: Its rolling origins.
        fingerprint: Identity of the training.
        refit: Whether the fit saw the days that judged it.
    """

    data: TrainingData
    fitted: Fitted
    rolling_result: RollingEvaluation
    fingerprint: str
    refit: bool = False

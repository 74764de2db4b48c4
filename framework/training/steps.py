"""The steps of a trainer, as the modules that carry them out see them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Protocol

if TYPE_CHECKING:
    from datetime import date

    from pyspark.sql import DataFrame

    from framework.declare.labels import Label
    from framework.declare.model import ModelSpec, Task
    from framework.declare.table import TableSpec
    from framework.gold.runtime import Runtime
    from framework.gold.view import GoldView
    from framework.training.data import Fitted, Judged, TrainingData


class Steps(Protocol):
    """What :class:`framework.training.base.ModelTrainer` offers to the rest of a training."""

    spec: ClassVar[ModelSpec]
    task: ClassVar[Task]
    calibrates: ClassVar[bool]

    def estimator(self) -> Any:
        """Return an unfitted estimator."""

    def label_frame(self, runtime: Runtime, as_of: date, grain: TableSpec) -> Any:
        """Return keys, time, labels and ``label_known_at`` of every row that may be learnt from."""

    def fit(self, data: TrainingData, runtime: Runtime) -> Fitted:
        """Fit, choose thresholds on calibration rows, and judge on test rows."""

    def evaluate_fit(self, data: TrainingData, runtime: Runtime) -> Judged | None:
        """Fit only what the held-back answers need, and return them."""

    def with_truth(self, data: TrainingData, runtime: Runtime) -> TrainingData:
        """Return the rows with what judges them besides their labels."""

    def remarks(self, gold: GoldView) -> list[str]:
        """Return what the operator should know of this training's input."""


class SupervisedSteps(Steps, Protocol):
    """What :class:`framework.training.base.SupervisedTrainer` offers besides."""

    def labels(self, gold: GoldView, as_of: date) -> Label | DataFrame:
        """Say what the label of a day is made of."""

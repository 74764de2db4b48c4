"""What a fit gets, and what it gives back."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Literal

from framework.training.leakage.finding import Finding, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pandas as pd

    from framework.declare.model import ModelSpec, TableSpec, Task
    from framework.training.baseline import Baseline
    from framework.training.evaluate import Evaluation, Rival
    from framework.training.split import Split

EVENT = "is_event"
"""Column of an anomaly model's rows that says, where anything is known, whether something happened: 0, 1 or NULL."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingData:
    """The rows of one training, joined and split.

    Args:
        spec: The model's declaration.
        grain: Declaration of the table that fixes keys and time.
        frame: Keys, time, labels, ``label_known_at``, every feature that was looked up, and ``_day``.
        split: Positions of train, calibrate and test rows.
        inputs: Features that the model sees.
        classes: Class names of a multi-class model in the order of their codes; empty for the others.
        dropped: Features that are wholly NULL in this training, with the reason.
        labels: The label frame in the store's own form, to log the model with.
        without_features: Labelled rows left out because the feature tables hold nothing for them.
        entity: Code of each row's entity.
        seed: Seed of everything random.
        weights: How far an earlier fit of this training may move from the baseline; ``None`` where a fit measures it.
    """

    spec: ModelSpec
    grain: TableSpec
    frame: pd.DataFrame
    split: Split
    inputs: tuple[str, ...]
    classes: tuple[str, ...]
    dropped: dict[str, str]
    labels: Any
    without_features: int
    entity: np.ndarray
    seed: int
    weights: tuple[float, ...] | None = None

    def baseline(self, task: Task) -> Baseline:
        """Return the baseline that has seen the training rows."""
        from framework.training.baseline import fit_baseline

        return fit_baseline(self.spec.baseline, self.part("train"), self.spec.labels, task, len(self.classes))

    def part(self, name: Literal["train", "calibrate", "test"]) -> pd.DataFrame:
        """Return the rows of a part."""
        positions: np.ndarray = getattr(self.split, name)
        return self.frame.iloc[positions]

    def features(self, name: Literal["train", "calibrate", "test"]) -> pd.DataFrame:
        """Return the model inputs of a part."""
        return self.part(name)[list(self.inputs)]

    def truth(self, name: Literal["train", "calibrate", "test"], label: str) -> np.ndarray:
        """Return one label of a part."""
        return self.part(name)[label].to_numpy()

    @property
    def numeric(self) -> tuple[str, ...]:
        """Inputs that are numbers."""
        return tuple(n for n in self.inputs if self.frame[n].dtype.kind in "fiub")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Judged:
    """Held-back rows: what happened, what the model answered, and what the baseline did.

    Args:
        truth: ``(rows,)`` values or class codes, or ``(rows, labels)`` of 0/1.
        answer: Forecasts, P(1), raw scores, or ``(rows, classes|labels)`` probabilities.
        baseline: Same shape as ``answer``.
        day: Day of each row.
        rows: Position of each row in the training's frame.
        answered: Which rows the baseline answered by what it looks at, and not by what it says otherwise.
        threshold: Decision threshold of a binary model.
    """

    truth: np.ndarray
    answer: np.ndarray
    baseline: np.ndarray
    day: pd.Series
    rows: np.ndarray
    answered: np.ndarray
    threshold: float = 0.5

    def only(self, kept: np.ndarray) -> Judged:
        """Return the rows that a mask ``(rows,)`` keeps."""
        return dataclasses.replace(
            self,
            truth=self.truth[kept],
            answer=self.answer[kept],
            baseline=self.baseline[kept],
            day=self.day[kept],
            rows=self.rows[kept],
            answered=self.answered[kept],
        )

    def evaluation(self, task: Task, seed: int) -> Evaluation | None:
        """Return the metrics beside the baseline's, or ``None`` if the rows cannot tell."""
        from framework.training.evaluate import evaluate

        return evaluate(task, self.truth, self.answer, self.baseline, self.day, threshold=self.threshold, seed=seed)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fitted:
    """A fitted model, ready to be logged.

    Args:
        estimators: scikit-learn and XGBoost objects by role.
        served: Facts that the served model reads, JSON types only.
        outputs: Output columns in order, with their Spark types.
        evaluation: Held-back metrics, or ``None`` if nothing could judge it.
        judged: The held-back rows that the metrics are made of; ``None`` where no truth is known.
        fallback: Why a dummy stands in; empty for a real fit.
        withheld: Why this version may never be promoted although it was judged; empty otherwise.
        remarks: Other things the operator should know.
        extras: More figures to log, by name.
        findings: What the leakage checks found.
        rivals: What it was compared with besides its baseline, the best plain rule first.
    """

    estimators: dict[str, Any]
    served: dict[str, Any]
    outputs: tuple[tuple[str, str], ...]
    evaluation: Evaluation | None
    judged: Judged | None = None
    fallback: str = ""
    withheld: str = ""
    remarks: tuple[str, ...] = ()
    extras: dict[str, float] = dataclasses.field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    rivals: tuple[Rival, ...] = ()

    def with_findings(self, findings: Sequence[Finding]) -> Fitted:
        """Return this with what the leakage checks found; it is withheld while a column is asked about."""
        open_ones = [found for found in findings if found.verdict is Verdict.ASK]
        kept = dataclasses.replace(self, findings=tuple(findings))
        if not open_ones:
            return kept
        first = open_ones[0]
        more = f" ({len(open_ones) - 1} more)" if len(open_ones) > 1 else ""
        why = f"{first.column}{more} {first.evidence}; say in `honest` of the declaration which"
        return dataclasses.replace(kept, withheld=kept.withheld or why, remarks=(*kept.remarks, f"not promoted: {why}"))

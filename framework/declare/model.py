"""Frozen declarations: columns and feature tables (of :mod:`framework.declare.table`), and models.

A declaration is data. The base classes, the catalogue, the model cards, the leakage probe and the
tests all read it, so each fact stands once.
"""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

from framework.base.errors import SpecError, nearest
from framework.declare.table import NAME, Feature, TableSpec, short_hash

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "Feature",
    "FromFeature",
    "GroupPrior",
    "Lookup",
    "ModelSpec",
    "TableSpec",
    "Task",
    "days",
    "hours",
    "short_hash",
]

USUAL = "usual"
"""What a baseline answers where its column is NULL: the usual label of rows that lack it too."""


def days(count: float) -> timedelta:
    """Return a span of days."""
    return timedelta(days=count)


def hours(count: float) -> timedelta:
    """Return a span of hours."""
    return timedelta(hours=count)


class Task(StrEnum):
    """What a model answers; decides label type, metrics and output columns."""

    ANOMALY = "anomaly"
    REGRESSION = "regression"
    BINARY = "binary"
    MULTICLASS = "multiclass"
    MULTILABEL = "multilabel"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Lookup:
    """Which feature table, and which of its columns, a model looks up.

    Args:
        table: Feature table by name, of any domain.
        columns: Feature names; empty means every column that the table declares.
    """

    table: str
    columns: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class FromFeature:
    """A baseline that one feature column (or one per label) already answers.

    Args:
        columns: Feature columns, one per label; they must be among the model's inputs.
        otherwise: The answer where the column is NULL: a number, or ``"usual"``, the median label (its rate, for
            classes; 0 for a detector, which has no labels) of the training rows that lack the column too. A version
            whose baseline is NULL in more than 1 % of the training rows is not promoted without it: a model is not
            good because its rival was silent.
    """

    columns: tuple[str, ...]
    otherwise: float | Literal["usual"] | None = None

    def __post_init__(self) -> None:
        """Refuse a word that names no rule.

        Raises:
            SpecError: If ``otherwise`` is text, and not ``usual``.
        """
        if isinstance(self.otherwise, str) and self.otherwise != USUAL:
            what = f"otherwise='{self.otherwise}' names no rule"
            raise SpecError(what=what, where="FromFeature", fix="give a number, or 'usual'")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class GroupPrior:
    """A baseline that answers the training prior of a group, shrunk to the global prior.

    Args:
        by: Keys, or feature columns among the inputs, that form the group.
        strength: Rows at which group and global prior weigh the same.
    """

    by: tuple[str, ...]
    strength: float = 10.0


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ModelSpec:
    """A model: the question it answers and everything generic about it.

    Args:
        name: Registered name without catalog and schema.
        use_case: Stem of the prediction table ``{use_case}_predictions``; the name by default.
        question: The question in one sentence.
        action: What the operator does with the answer.
        label_description: What the label is, in one sentence (for anomalies: how it is judged).
        unit: Unit of prediction, for example ``workspace-job-day``.
        lookups: Feature lookups; the first one's table fixes keys and time of the model.
        horizon: How far into the future the label looks.
        labels: Label column names; several only for multi-label models.
        baseline: What the model must beat.
        needs: Gold columns without which there is no label.
        required: Features without which the model is skipped.
        calibrate: Days kept for calibration and thresholds.
        test: Days held back for the test.
        alert_budget: Most anomalies to expect per workspace and day (anomaly models): a ceiling, and no quota.
        alert_precision: Share of a detector's, or a two-class model's, alerts that should be real. An alert is raised
            from the score on at which past rows reached it surely (lower 90 % bound); where no score did, the model
            answers and raises none. 0 raises one for each answer.
        quantiles: Extra quantiles that a regression predicts.
        classes: Class names of a multi-class model, in the order of their codes. Without them the label is
            text, its classes are those of the training rows, and any other counts as an error.
        confidence: Share of given answers that should be right; a multi-class model abstains below the
            probability at which its calibration rows reached it. 0 always answers.
        promote_above: What the lower 90 % bound of a version's skill must be above before it serves as champion.
        score_where: Which rows of the first lookup's table are scored, as ``(column, op, value)`` on feature columns
            that all must hold; by default every row of the day. Write a :class:`BatchScorer` for anything else.
        shares_of: Keys within which a day's forecasts, and its labels, are shares of one whole: they are divided by
            their sum.
        honest: Why what a leakage check asks about is no leak, by name: a feature that knows the coming window better
            than the one just ended (a forerunner, a season, a plan), a label that is told beforehand, or a
            ``table.column`` of gold later than its row's ``known_at``. Without it such a version is never promoted.
        alert_on: Answers that a person should hear of: classes, labels, ``low`` or ``high`` of a regression (the
            whole interval lies beyond the usual range of the training's labels). ``None`` takes what the task
            suggests, and ``()`` never alerts.
    """

    name: str
    question: str
    action: str
    label_description: str
    unit: str
    lookups: tuple[Lookup, ...]
    horizon: timedelta
    use_case: str = ""
    labels: tuple[str, ...] = ("label",)
    baseline: FromFeature | GroupPrior
    needs: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    calibrate: timedelta = timedelta(days=21)
    test: timedelta = timedelta(days=21)
    alert_budget: float = 5.0
    alert_precision: float = 0.5
    quantiles: tuple[float, ...] = (0.1, 0.9)
    classes: tuple[str, ...] = ()
    confidence: float = 0.0
    promote_above: float = 0.02
    shares_of: tuple[str, ...] = ()
    # Not in the hash of the declaration: who is scored, or told of an answer, changes no training; nor does a reason.
    honest: Mapping[str, str] = dataclasses.field(default_factory=dict, repr=False)
    score_where: tuple[tuple[str, str, float], ...] = dataclasses.field(default=(), repr=False)
    alert_on: tuple[str, ...] | None = dataclasses.field(default=None, repr=False)

    def __post_init__(self) -> None:
        """Fill in the use case, and refuse a declaration that no training could use."""
        if not self.use_case:
            object.__setattr__(self, "use_case", self.name)
        if not self.lookups:
            raise SpecError(what="no lookups", where=self.name, fix="name a feature table")
        if self.horizon <= timedelta(0):
            raise SpecError(what="the horizon is not positive", where=self.name, fix="use days(n), n > 0")
        for name in (self.name, self.use_case, *self.labels):
            if not NAME.match(name):
                raise SpecError(what=f"'{name}' is not snake_case", where=self.name, fix="rename it")

    def alert_condition(self, task: Task) -> tuple[str, ...]:
        """Return the answers that raise an alert; none where the declaration and the task name none.

        Raises:
            SpecError: If the declaration names an answer that a model of this task cannot give.
        """
        known = {
            Task.ANOMALY: ("1",),
            Task.BINARY: ("0", "1"),
            Task.MULTICLASS: self.classes,
            Task.MULTILABEL: self.labels,
            Task.REGRESSION: ("low", "high"),
        }[task]
        if self.alert_on is None:
            return {Task.ANOMALY: ("1",), Task.BINARY: ("1",), Task.MULTILABEL: self.labels}.get(task, ())
        open_classes = task is Task.MULTICLASS and not known  # the training names them
        for word in self.alert_on:
            if word not in known and not open_classes:
                raise SpecError(
                    what=f"'{word}' in alert_on is no answer of the model", where=self.name, fix=nearest(word, known)
                )
        return self.alert_on

    @property
    def quantile_columns(self) -> tuple[str, ...]:
        """Prediction columns that hold the quantiles of a regression."""
        return tuple(f"prediction_p{round(q * 100)}" for q in self.quantiles)

    def spec_hash(self) -> str:
        """Return a short hash of the whole declaration."""
        return short_hash([repr(self)])

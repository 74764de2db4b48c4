"""Frozen declarations: columns, feature tables, models.

A declaration is data. The base classes, the catalogue, the model cards, the leakage probe and the
tests all read it, so each fact stands once.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

from framework.errors import SpecError, nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

NAME = re.compile(r"^[a-z][a-z0-9_]*$")


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


class Algorithm(StrEnum):
    """The algorithm families, in the words of the model catalogue."""

    ISOLATION_FOREST = "IsolationForest"
    GRADIENT_BOOSTING = "GradientBoosting"
    XGBOOST = "XGBoost"
    RANDOM_FOREST = "RandomForest"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Feature:
    """One column of a feature table: its meaning, unit and formula side by side.

    Args:
        name: Column name, snake_case.
        sql: Spark SQL. On stage ``day`` an aggregate over the day's events; on stage ``row`` an
            expression over other columns, where ``{w}`` stands for the trailing window that
            includes the row and ``{past}`` for the one that ends just before it.
        says: The meaning, one sentence; becomes the column comment.
        unit: Unit of the values, for example ``seconds`` or ``share``.
        window: Trailing days that the formula looks at; 0 for none.
        stage: ``day`` (aggregate of events) or ``row`` (computed from other columns).
        empty: Value on a day without events (counts 0, rates ``None``); only for stage ``day``.
        needs: Gold columns (``table.column``) without which the value means nothing.
        hidden: A helper that other formulas use and the table does not hold.
        type: Spark type of the stored column.
    """

    name: str
    sql: str
    says: str
    unit: str = ""
    window: int = 0
    stage: Literal["day", "row"] = "row"
    empty: float | None = None
    needs: tuple[str, ...] = ()
    hidden: bool = False
    type: str = "double"

    def refers_to(self, names: set[str]) -> set[str]:
        """Return those of ``names`` that the formula mentions; a daily aggregate mentions event columns only."""
        if self.stage == "day":
            return set()
        return set(re.findall(r"\b[a-z_][a-z0-9_]*\b", self.sql)) & names - {self.name}


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class TableSpec:
    """A feature table: natural keys, time key and columns.

    Args:
        name: Table name without catalog and schema.
        says: What one row is.
        keys: Natural key columns, all STRING, NOT NULL.
        time: The time key (last part of the primary key).
        time_type: ``date`` for a day grain, ``timestamp`` for events.
        columns: The features, hidden helpers included.
        needs: Gold columns that every column of the table needs.
    """

    name: str
    says: str
    keys: tuple[str, ...]
    time: str
    columns: tuple[Feature, ...]
    time_type: Literal["date", "timestamp"] = "date"
    needs: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse names that are malformed or stand twice."""
        names = [*self.keys, self.time, *(c.name for c in self.columns)]
        for name in (self.name, *names):
            if not NAME.match(name):
                raise SpecError(what=f"'{name}' is not snake_case", where=self.name, fix="rename it")
        if twice := sorted({n for n in names if names.count(n) > 1}):
            raise SpecError(what=f"declared twice: {twice}", where=self.name, fix="keep one of them")
        tuple(self.layers())  # raises on a circle

    @property
    def primary_key(self) -> tuple[str, ...]:
        """Keys and time, in that order."""
        return (*self.keys, self.time)

    @property
    def features(self) -> tuple[Feature, ...]:
        """The columns that the table holds, without hidden helpers."""
        return tuple(c for c in self.columns if not c.hidden)

    @property
    def lookback(self) -> int:
        """Days of history that the formulas of one row can reach, chained windows included."""
        reach: dict[str, int] = {}
        for layer in self.layers():
            for column in layer:
                inner = column.refers_to(set(reach))
                reach[column.name] = column.window + max((reach[n] for n in inner), default=0)
        return max(reach.values(), default=0)

    def layers(self) -> Iterator[tuple[Feature, ...]]:
        """Yield columns so that each layer only refers to earlier ones; a circle is a SpecError."""
        left = list(self.columns)
        while left:
            open_names = {c.name for c in left}
            layer = tuple(c for c in left if c.stage == "day" or not c.refers_to(open_names))
            if not layer:
                what = f"columns refer to each other in a circle: {sorted(open_names)}"
                raise SpecError(what=what, where=self.name, fix="break the circle")
            yield layer
            left = [c for c in left if c not in layer]

    def feature(self, name: str) -> Feature:
        """Return a column by name.

        Raises:
            SpecError: If there is none, naming the nearest.
        """
        for column in self.columns:
            if column.name == name:
                return column
        raise SpecError(
            what=f"no feature '{name}'", where=self.name, fix=nearest(name, [c.name for c in self.features])
        )

    def only(self, names: Iterable[str]) -> TableSpec:
        """Return the table reduced to some columns and what their formulas refer to."""
        declared = {c.name for c in self.columns}
        wanted, left = set(), [self.feature(n) for n in names]
        while left:
            column = left.pop()
            wanted.add(column.name)
            left += [self.feature(n) for n in column.refers_to(declared) - wanted]
        return dataclasses.replace(self, columns=tuple(c for c in self.columns if c.name in wanted))

    def inputs_of(self, name: str) -> tuple[str, ...]:
        """Return the gold columns that a feature rests on, those of its ingredients included."""
        column = self.feature(name)
        found = [*self.needs, *column.needs]
        for inner in sorted(column.refers_to({c.name for c in self.columns})):
            found += self.inputs_of(inner)
        return tuple(dict.fromkeys(found))

    def gold_tables(self) -> list[str]:
        """Return the gold tables that the table's columns rest on."""
        needs = [*self.needs, *(need for column in self.columns for need in column.needs)]
        return sorted({need.partition(".")[0] for need in needs})

    def formula_hash(self, name: str) -> str:
        """Return a short hash of a column's whole formula, ingredients included."""
        column = self.feature(name)
        parts = [column.sql, str(column.window), column.stage, repr(column.empty), column.type]
        parts += [self.formula_hash(n) for n in sorted(column.refers_to({c.name for c in self.columns}))]
        return short_hash(parts)


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
    """

    columns: tuple[str, ...]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class GroupPrior:
    """A baseline that answers the training prior of a group, shrunk to the global prior.

    Args:
        by: Key columns that form the group.
        strength: Rows at which group and global prior weigh the same.
    """

    by: tuple[str, ...]
    strength: float = 10.0


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ModelSpec:
    """A model: the question it answers and everything generic about it.

    Args:
        name: Registered name without catalog and schema.
        use_case: Stem of the prediction table ``{use_case}_predictions``.
        question: The question in one sentence.
        action: What the operator does with the answer.
        label_says: What the label is, in one sentence (for anomalies: how it is judged).
        unit: Unit of prediction, for example ``workspace-job-day``.
        algorithm: Algorithm family.
        lookups: Feature lookups; the first one's table fixes keys and time of the model.
        horizon: How far into the future the label looks.
        labels: Label column names; several only for multi-label models.
        baseline: What the model must beat.
        needs: Gold columns without which there is no label.
        required: Features without which the model is skipped.
        calibrate: Days kept for calibration and thresholds.
        test: Days held back for the test.
        alert_budget: Expected alerts per workspace and day (anomaly models).
        quantiles: Extra quantiles that a regression predicts.
        classes: Class names of a multi-class model, in the order of their codes.
        promote_above: Skill a version needs before it may serve as champion.
    """

    name: str
    use_case: str
    question: str
    action: str
    label_says: str
    unit: str
    algorithm: Algorithm
    lookups: tuple[Lookup, ...]
    horizon: timedelta
    labels: tuple[str, ...] = ("label",)
    baseline: FromFeature | GroupPrior
    needs: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    calibrate: timedelta = timedelta(days=21)
    test: timedelta = timedelta(days=21)
    alert_budget: float = 5.0
    quantiles: tuple[float, ...] = (0.1, 0.9)
    classes: tuple[str, ...] = ()
    promote_above: float = 0.0

    def __post_init__(self) -> None:
        """Refuse a declaration that no training could use."""
        if not self.lookups:
            raise SpecError(what="no lookups", where=self.name, fix="name a feature table")
        if self.horizon <= timedelta(0):
            raise SpecError(what="the horizon is not positive", where=self.name, fix="use days(n), n > 0")
        for name in (self.name, self.use_case, *self.labels):
            if not NAME.match(name):
                raise SpecError(what=f"'{name}' is not snake_case", where=self.name, fix="rename it")

    def spec_hash(self) -> str:
        """Return a short hash of the whole declaration."""
        return short_hash([repr(self)])


def short_hash(parts: list[str]) -> str:
    """Return twelve hex digits that identify a list of strings."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]

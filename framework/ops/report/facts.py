"""What the page shows, as frozen data: sentences and series, nothing of HTML."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import date, datetime

    from framework.ops.report.card_facts import Card, Row


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Count:
    """One overall figure of the header.

    Args:
        label: What is counted.
        value: The figure as text.
        tone: ``bad``, ``watch``, ``good`` or nothing.
    """

    label: str
    value: str
    tone: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Header:
    """Where the report comes from.

    Args:
        day: Day that it is about.
        gold: Name of the gold source of the newest run.
        run_id: Newest run of the day; empty if there is none.
        generated: When the report was made, UTC.
        counts: Overall figures.
        remarks: What the reader must know before anything else.
    """

    day: date
    gold: str
    run_id: str
    generated: datetime
    counts: tuple[Count, ...]
    remarks: tuple[str, ...]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Alert:
    """One open finding.

    Args:
        id: Its id, for ``health-monitor alerts close``.
        severity: ``critical``, ``warning`` or ``info``.
        about: Entity in words, or the model itself.
        reason: Why, in a sentence.
        action: What to do.
        since: Since when, and how long it has been seen.
        state: ``open`` or ``acknowledged``.
    """

    id: str
    severity: str
    about: str
    reason: str
    action: str
    since: str
    state: str


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """A prediction of the day that stands out.

    Args:
        about: Entity in words.
        description: The answer with its unit.
        why: Reasons outside their usual range, or a sentence that there is none.
    """

    about: str
    description: str
    why: tuple[str, ...]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Attention:
    """What one model asks attention for.

    Args:
        model: Model.
        question: The question that it answers.
        action: What the operator does with the answer.
        marks: ``challenger``, ``fallback``: how far to trust the answers.
        description: How many entities were looked at, and by which rule some are named below.
        alerts: Open alerts, the most severe first.
        more_alerts: How many are not shown.
        answers: Predictions that stand out, the most telling first.
        more_answers: How many are not shown.
    """

    model: str
    question: str
    action: str
    marks: tuple[str, ...]
    description: str
    alerts: tuple[Alert, ...]
    more_alerts: int
    answers: tuple[Answer, ...]
    more_answers: int


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Domain:
    """The attention of one domain.

    Args:
        name: Domain.
        models: Models with something to see.
        quiet: Sentences about the other models.
    """

    name: str
    models: tuple[Attention, ...]
    quiet: tuple[str, ...]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """A forecast of one day, and what became of it.

    Args:
        day: Day of the forecast.
        prediction: The forecast.
        low: Lower quantile.
        high: Upper quantile.
        outcome: What happened; ``None`` while nobody knows.
    """

    day: date
    prediction: float | None
    low: float | None
    high: float | None
    outcome: float | None = None


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Forecast:
    """The forecasts of one entity: past ones with their outcome, and the newest.

    Args:
        about: Entity in words.
        unit: Unit of the values.
        description: The newest forecast in a sentence.
        past: Past forecasts by day.
        newest: The newest one.
    """

    about: str
    unit: str
    description: str
    past: tuple[Point, ...]
    newest: Point


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Forecaster:
    """A regression model with its forecasts.

    Args:
        model: Model.
        question: The question that it answers.
        marks: How far to trust the answers.
        description: What is missing; empty if nothing is.
        forecasts: One per entity shown.
    """

    model: str
    question: str
    marks: tuple[str, ...]
    description: str
    forecasts: tuple[Forecast, ...]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Strip:
    """The days on which an entity was flagged.

    Args:
        about: Entity in words.
        days: The days.
    """

    about: str
    days: tuple[date, ...]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Timeline:
    """Flagged entities of an anomaly model by day.

    Args:
        model: Model.
        question: The question that it answers.
        marks: How far to trust the answers.
        description: The whole in a sentence.
        first: First day shown.
        last: Last day shown.
        counts: Flagged entities by day; days without are absent.
        strips: The entities flagged most often.
        more: Entities that are not shown.
    """

    model: str
    question: str
    marks: tuple[str, ...]
    description: str
    first: date
    last: date
    counts: dict[date, int]
    strips: tuple[Strip, ...]
    more: int


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Data:
    """Data quality.

    Args:
        rows: Gold rows in quarantine.
        quarantine: Table, reason, rows, newest day.
        oddities: What the newest run remarked about its input.
        description: The whole in a sentence.
    """

    rows: int
    quarantine: tuple[Row, ...]
    oddities: tuple[str, ...]
    description: str


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class NotRun:
    """What did not run as it should.

    Args:
        rows: Stage, name, status, reason.
        description: The whole in a sentence.
    """

    rows: tuple[Row, ...]
    description: str


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """Everything that the page shows."""

    header: Header
    attention: tuple[Domain, ...]
    forecasts: tuple[Forecaster, ...]
    anomalies: tuple[Timeline, ...]
    models: tuple[Card, ...]
    data: Data
    not_run: NotRun

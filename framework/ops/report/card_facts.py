"""What a model's card shows, as frozen data."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import date

Row = tuple[str, ...]
"""One row of a table on the page."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One line of a chart.

    Args:
        name: What it is.
        kind: ``model``, ``baseline``, ``promise`` or ``outcome``: decides how it is drawn.
        points: Value by day.
    """

    name: str
    kind: str
    points: tuple[tuple[date, float], ...]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class HeatMap:
    """Drift by feature and day.

    Args:
        days: Columns.
        features: Rows.
        levels: Level by (feature, day).
        rows: The same as a table: feature, newest PSI, highest PSI, days in drift.
        more: Features that are not shown.
    """

    days: tuple[date, ...]
    features: tuple[str, ...]
    levels: dict[tuple[str, date], str]
    rows: tuple[Row, ...]
    more: int


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Card:
    """One model's card.

    Args:
        model: Model.
        domain: Its domain.
        status: Who answers, in a few words.
        tone: ``bad``, ``watch``, ``good`` or nothing.
        skill: Newest skill in a few words.
        facts: Label and text.
        metric: Primary metric with its unit; empty if nothing was judged yet.
        unit: Unit of the metric.
        lines: Metric, baseline and promise over time.
        performance_says: The newest figures in a sentence, or why there are none.
        calibration: Mean forecast, observed rate and rows of each tenth.
        calibration_says: The plot in a sentence, or why there is none.
        importance: Feature and its importance, 1 for the most important.
        importance_says: Why there is none; empty otherwise.
        drift: The heat-map; ``None`` if drift was never measured.
        drift_says: Newest findings, or why there are none.
        versions: Version, alias, trained as of, skill, decision, reason.
        versions_says: Why there is none; empty otherwise.
        requests: Open retrain requests.
    """

    model: str
    domain: str
    status: str
    tone: str
    skill: str
    facts: tuple[tuple[str, str], ...]
    metric: str
    unit: str
    lines: tuple[Line, ...]
    performance_says: str
    calibration: tuple[tuple[float, float, float], ...]
    calibration_says: str
    importance: tuple[tuple[str, float], ...]
    importance_says: str
    drift: HeatMap | None
    drift_says: tuple[str, ...]
    versions: tuple[Row, ...]
    versions_says: str
    requests: tuple[str, ...]

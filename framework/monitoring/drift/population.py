"""Which rows a version is asked about: what its reference and its drift are both measured on."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from framework.base.clock import midnight

if TYPE_CHECKING:
    from datetime import date

    from framework.declare.model import ModelSpec, TableSpec
    from framework.scoring.scorer import BatchScorer

MAX_ROWS = 200_000
"""Rows that a reference is made of; above, whole entities are sampled by key hash."""


def between(table: TableSpec, first: date, last: date) -> list[tuple[str, str, Any]]:
    """Return the conditions that keep a feature table's rows of some days, both ends included."""
    if table.time_type == "timestamp":
        return [(table.time, ">=", midnight(first)), (table.time, "<", midnight(last + timedelta(days=1)))]
    return [(table.time, ">=", first), (table.time, "<=", last)]


def scored_where(spec: ModelSpec, scorer: BatchScorer) -> tuple[tuple[str, str, float], ...]:
    """Return what narrows the scored rows of the grain's table; nothing does where the scorer names its own keys."""
    return () if names_keys(scorer) else spec.score_where


def names_keys(scorer: BatchScorer) -> bool:
    """Tell whether a scorer brings a population of its own."""
    from framework.scoring.scorer import BatchScorer

    return type(scorer).population is not BatchScorer.population

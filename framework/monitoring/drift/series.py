"""Drift of what a model answers and of what came true: daily means beside PSI, and tests of labels."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from framework.monitoring.drift.distance import chi_square_p, deviation, ks, ks_p, psi
from framework.monitoring.drift.histogram import Sketch
from framework.monitoring.drift.levels import (
    DRIFT,
    DRIFTED,
    MARGIN,
    NONE,
    SIGNIFICANT,
    TOO_LITTLE,
    WATCH,
    WATCH_MARGIN,
    WATCHED,
    bound,
    column_row,
    corrected,
    noise,
)
from framework.monitoring.drift.predictions import daily_means
from framework.monitoring.drift.weeks import WINDOW_DAYS, Usual

if TYPE_CHECKING:
    from collections.abc import Mapping

    from framework.monitoring.drift.histogram import Counted

SHIFT = 2.0
"""Standard deviations of daily means, and of means over other entities, that the window's mean must be away."""
REDRAWN = 1.5
"""Weight of the latter, so that two of the sum are three of them: a quarter of 25 models looks hundreds of times, and
two were reached by chance."""
MIN_DAYS = 3
"""Days that a version must have answered before its predictions may drift; of one or two, chance makes too much."""
WINDOW_SHIFT = 3.0
"""Standard deviations of the means of such windows that it must be away as well: chance exceeds two too often."""
SURE = 0.9975
"""One-sided confidence that the few weeks at training do not lie all on one side of what is usual. What models answer
moves slowly, so a held-back period tells about as many independent windows as it has weeks."""


def prediction_row(stored: Mapping[str, Any], counted: Counted, *, name: str, tests: int) -> dict[str, Any]:
    """Return the figures and the level of one output.

    Predictions drift if PSI says so, or if the mean of the window lies more than two standard deviations away
    (from day to day, and from one draw of the entities to another) *and* further than such windows go by themselves,
    as far as the held-back weeks tell, *and* PSI is above its lower band and the usual: with thousands of entities
    the daily means hardly vary, and two of their deviations would mean nothing.

    Args:
        stored: The output's entry of the reference.
        counted: Its rows of the last days, by day.
        name: Output.
        tests: Tests of the model, by which the p-value is corrected.
    """
    days = min(max(len(counted.daily), 1), WINDOW_DAYS)
    stored = {**stored, "usual": stored["usual"][days - 1], "sd_window": stored["sd"][days - 1]}
    row = column_row(stored, counted, name=name, tests=tests)
    if means := [mean for mean, _ in daily_means(counted, stored["bucket"]).values()]:
        _add_shift(row, stored, counted, sum(means) / len(means), name)
    if row["level"] == DRIFTED and days < MIN_DAYS:
        row["level"] = WATCHED
    return row


def _add_shift(row: dict[str, Any], stored: Mapping[str, Any], counted: Counted, mean: float, name: str) -> None:
    """Add how far the window's mean lies away, and the finding if that is far."""
    if not stored["sd"][0] or row["psi"] is None:
        return
    away = mean - stored["mean"]
    sketch, usual = Sketch.load(stored["sketch"]), Usual(**stored["usual"])
    row["shift"] = away / math.hypot(stored["sd"][0], REDRAWN * _redrawn(stored, sketch, counted))
    moved = _reach(stored["days"]) * (stored["sd_window"] or math.inf)
    margin = 1.0 if len(counted.daily) >= WINDOW_DAYS else WATCH_MARGIN  # part of a week moves more by itself
    far = abs(row["shift"]) > SHIFT and abs(away) > moved
    if row["level"] != DRIFTED and far and row["psi"] > max(WATCH, bound(usual, sketch, counted, margin)):
        what = "mean" if stored["bucket"] is None else "share of the commonest class"
        description = f"{what} {stored['mean']:.3g} -> {mean:.3g}, {row['shift']:+.1f} standard deviations"
        row |= {"level": DRIFTED, "says": f"{name}: {description}; PSI {row['psi']:.2f}; usual up to {usual.psi:.2f}"}


def _redrawn(stored: Mapping[str, Any], sketch: Sketch, counted: Counted) -> float:
    """Return the standard deviation between two means if each side drew its entities anew.

    Where inputs look back for months, the held-back days all tell of the same spell: how far the mean of a few
    entities wanders by itself shows between the entities, not between the days.
    """
    share = stored["mean"]
    each = deviation(sketch) if stored["bucket"] is None else math.sqrt(max(share * (1 - share), 0.0))
    return each * math.sqrt(1 / max(counted.entities, 1) + 1 / max(sketch.entities, 1))


def _reach(days: int) -> float:
    """Return how many standard deviations of a few weeks' means a further week stays within, after Student."""
    from scipy.special import stdtrit

    weeks = max(days / WINDOW_DAYS, 2.0)
    return max(WINDOW_SHIFT, float(stdtrit(weeks - 1, SURE)) * math.sqrt(1 + 1 / weeks))


def label_row(stored: Mapping[str, Any], counted: Counted, *, name: str, tests: int, classes: bool) -> dict[str, Any]:
    """Return the figures and the level of one label.

    Labels drift if the test says so after correction, the distance is more than what is usual, and PSI is above its
    lower band: a difference that is certain but tiny is no reason to train again.

    Args:
        stored: The label's entry of the reference.
        counted: The outcomes that are known, by day; under a week of them tells too little.
        name: Label or class.
        tests: Tests of the model, by which the p-value is corrected.
        classes: Whether the label is 0/1: a chi-square test stands in for Kolmogorov-Smirnov.
    """
    sketch, usual = Sketch.load(stored["sketch"]), Usual(**stored["usual"])
    now, before = counted.counts, sketch.array
    index = psi(sketch.binned(now), sketch.binned(before), counted.entities, sketch.entities)
    distance = ks(now, before)
    row = {"rows": counted.rows, "psi": index, "psi_usual": usual.psi if usual.weeks else None, "ks": distance}
    if distance is None or index is None or len(counted.daily) < WINDOW_DAYS:
        return {**row, "level": TOO_LITTLE, "says": ""}
    found = (
        chi_square_p(sketch.binned(now), sketch.binned(before), counted.entities, sketch.entities)
        if classes
        else ks_p(distance, counted.entities, sketch.entities)
    )
    p = corrected(1.0 if found is None else found, tests)
    level, description = NONE, ""
    if p < SIGNIFICANT and distance > MARGIN * usual.ks:
        level = DRIFTED if index > max(WATCH, bound(usual, sketch, counted)) else WATCHED
        description = f"{name}: outcomes lie {distance:.2f} (KS) from the training labels, p = {p:.2g}; PSI {index:.2f}"
    elif noise(sketch, counted) > DRIFT:
        level = TOO_LITTLE
    return {**row, "ks_p": p, "level": level, "says": description}

"""Drift of what a model answers and of what came true: daily means beside PSI, and tests of labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from framework.monitoring.answers import daily_means
from framework.monitoring.histogram import Sketch, chi_square_p, ks, ks_p, psi
from framework.monitoring.levels import (
    DRIFT,
    DRIFTED,
    MARGIN,
    NONE,
    SIGNIFICANT,
    TOO_LITTLE,
    WATCH,
    WATCHED,
    bound,
    column_row,
    corrected,
    noise,
)
from framework.monitoring.weeks import WINDOW_DAYS, Usual

if TYPE_CHECKING:
    from collections.abc import Mapping

    from framework.monitoring.histogram import Counted

SHIFT = 2.0
"""Standard deviations of daily means that the mean of the window must be away."""
WEEK_SHIFT = 3.0
"""Standard deviations of weekly means that it must be away as well: chance moves these out of two too often."""


def prediction_row(stored: Mapping[str, Any], counted: Counted, *, name: str, tests: int) -> dict[str, Any]:
    """Return the figures and the level of one output.

    Predictions drift if PSI says so, or if the mean of the window lies more than two standard deviations of daily
    means away *and* outside what weeks do by themselves *and* PSI is above its lower band: with thousands of
    entities the daily means hardly vary, and two of their deviations would mean nothing.

    Args:
        stored: The output's entry of the reference.
        counted: Its rows of the last days, by day.
        name: Output.
        tests: Tests of the model, by which the p-value is corrected.
    """
    row = column_row(stored, counted, name=name, tests=tests)
    shift, weekly, mean = _shift(stored, counted)
    row["shift"] = shift
    if row["level"] == DRIFTED or shift is None or row["psi"] is None:
        return row
    sketch, usual = Sketch.load(stored["sketch"]), Usual(**stored["usual"])
    far = abs(shift) > SHIFT and weekly is not None and abs(weekly) > WEEK_SHIFT
    if far and row["psi"] > max(WATCH, bound(usual, sketch, counted)):
        what = "mean" if stored["bucket"] is None else "share of the commonest class"
        row["level"] = DRIFTED
        row["says"] = (
            f"{name}: {what} {stored['mean']:.3g} -> {mean:.3g}, {shift:+.1f} standard deviations; PSI {row['psi']:.2f}"
        )
    return row


def _shift(stored: Mapping[str, Any], counted: Counted) -> tuple[float | None, float | None, float]:
    """Return how far the window's mean lies away in deviations of daily and of weekly means, and that mean."""
    means = [mean for mean, _ in daily_means(counted, stored["bucket"]).values()]
    if not means or not stored["sd_days"]:
        return None, None, 0.0
    mean = sum(means) / len(means)
    away = mean - stored["mean"]
    # Fewer days than a week are as unsteady as their number says.
    steady = stored["sd_weeks"] and max(stored["sd_weeks"], stored["sd_days"] / WINDOW_DAYS**0.5)
    weekly = away / (steady * (WINDOW_DAYS / len(means)) ** 0.5) if steady else None
    return away / stored["sd_days"], weekly, mean


def label_row(stored: Mapping[str, Any], counted: Counted, *, name: str, tests: int, classes: bool) -> dict[str, Any]:
    """Return the figures and the level of one label.

    Labels drift if the test says so after correction, the distance is more than what is usual, and PSI is above its
    lower band: a difference that is certain but tiny is no reason to train again.

    Args:
        stored: The label's entry of the reference.
        counted: The outcomes that are known.
        name: Label or class.
        tests: Tests of the model, by which the p-value is corrected.
        classes: Whether the label is 0/1: a chi-square test stands in for Kolmogorov-Smirnov.
    """
    import numpy as np

    sketch, usual = Sketch.load(stored["sketch"]), Usual(**stored["usual"])
    now, before = counted.counts, np.asarray(sketch.counts)
    index = psi(sketch.binned(now), sketch.binned(before), counted.entities, sketch.entities)
    distance = ks(now, before)
    row = {"rows": counted.rows, "psi": index, "psi_usual": usual.psi if usual.weeks else None, "ks": distance}
    if distance is None or index is None:
        return {**row, "level": TOO_LITTLE, "says": ""}
    found = (
        chi_square_p(sketch.binned(now), sketch.binned(before), counted.entities, sketch.entities)
        if classes
        else ks_p(distance, counted.entities, sketch.entities)
    )
    p = corrected(1.0 if found is None else found, tests)
    level, says = NONE, ""
    if p < SIGNIFICANT and distance > MARGIN * usual.ks:
        level = DRIFTED if index > max(WATCH, bound(usual, sketch, counted)) else WATCHED
        says = f"{name}: outcomes lie {distance:.2f} (KS) from the training labels, p = {p:.2g}; PSI {index:.2f}"
    elif noise(sketch, counted) > DRIFT:
        level = TOO_LITTLE
    return {**row, "ks_p": p, "level": level, "says": says}

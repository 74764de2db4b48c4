"""When a difference is a finding: beyond the bands, beyond what is usual, beyond what chance makes of few entities."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from framework.monitoring.drift.distance import ks, ks_p, median, psi, psi_noise
from framework.monitoring.drift.histogram import Counted, Sketch
from framework.monitoring.drift.weeks import Usual, new_share

if TYPE_CHECKING:
    from collections.abc import Mapping

WATCH = 0.1
DRIFT = 0.25
"""Bands of PSI, and of a shift in the share of missing values or of new categories."""
WATCH_MARGIN = 2.0
MARGIN = 3.0
"""How many times what is usual a week must differ: the held-back weeks are few, and later ones reach further. Twice
is what simulated months without a change reach on a feature or two of thirty, three times on less than one."""
SIGMAS = 3.0
ENOUGH = 20
"""Values that should have come before their absence means anything."""
SIGNIFICANT = 0.05

NONE, WATCHED, DRIFTED, TOO_LITTLE = "none", "watch", "drift", "too_little"
_ORDER = (NONE, TOO_LITTLE, WATCHED, DRIFTED)


def column_row(
    stored: Mapping[str, Any], counted: Counted, *, name: str, unit: str = "", tests: int = 1
) -> dict[str, Any]:
    """Return the figures and the level of one column.

    Args:
        stored: The column's entry of the reference: ``sketch`` and ``usual``.
        counted: Its rows of the last days.
        name: Column.
        unit: Unit of its values, for the sentence.
        tests: Tests of the model, by which the p-value is corrected.

    Returns:
        Columns of the drift table, from ``rows`` to ``description``.
    """
    sketch, usual = Sketch.load(stored["sketch"]), Usual(**stored["usual"])
    index = psi(sketch.binned(counted.counts), sketch.binned(sketch.counts), counted.entities, sketch.entities)
    distance = ks(counted.counts, sketch.array) if sketch.kind == "number" else None
    new = new_share(sketch, counted.counts) if sketch.kind == "text" and counted.filled else None
    findings = [
        psi_finding(index, usual, sketch, counted),
        _missing_finding(usual, sketch, counted),
        _new_finding(new, usual, counted),
    ]
    level, what = max(findings, key=lambda found: _ORDER.index(found[0]))  # the first of equals: PSI
    if level in (WATCHED, DRIFTED):
        told = [description for found, description in findings if description and found in (WATCHED, DRIFTED)]
        what = f"{name}: " + "; ".join([*_medians(sketch, counted, unit), *told])
    return {
        "rows": counted.rows,
        "psi": index,
        "psi_usual": usual.psi if usual.weeks else None,
        "ks": distance,
        "ks_p": None if distance is None else corrected(ks_p(distance, counted.entities, sketch.entities), tests),
        "missing_rate": counted.missing_rate if counted.rows else None,
        "missing_rate_training": sketch.missing_rate,
        "new_category_share": new,
        "level": level,
        "says": what,
    }


def corrected(p: float, tests: int) -> float:
    """Return a p-value corrected for the number of tests, after Bonferroni."""
    return min(1.0, p * max(tests, 1))


def bound(usual: Usual, sketch: Sketch, counted: Counted, margin: float = MARGIN) -> float:
    """Return the PSI that means nothing yet: what weeks here usually reach, and what few entities make by chance."""
    return max(margin * usual.psi, noise(sketch, counted))


def noise(sketch: Sketch, counted: Counted) -> float:
    """Return the PSI to expect from as many entities if nothing changed; those without a value count for nothing."""
    now, before = min(counted.entities, counted.filled), min(sketch.entities, sketch.filled)
    return psi_noise(sketch.bins, now, before)


def psi_finding(index: float | None, usual: Usual, sketch: Sketch, counted: Counted) -> tuple[str, str]:
    """Return level and sentence of a PSI."""
    if index is None:
        return TOO_LITTLE, "no rows" if not counted.rows else ""
    up_to = f"PSI {index:.2f}; usual up to {usual.psi:.2f}" if usual.weeks else f"PSI {index:.2f}"
    if index > max(DRIFT, bound(usual, sketch, counted)):
        return DRIFTED, up_to
    if index > max(WATCH, bound(usual, sketch, counted, WATCH_MARGIN)):
        return WATCHED, up_to
    if noise(sketch, counted) > DRIFT:
        return TOO_LITTLE, f"{counted.entities} entities are too few to tell"
    return NONE, ""


def _missing_finding(usual: Usual, sketch: Sketch, counted: Counted) -> tuple[str, str]:
    if not counted.rows:
        return TOO_LITTLE, ""
    rate, text = counted.missing_rate, f"missing {sketch.missing_rate:.0%} -> {counted.missing_rate:.0%}"
    if not counted.filled:
        expected = counted.rows * (1 - usual.missing_high)
        return (DRIFTED, f"it vanished: {text}") if expected >= ENOUGH else (TOO_LITTLE, "no value")
    outside = max(rate - usual.missing_high, usual.missing_low - rate)
    return _share_level(outside, sketch.missing_rate, counted.entities), text


def _new_finding(new: float | None, usual: Usual, counted: Counted) -> tuple[str, str]:
    if new is None:
        return NONE, ""
    return _share_level(
        new - usual.new, usual.new, counted.entities
    ), f"{new:.0%} in categories that training never saw"


def _share_level(outside: float, before: float, entities: int) -> str:
    """Return the level of a share that lies so far outside the usual range, chance taken off."""
    likely = min(max(before, 1 / max(entities, 1)), 0.5)
    beyond = outside - SIGMAS * math.sqrt(likely * (1 - likely) / max(entities, 1))
    return DRIFTED if beyond > DRIFT else WATCHED if beyond > WATCH else NONE


def _medians(sketch: Sketch, counted: Counted, unit: str) -> list[str]:
    """Return the sentence's part on medians, where both sides have one and they differ."""
    before, now = median(sketch, sketch.array), median(sketch, counted.counts)
    if before is None or now is None or before == now:
        return []
    beyond = "above " if now >= sketch.points[-1] else "below " if now <= sketch.points[0] else ""
    return [f"median {before:.3g} -> {beyond}{now:.3g} {unit}".rstrip()]


def rate_level(flagged: int, rows: int, low: float, high: float) -> tuple[str, float, float]:
    """Return whether a rate of flagged rows lies outside a band.

    The rate is known no better than its rows tell: what is compared is its 99 % interval (Clopper-Pearson).

    Args:
        flagged: Flagged rows.
        rows: Rows.
        low: Lower end of the version's own band.
        high: Upper end.

    Returns:
        Level and interval: ``watch`` outside the band, ``drift`` at twice its upper or half its lower end.
    """
    from scipy.special import betaincinv

    if not rows:
        return TOO_LITTLE, 0.0, 1.0
    least = float(betaincinv(flagged, rows - flagged + 1, 0.005)) if flagged else 0.0
    most = float(betaincinv(flagged + 1, rows - flagged, 0.995)) if flagged < rows else 1.0
    if least > 2 * high or most < low / 2:
        return DRIFTED, least, most
    return WATCHED if least > high or most < low else NONE, least, most

"""From which score on an alert is worth a look: learnt for a precision, and not spent as a budget."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

SURE = 1.28
"""Standard errors of the lower bound: nine times in ten the precision is not below it."""
NEVER = 1.01
"""A score that no answer reaches."""


def alert_from(truth: np.ndarray, score: np.ndarray, precision: float) -> float | None:
    """Return the lowest score from which on enough answers are surely right.

    Args:
        truth: ``(rows,)`` of 0/1, rows that the answer was not fitted on; NaN where nothing is known.
        score: The answers, 0 to 1.
        precision: Share of the rows from that score on that should be real, by its lower 90 % bound.

    Returns:
        The score; :data:`NEVER` where no part of the rows reaches it, and ``None`` where nothing is known at all.
    """
    import numpy as np

    known = ~np.isnan(np.asarray(truth, dtype=float))
    if not known.any() or precision <= 0:
        return None
    order = np.argsort(-score[known], kind="stable")
    sorted_score = score[known][order]
    hits = np.cumsum(np.asarray(truth, dtype=float)[known][order])
    rows = np.arange(1, len(order) + 1)
    low = lower_bound(hits / rows, rows)
    # Rows of equal score raise an alert together or not at all.
    last = np.append(np.diff(sorted_score) != 0, True)
    enough = np.flatnonzero((low >= precision) & last)
    return float(sorted_score[enough[-1]]) if len(enough) else NEVER


def lower_bound(share: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return the lower end of Wilson's interval of a share, which holds for few rows too."""
    import numpy as np

    square = SURE**2
    middle = share + square / (2 * rows)
    spread = SURE * np.sqrt(share * (1 - share) / rows + square / (4 * rows**2))
    found: np.ndarray = (middle - spread) / (1 + square / rows)
    return found

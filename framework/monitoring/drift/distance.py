"""How far two counts over the same buckets lie apart, and what that is worth: entities are the sample, rows are not."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from framework.monitoring.drift.histogram import Sketch


def psi(now: np.ndarray, before: np.ndarray, entities_now: int, entities_before: int) -> float | None:
    """Return the population stability index of two counts.

    A bin that one side leaves empty counts as if half an entity were in it: with few entities an empty bin means
    little, with many it means a lot.

    Args:
        now: ``(bins,)`` rows.
        before: ``(bins,)`` rows.
        entities_now: Entities behind ``now``.
        entities_before: Entities behind ``before``.

    Returns:
        The index, or ``None`` if a side holds nothing.
    """
    import numpy as np

    if not now.sum() or not before.sum():
        return None
    p, q = _smooth(now, entities_now), _smooth(before, entities_before)
    return float(((p - q) * np.log(p / q)).sum())


def _smooth(counts: np.ndarray, entities: int) -> np.ndarray:
    weight = max(1.0, min(float(entities), float(counts.sum())))
    smoothed: np.ndarray = (counts / counts.sum() * weight + 0.5) / (weight + 0.5 * len(counts))
    return smoothed


def psi_noise(bins: int, entities_now: int, entities_before: int) -> float:
    """Return the PSI to expect if nothing changed and each entity were drawn anew; infinite without entities."""
    if not entities_now or not entities_before:
        return math.inf
    return (bins - 1) * (1 / entities_now + 1 / entities_before)


def ks(now: np.ndarray, before: np.ndarray) -> float | None:
    """Return the Kolmogorov-Smirnov distance of two counts over the same buckets; ``None`` if a side is empty."""
    import numpy as np

    if not now.sum() or not before.sum():
        return None
    return float(np.abs(np.cumsum(now) / now.sum() - np.cumsum(before) / before.sum()).max())


def ks_p(distance: float, entities_now: int, entities_before: int) -> float:
    """Return the asymptotic p-value of a two-sample Kolmogorov-Smirnov distance, entities counting as the sample."""
    from scipy.special import kolmogorov

    size = entities_now * entities_before / max(entities_now + entities_before, 1)
    return float(kolmogorov(math.sqrt(size) * distance))


def chi_square_p(now: np.ndarray, before: np.ndarray, entities_now: int, entities_before: int) -> float | None:
    """Return the p-value of a chi-square test that two counts share one distribution, entities being the sample."""
    import numpy as np
    from scipy.special import chdtrc

    if not now.sum() or not before.sum():
        return None
    observed = np.stack([now / now.sum() * entities_now, before / before.sum() * entities_before])
    observed = observed[:, observed.sum(axis=0) > 0]
    expected = observed.sum(axis=1, keepdims=True) * observed.sum(axis=0, keepdims=True) / observed.sum()
    if observed.shape[1] < 2:  # noqa: PLR2004 - one class on both sides
        return 1.0
    return float(chdtrc(observed.shape[1] - 1, ((observed - expected) ** 2 / expected).sum()))


def deviation(sketch: Sketch) -> float:
    """Return the standard deviation of a sketch's numbers, as near as its points tell it; 0 without numbers."""
    import numpy as np

    counts = sketch.array
    if sketch.kind != "number" or not sketch.points or not counts.sum():
        return 0.0
    points = np.asarray(sketch.points)
    edges = np.concatenate([points[:1], points, points[-1:]])  # below the lowest and above the highest point
    values = np.empty(len(counts))
    values[1::2], values[::2] = points, (edges[:-1] + edges[1:]) / 2
    mean = np.average(values, weights=counts)
    return float(np.sqrt(np.average((values - mean) ** 2, weights=counts)))


def median(sketch: Sketch, counts: np.ndarray) -> float | None:
    """Return the median of counted numbers, as near as the sketch's points tell it; ``None`` if there are none."""
    import numpy as np

    if sketch.kind != "number" or not counts.sum() or not sketch.points:
        return None
    at = int(np.searchsorted(np.cumsum(counts), counts.sum() / 2))
    low, high = sketch.points[max((at - 1) // 2, 0)], sketch.points[min(at // 2, len(sketch.points) - 1)]
    return (low + high) / 2

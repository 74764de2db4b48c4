"""The jitter check: answers that a nudge of the features wipes out are looked up, and not learnt."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from framework.base.errors import LeakageError
from framework.training.leakage.finding import Finding, Verdict

if TYPE_CHECKING:
    import numpy as np

    from framework.training.data import Judged, TrainingData

CHECK = "jitter"
NUDGE = 0.001
"""Largest nudge, as a share of a column's interquartile range."""
LOST = 1 / 3
"""By how much the error may grow, as a share of that of the middle answer; a forest's or a line's does by 0.00."""
FIGURE = "lost_by_jitter"
"""Name of the figure that a training logs."""


def nudged(data: TrainingData) -> TrainingData:
    """Return the same rows with numeric features moved up by at most a thousandth of their middle spread.

    Upwards only: boosted trees split at values that occur, and a count just below one would fall on the other side.

    Args:
        data: The rows; labels, keys and the split stay as they are.
    """
    import numpy as np

    dice = np.random.default_rng(data.seed)
    test = data.split.test
    frame = data.frame.copy(deep=False)
    for name in data.numeric:
        values = frame[name].to_numpy(float, copy=True)
        values[test] += _step(values) * dice.random(len(test))
        frame[name] = values
    return dataclasses.replace(data, frame=frame)


def _step(values: np.ndarray) -> float:
    """Return the largest nudge of a column; 0 for one without values, or without spread."""
    import numpy as np

    known = values[np.isfinite(values)]
    low, high = np.quantile(known, (0.25, 0.75)) if len(known) else (0.0, 0.0)
    return NUDGE * float(high - low)


def lost(judged: Judged, again: Judged) -> float:
    """Return how much of what a model knows a nudge wipes out: 0 for nothing, 1 for all.

    Answers may move, as those of few neighbours do; what counts is by how much their error grows.

    Args:
        judged: The held-back answers.
        again: Those of the nudged rows.

    Returns:
        Growth of the mean absolute error, as a share of that of the middle answer; 0 where no row is judged.
    """
    import numpy as np

    if not len(judged.truth):
        return 0.0
    truth = judged.truth
    if judged.answer.ndim > truth.ndim:  # classes by their code
        truth = truth[:, None] == np.arange(judged.answer.shape[1])
    truth = truth.astype(float)
    before, after, middle = (
        float(np.abs(truth - answer).mean()) for answer in (judged.answer, again.answer, np.median(truth, axis=0))
    )
    return (after - before) / middle if middle > 0 else 0.0


def check(figure: float, model: str) -> list[Finding]:
    """Refuse a model whose knowledge a nudge wiped out.

    Args:
        figure: What :func:`lost` measured.
        model: For the message.

    Returns:
        One row that passes.

    Raises:
        LeakageError: If the error grew by more than a third of that of the middle answer.
    """
    if figure > LOST:
        raise LeakageError(
            what=f"moving the features by a thousandth of their spread costs {figure:.0%} of what it can know",
            where=f"estimator of {model}",
            fix="it looks rows up that it has seen; let `estimator` return one that learns from values",
        )
    return [Finding(check=CHECK, column="", evidence=f"a nudge costs {figure:.1%}", verdict=Verdict.PASS)]

"""Rolling origins: fits that know the days up to a cut, judged on the days right after it.

A version is registered from one fit, but one window says little. So the days held back are walked through: each origin
fits anew on what was known at it and is judged on the next days only, as a weekly training would have served them.
"""

from __future__ import annotations

import dataclasses
import itertools
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from framework.declare.model import Task
from framework.training.data import Judged
from framework.training.split import Split, cut_at

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date

    import numpy as np

    from framework.gold.runtime import Runtime
    from framework.training.data import Fitted, TrainingData
    from framework.training.evaluate import Evaluation
    from framework.training.steps import Steps

ORIGINS = 3
MIN_ROWS = 20
"""Rows below which a fold fits nothing worth judging."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fold:
    """One origin.

    Args:
        split: What was fitted on, and what is judged.
        judged: The judged rows; ``None`` if there is nothing to judge.
        evaluation: Their metrics; ``None`` if the rows cannot tell.
        description: Why it was not judged; empty if it was.
    """

    split: Split
    judged: Judged | None
    evaluation: Evaluation | None
    description: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class RollingEvaluation:
    """All origins of a training.

    Args:
        folds: The origins, oldest first.
        judged: All judged rows together; ``None`` if no fold was judged.
        evaluation: Their metrics, with the interval of skill over all days.
    """

    folds: tuple[Fold, ...]
    judged: Judged | None
    evaluation: Evaluation | None

    @property
    def origins(self) -> int:
        """Number of origins that were judged."""
        return sum(fold.judged is not None for fold in self.folds)


def rolling_evaluation(trainer: Steps, data: TrainingData, fitted: Fitted, runtime: Runtime) -> RollingEvaluation:
    """Walk through the held-back days of a training in three steps.

    The first step's fit is the registered one, so only two are fitted anew. What can never be promoted is not walked.

    Args:
        trainer: The trainer.
        data: The rows and their split.
        fitted: The fit of the first origin.
        runtime: The runtime.
    """
    if fitted.fallback or fitted.withheld or fitted.judged is None:
        return RollingEvaluation(folds=(), judged=None, evaluation=None)
    data = with_weights(data, fitted)
    first, *later = origins(data.split, ORIGINS)
    folds = [_fold(trainer, data, first, _until(fitted.judged, first.test_end))]
    folds += [evaluate_fit(trainer, data, split, runtime) for split in _cuts(data, later)]
    return pooled(trainer.task, folds, data.seed)


def with_weights(data: TrainingData, fitted: Fitted) -> TrainingData:
    """Return the rows with how far a fit may move from its baseline: later fits need not measure it again."""
    found = fitted.served.get("correction")
    return dataclasses.replace(data, weights=tuple(found["weights"])) if found else data


@dataclasses.dataclass(frozen=True, slots=True)
class Origin:
    """An origin by its days.

    Args:
        cut: Last day that the fit may know.
        test_end: Last day that it is judged on.
        calibrate: Length of the calibration part before the cut.
    """

    cut: date
    test_end: date
    calibrate: timedelta


def origins(split: Split, count: int) -> list[Origin]:
    """Cut the held-back days into equal steps.

    Args:
        split: The training's split.
        count: Number of steps; fewer if there are fewer days.

    Returns:
        One origin per step; the first has the split's own cut.
    """
    days = (split.test_end - split.calibrate_end).days
    count = max(1, min(count, days))
    ends = [split.calibrate_end + timedelta(days=round(days * step / count)) for step in range(count + 1)]
    calibrate = split.calibrate_end - split.train_end
    return [Origin(cut, end, calibrate) for cut, end in itertools.pairwise(ends)]


def every(first: date, last: date, step: timedelta, calibrate: timedelta, until: date) -> Iterator[Origin]:
    """Yield an origin every ``step`` from ``first`` to ``last``, each judged until the next, none beyond ``until``."""
    while first <= min(last, until - timedelta(days=1)):
        yield Origin(first, min(first + step, until), calibrate)
        first += step


def _cuts(data: TrainingData, found: Sequence[Origin]) -> list[Split]:
    day, known = data.frame["_day"], data.frame["label_known_at"].dt.tz_localize(None)
    return [cut_at(day, known, cut=o.cut, test_end=o.test_end, calibrate=o.calibrate) for o in found]


def backtest(trainer: Steps, data: TrainingData, found: Sequence[Origin], runtime: Runtime) -> RollingEvaluation:
    """Fit and judge at each origin.

    Args:
        trainer: The trainer.
        data: The rows; their own split does not matter.
        found: The origins.
        runtime: The runtime.
    """
    return pooled(trainer.task, [evaluate_fit(trainer, data, s, runtime) for s in _cuts(data, found)], data.seed)


def evaluate_fit(trainer: Steps, data: TrainingData, split: Split, runtime: Runtime) -> Fold:
    """Fit at one origin and judge it; rows of a class that the registered fit cannot know are left out of the fit."""
    import numpy as np

    if trainer.task is Task.MULTICLASS:
        known = data.frame[trainer.spec.labels[0]].to_numpy() < len(data.classes)
        split = dataclasses.replace(split, train=np.intersect1d(split.train, np.flatnonzero(known)))
    data = dataclasses.replace(data, split=split)
    if len(split.train) < MIN_ROWS or not len(split.test):
        description = f"{len(split.train)} rows to fit on and {len(split.test)} to judge"
        return Fold(split=split, judged=None, evaluation=None, description=description)
    return _fold(trainer, data, None, trainer.evaluate_fit(data, runtime))


def _fold(trainer: Steps, data: TrainingData, origin: Origin | None, judged: Judged | None) -> Fold:
    split = data.split if origin is None else dataclasses.replace(data.split, test_end=origin.test_end)
    found = judged.evaluation(trainer.task, data.seed) if judged is not None else None
    description = (
        "" if found else "nothing is known of its rows" if judged is None else "its rows cannot tell: one class"
    )
    return Fold(split=split, judged=judged, evaluation=found, description=description)


def _until(judged: Judged | None, last: date) -> Judged | None:
    import pandas as pd

    return None if judged is None else judged.only((judged.day <= pd.Timestamp(last)).to_numpy())


def pooled(task: Task, folds: Sequence[Fold], seed: int) -> RollingEvaluation:
    """Judge the rows of all folds together: days, not folds, are what the interval draws."""
    import numpy as np
    import pandas as pd

    parts = [fold.judged for fold in folds if fold.judged is not None]
    if not parts:
        return RollingEvaluation(folds=tuple(folds), judged=None, evaluation=None)
    width = max(p.answer.shape[1] if p.answer.ndim > 1 else 0 for p in parts)
    judged = Judged(
        truth=np.concatenate([p.truth for p in parts]),
        answer=np.concatenate([_widened(p.answer, width) for p in parts]),
        baseline=np.concatenate([_widened(p.baseline, width) for p in parts]),
        day=pd.concat([p.day for p in parts], ignore_index=True),
        rows=np.concatenate([p.rows for p in parts]),
        answered=np.concatenate([p.answered for p in parts]),
        threshold=parts[0].threshold,
    )
    return RollingEvaluation(folds=tuple(folds), judged=judged, evaluation=judged.evaluation(task, seed))


def _widened(answer: np.ndarray, width: int) -> np.ndarray:
    """Fill up classes that a fold did not see: it never answers them."""
    import numpy as np

    return answer if answer.ndim == 1 else np.pad(answer, ((0, 0), (0, width - answer.shape[1])))


def rows_of(
    rolling_result: RollingEvaluation, model: str, fingerprint: str, as_of: date, version: int | None
) -> list[dict[str, Any]]:
    """Return the folds as rows of ``model_backtests``."""
    return [
        {
            "model_name": model,
            "fingerprint": fingerprint,
            "origin": fold.split.calibrate_end,
            "train_end": fold.split.train_end,
            "test_end": fold.split.test_end,
            "as_of_date": as_of,
            "model_version": version,
            "rows_train": len(fold.split.train),
            "rows": len(fold.judged.truth) if fold.judged else 0,
            "says": fold.description,
            **(fold.evaluation.figures() if fold.evaluation else {}),
        }
        for fold in rolling_result.folds
    ]

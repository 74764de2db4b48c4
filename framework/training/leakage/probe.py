"""The leakage probe: features that know what only the label can know fail the run, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from framework.base.errors import LabelError, LeakageError
from framework.declare.model import TableSpec, Task

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import timedelta

    import numpy as np
    import pandas as pd

TOO_GOOD = 0.999
ENOUGH_ROWS = 50
FEW_ENTITIES = 5


def check_label_frame(
    frame: pd.DataFrame, *, grain: TableSpec, labels: Sequence[str], horizon: timedelta, model: str
) -> None:
    """Check the label frame's contract: columns, unique keys, and labels known only after their window.

    Args:
        frame: Keys, time, labels and ``label_known_at`` (UTC; NaT = not settled yet).
        grain: Declaration of keys and time; a day stands for its end.
        labels: Label columns.
        horizon: Length of the label window.
        model: For messages.

    Raises:
        LabelError: If columns are missing or extra, or a (keys, time) stands twice.
        LeakageError: If a label was known before its window ended: its date is wrong, or it looks back.
    """
    import pandas as pd

    time = grain.time
    expected = {*grain.primary_key, *labels, "label_known_at"}
    if set(frame.columns) != expected:
        raise LabelError(
            what=f"columns are {sorted(frame.columns)}, expected exactly {sorted(expected)}",
            where=f"labels of {model}",
            fix="return keys, time, label and label_known_at, and nothing else",
        )
    twice = int(frame.duplicated(list(grain.primary_key)).sum())
    if twice:
        raise LabelError(
            what=f"{twice} rows repeat a (keys, {time})",
            where=f"labels of {model}",
            fix="return one row per entity and time",
        )
    at = pd.to_datetime(frame[time], utc=True)
    if grain.time_type == "date":
        at = at + pd.Timedelta(days=1)
    early = frame["label_known_at"] < at + horizon
    if early.any():
        raise LeakageError(
            what=f"{int(early.sum())} of {len(frame)} labels were known before their window ended",
            where=f"column {time} of the labels of {model}",
            fix=f"label_known_at must be at least {time} + {horizon}; is {time} the day the features describe?",
        )


def check_features(
    frame: pd.DataFrame,
    *,
    features: Sequence[str],
    label: str,
    task: Task,
    entity: np.ndarray,
    model: str,
    persists: Callable[[str, bool], bool] = lambda _name, _exactly: False,
) -> None:
    """Check that no single feature gives the label away.

    Args:
        frame: Rows with a settled label.
        features: Numeric feature columns.
        label: Label column.
        task: What kind of model it is.
        entity: Code of each row's entity.
        model: For messages.
        persists: Whether a feature, by name, was as true of the window just ended (and whether to the digit): a counter
            that grows, or a setting that rarely changes, goes with its own future and is no leak.

    Raises:
        LeakageError: Naming the first feature that equals the label, or predicts it alone at 0.999.
    """
    truth = frame[label].to_numpy(float)
    if len(truth) < ENOUGH_ROWS or len(set(truth)) < 2:  # noqa: PLR2004 - two classes, or nothing to tell
        return
    values = {name: frame[name].to_numpy(float) for name in features}
    # A copy is named before what only happens to go with it.
    found = {name: _equal(column, truth) for name, column in values.items()}
    exactly = any(found.values())
    if not exactly:
        found = {
            name: _predicts_value(column, truth, entity)
            if task is Task.REGRESSION
            else _predicts_class(column, truth, entity)
            for name, column in values.items()
        }
    for name, why in found.items():
        if why and not persists(name, exactly):
            raise LeakageError(
                what=f"the feature {why}",
                where=f"column {name} of {model}",
                fix="compute it from events up to the row's day only",
            )


def _equal(values: np.ndarray, truth: np.ndarray) -> str:
    import numpy as np

    both = np.isfinite(values)
    if both.sum() < ENOUGH_ROWS or np.ptp(truth[both]) == 0:
        return ""
    share = float(np.isclose(values[both], truth[both], rtol=1e-9, atol=0).mean())
    # A label that hardly varies is often equal to a feature by chance; it must also agree where it is rare.
    rare = truth[both] != np.median(truth[both])
    agree = float(np.isclose(values[both][rare], truth[both][rare], rtol=1e-9, atol=0).mean()) if rare.any() else 0.0
    return f"equals the label in {share:.1%} of rows" if min(share, agree) >= TOO_GOOD else ""


def _predicts_class(values: np.ndarray, truth: np.ndarray, entity: np.ndarray) -> str:
    import numpy as np
    from sklearn.metrics import roc_auc_score

    both = np.isfinite(values)
    codes = sorted(set(truth))
    for code in codes[1:] if len(codes) == 2 else codes:  # noqa: PLR2004 - of two classes one mirrors the other
        is_class = truth[both] == code
        if min(is_class.sum(), (~is_class).sum()) < 10:  # noqa: PLR2004 - too few to tell chance from knowledge
            continue
        own = set(entity[both][is_class])
        if len(own) < FEW_ENTITIES and own.isdisjoint(entity[both][~is_class]):
            continue  # a class of few entities that have no other: any of their levels sets them apart
        area = float(roc_auc_score(is_class, values[both]))
        if max(area, 1 - area) >= TOO_GOOD:
            return f"alone separates class {code:g} with ROC AUC {max(area, 1 - area):.4f}"
    return ""


def _predicts_value(values: np.ndarray, truth: np.ndarray, entity: np.ndarray) -> str:
    """Correlation within entities: levels that differ between entities are no leak, tracking each move is."""
    import numpy as np
    from scipy.stats import rankdata

    both = np.isfinite(values)
    if both.sum() < ENOUGH_ROWS:
        return ""
    if len(np.unique(entity[both])) == both.sum():  # one row each: there is no "within"
        entity = np.zeros_like(entity)
    # Ranks too, so that a logarithm of the label is recognised as the label.
    r = max(
        _inner_correlation(values[both], truth[both], entity[both]),
        _inner_correlation(rankdata(values[both]), rankdata(truth[both]), entity[both]),
    )
    return f"follows the label within entities with correlation {r:.4f}" if r >= TOO_GOOD else ""


def _inner_correlation(one: np.ndarray, two: np.ndarray, entity: np.ndarray) -> float:
    """Absolute correlation of what is left of two columns when each entity's mean is taken off."""
    import numpy as np

    rows = np.maximum(np.bincount(entity), 1)
    inner = [column - (np.bincount(entity, weights=column) / rows)[entity] for column in (one, two)]
    spread = [float(np.std(part)) for part in inner]
    scale = [float(np.abs(column).max()) for column in (one, two)]
    if any(moves <= 1e-12 * size for moves, size in zip(spread, scale, strict=True)):  # only rounding moves it
        return 0.0
    return abs(float(np.mean(inner[0] * inner[1])) / (spread[0] * spread[1]))

"""What a model must beat besides its declared baseline: plain rules, and the baseline on either kind of rows.

A baseline may be a straw man: badly chosen, or silent on many rows. So the best of a fixed set of rules that need no
learning is found on the training rows, for every model; and rows that the baseline answers itself are judged apart from
those where it says what it says otherwise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from framework.declare.model import Task
from framework.training.data import EVENT
from framework.training.evaluate import Rival, evaluate, primary_metric

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    import pandas as pd

    from framework.training.data import Judged, TrainingData

WINDOW = 28
"""Known labels of an entity that a trailing mean or median takes."""
PRIOR_ROWS = 5.0
"""Rows at which an entity's own mean and that of all weigh the same."""
MIN_ROWS, MIN_DAYS = 100, 5
"""Rows and days below which a part of the rows is not judged apart."""
MIN_EVENTS = 10
"""Rows of each class that such a part must hold besides."""
ALL_INPUTS = "the largest distance of all inputs from their usual"
WITH, WITHOUT = "its baseline, where that knows", "its baseline, where that is silent"


def rivals(data: TrainingData, judged: Judged | None, task: Task) -> tuple[Rival, ...]:
    """Judge a model's held-back answers beside its rivals'.

    Args:
        data: The rows, split as the first fit saw them.
        judged: The held-back answers of its rolling origins; ``None`` where nothing is known of them.
        task: What kind of model it is.

    Returns:
        The best plain rule, if rows can tell; and, where the baseline is silent on some rows, both kinds of them.
    """
    if judged is None or not len(judged.truth):
        return ()
    found = []
    rule = best_rule(data, task)
    if rule is not None:
        name, answers = rule
        found.append(_compared(name, judged, answers[judged.rows], task, data.seed))
    if not judged.answered.all():
        for name, rows in ((WITH, judged.answered), (WITHOUT, ~judged.answered)):
            part = judged.only(rows)
            if _can_tell(part, task):
                found.append(_compared(name, part, part.baseline, task, data.seed))
    return tuple(one for one in found if one is not None)


def _can_tell(part: Judged, task: Task) -> bool:
    import numpy as np

    if len(part.truth) < MIN_ROWS or part.day.nunique() < MIN_DAYS:
        return False
    if task is Task.REGRESSION:
        return True
    return int(np.unique(part.truth, return_counts=True)[1].min()) >= MIN_EVENTS


def _compared(name: str, judged: Judged, rival: np.ndarray, task: Task, seed: int) -> Rival | None:
    import numpy as np

    if rival.ndim > 1 and rival.shape[1] < judged.answer.shape[1]:
        rival = np.pad(rival, ((0, 0), (0, judged.answer.shape[1] - rival.shape[1])))
    found = evaluate(task, judged.truth, judged.answer, rival, judged.day, seed=seed, primary_only=True)
    if found is None:
        return None
    return Rival(
        name=name,
        plain=name not in (WITH, WITHOUT),
        metric=found.primary,
        value=found.model[found.primary],
        rival=found.baseline[found.primary],
        skill=found.skill,
        skill_low=found.skill_low,
        rows=found.rows,
    )


def best_rule(data: TrainingData, task: Task) -> tuple[str, np.ndarray] | None:
    """Return the plain rule that does best on the later half of the training days, with its answers to all rows.

    What a rule knows of a row are labels that were known at the end of the row's day, and constants of the rows before.

    Args:
        data: The rows and their split.
        task: What kind of model it is.

    Returns:
        Its name and answers ``(rows,)`` or ``(rows, classes|labels)``; ``None`` where no rule can be judged.
    """
    import numpy as np

    fitted = data.split.train
    if task is Task.ANOMALY:
        from framework.training.served_model import distance

        rule = input_rule(data)
        return None if rule is None else (rule["name"], distance(data.frame, rule))
    days = data.frame["_day"].to_numpy()[fitted]
    middle = np.unique(days)[len(np.unique(days)) // 2]
    early, late = fitted[days < middle], fitted[days >= middle]
    truth = _truth(data, task)
    wide = _columns(data, task)
    history = list(_histories(data, wide, regression=task is Task.REGRESSION))
    tried = {name: answers[late] for name, answers in _rules(data, wide, history, early, task)}
    scores = {name: primary_metric(task, truth[late], answers) for name, answers in tried.items()}
    known = {name: score for name, score in scores.items() if np.isfinite(score)}
    if not known:
        return None
    pick = min if task is Task.REGRESSION else max
    best = pick(known, key=known.__getitem__)
    return best, dict(_rules(data, wide, history, fitted, task))[best]


def _truth(data: TrainingData, task: Task) -> np.ndarray:
    labels: np.ndarray = data.frame[list(data.spec.labels)].to_numpy()
    return labels if task is Task.MULTILABEL else labels[:, 0]


def _columns(data: TrainingData, task: Task) -> np.ndarray:
    """Return labels as numbers, a column per class or label: ``(rows, 1 | classes | labels)``."""
    import numpy as np

    labels: np.ndarray = data.frame[list(data.spec.labels)].to_numpy(dtype=float)
    one_hot: np.ndarray = (labels == np.arange(max(1, len(data.classes)))).astype(float)
    return one_hot if task is Task.MULTICLASS else labels


def _rules(
    data: TrainingData, wide: np.ndarray, history: list[tuple[str, np.ndarray]], seen: np.ndarray, task: Task
) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the rules with their answers to all rows; where a rule knows nothing, the constant answers."""
    import numpy as np

    constant, by_entity = _constants(data, wide, seen, regression=task is Task.REGRESSION)
    flat = task in (Task.REGRESSION, Task.BINARY)
    every = [*history, ("the entity's own constant", by_entity)]
    for name, answers in every:
        filled = np.where(np.isnan(answers), constant, answers)
        yield name, filled[:, 0] if flat else filled
    whole = np.broadcast_to(constant, wide.shape)
    yield "a constant", whole[:, 0] if flat else whole


def _constants(
    data: TrainingData, wide: np.ndarray, seen: np.ndarray, *, regression: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Return the middle of all seen labels ``(columns,)``, and each row's entity's own ``(rows, columns)``.

    The median for numbers; for classes the mean, shrunk to that of all, since an entity has few events.
    """
    import numpy as np
    import pandas as pd

    rows = pd.DataFrame(wide[seen])
    grouped = rows.groupby(data.entity[seen])
    if regression:
        constant, own = rows.median().to_numpy(dtype=float), grouped.median()
    else:
        constant = rows.mean().to_numpy(dtype=float)
        own = grouped.sum().add(PRIOR_ROWS * constant, axis=1).div(grouped.size() + PRIOR_ROWS, axis=0)
    return constant, np.asarray(own.reindex(data.entity).to_numpy(dtype=float))


def _histories(data: TrainingData, wide: np.ndarray, *, regression: bool) -> Iterator[tuple[str, np.ndarray]]:
    """Yield rules by an entity's labels that were known when the row was asked; NaN where none was."""
    import numpy as np
    import pandas as pd

    names = [f"v{at}" for at in range(wide.shape[1])]
    known_at = data.frame["label_known_at"].dt.tz_localize(None).to_numpy()
    day = data.frame["_day"]
    told = pd.DataFrame(wide, columns=names).assign(
        entity=data.entity, weekday=data.entity * 7 + day.dt.dayofweek.to_numpy(), at=known_at, day=day.to_numpy()
    )
    told = told[~np.isnat(known_at)].sort_values(["at", "day"], kind="stable", ignore_index=True)
    if told.empty:
        return
    timed = data.grain.time_type != "date"
    asked = pd.to_datetime(data.frame[data.grain.time], utc=True).dt.tz_localize(None) if timed else day
    rows = pd.DataFrame(
        {
            "entity": data.entity,
            "weekday": data.entity * 7 + day.dt.dayofweek.to_numpy(),
            "at": (asked if timed else asked + pd.Timedelta(days=1)).to_numpy(),
            "row": np.arange(len(day)),
        }
    ).sort_values("at", kind="stable")
    grouped = told.groupby("entity")[names].rolling(WINDOW, min_periods=1)
    yield "the last known label", _as_of(rows, told, names, "entity")
    yield "that of the same weekday", _as_of(rows, told, names, "weekday")
    made = {f"the mean of the last {WINDOW} known labels": grouped.mean()}
    if regression:
        made[f"the median of the last {WINDOW} known labels"] = grouped.median()
    for name, values in made.items():
        trailing = told.assign(**values.droplevel(0).sort_index()[names])
        yield name, _as_of(rows, trailing, names, "entity")


def _as_of(rows: pd.DataFrame, told: pd.DataFrame, names: list[str], by: str) -> np.ndarray:
    """Return per row the newest values that were told before it was asked; ``(rows, columns)``, NaN for none."""
    import pandas as pd

    units = rows.assign(at=rows["at"].astype("datetime64[us]"))
    found = pd.merge_asof(units, told[[by, "at", *names]].astype({"at": "datetime64[us]"}), on="at", by=by)
    ordered: np.ndarray = found.sort_values("row")[names].to_numpy(dtype=float)
    return ordered


def input_rule(data: TrainingData) -> dict[str, Any] | None:
    """Return the single input, or all of them, whose distance from its usual ranks the known events best.

    Args:
        data: The rows of a detector and their split.

    Returns:
        ``name``, ``columns``, and their ``middle`` and ``spread`` on the training rows; ``None`` without any number.
    """
    import numpy as np

    from framework.training.served_model import distance

    names = list(data.numeric)
    if not names:
        return None
    fitted = data.part("train")
    seen = fitted[names].to_numpy(dtype=float)
    low, middle, high = (_quantile(seen, q) for q in (0.05, 0.5, 0.95))
    facts = {n: (float(m), float(max(h - lo, 1e-9))) for n, lo, m, h in zip(names, low, middle, high, strict=True)}
    tried = {ALL_INPUTS: names} | {f"the distance of {name} from its usual": [name] for name in names}
    rules: dict[str, dict[str, Any]] = {
        name: {
            "name": name,
            "columns": columns,
            "middle": [facts[c][0] for c in columns],
            "spread": [facts[c][1] for c in columns],
        }
        for name, columns in tried.items()
    }
    truth = data.frame[EVENT].to_numpy(dtype=float) if EVENT in data.frame else np.full(len(data.frame), np.nan)
    happened = truth[data.split.train]
    known = ~np.isnan(happened)
    scores = {n: primary_metric(Task.ANOMALY, happened[known], distance(fitted, r)[known]) for n, r in rules.items()}
    return rules[max(scores, key=scores.__getitem__)] if np.isfinite(list(scores.values())).all() else rules[ALL_INPUTS]


def _quantile(values: np.ndarray, q: float) -> np.ndarray:
    """Return a quantile per column; 0 for a column without values."""
    import numpy as np

    empty = np.isnan(values).all(axis=0)
    found: np.ndarray = np.nanquantile(np.where(empty, 0.0, values), q, axis=0)
    return found

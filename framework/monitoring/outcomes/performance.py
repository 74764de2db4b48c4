"""Performance: how a version did on what has come true, over a trailing window, beside what training promised."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from framework.base.clock import midnight
from framework.declare.model import Task
from framework.tables.declared import OUTCOMES, PERFORMANCE
from framework.tables.verdicts import precision_by_verdict

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    import numpy as np
    import pandas as pd

    from framework.gold.runtime import Runtime
    from framework.training.evaluate import Evaluation

WINDOW = timedelta(days=28)
BELOW_PROMISE = 0.05
MIN_DAYS = 7
"""Days of outcomes below which a skill says nothing about a promise."""
MIN_EVENTS = 5
"""Events below which a skill has no interval; three of them moved it from 0 to 0.8 with the next."""


def measure(runtime: Runtime, model: str, as_of: date) -> list[dict[str, Any]]:
    """Judge each version by the outcomes that were known at the end of a day, and write its row.

    The window holds the newest 28 days of predictions that have outcomes at all.

    Args:
        runtime: The runtime.
        model: The model.
        as_of: Newest day that may be known.

    Returns:
        One row per version, as written.
    """
    trainer = runtime.plugins.trainers[model].item
    rows = _known(runtime, model, as_of)
    if rows.empty:
        return []
    promised = {int(v.version): v for v in runtime.registry.versions(model)}
    precision = precision_by_verdict(runtime, model)
    found = []
    for version in sorted(rows["model_version"].unique()):
        own = rows[rows["model_version"] == version]
        tags = promised[int(version)].tags if int(version) in promised else {}
        found.append(
            {"model_name": model, "model_version": int(version), "as_of_date": as_of}
            | _judged(own, trainer.task, trainer.spec.horizon, runtime.settings.seed)
            | _promise(tags)
            | {"precision_by_verdict": precision}
        )
    PERFORMANCE.merge(runtime, found)
    return found


def below_promise(row: Mapping[str, Any]) -> str:
    """Say how far a version's skill lies under what its training promised; nothing where it does not, surely.

    Both are estimates, and the version was chosen for the better one: what counts is that their intervals lie apart.

    Args:
        row: A row of ``model_performance``, or an empty one.
    """
    skill, promised = row.get("skill"), row.get("promised_skill")
    if skill is None or promised is None or row["window_days"] < MIN_DAYS or skill >= promised - BELOW_PROMISE:
        return ""
    high, least = row["skill_high"], row["promised_low"]
    if high is None or not high < (promised if least is None else least):
        return ""
    return (
        f"skill {skill:+.3f} on {row['rows']} predictions of {row['first_day']} to {row['last_day']}, "
        f"promised were {promised:+.3f}"
    )


def worse_than_baseline(row: Mapping[str, Any]) -> str:
    """Say how far a version does worse than the rule it was to beat; nothing where it does not, surely.

    Args:
        row: A row of ``model_performance``, or an empty one.
    """
    high = row.get("skill_high")
    if high is None or row["window_days"] < MIN_DAYS or not high < 0:
        return ""
    return (
        f"skill {row['skill']:+.3f} against its baseline from {row['first_day']} to {row['last_day']}, surely below 0"
    )


def _known(runtime: Runtime, model: str, as_of: date) -> pd.DataFrame:
    """Return the outcomes of the newest window that were known at the end of a day."""
    horizon = runtime.plugins.trainers[model].item.spec.horizon
    end = midnight(as_of + timedelta(days=1))
    where = [("model_name", "=", model), ("as_of_date", ">", as_of - horizon - 2 * WINDOW), ("known_at", "<=", end)]
    rows: pd.DataFrame = OUTCOMES.read(runtime, where).to_pandas()
    if rows.empty:
        return rows
    newest: date = rows["as_of_date"].max()
    recent: pd.DataFrame = rows[rows["as_of_date"] > newest - WINDOW]
    return recent


def _judged(rows: pd.DataFrame, task: Task, horizon: timedelta, seed: int) -> dict[str, Any]:
    """Return window and figures of one version's outcomes."""
    import pandas as pd

    truth, answer, baseline, day = arrays(rows, task)
    first, last = rows["as_of_date"].min(), rows["as_of_date"].max()
    found = {"window_days": int(pd.Series(day).nunique()), "first_day": first, "last_day": last, "rows": len(truth)}
    judged = _evaluated(task, truth, answer, baseline, pd.Series(day), seed)
    if judged is not None:
        few = task in (Task.BINARY, Task.ANOMALY) and int(truth.sum()) < MIN_EVENTS
        found |= judged.figures() | _interval(judged, horizon, found["window_days"], few=few)
    return found | (_coverage(rows) if task is Task.REGRESSION else _calibration(rows, task))


def _interval(judged: Evaluation, horizon: timedelta, days: int, *, few: bool) -> dict[str, float | None]:
    """Return the interval of skill, widened: labels of several days overlap, so a week of them may be one of its kind.

    The mean of values that are each a sum over ``h`` days varies ``h`` times as much as that of independent ones. Of a
    few events there is no interval: where the model ranks them as the baseline does, it would have no width at all.
    """
    if few:
        return {"skill_low": None, "skill_high": None}
    wider = max(1.0, min(horizon / timedelta(days=1), days)) ** 0.5
    return {
        "skill_low": judged.skill - wider * (judged.skill - judged.skill_low),
        "skill_high": min(judged.skill + wider * (judged.skill_high - judged.skill), 1.0),  # nothing is better
    }


def _evaluated(
    task: Task, truth: np.ndarray, answer: np.ndarray, baseline: np.ndarray, day: pd.Series, seed: int
) -> Evaluation | None:
    from framework.training.evaluate import evaluate

    return evaluate(task, truth, answer, baseline, day, seed=seed, primary_only=True)


def arrays(rows: pd.DataFrame, task: Task) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return truth, answer and baseline of outcomes in the shapes that the evaluation takes, and each row's day.

    Args:
        rows: Rows of ``model_outcomes`` of one version.
        task: What kind of model it is.
    """
    import numpy as np

    keys = ["entity", "as_of_date"]
    if task not in (Task.MULTICLASS, Task.MULTILABEL):
        return (
            rows["outcome"].to_numpy(float if task is Task.REGRESSION else int),
            rows["prediction"].to_numpy(float),
            rows["baseline"].to_numpy(float),
            rows["as_of_date"].to_numpy("datetime64[ns]"),
        )
    wide = rows.pivot_table(index=keys, columns="label_name", values=["outcome", "prediction", "baseline"], sort=True)
    truth: np.ndarray = wide["outcome"].to_numpy(float)
    answer, baseline = wide["prediction"].to_numpy(float), wide["baseline"].to_numpy(float)
    day = wide.index.get_level_values("as_of_date").to_numpy("datetime64[ns]")
    if task is Task.MULTILABEL:
        return truth.astype(int), answer, baseline, day
    # A class that the version does not know has no column: no answer of it was right.
    code: np.ndarray = np.where(truth.sum(axis=1) > 0, truth.argmax(axis=1), len(truth[0]) if len(truth) else 0)
    return code, answer, baseline, day


def _coverage(rows: pd.DataFrame) -> dict[str, Any]:
    """Return the share of outcomes within the interval that was forecast."""
    both = rows.dropna(subset=["prediction_p10", "prediction_p90"])
    if both.empty:
        return {}
    inside = (both["outcome"] >= both["prediction_p10"]) & (both["outcome"] <= both["prediction_p90"])
    return {"coverage": float(inside.mean())}


def _calibration(rows: pd.DataFrame, task: Task) -> dict[str, Any]:
    """Return the calibration error, and mean forecast, observed rate and rows per tenth."""
    from framework.training.evaluate import expected_calibration_error, tenths

    if task is Task.ANOMALY:  # a score is no probability
        return {}
    chance, truth = rows["prediction"].to_numpy(float), rows["outcome"].to_numpy(float)
    each = [[round(float(s), 4), round(float(o), 4), int(n)] for s, o, n in zip(*tenths(truth, chance), strict=True)]
    return {"calibration_error": expected_calibration_error(truth, chance), "calibration": json.dumps(each)}


def _promise(tags: Mapping[str, str]) -> dict[str, Any]:
    """Return what the version's training promised: the figures of the rolling origins, else of the days held back."""
    figures = json.loads(tags.get("gate", "{}"))
    return {
        "promised": figures.get("value"),
        "promised_skill": figures.get("skill"),
        "promised_low": figures.get("skill_low"),
    }

"""The parts of a reference that stand on a model's answers and labels: predictions, anomaly rate, labels."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from framework.declare.model import Task
from framework.monitoring.drift.columns import Column
from framework.monitoring.drift.counting import column_values, count_columns, days_of, sketch_column
from framework.monitoring.drift.population import MAX_ROWS, between, names_keys, scored_where
from framework.monitoring.drift.weeks import WINDOW_DAYS, Weeks
from framework.stores.frames import share_out
from framework.training.assemble import lookups
from framework.training.sample import at_most

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pandas as pd
    import pyarrow as pa

    from framework.gold.runtime import Runtime
    from framework.monitoring.drift.histogram import Counted
    from framework.scoring.scorer import BatchScorer
    from framework.training.base import ModelTrainer
    from framework.training.data import Fitted, TrainingData

PREDICTION = "prediction"
FLAG = "is_anomaly"


def predictions_of(
    trainer: ModelTrainer, runtime: Runtime, data: TrainingData, fitted: Fitted, scorer: BatchScorer
) -> tuple[dict[str, Any], dict[str, float]]:
    """Return the reference of the predictions, and that of the anomaly rate.

    Args:
        trainer: The trainer.
        runtime: The runtime.
        data: The rows that it was fitted and judged on.
        fitted: The model.
        scorer: Who scores it.

    Returns:
        By output name, and ``rate``, ``low`` and ``high`` of the daily rates. Both are empty where nothing comparable
        is known: without held-back rows, or if the scorer names its own keys day by day.
    """
    if names_keys(scorer):
        return {}, {}
    answered = held_back_predictions(trainer, runtime, data, fitted, scorer)
    if answered is None:
        return {}, {}
    grain = data.grain
    # All of these days are held back, so a week is compared with the others, and not with itself.
    weeks = Weeks.of(answered, grain.keys, grain.time, data.split.test_end)
    outputs = {PREDICTION: _codes(trainer.task, data)} | (
        dict.fromkeys(data.spec.labels, None) if trainer.task is Task.MULTILABEL else {}
    )
    columns = [
        Column(
            key=name,
            column=name,
            sketch=sketch_column(answered, name, "double", weeks.training_entities, points),
        )
        for name, points in outputs.items()
    ]
    counted = count_columns(answered, columns, keys=grain.keys, day=grain.time)
    found = {
        one.key: {
            "entry": one.key if one.key != PREDICTION else None,
            "sketch": dataclasses.asdict(one.sketch),
            # A new version has answered for a day or two only, which may be a weekend: so for windows of any length.
            "usual": [
                dataclasses.asdict(weeks.usual(one.sketch, counted[one.key], width))
                for width in range(1, WINDOW_DAYS + 1)
            ],
            **spread(counted[one.key], measure(trainer.task, counted[one.key])),
        }
        for one in columns
    }
    return found, _band(answered, grain.time) if trainer.task is Task.ANOMALY else {}


def held_back_predictions(
    trainer: ModelTrainer, runtime: Runtime, data: TrainingData, fitted: Fitted, scorer: BatchScorer
) -> pa.Table | None:
    """Return what the served model answers on the held-back days for the rows that would have been scored.

    Returns:
        Keys, time and the outputs as the prediction table holds them, or ``None`` if there are no rows.
    """
    import pyarrow as pa

    from framework.training.served_model import ServedModel

    grain, split = data.grain, data.split
    days = between(grain, split.train_end + timedelta(days=1), split.test_end)
    keys = runtime.tables.frame(
        runtime.feature_table(grain.name),
        columns=list(grain.primary_key),
        where=[*days, *scored_where(data.spec, scorer)],
    )
    rows = runtime.store.create_training_set(
        df=at_most(keys, MAX_ROWS, grain.keys),
        feature_lookups=lookups(data.spec, runtime, grain, only=data.inputs),
        label=None,
    ).to_pandas()
    if rows.empty:
        return None
    model = ServedModel()
    model.estimators, model.served = fitted.estimators, fitted.served
    answers = model.predict(None, _typed(rows, data))
    found = rows[list(grain.primary_key)].assign(prediction=answers[PREDICTION].to_numpy(float))
    if trainer.task is Task.MULTILABEL:
        found = found.assign(**{n: answers[f"probability_{at}"] for at, n in enumerate(data.spec.labels)})
    if trainer.task is Task.ANOMALY:
        found = found.assign(**{FLAG: answers[FLAG].to_numpy(float)})
    table = runtime.collect(found)
    if data.spec.shares_of:
        shared = share_out(table, by=[*data.spec.shares_of, grain.time], columns=[PREDICTION])
        table = pa.table(shared)
    return table


def _typed(rows: pd.DataFrame, data: TrainingData) -> pd.DataFrame:
    """Return inputs with the types that the fit saw: numbers as floats, text without NULL."""
    numeric = set(data.numeric)
    return rows.assign(**{n: rows[n].astype("float64") if n in numeric else rows[n].fillna("") for n in data.inputs})


def _codes(task: Task, data: TrainingData) -> Sequence[float] | None:
    """Return the few values that a prediction can take, or ``None`` if it is any number."""
    if task is Task.MULTICLASS:
        return [float(code) for code in range(len(data.classes))]
    if task is Task.MULTILABEL:
        return [float(count) for count in range(len(data.spec.labels) + 1)]
    return None


def measure(task: Task, counted: Counted) -> int | None:
    """Return the bucket whose daily share is followed, where a mean of codes means nothing: the commonest class."""
    return int(counted.counts.argmax()) if task is Task.MULTICLASS and counted.filled else None


def daily_means(counted: Counted, bucket: int | None) -> dict[Any, tuple[float, int]]:
    """Return by day the mean value, or the share of one bucket, and the rows that it rests on."""
    found = {}
    for day, (counts, _, total) in sorted(counted.daily.items()):
        if rows := int(counts.sum()):
            found[day] = ((total if bucket is None else float(counts[bucket])) / rows, rows)
    return found


def spread(counted: Counted, bucket: int | None) -> dict[str, Any]:
    """Return the mean of the daily means, and the spread of the means of one day, two days, up to a week."""
    import numpy as np

    means = np.array([mean for mean, _ in daily_means(counted, bucket).values()])
    found: list[float | None] = []
    for width in range(1, WINDOW_DAYS + 1):
        windows = np.convolve(means, np.full(width, 1 / width), mode="valid") if len(means) >= width else means[:0]
        found.append(float(windows.std(ddof=1)) if len(windows) > 1 else None)
    return {"bucket": bucket, "mean": float(means.mean()) if len(means) else None, "sd": found, "days": len(means)}


def _band(answered: pa.Table, time: str) -> dict[str, float]:
    """Return the rate of flagged rows, and the 5 % and 95 % quantile of the daily rates."""
    import numpy as np

    flags: np.ndarray = column_values(answered[FLAG], "number")
    codes = days_of(answered[time]).combine_chunks().dictionary_encode().indices.to_numpy(zero_copy_only=False)
    daily = np.bincount(codes, weights=flags) / np.bincount(codes)
    low, high = np.quantile(daily, [0.05, 0.95])
    return {"rate": float(flags.mean()), "low": float(low), "high": float(high), "rows": float(len(flags))}


def labels_of(data: TrainingData) -> dict[str, Any]:
    """Return by label (or class) the sketch of the training rows, and what is usual in the weeks after."""
    import pandas as pd
    import pyarrow as pa

    part = pd.concat([data.part(name) for name in ("train", "calibrate", "test")])
    entity = data.entity[[*data.split.train, *data.split.calibrate, *data.split.test]]
    values = _label_columns(data, part)
    rows = pa.table({"entity": entity, "day": pa.array(part["_day"].dt.date, pa.date32()), **values})
    weeks = Weeks.of(rows, ["entity"], "day", data.split.train_end)
    training = rows.filter(weeks.training)
    binary = all(set(v[~pd.isna(v)]) <= {0.0, 1.0} for v in values.values()) and data.spec.labels != ()
    points = [0.0, 1.0] if binary else None
    columns = [
        Column(key=n, column=n, sketch=sketch_column(training, n, "double", weeks.training_entities, points))
        for n in values
    ]
    counted = count_columns(rows.filter(weeks.held_back), columns, keys=["entity"], day="day")
    return {
        one.key: {
            "sketch": dataclasses.asdict(one.sketch),
            "usual": dataclasses.asdict(weeks.usual(one.sketch, counted[one.key])),
        }
        for one in columns
    }


def _label_columns(data: TrainingData, part: pd.DataFrame) -> dict[str, np.ndarray]:
    """Return labels as the outcomes hold them: the value, or 0/1 per label or class."""
    if not data.classes:
        return {name: part[name].to_numpy(float) for name in data.spec.labels}
    code = part[data.spec.labels[0]].to_numpy(float)
    return {name: (code == at).astype(float) for at, name in enumerate(data.classes)}

"""What a version saw: the artefact ``reference.json`` of its training run, which drift is measured against.

Like is compared with like. Labelled rows are not the population that is scored, so the features' sketches are made
of the feature tables' rows of the training days which the scorer would have scored, and the predictions' of what the
served model answers for the held-back days. Telemetry moves by itself: how far the held-back weeks lie from the
training days is what later weeks are allowed.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import math
from typing import TYPE_CHECKING, Any

from framework.declare.model import Task
from framework.monitoring.drift.columns import Column
from framework.monitoring.drift.counting import count_columns, sketch_column
from framework.monitoring.drift.population import MAX_ROWS, between, scored_where
from framework.monitoring.drift.predictions import labels_of, predictions_of
from framework.monitoring.drift.weeks import WINDOW_DAYS, Weeks
from framework.scoring.scorer import scorer_of
from framework.training.assemble import is_built
from framework.training.sample import at_most

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    import pyarrow as pa

    from framework.core.versions import Served
    from framework.declare.model import TableSpec
    from framework.gold.runtime import Runtime
    from framework.scoring.scorer import BatchScorer
    from framework.training.base import ModelTrainer
    from framework.training.data import Fitted, TrainingData

FILE = "reference.json"


def log_reference(trainer: ModelTrainer, runtime: Runtime, data: TrainingData, fitted: Fitted) -> None:
    """Log the reference in the active run."""
    import mlflow

    found = _plain(reference_of(trainer, runtime, data, fitted))
    mlflow.log_text(json.dumps(found, allow_nan=False), FILE)  # log_dict would put each figure on a line of its own


def _plain(value: Any) -> Any:
    """Return a value without NaN and infinity, which JSON does not know."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def reference_of(trainer: ModelTrainer, runtime: Runtime, data: TrainingData, fitted: Fitted) -> dict[str, Any]:
    """Return what later days of a version are compared with, JSON types only.

    Args:
        trainer: The trainer.
        runtime: The runtime.
        data: The rows that it was fitted and judged on.
        fitted: The model.

    Returns:
        ``span``, ``features``, ``predictions``, ``labels`` and ``anomaly`` (each name with its sketch and with what
        is usual).
    """
    first = data.part("train")["_day"].min().date()
    split = data.split
    scorer = scorer_of(runtime.plugins, trainer.spec.name)
    predictions, anomaly = predictions_of(trainer, runtime, data, fitted, scorer)
    span = {"train_start": first, "train_end": split.train_end, "test_end": split.test_end}
    return {
        "span": {name: day.isoformat() for name, day in span.items()},
        "window_days": WINDOW_DAYS,
        "features": _features(trainer, runtime, data, scorer, first),
        "predictions": predictions,
        "anomaly": anomaly,
        "labels": labels_of(data) if trainer.task is not Task.ANOMALY else {},
    }


def load_reference(served: Served) -> dict[str, Any] | None:
    """Return a version's reference, read once per process; ``None`` if its training left none."""
    return _load(served.training_run_id)


@functools.lru_cache(maxsize=128)
def _load(run_id: str) -> dict[str, Any] | None:
    import mlflow

    if not any(found.path == FILE for found in mlflow.MlflowClient().list_artifacts(run_id)):
        return None
    stored: dict[str, Any] = mlflow.artifacts.load_dict(f"runs:/{run_id}/{FILE}")
    return stored


def _features(
    trainer: ModelTrainer, runtime: Runtime, data: TrainingData, scorer: BatchScorer, first: date
) -> dict[str, Any]:
    """Return the reference of each input, table by table."""
    found: dict[str, Any] = {}
    for lookup in trainer.spec.lookups:
        table = runtime.plugins.table(lookup.table)
        wanted = lookup.columns or [feature.name for feature in table.features]
        names = [name for name in wanted if name in data.inputs and not table.feature(name).calendar]
        if not names or not is_built(table.name, runtime):
            continue
        where = scored_where(trainer.spec, scorer) if table.name == data.grain.name else ()
        rows = runtime.tables.frame(
            runtime.feature_table(table.name),
            columns=list(dict.fromkeys([*table.primary_key, *names])),
            where=[*between(table, first, data.split.test_end), *where],
        )
        content = runtime.collect(at_most(rows, MAX_ROWS, table.keys))
        kinds = {name: table.feature(name).type for name in names}
        for name, entry in sketch_columns(content, kinds, table, data.split.train_end).items():
            found[name] = {"table": table.name, "where": [list(w) for w in where], **entry}
    return found


def sketch_columns(rows: pa.Table, kinds: Mapping[str, str], table: TableSpec, train_end: date) -> dict[str, Any]:
    """Return the sketch of each column over the training days, and what is usual for it in the weeks after.

    Args:
        rows: A feature table's rows of the training days and the held-back ones.
        kinds: Type by column.
        table: Declaration of the table: its keys and time.
        train_end: Last training day.
    """
    weeks = Weeks.of(rows, table.keys, table.time, train_end)
    training = rows.filter(weeks.training)
    columns = [
        Column(key=name, column=name, sketch=sketch_column(training, name, kind, weeks.training_entities))
        for name, kind in kinds.items()
    ]
    counted = count_columns(rows.filter(weeks.held_back), columns, keys=table.keys, day=table.time)
    return {
        one.key: {
            "sketch": dataclasses.asdict(one.sketch),
            "usual": dataclasses.asdict(weeks.usual(one.sketch, counted[one.key])),
        }
        for one in columns
    }

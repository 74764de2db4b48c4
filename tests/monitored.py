"""The small home of the audit's tests, with two more models, and days after its training that go another way."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd
import pyarrow as pa

from framework.base.clock import midnight
from framework.declare.model import ModelSpec, Task
from framework.tables.declared import OUTCOMES
from framework.tables.table import entity_of
from framework.training import ClassificationTrainer
from tests.audit.home import (
    AS_OF,
    DAYS,
    MODELS,
    TABLE,
    build_table,
    declared,
    open_home,
    scorer_of,
    toy_rows,
    without_spark,
)

if TYPE_CHECKING:
    from pathlib import Path

    from framework.gold.runtime import Runtime

EVERY = (*MODELS, "job_sizes", "job_troubles")
KEYS = ["workspace_id", "job_id"]
QUIET, LOUD = 7, 7
"""Days after the training as before, and days after those with another load."""
LAST = AS_OF + timedelta(days=QUIET + LOUD)


class Coded:
    """Labels that follow the load, with noise; no Spark."""

    def labels(self, gold, as_of):
        raise AssertionError("made_labels answers")

    def made_labels(self, runtime, as_of, grain):
        rows = runtime.tables.read(TABLE, columns=[*KEYS, "run_date", "load"]).to_pandas()
        rows = rows[[day <= as_of for day in rows["run_date"]]]
        load = rows.pop("load").to_numpy() + np.random.default_rng(3).normal(0, 0.1, len(rows))
        known = pd.to_datetime(rows["run_date"], utc=True) + pd.Timedelta(days=2)
        table = pa.Table.from_pandas(rows, preserve_index=False)
        for at, name in enumerate(self.spec.labels):
            codes = np.digitize(load, [0.4, 0.7]) if self.task is Task.MULTICLASS else load > (0.5, 0.8)[at]
            table = table.append_column(name, pa.array(codes.astype("int32")))
        return table.append_column("label_known_at", pa.array(known, pa.timestamp("us", tz="UTC")))

    def estimator(self):
        from sklearn.tree import DecisionTreeClassifier

        return DecisionTreeClassifier(max_depth=3, random_state=7)


@without_spark
class JobSizes(Coded, ClassificationTrainer):
    """Small, medium or large."""

    task = Task.MULTICLASS
    spec: ClassVar[ModelSpec] = declared("job_sizes", classes=("small", "medium", "large"))


@without_spark
class JobTroubles(Coded, ClassificationTrainer):
    """Which troubles."""

    task = Task.MULTILABEL
    spec: ClassVar[ModelSpec] = declared("job_troubles", labels=("slow", "stuck"))


def open_monitored(home: Path) -> Runtime:
    """Open the home."""
    return open_home(home, JobSizes, JobTroubles)


def build_monitored(home: Path) -> Runtime:
    """Train every model, then build and score two weeks: one as before, one with another load."""
    home.mkdir(parents=True)
    runtime = open_monitored(home)
    build_table(runtime, toy_rows())
    for name in EVERY:
        runtime.plugins.trainers[name].item().train(runtime, AS_OF)
    later = toy_rows(seed=5)
    later["run_date"] = [day + timedelta(days=DAYS) for day in later["run_date"]]
    later["weekday"] = [day.weekday() * 1.0 for day in later["run_date"]]
    loud = np.array([day > AS_OF + timedelta(days=QUIET) for day in later["run_date"]])
    later.loc[loud, "load"] += 0.8
    runtime.store.write_table(name=TABLE, df=later[[day <= LAST for day in later["run_date"]]])
    for name in EVERY:
        for at in range(1, QUIET + LOUD + 1):
            scorer_of(name)().score(runtime, AS_OF + timedelta(days=at))
    return runtime


def write_outcomes(runtime: Runtime, model: str, value: Any, first: date, last: date) -> None:
    """Write outcomes of a version's predictions: ``value(load)`` by label, known two days later."""
    version = runtime.registry.served(model).version
    rows = runtime.tables.read(TABLE, where=[("run_date", ">=", first), ("run_date", "<=", last)]).to_pylist()
    found = [
        {
            "model_name": model,
            "model_version": version,
            "entity": entity_of({key: row[key] for key in KEYS}),
            "label_name": label,
            "as_of_date": row["run_date"],
            "outcome": outcome,
            "known_at": midnight(row["run_date"] + timedelta(days=2)),
        }
        for row in rows
        for label, outcome in value(row["load"]).items()
    ]
    OUTCOMES.merge(runtime, found)

"""A small home with three models, trained and scored by the real pipeline, without Spark."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import shutil
import sqlite3
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

import mlflow
import numpy as np
import pandas as pd
import pyarrow as pa

from framework.base.clock import Clock
from framework.base.logging import configure
from framework.core.config import Settings
from framework.core.plugins import discover, hookimpl
from framework.core.results import Status
from framework.core.services import Services
from framework.declare.gold import GoldColumn, GoldTable
from framework.declare.model import Feature, FromFeature, Lookup, ModelSpec, TableSpec, days
from framework.features.builder import FeatureBuilder, arrow_schema
from framework.gold.view import GoldReader, GoldSource
from framework.registry.versions import ModelRegistry
from framework.run.opening import with_monitor
from framework.run.pipeline import Pipeline
from framework.scoring.scorer import BatchScorer
from framework.stores.arrow import to_arrow
from framework.stores.local.store import LocalFeatureStore
from framework.stores.local.tables import LocalTables
from framework.training import AnomalyTrainer, ClassificationTrainer, RegressionTrainer
from framework.training.leakage.audits import AUDITED, LABELS

if TYPE_CHECKING:
    from pathlib import Path

    from framework.gold.runtime import Runtime

AS_OF = date(2026, 10, 27)
DAYS, JOBS = 130, 12
MODELS = ("late_jobs", "job_seconds", "odd_jobs")
OPENED = itertools.count()
"""Each opening is a second later than the one before: decisions have an order."""
SCHEMA = "main.health_monitor"
TABLE = f"{SCHEMA}.toy_features"


class ToyFeatures(FeatureBuilder):
    """Written by the test itself: Spark would take longer than all the rest."""

    table = TableSpec(
        name="toy_features",
        description="One job on one day.",
        keys=("workspace_id", "job_id"),
        time="run_date",
        # no needs of the whole table: the weekday rests on nothing but the day
        columns=(
            Feature(name="load", sql="avg(load)", description="mean load", stage="day", needs=("toy_runs.load",)),
            Feature(name="runs", sql="count(*)", description="runs of the day", stage="day", needs=("toy_runs.load",)),
            Feature(name="weekday", sql="dayofweek(run_date)", description="day of the week", calendar=True),
        ),
    )

    def features(self, gold, days):
        raise AssertionError("the test writes the rows")


def declared(name: str, **changes: Any) -> ModelSpec:
    return ModelSpec(
        **{
            "name": name,
            "use_case": name.replace("_jobs", "_job"),
            "question": f"What do {name} tell?",
            "action": "look at them",
            "label_description": "what comes next",
            "unit": "workspace-job-day",
            "lookups": (Lookup(table="toy_features"),),
            "horizon": days(1),
            "baseline": FromFeature(columns=("runs",)),
            "honest": {"load": "the label is made of the day's own load"},
        }
        | changes
    )


def without_spark(trainer: type) -> type:
    """Let a trainer's ``made_labels`` stand in for the framework's own step, which no class may override."""

    @functools.wraps(trainer.label_frame)
    def label_frame(self, runtime, as_of, grain):
        return self.made_labels(runtime, as_of, grain)

    trainer.label_frame = label_frame
    return trainer


class Labelled:
    """Labels that follow the load, with noise; no Spark."""

    def labels(self, gold, as_of):
        raise AssertionError("made_labels answers")

    def made_labels(self, runtime, as_of, grain):
        rows = runtime.tables.read(TABLE, columns=["workspace_id", "job_id", "run_date", "load"]).to_pandas()
        noise = np.random.default_rng(3).normal(0, 0.3, len(rows))
        value = rows.pop("load").to_numpy() + noise
        known = pd.to_datetime(rows["run_date"], utc=True) + pd.Timedelta(days=2)
        label = pa.array(value) if self.task == "regression" else pa.array((value > 0.7).astype("int32"))
        table = pa.Table.from_pandas(rows, preserve_index=False)
        moment = pa.array(known, pa.timestamp("us", tz="UTC"))
        return table.append_column("label", label).append_column("label_known_at", moment)


@without_spark
class LateJobs(Labelled, ClassificationTrainer):
    """Late or not."""

    spec: ClassVar[ModelSpec] = declared("late_jobs")

    def estimator(self):
        from sklearn.tree import DecisionTreeClassifier

        return DecisionTreeClassifier(max_depth=3, random_state=7)


@without_spark
class JobSeconds(Labelled, RegressionTrainer):
    """How long."""

    spec: ClassVar[ModelSpec] = declared("job_seconds")

    def estimator(self):
        from sklearn.tree import DecisionTreeRegressor

        return DecisionTreeRegressor(max_depth=4, random_state=7)


class OddJobs(AnomalyTrainer):
    """Odd or not."""

    spec: ClassVar[ModelSpec] = declared("odd_jobs")

    def estimator(self):
        from sklearn.ensemble import IsolationForest

        return IsolationForest(n_estimators=5, random_state=7)


class NeverTrained(LateJobs):
    """On offer, and nowhere else."""

    spec: ClassVar[ModelSpec] = declared("never_trained")


def scorer_of(name: str) -> type[BatchScorer]:
    return type(f"{name}_scorer", (BatchScorer,), {"model": name, "__module__": __name__})


class Nothing(GoldReader):
    """A gold layer whose tables nobody reads."""

    def read(self, table):
        return None

    def newest_day(self):
        return AS_OF


class ToyGold(GoldSource):
    """Declares the toy table."""

    name = "toy"
    incomplete_days = 0
    tables = (
        GoldTable(
            name="toy_runs",
            description="runs",
            known_at="run_time",
            columns=tuple(GoldColumn(name=n, type="string") for n in ("workspace_id", "job_id", "run_time", "load")),
        ),
    )

    def open(self, runtime, where):
        return Nothing()


class Toys:
    """The plugin."""

    def __init__(self, *more: type, features: type = ToyFeatures) -> None:
        self._trainers = [LateJobs, JobSeconds, OddJobs, *more]
        self._features = features

    @hookimpl
    def gold_sources(self):
        return [ToyGold()]

    @hookimpl
    def feature_builders(self):
        return [self._features]

    @hookimpl
    def model_trainers(self):
        return self._trainers

    @hookimpl
    def batch_scorers(self):
        return [scorer_of(name) for name in MODELS]


def no_spark() -> Any:
    raise AssertionError("no Spark is needed here")


def open_home(
    home: Path,
    *more: type,
    catalog: str = "main",
    run_id: str = "run1",
    features: type = ToyFeatures,
    **more_values: Any,
) -> Runtime:
    """Open a home as the product does, without booting Spark."""
    uri = f"sqlite:///{home / 'mlflow.db'}"
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    values = {"gold": "toy", "home": home, "as_of": AS_OF, "domains": ("toys",), "catalog": catalog} | more_values
    tables = LocalTables(home / "tables", no_spark)
    settings = Settings.parse(values, "test")
    services = Services(
        settings=settings,
        plugins=discover(strict=True, extra={"toys": Toys(*more, features=features)}),
        clock=Clock(datetime(2026, 10, 28, 6, tzinfo=UTC) + timedelta(seconds=next(OPENED))),
        tables=tables,
        store=LocalFeatureStore(tables, no_spark),
        open_registry=lambda: ModelRegistry(settings.schema_path, (home / "artifacts").as_uri()),
        open_spark=no_spark,
        to_arrow=to_arrow,
        stage=to_arrow,
        open_delta=no_spark,
        keep=no_spark,
        run_id=run_id,
    )
    runtime = with_monitor(services)
    runtime.__dict__["spark"] = None  # views of gold are made, and nothing is read through them
    AUDITED.of(runtime)["toy_features"] = AS_OF  # the audit of formulas would build them anew
    LABELS.of(runtime).update(runtime.plugins.trainers)  # and that of labels would need Spark to make them
    return runtime


def toy_rows(seed: int = 1, shift: float = 0.0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    first = AS_OF - timedelta(days=DAYS - 1)
    keys = [("w", f"j{job}", first + timedelta(days=day)) for day in range(DAYS) for job in range(JOBS)]
    rows = pd.DataFrame(keys, columns=["workspace_id", "job_id", "run_date"])
    return rows.assign(
        load=rng.uniform(0, 1, len(rows)) + shift,
        runs=rng.integers(1, 9, len(rows)) * 1.0,
        weekday=[d.weekday() * 1.0 for d in rows["run_date"]],
    )


def build_table(runtime: Runtime, rows: pd.DataFrame) -> None:
    table, name = ToyFeatures.table, runtime.feature_table("toy_features")
    runtime.store.create_table(
        name=name,
        primary_keys=list(table.primary_key),
        timeseries_column=table.time,
        schema=arrow_schema(table),
        description=table.description,
    )
    runtime.store.write_table(name=name, df=rows)


def build_home(home: Path) -> None:
    """Build features, train and score; every unit must end well."""
    home.mkdir(parents=True)
    configure(console=False)
    runtime = open_home(home)
    build_table(runtime, toy_rows())
    results = Pipeline(runtime).run(("train", "score"))
    assert [r.status for r in results] == [Status.DONE] * 6, [dataclasses.asdict(r) for r in results]
    write_bundle(home / "bundle")


def write_bundle(folder: Path) -> None:
    resources = folder / "jobs" / "resources"
    resources.mkdir(parents=True)
    (folder / "databricks.yml").write_text("bundle: {name: toys}\ninclude: [jobs/resources/*.yml]\n")
    cases = [declared(name).use_case for name in MODELS]
    monitoring = "".join(f"      - task_key: {key}\n" for key in ("monitor_models", "train_requested"))
    daily = "    schedule: {quartz_cron_expression: '0 0 7 * * ?'}\n    tasks:\n"
    (resources / "monitor.yml").write_text(f"resources:\n  jobs:\n   monitor_job:\n{daily}{monitoring}")
    for stage, start in (("train", "    schedule: {quartz_cron_expression: '0 0 3 ? * SUN'}\n"), ("score", "")):
        tasks = "".join(f"      - task_key: {stage}_{case}\n" for case in cases)
        text = f"resources:\n  jobs:\n   {stage}_job:\n{start}    tasks:\n{tasks}"
        (resources / f"{stage}.yml").write_text(text)


def copy_home(home: Path, to: Path) -> Path:
    """Copy a home; MLflow keeps absolute addresses, which must follow."""
    shutil.copytree(home, to)
    moved = {"experiments": ["artifact_location"], "runs": ["artifact_uri"]}
    moved |= {"model_versions": ["source", "storage_location"], "logged_models": ["artifact_location"]}
    for table, columns in moved.items():
        for column in columns:
            statement = f"UPDATE {table} SET {column} = replace({column}, ?, ?)"  # noqa: S608 - the names above
            sql(to, statement, home.as_uri(), to.as_uri())
    return to


def sql(home: Path, statement: str, *values: Any) -> int:
    """Change what MLflow's own client does not let anybody change; returns the rows changed."""
    with sqlite3.connect(home / "mlflow.db") as database:
        changed = database.execute(statement, values).rowcount
    database.close()
    return changed

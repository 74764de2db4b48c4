"""A home with three months of all models: written through the product's own tables and registry, without Spark."""

from __future__ import annotations

import dataclasses
import json
import math
import random
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import mlflow
import pyarrow as pa

from framework.base.clock import Clock, midnight
from framework.core.config import Settings
from framework.core.plugins import discover
from framework.core.results import Ledger, Status, UnitResult
from framework.core.versions import CHALLENGER, CHAMPION
from framework.declare.labels import KNOWN_AT
from framework.declare.model import Task
from framework.gold.quarantine import QUARANTINE
from framework.gold.runtime import Runtime
from framework.registry.models import packed
from framework.registry.versions import ModelRegistry
from framework.scoring.scorer import _columns
from framework.stores.arrow import to_arrow
from framework.stores.frames import column_types
from framework.stores.local.store import LocalFeatureStore
from framework.stores.local.tables import LocalTables
from framework.tables import declared as tables
from framework.tables.table import entity_of

if TYPE_CHECKING:
    from pathlib import Path

DAY = date(2026, 10, 27)
NOW = datetime(2026, 10, 28, 6, 30, tzinfo=UTC)
DAYS, ENTITIES, DRIFTING = 90, 20, 25
HOSTILE = '<script>alert("1")</script>&\'"'
PERSON = "jane.doe@example.com"
DAYS_SHOWN = [DAY - timedelta(days=back) for back in reversed(range(DAYS))]


def no_spark() -> Any:
    raise AssertionError("no Spark is needed here")


def open_home(home: Path, **settings: Any) -> Runtime:
    """Open a home as the product does, without booting Spark; MLflow's addresses are the caller's to put back."""
    home.mkdir(parents=True, exist_ok=True)
    uri = f"sqlite:///{home / 'mlflow.db'}"
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    chosen = Settings.parse({"home": home, "as_of": DAY, "incomplete_days": 0} | settings, "test")
    stored = LocalTables(home / "tables", no_spark)
    return Runtime(
        settings=chosen,
        plugins=discover(strict=True),
        clock=Clock(NOW),
        tables=stored,
        store=LocalFeatureStore(stored, no_spark),
        open_registry=lambda: ModelRegistry(chosen.schema_path, (home / "artifacts").as_uri()),
        open_spark=no_spark,
        to_arrow=to_arrow,
        stage=to_arrow,
        open_delta=no_spark,
        keep=no_spark,
        run_id="run-of-today",
    )


def keys(runtime: Runtime, model: str, at: int) -> dict[str, str]:
    """The keys of a made-up entity; the first is hostile, the second a person."""
    trainer = runtime.plugins.trainers[model].item
    grain = runtime.plugins.table(trainer.spec.lookups[0].table)
    value = {0: HOSTILE, 1: PERSON}.get(at, f"{at:04d}-{'x' * 12}")
    return {key: value if key == grain.keys[-1] else f"{key}-{at % 3}" for key in grain.keys}


def wave(model: str, at: int, day: int) -> float:
    """A value that has a weekday, a trend and noise, and is the same each time."""
    noise = random.Random(f"{model}{at}{day}").gauss(0, 0.05)  # noqa: S311 - made-up data
    return (
        (at + 2)
        * (0.02 if model == "chargeback_attribution" else 40)
        * (1 + 0.2 * math.sin(day * 2 * math.pi / 7) + 0.002 * day + noise)
    )


def fill(runtime: Runtime, *, registry: bool = True) -> None:
    """Write everything for every model."""
    models = list(runtime.plugins.trainers)
    for model in models:
        predictions(runtime, model)
    outcomes(runtime, models)
    performance(runtime, models)
    drift(runtime, models)
    alerts(runtime, models)
    requests_and_decisions(runtime, models)
    quarantine(runtime)
    ledger(runtime, models)
    if registry:
        for model in models:
            versions(runtime, model)


def predictions(runtime: Runtime, model: str) -> None:
    trainer = runtime.plugins.trainers[model].item
    spec, task = trainer.spec, trainer.task
    grain = runtime.plugins.table(spec.lookups[0].table)
    days = DAYS_SHOWN if task is Task.ANOMALY else [DAY]
    rows = [
        prediction(runtime, model, at, day, random.Random(f"{model}{at}{day}"))  # noqa: S311 - made-up data
        for day in days
        for at in range(ENTITIES)
    ]
    reason = pa.struct([("feature", pa.string()), *((part, pa.float64()) for part in ("value", "low", "high"))])
    kinds = column_types() | {"reasons": pa.list_(reason), "flags": pa.map_(pa.string(), pa.float64())}
    kinds |= {"probabilities": kinds["flags"], grain.time: pa.timestamp("us", tz="UTC")}
    schema = pa.schema([pa.field(name, kinds.get(name, pa.string())) for name in _columns(task, spec, grain)])
    runtime.tables.append(
        runtime.feature_table(f"{spec.use_case}_predictions"), pa.Table.from_pylist(rows, schema=schema)
    )


def prediction(runtime: Runtime, model: str, at: int, day: date, rng: random.Random) -> dict[str, Any]:
    trainer = runtime.plugins.trainers[model].item
    spec = trainer.spec
    grain = runtime.plugins.table(spec.lookups[0].table)
    features = list(grain.features)[:3]
    value = {Task.REGRESSION: wave(model, at, DAYS) * (3 if at == 2 else 1)}.get(trainer.task, rng.random())
    classes = spec.classes or ("platform", "research")
    return keys(runtime, model, at) | {
        grain.time: midnight(day),
        "prediction": 2.0 if trainer.task is Task.MULTILABEL and at < 6 else value,
        "prediction_p10": value * 0.8,
        "prediction_p90": value * 1.25,
        "probability": rng.random(),
        "predicted_class": "01"[rng.random() > 0.8] if trainer.task is Task.BINARY else classes[at % len(classes)],
        "flags": [(label, rng.random()) for label in spec.labels],
        "anomaly_score": value,
        "is_anomaly": int(rng.random() > 0.97 or (day == DAY and at < 2)),
        "reasons": [{"feature": f.name, "value": 9.0 - n * 4, "low": 1.0, "high": 4.0} for n, f in enumerate(features)],
        "model_name": model,
        "model_version": 3,
        "served_as": CHALLENGER if model == "tag_recommender" else CHAMPION,
        "is_fallback": model == "schema_change_predictor",
        "as_of_date": day,
        "target_start": midnight(day + timedelta(days=1)),
        "target_end": midnight(day + timedelta(days=1)) + spec.horizon,
        "scored_at": NOW,
    }


def outcomes(runtime: Runtime, models: list[str]) -> None:
    rows = []
    for model in (m for m in models if runtime.plugins.trainers[m].item.task is Task.REGRESSION):
        for at in range(ENTITIES):
            entity = entity_of(keys(runtime, model, at))
            for number, day in enumerate(DAYS_SHOWN[:-7]):
                value = wave(model, at, number)
                rows.append({
                    "model_name": model, "entity": entity, "label_name": "label", "as_of_date": day,
                    "model_version": 2 if number < 60 else 3, "prediction": value * 0.97, "prediction_p10": value * 0.8,
                    "prediction_p90": value * 1.2, "outcome": wave(model, at, number + 1), "served_as": CHAMPION,
                })  # fmt: skip
    tables.OUTCOMES.merge(runtime, rows)


def performance(runtime: Runtime, models: list[str]) -> None:
    rows = []
    for model in models[1:]:  # the first has no outcome yet
        task = runtime.plugins.trainers[model].item.task
        chances = task not in (Task.REGRESSION, Task.ANOMALY)
        tenths = json.dumps([[n / 10 + 0.05, min(1, n / 9), 200 - n * 15] for n in range(10)])
        for number, day in enumerate(DAYS_SHOWN):
            value = 0.6 + 0.1 * math.sin(number / 9 + len(model))
            rows.append({
                "model_name": model, "model_version": 2 if number < 60 else 3, "as_of_date": day, "window_days": 28,
                "rows": 560, "metric": "mae" if task is Task.REGRESSION else "average_precision", "value": value,
                "baseline": 0.8 if task is Task.REGRESSION else 0.4, "skill": 0.25, "skill_low": 0.1,
                "skill_high": 0.4, "promised": 0.55, "promised_skill": 0.3,
                "calibration_error": 0.031 if chances else None, "calibration": tenths if chances else None,
                "coverage": 0.78 if task is Task.REGRESSION else None, "precision_by_verdict": 0.6,
            })  # fmt: skip
    tables.PERFORMANCE.merge(runtime, rows)


def drift(runtime: Runtime, models: list[str]) -> None:
    rows = []
    for model in models:
        grain = runtime.plugins.table(runtime.plugins.trainers[model].item.spec.lookups[0].table)
        for feature, day in ((f, d) for f in list(grain.features)[:DRIFTING] for d in range(DAYS)):
            psi = abs(math.sin(day / 11 + len(feature.name))) * 0.3
            level = "drift" if psi > 0.25 else "watch" if psi > 0.1 else "none"
            rows.append({
                "model_name": model, "model_version": 3, "as_of_date": DAYS_SHOWN[day], "kind": "feature",
                "name": feature.name, "psi": psi, "level": level if day % 13 else "too_little",
                "says": f"{feature.name} drifts: PSI {psi:.2f}" if level == "drift" else "",
            })  # fmt: skip
    tables.DRIFT.merge(runtime, rows)


def alerts(runtime: Runtime, models: list[str]) -> None:
    """Eight alerts about the first model of three, one about the second, none about the third."""
    about = [(n, model, at) for n, model in enumerate(models) for at in range((8, 1, 0)[n % 3])]
    rows = [
        {
            "alert_id": f"{n:02d}{at:02d}af", "kind": "prediction", "model_name": model,
            "domain": runtime.plugins.trainers[model].domain, "model_version": 3,
            "entity": entity_of(keys(runtime, model, at)) if at else "",
            "severity": ("warning", "critical", "info")[at % 3], "reason": f"score 0.99 {HOSTILE}",
            "action": runtime.plugins.trainers[model].item.spec.action, "first_day": DAY - timedelta(days=at),
            "last_day": DAY, "days": json.dumps([str(DAY)]), "state": "acknowledged" if at == 4 else "open",
        }
        for n, model, at in about
    ]  # fmt: skip
    tables.ALERTS.merge(runtime, rows)


def requests_and_decisions(runtime: Runtime, models: list[str]) -> None:
    asked = [
        {
            "model_name": model, "model_version": 3, "reason": "skill", "says": "skill 0.10 is 0.20 under its promise",
            "urgency": "high", "requested_on": DAY, "last_seen_on": DAY, "state": "open",
        }
        for model in models[::4]
    ]  # fmt: skip
    decided = [
        {
            "model_name": model, "model_version": version, "as_of_date": DAY - timedelta(days=30 - version),
            "decided_by": "gate", "decision": "promoted" if version == 3 else "refused",
            "reason": "lower bound 0.12 is above 0.02" if version == 3 else f"not above 0.02 {HOSTILE}",
            "decided_at": NOW,
        }
        for model in models
        for version in (2, 3)
    ]  # fmt: skip
    tables.REQUESTS.merge(runtime, asked)
    tables.DECISIONS.merge(runtime, decided)


def quarantine(runtime: Runtime) -> None:
    rows = [
        {"table_name": table, "reason": reason, "row_hash": f"{n}", "row": "{}", KNOWN_AT: NOW, "copies": 3}
        for table in ("fact_usage", "fact_audit_logs")
        for reason in ("no time", "duplicate")
        for n in range(40)
    ]
    runtime.tables.append(runtime.feature_table(QUARANTINE), pa.Table.from_pylist(rows))


def ledger(runtime: Runtime, models: list[str]) -> None:
    name = runtime.feature_table("run_ledger")
    inputs = {"gold": str(runtime.settings.home / "gold_secret_folder" / "gold")}
    written = Ledger(runtime.tables, name, run_id=runtime.run_id, as_of=DAY, inputs=inputs)
    results = [
        UnitResult(stage="features", name="cost_features", status=Status.DONE,
                   reason="fact_usage: 240 rows in quarantine (120 no time); fact_usage.unit: unknown DBUX"),
        UnitResult(stage="train", name=models[0], status=Status.FAILED,
                   reason=f"ValueError: cannot read {runtime.settings.home.resolve()}/tables {HOSTILE}"),
        UnitResult(stage="score", name=models[4], status=Status.SKIPPED, reason="12 days to train on, 20 are needed"),
        UnitResult(stage="score", name="schema_change_predictor", status=Status.FALLBACK, reason="one class only"),
        *(UnitResult(stage="score", name=model, status=Status.DONE, rows=ENTITIES) for model in models[5:12]),
    ]  # fmt: skip
    for second, result in enumerate(results):
        written.record(result, NOW + timedelta(seconds=second))


def versions(runtime: Runtime, model: str) -> None:
    """Register three versions as a training does, without a model inside."""
    registry = runtime.registry
    name, client = registry.full_name(model), registry.client
    grain = runtime.plugins.table(runtime.plugins.trainers[model].item.spec.lookups[0].table)
    client.create_registered_model(name)
    run = client.create_run(registry.experiment(model))
    flat = runtime.plugins.trainers[model].item.task is Task.ANOMALY
    weights = {f.name: 1.0 if flat else 1 / (1 + n) for n, f in enumerate(list(grain.features)[:DRIFTING])}
    client.log_dict(run.info.run_id, {"importance": weights}, "training.json")
    for version in (1, 2, 3):
        result = dataclasses.asdict(UnitResult(stage="train", name=model, status=Status.DONE, skill=0.1 * version))
        tags = {"as_of": str(DAY - timedelta(days=40 - version)), "result": json.dumps(result), "reason": "remark"}
        tags |= {"fallback": "true" if model == "schema_change_predictor" else "false"}
        client.create_model_version(
            name, source=f"runs:/{run.info.run_id}/model", run_id=run.info.run_id, tags=packed(tags)
        )
    client.set_registered_model_alias(name, CHALLENGER if model == "tag_recommender" else CHAMPION, "3")

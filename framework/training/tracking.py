"""What one training leaves in MLflow: tags, parameters, metrics, the dataset, the model."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import pickle
import platform
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from framework.declare.model import Task
from framework.stores.ddl import spark_name
from framework.stores.frames import is_spark
from framework.training import plots
from framework.training.assemble import lookups
from framework.training.learners import algorithm_of

if TYPE_CHECKING:
    from datetime import date

    import pandas as pd

    from framework.core.ports import LoggedModel
    from framework.core.versions import Versions
    from framework.gold.runtime import Runtime
    from framework.training.data import Fitted, TrainingData
    from framework.training.steps import Steps

PROJECT = "health_monitor_ml"
NOTES = "training.json"
"""Artefact of the training run: inputs, importance, usual ranges, and the baseline as training saw it."""
LEAKAGE = "leakage.json"
"""Artefact of the training run: a row per leakage check, with verdict, evidence and seconds."""
RIVALS = "rivals.json"
"""Artefact of the training run: plain rule and kinds of rows that it was compared with; absent if it could not be."""
SERVED = Path(__file__).parent / "served_model.py"


def log(
    registry: Versions,
    trainer: Steps,
    runtime: Runtime,
    as_of: date,
    data: TrainingData,
    fitted: Fitted,
    tags: dict[str, str],
) -> LoggedModel:
    """Log one training as one MLflow run and register its model.

    Args:
        registry: The registry; names the experiment and the model.
        trainer: The trainer.
        runtime: The runtime.
        as_of: Newest day that training knew.
        data: The rows.
        fitted: The model.
        tags: Tags of the new version.

    Returns:
        The registered version.
    """
    import mlflow
    import pandas as pd

    spec = trainer.spec
    name = f"{spec.name}_{as_of.isoformat()}"
    with mlflow.start_run(
        experiment_id=registry.experiment(spec.name), run_name=name, tags=_run_tags(trainer, runtime)
    ):
        mlflow.log_params(_parameters(trainer, runtime, as_of, data))
        mlflow.log_metrics(_metrics(fitted))
        _log_dataset(runtime, data)
        mlflow.log_dict(_notes(trainer, data, fitted), NOTES)
        if fitted.findings:
            mlflow.log_table(pd.DataFrame([dataclasses.asdict(one) for one in fitted.findings]), LEAKAGE)
        if fitted.rivals:
            mlflow.log_table(pd.DataFrame([dataclasses.asdict(one) for one in fitted.rivals]), RIVALS)
        for plot, figure in plots.draw(trainer.task, fitted, data.classes):
            mlflow.log_figure(figure, f"plots/{plot}.png")
        for observe in runtime.observers:
            observe(trainer, runtime, data, fitted)
        return _log_model(registry, trainer, runtime, data, fitted, tags)


def _run_tags(trainer: Steps, runtime: Runtime) -> dict[str, str]:
    spec = trainer.spec
    return {
        "project": PROJECT,
        "domain": runtime.plugins.trainers[spec.name].domain,
        "model_name": spec.name,
        "model_type": str(trainer.task),
        "algorithm": algorithm_of(trainer.estimator()),
        "use_case": spec.use_case,
        "training_data": ",".join(runtime.feature_table(lookup.table) for lookup in spec.lookups),
        "feature_engineering": "feature_lookup",
    }


def _parameters(trainer: Steps, runtime: Runtime, as_of: date, data: TrainingData) -> dict[str, Any]:
    split, estimator = data.split, trainer.estimator()
    found = {
        f"estimator.{k}": v
        for k, v in estimator.get_params(deep=True).items()
        if isinstance(v, (int, float, str, bool))
    }
    return {
        "as_of": as_of.isoformat(),
        "seed": data.seed,
        "horizon_hours": trainer.spec.horizon.total_seconds() / 3600,
        "train_end": split.train_end.isoformat(),
        "calibrate_end": split.calibrate_end.isoformat(),
        "test_end": split.test_end.isoformat(),
        "rows_train": len(split.train),
        "rows_calibrate": len(split.calibrate),
        "rows_test": len(split.test),
        "rows_unsettled": split.unsettled,
        "rows_embargoed": split.embargoed,
        "rows_too_new": split.too_new,
        "rows_without_features": data.without_features,
        "train_days": split.train_days,
        "inputs": len(data.inputs),
        "feature_spec_hash": _feature_spec_hash(data, runtime),
        "label_types": json.dumps(_label_types(trainer, data)),
        "python": platform.python_version(),
        "versions": ",".join(requirements(with_xgboost="xgboost" in sys.modules)),
        **found,
    }


def _label_types(trainer: Steps, data: TrainingData) -> dict[str, str]:
    """Return the types that the labels have in the frame which the training set is made of."""
    if trainer.task is Task.ANOMALY:
        return {}
    if is_spark(data.labels):
        found = dict(data.labels.dtypes)
    else:
        found = {field.name: spark_name(field.type) for field in data.labels.schema}
    return {name: found[name] for name in data.spec.labels}


def _feature_spec_hash(data: TrainingData, runtime: Runtime) -> str:
    from framework.training.assemble import model_features

    declared = model_features(data.spec, runtime)
    return hashlib.sha256(json.dumps([[n, declared[n].sql] for n in data.inputs]).encode()).hexdigest()[:12]


def _metrics(fitted: Fitted) -> dict[str, float]:
    import math

    found = dict(fitted.extras)
    evaluation = fitted.evaluation
    if evaluation is not None:
        found |= evaluation.model
        found |= {f"baseline_{k}": v for k, v in evaluation.baseline.items()}
        found |= {"skill": evaluation.skill, "skill_low90": evaluation.skill_low, "skill_high90": evaluation.skill_high}
        found |= {"test_rows": float(evaluation.rows), "test_days": float(evaluation.days)}
    return {k: v for k, v in found.items() if math.isfinite(v)}


def _log_dataset(runtime: Runtime, data: TrainingData) -> None:
    """Log which rows were used: table, version, rows, days and a hash; never the rows themselves."""
    import mlflow
    import pandas as pd
    from mlflow.data.code_dataset_source import CodeDatasetSource
    from mlflow.data.meta_dataset import MetaDataset

    columns = [*data.grain.primary_key, *data.inputs]
    content = pd.util.hash_pandas_object(data.frame[columns], index=False).to_numpy()
    digest = hashlib.sha256(content.tobytes()).hexdigest()[:32]
    table = runtime.feature_table(data.grain.name)
    facts = {
        "table": table,
        "version": str(runtime.tables.version(table)),
        "rows": str(len(data.frame)),
        "first_day": str(data.frame["_day"].min().date()),
        "last_day": str(data.frame["_day"].max().date()),
        "hash": digest,
    }
    source = CodeDatasetSource(tags=facts)
    dataset = MetaDataset(source=source, name=table, digest=digest)  # type: ignore[abstract]  # MLflow's own class
    mlflow.log_input(dataset, context="training")
    mlflow.log_params({f"dataset.{k}": v for k, v in facts.items()})


def _notes(trainer: Steps, data: TrainingData, fitted: Fitted) -> dict[str, Any]:
    return {
        "baseline": data.baseline(trainer.task).to_json(),
        "inputs": list(data.inputs),
        "dropped": data.dropped,
        "importance": fitted.served.get("importance", {}),
        "usual": fitted.served["usual"],
        "remarks": list(fitted.remarks),
        "fallback": fitted.fallback,
    }


def _log_model(
    registry: Versions,
    trainer: Steps,
    runtime: Runtime,
    data: TrainingData,
    fitted: Fitted,
    tags: dict[str, str],
) -> LoggedModel:
    from mlflow.types import ColSpec, Schema

    spec, grain = trainer.spec, data.grain
    labels = list(spec.labels) if trainer.task is not Task.ANOMALY else None
    training_set = runtime.store.create_training_set(
        df=data.labels,
        feature_lookups=lookups(spec, runtime, grain, only=data.inputs),
        label=labels,
        exclude_columns=[*grain.primary_key, "label_known_at"],
    )
    with tempfile.TemporaryDirectory() as folder:
        estimators, served = Path(folder) / "estimators.pkl", Path(folder) / "served.json"
        estimators.write_bytes(content := pickle.dumps(fitted.estimators, protocol=pickle.HIGHEST_PROTOCOL))
        served.write_text(json.dumps(fitted.served), encoding="utf-8")
        return runtime.store.log_model(
            model=str(SERVED),
            artifact_path="model",
            training_set=training_set,
            registered_model_name=registry.full_name(spec.name),
            artifacts={"estimators": str(estimators), "served": str(served)},
            output_schema=Schema([ColSpec(kind, name) for name, kind in fitted.outputs]),
            pip_requirements=requirements(with_xgboost=b"xgboost" in content),
            input_example=_example(data, fitted),
            tags=tags,
        )


def _example(data: TrainingData, fitted: Fitted) -> pd.DataFrame:
    """Return one made-up row of inputs: the middle of each feature's usual range."""
    import pandas as pd

    training_range = fitted.served["usual"]
    middle = {
        n: (training_range[n][0] + training_range[n][1]) / 2 if n in training_range else 0.0 for n in data.numeric
    }
    return pd.DataFrame([{n: middle.get(n, "example") for n in data.inputs}])


def requirements(*, with_xgboost: bool) -> list[str]:
    """Return what a served model needs, with the versions at hand; XGBoost under its registry name."""
    import mlflow
    import numpy as np
    import pandas as pd
    import sklearn

    found = [f"mlflow=={mlflow.__version__}", f"scikit-learn=={sklearn.__version__}"]
    found += [f"pandas=={pd.__version__}", f"numpy=={np.__version__}"]
    if with_xgboost:
        found.append(f"xgboost=={sys.modules['xgboost'].__version__}")
    return found

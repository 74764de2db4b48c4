"""Outcomes: what became of past predictions, by the same label code that training uses."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from framework.base.clock import midnight
from framework.base.logging import get_logger
from framework.core.services import Memo
from framework.declare.labels import LABEL_KNOWN_AT
from framework.declare.model import Task
from framework.tables.declared import OUTCOMES
from framework.tables.table import entity_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, datetime

    import numpy as np
    import pandas as pd

    from framework.declare.model import TableSpec
    from framework.gold.runtime import Runtime
    from framework.training.base import ModelTrainer
    from framework.training.baseline import Baseline

_FACTS: Memo[dict[tuple[str, int], tuple[Baseline, tuple[str, ...]] | None]] = Memo(dict)
"""Baseline and classes of versions, by model and version; the days of a replay share them."""

LATE = timedelta(days=30)
"""How long after its target a prediction still waits for a label that settles late."""


def join_outcomes(runtime: Runtime, model: str, as_of: date) -> int:
    """Write the outcomes of a model's past predictions that are known at the end of a day.

    Args:
        runtime: The runtime.
        model: The model.
        as_of: Newest day that may be known.

    Returns:
        Rows inserted or changed; the same day again writes nothing.
    """
    import pandas as pd

    trainer = runtime.plugins.trainers[model].item()
    grain = runtime.plugins.table(trainer.spec.lookups[0].table)
    predictions = _predictions(runtime, trainer, grain, as_of)
    if predictions.empty:
        return 0
    truth = _truth(trainer, runtime, predictions, grain, as_of)
    if truth.empty:
        return 0
    keys = list(grain.primary_key)
    known = predictions.merge(truth, on=keys, how="inner")
    if known.empty:
        return 0
    parts = []
    for version in sorted(known["model_version"].unique()):
        rows = known[known["model_version"] == version]
        facts = version_facts(runtime, model, int(version))
        if facts is None:
            # A version that was deleted, or trained before baselines were kept: its predictions cannot be judged.
            get_logger().warning("outcomes_not_joined", model=model, version=int(version), predictions=len(rows))
            continue
        baseline, classes = facts
        parts.append(_rows(trainer, _with_columns(runtime, trainer, grain, rows, baseline), baseline, classes, grain))
    return OUTCOMES.merge(runtime, _arrow(pd.concat(parts, ignore_index=True))) if parts else 0


def version_facts(runtime: Runtime, model: str, version: int) -> tuple[Baseline, tuple[str, ...]] | None:
    """Return the baseline as a version's training saw it and the names of its classes; ``None`` if they are gone."""
    import json

    import mlflow
    from mlflow.exceptions import MlflowException

    from framework.registry.models import tags_of
    from framework.training.baseline import Baseline
    from framework.training.tracking import NOTES

    at = (model, version)
    kept = _FACTS.of(runtime.tables)
    if at not in kept:
        found = next((v for v in runtime.registry.versions(model) if int(v.version) == version), None)
        try:
            notes = mlflow.artifacts.load_dict(f"runs:/{found.run_id}/{NOTES}") if found is not None else {}
        except MlflowException:
            notes = {}
        facts = None
        if found is not None and "baseline" in notes:
            facts = Baseline.from_json(notes["baseline"]), tuple(json.loads(tags_of(found).get("classes", "[]")))
        kept[at] = facts
    known: tuple[Baseline, tuple[str, ...]] | None = kept[at]
    return known


def _predictions(runtime: Runtime, trainer: ModelTrainer, grain: TableSpec, as_of: date) -> pd.DataFrame:
    """Return the predictions whose target has ended, back to where labels may still settle, keyed as features are."""
    import pandas as pd

    spec = trainer.spec
    name = runtime.feature_table(f"{spec.use_case}_predictions")
    if not runtime.tables.exists(name):
        return pd.DataFrame()
    first = as_of - spec.horizon - LATE
    rows: pd.DataFrame = runtime.tables.read(
        name, where=[("as_of_date", ">", first), ("as_of_date", "<=", as_of)]
    ).to_pandas()
    rows = rows[rows["target_end"] <= _end_of(as_of)]
    if grain.time_type == "date":
        rows = rows.assign(**{grain.time: rows["as_of_date"]})
    return rows.reset_index(drop=True)


def _truth(
    trainer: ModelTrainer, runtime: Runtime, predictions: pd.DataFrame, grain: TableSpec, as_of: date
) -> pd.DataFrame:
    """Return primary key, labels and ``known_at`` of what is known at the end of the day."""
    import pandas as pd

    from framework.training.anomaly import AnomalyTrainer
    from framework.training.assemble import known_labels
    from framework.training.data import EVENT

    keys = list(grain.primary_key)
    if isinstance(trainer, AnomalyTrainer):
        rows = predictions.drop_duplicates(keys).reset_index(drop=True)
        # Only rows whose time is over are asked about, so a later day knows the same of them.
        events = trainer.known_events(runtime.later or runtime, rows, grain)
        if events is None:
            return rows.iloc[:0]
        return rows[keys].assign(known_at=rows["target_end"]).join(pd.Series(events, name=EVENT))
    frame = _since(known_labels(trainer, runtime, as_of, grain), grain, predictions[grain.time].min())
    found: pd.DataFrame = runtime.collect(frame).to_pandas()
    found = found[found[LABEL_KNOWN_AT].notna()]
    found[LABEL_KNOWN_AT] = found[LABEL_KNOWN_AT].dt.tz_convert("UTC")
    return found[found[LABEL_KNOWN_AT] <= _end_of(as_of)].rename(columns={LABEL_KNOWN_AT: "known_at"})


def _since(frame: Any, grain: TableSpec, first: Any) -> Any:
    """Return the rows from a first day or moment on."""
    from framework.stores.frames import is_spark

    if is_spark(frame):
        from pyspark.sql import functions as F

        return frame.where(F.col(grain.time) >= F.lit(first))
    import pyarrow as pa
    import pyarrow.compute as pc

    column = frame[grain.time]
    return frame.filter(pc.greater_equal(column, pa.scalar(first, column.type)))


def _with_columns(
    runtime: Runtime, trainer: ModelTrainer, grain: TableSpec, rows: pd.DataFrame, baseline: Baseline
) -> pd.DataFrame:
    """Return the rows with the columns that the baseline looks at, by lookup as in training."""
    import pyarrow as pa

    from framework.training.assemble import lookups

    keys = list(grain.primary_key)
    wanted = [name for name in baseline.columns() if name not in rows]
    found = lookups(trainer.spec, runtime, grain, only=wanted)
    if not found:
        return rows.assign(**dict.fromkeys(wanted, float("nan")))
    kind = pa.date32() if grain.time_type == "date" else pa.timestamp("us", tz="UTC")
    asked = pa.table({k: pa.array(rows[k], kind if k == grain.time else pa.string()) for k in keys})
    looked_up = runtime.store.create_training_set(
        df=runtime.stage(asked.append_column("asked_row", pa.array(range(len(rows))))),
        feature_lookups=found,
        label=None,
    ).to_pandas()
    looked_up = looked_up.sort_values("asked_row").reset_index(drop=True)
    return rows.reset_index(drop=True).assign(**{name: looked_up.get(name, float("nan")) for name in wanted})


def _rows(
    trainer: ModelTrainer, rows: pd.DataFrame, baseline: Baseline, classes: Sequence[str], grain: TableSpec
) -> pd.DataFrame:
    """Return one outcome row per prediction and label, or class."""
    import pandas as pd

    keys = list(grain.keys)
    baseline_values = baseline.answer(rows, trainer.task)
    entity = [entity_of(dict(zip(keys, values, strict=True))) for values in rows[keys].itertuples(index=False)]
    common = rows.reindex(
        columns=["model_name", "model_version", "as_of_date", "prediction_p10", "prediction_p90", "known_at",
                 "target_start", "target_end", "served_as", "is_fallback"]
    ).assign(entity=entity)  # fmt: skip
    parts = [
        common.assign(label_name=name, prediction=answer, outcome=outcome, baseline=base)
        for name, answer, outcome, base in _answers(trainer, rows, classes, baseline_values)
    ]
    return pd.concat(parts, ignore_index=True)


def _answers(
    trainer: ModelTrainer, rows: pd.DataFrame, classes: Sequence[str], baseline_values: np.ndarray
) -> list[tuple[str, Any, Any, Any]]:
    """Return (name, answer, what happened, the baseline's answer) for each label or class."""
    from framework.training.data import EVENT

    spec, task = trainer.spec, trainer.task
    if task is Task.ANOMALY:
        return [(EVENT, rows["prediction"], rows[EVENT], baseline_values)]
    if task in (Task.BINARY, Task.REGRESSION):
        return [(spec.labels[0], rows["prediction"], rows[spec.labels[0]], baseline_values)]
    if task is Task.MULTILABEL:
        flags = [dict(pairs) for pairs in rows["flags"]]
        return [
            (name, [row.get(name) for row in flags], rows[name], baseline_values[:, at])
            for at, name in enumerate(spec.labels)
        ]
    chances = [dict(pairs) for pairs in rows["probabilities"]]
    label = rows[spec.labels[0]]
    happened = label.map(dict(enumerate(spec.classes))) if spec.classes else label
    return [
        (name, [row.get(name) for row in chances], happened == name, baseline_values[:, at])
        for at, name in enumerate(classes)
    ]


def _arrow(rows: pd.DataFrame) -> Any:
    import pyarrow as pa

    schema = OUTCOMES.schema()
    columns = {}
    for field in schema:
        values = rows[field.name]
        if pa.types.is_floating(field.type):
            values = values.astype(float)
        columns[field.name] = pa.array(values, field.type, from_pandas=True)
    return pa.table(columns, schema=schema)


def _end_of(day: date) -> datetime:
    return midnight(day + timedelta(days=1))

"""From labels and lookups to rows to fit, and from a fitted model to a registered version."""

from __future__ import annotations

import dataclasses
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from framework.base.errors import LabelError
from framework.core.ports import FeatureLookup
from framework.core.results import Skip
from framework.core.services import Memo
from framework.declare.labels import LABEL_KNOWN_AT, Label
from framework.declare.model import Feature, ModelSpec, TableSpec, Task
from framework.stores.frames import known_until
from framework.training.data import TrainingData
from framework.training.labels import label_rows
from framework.training.leakage.probe import check_label_frame
from framework.training.sample import bounded

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from pyspark.sql import DataFrame

    from framework.gold.runtime import Runtime
    from framework.training.split import Split
    from framework.training.steps import Steps

_LABELS: Memo[dict[tuple[str, date], Any]] = Memo(dict)
"""Label frames of a run, by model and day."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rows:
    """Labels joined with their features.

    Args:
        frame: Keys, time, labels, ``label_known_at``, features, ``_day``.
        known_at: ``label_known_at`` without zone.
        labels: The label frame in the store's own form, to log the model with.
        without_features: Rows left out because the feature tables hold nothing for them.
    """

    frame: pd.DataFrame
    known_at: pd.Series
    labels: Any
    without_features: int


def model_features(spec: ModelSpec, runtime: Runtime) -> dict[str, Feature]:
    """Return the declared features of a model's lookups, by name, in lookup order."""
    found: dict[str, Feature] = {}
    for lookup in spec.lookups:
        table = runtime.plugins.table(lookup.table)
        for name in lookup.columns or [c.name for c in table.features]:
            found[name] = table.feature(name)
    return found


def is_built(table: str, runtime: Runtime) -> bool:
    """Tell whether a feature table is stored: one whose gold is absent was never built."""
    return runtime.tables.schema(runtime.feature_table(table)) is not None


def lookups(
    spec: ModelSpec, runtime: Runtime, grain: TableSpec, only: Sequence[str] | None = None
) -> list[FeatureLookup]:
    """Return the store's lookups into the tables that are there; day-grain tables match the exact day.

    Args:
        spec: The model.
        runtime: The runtime.
        grain: The table that fixes the model's keys and time.
        only: Features to keep; ``None`` for all that the spec names.
    """
    found = []
    for lookup in spec.lookups:
        table = runtime.plugins.table(lookup.table)
        names = [n for n in (lookup.columns or [c.name for c in table.features]) if only is None or n in only]
        if names and is_built(table.name, runtime):
            found.append(
                FeatureLookup(
                    table_name=runtime.feature_table(table.name),
                    lookup_key=list(table.keys),
                    feature_names=names,
                    timestamp_lookup_key=grain.time,
                    lookback_window=timedelta(0),
                )
            )
    return found


def rows_of(
    label: Label | DataFrame, spec: ModelSpec, grain: TableSpec, as_of: date, names: Sequence[str] = ()
) -> DataFrame:
    """Return the rows of what a trainer declares, or those that it made itself.

    Args:
        label: The label, or its rows.
        spec: The model.
        grain: The table that fixes keys and time.
        as_of: Newest day that may be known.
        names: Label columns; by default those of the declaration.
    """
    if not isinstance(label, Label):
        return label
    return label_rows(
        label,
        keys=grain.keys,
        time=grain.time,
        horizon=spec.horizon,
        as_of=as_of,
        names=names or spec.labels,
        shares_of=spec.shares_of,
    )


def cast_labels(frame: DataFrame, spec: ModelSpec, task: Task, grain: TableSpec) -> DataFrame:
    """Check a label frame's columns and cast them: DOUBLE for regression, INT for classes, text for open classes.

    Raises:
        LabelError: If columns are missing or extra.
    """
    from pyspark.sql import functions as F

    expected = [*grain.primary_key, *spec.labels, LABEL_KNOWN_AT]
    if set(frame.columns) != set(expected):
        raise LabelError(
            what=f"columns are {sorted(frame.columns)}, expected exactly {sorted(expected)}",
            where=f"labels of {spec.name}",
            fix="return keys, time, label and label_known_at, and nothing else",
        )
    open_classes = task is Task.MULTICLASS and not spec.classes
    kind = "double" if task is Task.REGRESSION else "string" if open_classes else "int"
    typed = [F.col(k).cast("string") for k in grain.keys]
    typed += [F.col(grain.time).cast(grain.time_type), *(F.col(name).cast(kind) for name in spec.labels)]
    return frame.select(*typed, F.col(LABEL_KNOWN_AT).cast("timestamp"))


def assemble(trainer: Steps, runtime: Runtime, as_of: date, grain: TableSpec) -> Rows | Skip:
    """Join labels with their features.

    Args:
        trainer: The trainer.
        runtime: The runtime.
        as_of: Newest day that may be known.
        grain: The table that fixes keys and time.

    Returns:
        The rows, or why there are none.
    """
    import pandas as pd

    spec = trainer.spec
    labels = known_labels(trainer, runtime, as_of, grain)
    frame = runtime.store.create_training_set(
        df=labels,
        feature_lookups=lookups(spec, runtime, grain),
        label=list(spec.labels) if trainer.task is not Task.ANOMALY else None,
    ).to_pandas()
    if frame.empty:
        return Skip("no label is defined in the whole history")
    known_at = pd.to_datetime(frame[LABEL_KNOWN_AT], utc=True)
    frame[LABEL_KNOWN_AT] = known_at
    if trainer.task is not Task.ANOMALY:
        check_label_frame(
            frame[[*grain.primary_key, *spec.labels, LABEL_KNOWN_AT]],
            grain=grain,
            labels=spec.labels,
            horizon=spec.horizon,
            model=spec.name,
        )
    names = list(model_features(spec, runtime))
    # What a table that was never built would have given is missing in every row.
    frame = frame.reindex(columns=[*frame.columns, *(n for n in names if n not in frame)])
    found = frame[names].notna().any(axis=1)
    # Sorted, since no engine promises an order: the same rows must give the same model wherever they come from.
    kept = frame[found].sort_values(list(grain.primary_key), ignore_index=True)
    if kept.empty:
        return Skip(f"none of {len(frame)} labelled rows has features")
    kept["_day"] = pd.to_datetime(kept[grain.time], utc=True).dt.tz_localize(None).dt.normalize()
    known = kept[LABEL_KNOWN_AT].dt.tz_localize(None)
    return Rows(frame=kept, known_at=known, labels=labels, without_features=int((~found).sum()))


def known_labels(trainer: Steps, runtime: Runtime, as_of: date, grain: TableSpec) -> Any:
    """Return the label frame in the store's own form, computed once per run: training and outcomes read the same."""
    at = (trainer.spec.name, as_of)
    labels = _LABELS.of(runtime)
    if at not in labels:
        if runtime.later is not None:
            whole = known_labels(trainer, runtime.later, runtime.later.as_of, grain)
            labels[at] = known_until(whole, grain.time, LABEL_KNOWN_AT, as_of)
        else:
            labels[at] = runtime.stage(
                bounded(trainer.label_frame(runtime, as_of, grain), runtime, grain, trainer.spec.name)
            )
    return labels[at]


def training_data(trainer: Steps, runtime: Runtime, rows: Rows, grain: TableSpec, split: Split) -> TrainingData:
    """Decide which features this training sees: those wholly NULL on training rows are dropped, by name."""
    frame = rows.frame
    train = frame.iloc[split.train]
    dropped: dict[str, str] = {}
    inputs = []
    for name, feature in model_features(trainer.spec, runtime).items():
        if feature.type == "double":
            frame[name] = frame[name].astype("float64")
        if train[name].notna().any():
            inputs.append(name)
            if feature.type == "string":
                frame[name] = frame[name].fillna("")
        else:
            dropped[name] = _why_null(trainer.spec, runtime, name)
    return TrainingData(
        spec=trainer.spec,
        grain=grain,
        frame=frame,
        split=split,
        inputs=tuple(inputs),
        classes=_classes(trainer, frame, split),
        dropped=dropped,
        labels=rows.labels,
        without_features=rows.without_features,
        entity=frame.groupby(list(grain.keys), sort=False).ngroup().to_numpy(),
        seed=runtime.settings.seed,
    )


def _classes(trainer: Steps, frame: pd.DataFrame, split: Split) -> tuple[str, ...]:
    """Return the class names; open classes are those of the training rows, and their labels become codes."""
    spec = trainer.spec
    if trainer.task is not Task.MULTICLASS or spec.classes:
        return spec.classes
    label = spec.labels[0]
    found = tuple(sorted(frame[label].iloc[split.train].dropna().unique()))
    # A class that training did not see gets a code of its own, which no answer ever gives.
    code = {name: at for at, name in enumerate(found)}
    frame[label] = frame[label].map(lambda name: code.get(name, len(found)))
    return found


def _why_null(spec: ModelSpec, runtime: Runtime, name: str) -> str:
    for lookup in spec.lookups:
        table = runtime.plugins.table(lookup.table)
        if name in {c.name for c in table.features}:
            missing = runtime.profiler.why_missing(table.inputs_of(name))
            if missing:
                return missing
    return "NULL in all training rows"

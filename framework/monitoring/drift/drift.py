"""Drift of a version: features, predictions, labels and anomaly rate of the last days beside what training saw."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from framework.base.clock import midnight
from framework.core.services import Memo
from framework.declare.model import Task
from framework.monitoring.drift import levels
from framework.monitoring.drift.columns import Column
from framework.monitoring.drift.counting import count_columns
from framework.monitoring.drift.histogram import Sketch
from framework.monitoring.drift.population import between
from framework.monitoring.drift.predictions import FLAG, PREDICTION
from framework.monitoring.drift.reference import load_reference
from framework.monitoring.drift.series import label_row, prediction_row
from framework.monitoring.drift.weeks import WINDOW_DAYS
from framework.scoring.scorer import prediction_key
from framework.tables.declared import OUTCOMES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from framework.core.versions import Served
    from framework.declare.model import TableSpec
    from framework.gold.runtime import Runtime
    from framework.monitoring.drift.columns import Where
    from framework.monitoring.drift.histogram import Counted

COUNTED: Memo[dict[tuple[str, date], dict[str, Counted]]] = Memo(dict)
"""What was counted in a run, by feature table and day: models share the columns of a table."""

LABEL_DAYS = 14
"""Days of predictions whose outcomes are compared. Of the newest only the quick cases are known: so not just a week."""
_FLAGS = Sketch(kind="number", points=(0.0, 1.0), cuts=(2,), counts=(0,) * 5, missing=0, entities=0)


def measure_drift(runtime: Runtime, model: str, served: Served, as_of: date) -> list[dict[str, Any]]:
    """Measure a version's drift over the days up to one.

    Each feature table is read once per run and day, for all models that read it, and what was counted is kept; on
    Spark no row is collected.

    Args:
        runtime: The runtime.
        model: Model.
        served: The version that answers.
        as_of: Last day of the window.

    Returns:
        Rows of the table ``model_drift``: one per input, per output, per label, and the anomaly rate of a detector.
        One row ``too_little`` if the version's training left no reference.
    """
    found = load_reference(served)
    same = {"model_name": model, "model_version": served.version, "as_of_date": as_of, "window_days": WINDOW_DAYS}
    if found is None:
        description = "its training left no reference to compare with: train it anew"
        return [{**same, "kind": "feature", "name": "*", "level": levels.TOO_LITTLE, "says": description}]
    tests = len(found["features"]) + len(found["predictions"]) + len(found["labels"])
    rows = [
        *_features(runtime, model, served, found, as_of, tests),
        *_predictions(runtime, model, served, found, as_of, tests),
        *_labels(runtime, model, served, found, as_of, tests),
    ]
    return [{**same, **row} for row in rows]


def _features(
    runtime: Runtime, model: str, served: Served, reference: Mapping[str, Any], as_of: date, tests: int
) -> list[dict[str, Any]]:
    rows = []
    for name, stored in reference["features"].items():
        table = runtime.plugins.table(stored["table"])
        counted = _counted(runtime, table, model, served, as_of)[_key(model, served, name)]
        unit = table.feature(name).unit
        row = levels.column_row(stored, counted, name=name, unit=unit, tests=tests)
        rows.append({"kind": "feature", "name": name, **row})
    return rows


def _counted(runtime: Runtime, table: TableSpec, model: str, served: Served, as_of: date) -> dict[str, Counted]:
    """Return the counts of a feature table's last days; the first call makes those of all models that read it."""
    kept: dict[str, Counted] = COUNTED.of(runtime).setdefault((table.name, as_of), {})
    mine = _columns(table, model, served)
    if all(column.key in kept for column in mine):
        return kept
    columns = [*mine, *(() if kept else _others(runtime, table, model))]
    read = {column.column for column in columns} | {name for column in columns for name, _, _ in column.where}
    frame = runtime.tables.frame(
        runtime.feature_table(table.name),
        columns=list(dict.fromkeys([*table.primary_key, *sorted(read)])),
        where=between(table, as_of - timedelta(days=WINDOW_DAYS - 1), as_of),
    )
    kept |= count_columns(frame, columns, keys=table.keys)
    return kept


def _others(runtime: Runtime, table: TableSpec, model: str) -> list[Column]:
    """Return what the other models that are served want counted of a table."""
    found: list[Column] = []
    for name, offer in runtime.plugins.trainers.items():
        if name == model or all(lookup.table != table.name for lookup in offer.item.spec.lookups):
            continue
        served = runtime.registry.served(name)
        if served is not None:
            found += _columns(table, name, served)
    return found


def _columns(table: TableSpec, model: str, served: Served) -> list[Column]:
    """Return the inputs of a version that a table holds."""
    declared = {feature.name for feature in table.features}
    return [
        Column(key=_key(model, served, name), column=name, sketch=Sketch.load(stored["sketch"]), where=_where(stored))
        for name, stored in (load_reference(served) or {"features": {}})["features"].items()
        if stored["table"] == table.name and name in declared
    ]


def _key(model: str, served: Served, name: str) -> str:
    return f"{model}/{served.version}/{name}"


def _where(stored: Mapping[str, Any]) -> Where:
    return tuple((name, sign, value) for name, sign, value in stored["where"])


def _predictions(
    runtime: Runtime, model: str, served: Served, reference: Mapping[str, Any], as_of: date, tests: int
) -> list[dict[str, Any]]:
    trainer = runtime.plugins.trainers[model].item
    name = runtime.feature_table(f"{trainer.spec.use_case}_predictions")
    if not reference["predictions"] or not runtime.tables.exists(name):
        return []
    grain = runtime.plugins.table(trainer.spec.lookups[0].table)
    columns = [
        Column(
            key=output,
            column="flags" if stored["entry"] else PREDICTION,
            sketch=Sketch.load(stored["sketch"]),
            entry=stored["entry"],
        )
        for output, stored in reference["predictions"].items()
    ]
    if reference["anomaly"]:
        columns.append(Column(key=FLAG, column=FLAG, sketch=_FLAGS))
    where = [
        ("model_version", "=", served.version),
        ("as_of_date", ">=", as_of - timedelta(days=WINDOW_DAYS - 1)),
        ("as_of_date", "<=", as_of),
    ]
    read = list(dict.fromkeys([*prediction_key(grain), *(column.column for column in columns)]))
    frame = runtime.tables.frame(name, columns=read, where=where)
    counted = count_columns(frame, columns, keys=grain.keys, day="as_of_date")
    rows = [
        {"kind": "prediction", "name": output, **prediction_row(stored, counted[output], name=output, tests=tests)}
        for output, stored in reference["predictions"].items()
    ]
    return [*rows, *([_anomaly_rate(counted[FLAG], reference["anomaly"])] if reference["anomaly"] else [])]


def _anomaly_rate(counted: Counted, band: Mapping[str, float]) -> dict[str, Any]:
    """Return the row of a detector's rate of flagged rows, beside the daily rates that its version held back."""
    flagged = int(_FLAGS.binned(counted.counts)[1])
    level, _, _ = levels.rate_level(flagged, counted.filled, band["low"], band["high"])
    rate = flagged / max(counted.filled, 1)
    description = f"{rate:.1%} of rows are flagged; days at training had {band['low']:.1%} to {band['high']:.1%}"
    found = level in (levels.WATCHED, levels.DRIFTED)
    return {
        "kind": "anomaly_rate",
        "name": FLAG,
        "rows": counted.rows,
        "level": level,
        "says": description if found else "",
    }


def _labels(
    runtime: Runtime, model: str, served: Served, reference: Mapping[str, Any], as_of: date, tests: int
) -> list[dict[str, Any]]:
    name = runtime.feature_table(OUTCOMES.name)
    if not reference["labels"] or not runtime.tables.exists(name):
        return []
    columns = [
        Column(key=label, column="outcome", sketch=Sketch.load(stored["sketch"]), where=(("label_name", "=", label),))
        for label, stored in reference["labels"].items()
    ]
    newest = _newest_outcome(runtime, name, model, served, as_of)
    if newest is None:
        return []
    where = [
        *_known(model, served, as_of),
        ("as_of_date", ">", newest - timedelta(days=LABEL_DAYS)),
        ("as_of_date", "<=", newest),
    ]
    frame = runtime.tables.frame(name, columns=["entity", "label_name", "as_of_date", "outcome"], where=where)
    counted = count_columns(frame, columns, keys=["entity"], day="as_of_date")
    task = runtime.plugins.trainers[model].item.task
    return [
        {
            "kind": "label",
            "name": label,
            "window_days": LABEL_DAYS,
            **label_row(stored, counted[label], name=label, tests=tests, classes=task is not Task.REGRESSION),
        }
        for label, stored in reference["labels"].items()
    ]


def _known(model: str, served: Served, as_of: date) -> list[tuple[str, str, Any]]:
    """Return the conditions of a version's outcomes that were known at the end of a day."""
    return [
        ("model_name", "=", model),
        ("model_version", "=", served.version),
        ("known_at", "<=", midnight(as_of + timedelta(days=1))),
    ]


def _newest_outcome(runtime: Runtime, name: str, model: str, served: Served, as_of: date) -> date | None:
    """Return the newest day of a prediction whose outcome is known."""
    from framework.stores.frames import newest

    found: date | None = newest(
        runtime.tables.frame(name, columns=["as_of_date"], where=_known(model, served, as_of)), "as_of_date"
    )
    return found

"""What people said of alerts, as known truth: read by training and by the figures of a version."""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING, Any

from framework.tables.declared import ALERTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from framework.core.services import Services
    from framework.declare.table import TableSpec

    Row = dict[str, Any]

REAL, NOISE = "real", "noise"
EVENT = "is_event"


def days_of(row: Mapping[str, Any]) -> list[date]:
    """Return the days on which an alert held."""
    return [date.fromisoformat(day) for day in json.loads(row["days"])]


def verdict_events(runtime: Services, model: str, grain: TableSpec) -> pd.DataFrame:
    """Return the days of a model's closed alerts as known truth.

    Args:
        runtime: The runtime.
        model: The model.
        grain: The table that fixes its keys and time; one row a day, since an alert knows days.

    Returns:
        Columns of the primary key (keys as text, the time as ``date``) and ``is_event``: 1 if a person found a day
        real, 0 if noise. No rows for a table of single events.
    """
    import pandas as pd

    truth: dict[tuple[Any, ...], int] = {}
    for row in _judged(runtime, model) if grain.time_type == "date" else ():
        entity = json.loads(row["entity"])
        for day in days_of(row):
            at = (*(entity[key] for key in grain.keys), day)
            truth[at] = max(truth.get(at, 0), int(row["verdict"] == REAL))
    rows = [(*at, event) for at, event in sorted(truth.items())]
    return pd.DataFrame(rows, columns=[*grain.keys, grain.time, EVENT])


def precision_by_verdict(runtime: Services, model: str) -> float | None:
    """Return the share of a model's judged alerts that were real; ``None`` if a person judged none."""
    verdicts = [row["verdict"] for row in _judged(runtime, model)]
    return verdicts.count(REAL) / len(verdicts) if verdicts else None


def _judged(runtime: Services, model: str) -> list[Row]:
    """Return a model's alerts about entities that carry a verdict."""
    where = [("model_name", "=", model), ("kind", "=", "prediction"), ("verdict", "in", [REAL, NOISE])]
    return [row for row in ALERTS.read(runtime, where).to_pylist() if row["entity"]]

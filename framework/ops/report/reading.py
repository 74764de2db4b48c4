"""Reads what the report is made of: each table once, and of it only the days and columns that are shown."""

from __future__ import annotations

import dataclasses
import json
from datetime import date, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from framework.core.versions import CHAMPION
from framework.declare.labels import KNOWN_AT
from framework.declare.model import Task
from framework.gold.quarantine import QUARANTINE
from framework.tables import declared as tables
from framework.tables.declared import LEDGER

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pyarrow as pa

    from framework.declare.model import Feature, ModelSpec, TableSpec
    from framework.gold.runtime import Runtime
    from framework.tables.table import MonitorTable

Rows = list[dict[str, Any]]
TREND_DAYS = 90
DRIFT_DAYS = 30
ANSWERS = {
    Task.ANOMALY: ("is_anomaly",),
    Task.BINARY: ("predicted_class",),
    Task.MULTICLASS: ("probability", "predicted_class"),
    Task.MULTILABEL: ("flags",),
    Task.REGRESSION: ("prediction_p10", "prediction_p90"),
}
WHO = ("model_version", "served_as", "is_fallback")


@dataclasses.dataclass(frozen=True, slots=True)
class Served:
    """One model's predictions of the day, of the version that one acts on.

    Args:
        rows: Keys, prediction, answers by task, ``reasons`` and ``target_end``.
        version: The version.
        marks: ``challenger``, ``fallback``, or nothing.
    """

    rows: pa.Table
    version: int
    marks: tuple[str, ...]


class Reader:
    """The tables of a runtime as one day knew them.

    Args:
        runtime: The runtime.
        day: The day.
    """

    def __init__(self, runtime: Runtime, day: date) -> None:
        self.runtime = runtime
        self.day = day
        self.first = day - timedelta(days=TREND_DAYS - 1)
        plugins, settings = runtime.plugins, runtime.settings
        self.models = tuple(plugins.select_models(settings.domains, settings.models))

    def task(self, model: str) -> Task:
        """Return what kind of model it is."""
        task: Task = self.runtime.plugins.trainers[model].item.task
        return task

    def spec(self, model: str) -> ModelSpec:
        """Return a model's declaration."""
        spec: ModelSpec = self.runtime.plugins.trainers[model].item.spec
        return spec

    def grain(self, model: str) -> TableSpec:
        """Return the table that fixes a model's keys and time."""
        return self.runtime.plugins.table(self.spec(model).lookups[0].table)

    def features(self, model: str) -> dict[str, Feature]:
        """Return the declarations of a model's features by name."""
        lookups = self.spec(model).lookups
        return {f.name: f for lookup in lookups for f in self.runtime.plugins.table(lookup.table).features}

    def unit(self, model: str) -> str:
        """Return the unit of a model's answers: that of its baseline feature, where there is one."""
        columns = getattr(self.spec(model).baseline, "columns", ())
        declared = self.features(model).get(columns[0]) if columns and self.task(model) is Task.REGRESSION else None
        return declared.unit if declared else ""

    @cached_property
    def ledger(self) -> Rows:
        """The newest record of each unit of the day, oldest first."""
        name = self.runtime.feature_table(LEDGER)
        columns = ["run_id", "unit", "inputs", "recorded_at", "status", "reason"]
        if not self.runtime.tables.exists(name):
            return []
        rows = self.runtime.tables.read(name, columns=columns, where=[("as_of_date", "=", self.day)]).to_pylist()
        rows.sort(key=lambda row: row["recorded_at"])
        return sorted({row["unit"]: row for row in rows}.values(), key=lambda row: row["recorded_at"])

    @cached_property
    def alerts(self) -> Rows:
        """Alerts that a person has not closed, raised up to the day."""
        where = [("state", "in", ["open", "acknowledged"]), ("first_day", "<=", self.day)]
        return self._mine(tables.ALERTS, where)

    @cached_property
    def requests(self) -> Rows:
        """Open retrain requests, found up to the day."""
        return self._mine(tables.REQUESTS, [("state", "=", "open"), ("requested_on", "<=", self.day)])

    @cached_property
    def decisions(self) -> Rows:
        """Decisions up to the day, oldest first."""
        rows = self._mine(tables.DECISIONS, [("as_of_date", "<=", self.day)])
        return sorted(rows, key=lambda row: (row["as_of_date"], str(row["decided_at"])))

    @cached_property
    def performance(self) -> Rows:
        """Rolling figures of the days shown, oldest first."""
        return self._mine(tables.PERFORMANCE, self._days(self.first))

    @cached_property
    def drift(self) -> Rows:
        """Drift of the newest month, oldest first."""
        columns = ["model_name", "model_version", "as_of_date", "kind", "name", "psi", "level", "says"]
        return self._mine(tables.DRIFT, self._days(self.day - timedelta(days=DRIFT_DAYS - 1)), columns)

    @cached_property
    def outcomes(self) -> pa.Table:
        """Outcomes of the forecasts of the days shown."""
        chosen = [m for m in self.models if self.task(m) is Task.REGRESSION]
        columns = ["model_name", "entity", "as_of_date", "model_version", "served_as"]
        columns += ["prediction", "prediction_p10", "prediction_p90", "outcome"]
        where = [("model_name", "in", chosen), *self._days(self.first)]
        return tables.OUTCOMES.read(self.runtime, where, columns)

    @cached_property
    def quarantine(self) -> Rows:
        """Rows in quarantine: table, reason, copies and time."""
        name = self.runtime.feature_table(QUARANTINE)
        if not self.runtime.tables.exists(name):
            return []
        columns = ["table_name", "reason", "copies", KNOWN_AT]
        found: Rows = self.runtime.tables.read(name, columns=columns).to_pylist()
        return found

    def predictions(self, model: str) -> Served | None:
        """Return a model's predictions of the day; ``None`` if there are none."""
        from framework.stores.arrow import pc

        wanted = ["prediction", *ANSWERS[self.task(model)], "reasons", "target_end", *WHO]
        rows = self._predicted(model, wanted, [("as_of_date", "=", self.day)])
        if rows is None or not rows.num_rows:
            return None
        who = {tuple(row.values()) for row in rows.select(list(WHO)).group_by(list(WHO)).aggregate([]).to_pylist()}
        version, alias, fallback = max(who, key=lambda one: (one[1] == CHAMPION, one[0]))
        marks = (*(() if alias == CHAMPION else ("challenger",)), *(("fallback",) if fallback else ()))
        return Served(rows.filter(pc.equal(rows["model_version"], version)), version, marks)

    def flagged(self, model: str) -> Rows:
        """Return keys and days of what an anomaly model flagged, from the version that one acts on."""
        where = [*self._days(self.first), ("is_anomaly", "=", 1)]
        found = self._predicted(model, ["as_of_date", "served_as"], where)
        rows: Rows = found.to_pylist() if found is not None else []
        champions = [row["as_of_date"] for row in rows if row["served_as"] == CHAMPION]
        since = min(champions, default=date.max)
        return [row for row in rows if row["served_as"] == CHAMPION or row["as_of_date"] < since]

    def first_target_end(self, model: str) -> date | None:
        """Return the day on which the first prediction's window ends; ``None`` if nothing was predicted."""
        from framework.stores.arrow import pc

        rows = self._predicted(model, ["target_end"], [("as_of_date", "<=", self.day)])
        end = pc.min(rows["target_end"]).as_py() if rows is not None and rows.num_rows else None
        return (end - timedelta(microseconds=1)).date() if end else None  # a window ends just before its end

    def _predicted(self, model: str, columns: Sequence[str], where: list[Any]) -> pa.Table | None:
        """Read a prediction table with its keys; a column that an older table lacks is NULL."""
        import pyarrow as pa

        name = self.runtime.feature_table(f"{self.spec(model).use_case}_predictions")
        schema = self.runtime.tables.schema(name)
        if schema is None:
            return None
        wanted = list(dict.fromkeys([*self.grain(model).keys, *columns]))
        rows = self.runtime.tables.read(name, columns=[c for c in wanted if c in schema.names], where=where)
        for absent in (c for c in wanted if c not in schema.names):
            rows = rows.append_column(absent, pa.nulls(len(rows)))
        return rows

    def _days(self, first: date) -> list[tuple[str, str, Any]]:
        return [("as_of_date", ">=", first), ("as_of_date", "<=", self.day)]

    def _mine(
        self, table: MonitorTable, where: Sequence[tuple[str, str, Any]], columns: Sequence[str] | None = None
    ) -> Rows:
        """Read a monitoring table's rows about the models of the report, by day where there is one."""
        known = set(self.models)
        rows = [row for row in table.read(self.runtime, where, columns).to_pylist() if row["model_name"] in known]
        return sorted(rows, key=lambda row: str(row.get("as_of_date", "")))


def of(rows: Iterable[dict[str, Any]], model: str) -> Rows:
    """Return the rows about one model."""
    return [row for row in rows if row["model_name"] == model]


def newest_day(runtime: Runtime, until: date | None) -> date:
    """Return the newest day that a run was about; without any, the day asked for, or today.

    Args:
        runtime: The runtime.
        until: Newest day that may be returned; ``None`` for any.
    """
    name = runtime.feature_table(LEDGER)
    found: list[date] = []
    if runtime.tables.exists(name):
        where = [("as_of_date", "<=", until)] if until else None
        found = runtime.tables.read(name, columns=["as_of_date"], where=where)["as_of_date"].to_pylist()
    return max(found, default=until or runtime.clock.now().date())


def keys_of(text: str) -> dict[str, str]:
    """Return the keys that an entity's JSON object holds; a text that is none stands for itself."""
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {"entity": text}

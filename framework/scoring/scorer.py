"""BatchScorer: the population of a day, scored from keys alone, merged into its prediction table."""

from __future__ import annotations

import dataclasses
import time
from abc import ABC
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, final

from framework.base.clock import midnight
from framework.base.errors import LabelError, ScoringError
from framework.core.results import Status, UnitResult
from framework.declare.model import ModelSpec, TableSpec, Task
from framework.declare.subclass_checks import check_subclass
from framework.scoring.current import keep_current
from framework.stores.frames import count, finish, share_out, stamp
from framework.tables.declared import SERVING

if TYPE_CHECKING:
    from framework.core.plugins import Registry
    from framework.core.ports import Frame
    from framework.core.versions import Served
    from framework.gold.runtime import Runtime
    from framework.gold.view import GoldView

SKETCH = "set `model` to the model's name and write `def population(self, gold, as_of)`"
UNIMPORTANT = ("scored_at", "scoring_run_id")
"""Provenance of the last scoring run: a row that differs in nothing else is not rewritten."""


class BatchScorer(ABC):
    """Scores one model's population of a day; subclass it where no condition on features says who that is.

    A model without a scorer of its own scores every entity with a feature row on the day, narrowed by what its
    declaration says in ``score_where``.
    """

    model: ClassVar[str]

    def __init_subclass__(cls, *, abstract: bool = False, **kwargs: object) -> None:
        """Check the subclass once, when it is created."""
        super().__init_subclass__(**kwargs)
        needs = () if abstract else ("model",)
        check_subclass(cls, base=BatchScorer, final=("score",), needs=needs, sketch=SKETCH)

    def population(self, gold: GoldView, as_of: date) -> Frame | None:
        """Return the keys and time to score, or ``None`` for the default.

        Args:
            gold: Gold as known at the end of ``as_of``.
            as_of: The day to score.
        """
        return None

    @final
    def score(self, runtime: Runtime, as_of: date) -> UnitResult:
        """Score the day and merge the predictions.

        Args:
            runtime: The runtime.
            as_of: The day; its features must have been built.

        Returns:
            ``done``, or ``fallback`` if a dummy answered, or ``skipped`` with the reason.

        Raises:
            ScoringError: If the features are older than ``max_feature_age`` days.
        """
        began = time.perf_counter()
        result = self._score(runtime, as_of)
        return dataclasses.replace(result, seconds=time.perf_counter() - began)

    def _score(self, runtime: Runtime, as_of: date) -> UnitResult:
        trainer = runtime.plugins.trainers[self.model].item
        served = runtime.registry.served(self.model)
        if served is None:
            return _skipped(self.model, "no version is registered: train it first")
        grain = runtime.plugins.table(trainer.spec.lookups[0].table)
        _refuse_stale(runtime, grain, as_of, self.model)
        _refuse_changed_formulas(runtime, served)
        keys = self.population(runtime.gold().until(as_of), as_of)
        if keys is not None:
            _refuse_columns(keys, grain, self.model)
        else:
            keys = runtime.rows_of_day(grain, as_of, columns=grain.primary_key, where=trainer.spec.score_where)
        rows = self._answers(runtime, served, as_of, keys, grain)
        written = runtime.tables.merge(
            runtime.feature_table(f"{trainer.spec.use_case}_predictions"),
            rows,
            keys=prediction_key(grain),
            unimportant=UNIMPORTANT,
            description=f"{trainer.spec.question} One row per {trainer.spec.unit} and version.",
        )
        _note_served(runtime, self.model, served, as_of)
        keep_current(runtime, trainer.spec.use_case)
        total = count(rows)
        return UnitResult(
            stage="score",
            name=self.model,
            status=Status.FALLBACK if served.is_fallback else Status.DONE,
            reason=_remark(served, total, written),
            rows=total,
            version=served.version,
            scored_with=served.uri,
        )

    def _answers(self, runtime: Runtime, served: Served, as_of: date, keys: Frame, grain: TableSpec) -> Frame:
        """Return the prediction rows of the keys."""
        trainer = runtime.plugins.trainers[self.model].item
        spec, task = trainer.spec, trainer.task
        stamped = stamp(
            keys,
            constants=_constants(runtime, served, as_of, runtime.clock.now(), spec, grain),
            shifts={} if grain.time_type == "date" else _event_targets(grain, spec),
        )
        struct = ",".join(f"{name}:{kind}" for name, kind in served.outputs)
        scored = runtime.store.score_batch(model_uri=served.uri, df=stamped, result_type=f"struct<{struct}>")
        rows = finish(scored, keep=_columns(task, spec, grain), naming=_naming(task, spec, served))
        if spec.shares_of:
            rows = share_out(rows, by=[*spec.shares_of], columns=_forecasts(spec))
        return rows


class _ByDeclaration(BatchScorer, abstract=True):
    """Scores whom the model's declaration names."""

    def __init__(self, model: str) -> None:
        self.model = model  # type: ignore[misc] # one class serves every model that has none of its own


def scorer_of(plugins: Registry, model: str) -> BatchScorer:
    """Return the scorer that a domain offers for a model, or the one that goes by its declaration."""
    offer = plugins.scorers.get(model)
    found: BatchScorer = offer.item() if offer else _ByDeclaration(model)
    return found


def _note_served(runtime: Runtime, model: str, served: Served, as_of: date) -> None:
    """Write down which version answered for a day last: after a rollback it is not the newest one that did."""
    row = {"model_name": model, "as_of_date": as_of, "model_version": served.version, "served_as": served.alias}
    SERVING.merge(runtime, [row | {"scored_at": runtime.clock.now()}])


def prediction_key(grain: TableSpec) -> list[str]:
    """Return the primary key of a prediction table: entity keys, day, version (and the event's time)."""
    moment = [] if grain.time_type == "date" else [grain.time]
    return [*grain.keys, *moment, "as_of_date", "model_version"]


def _constants(
    runtime: Runtime, served: Served, as_of: date, moment: datetime, spec: ModelSpec, grain: TableSpec
) -> dict[str, Any]:
    found: dict[str, Any] = {
        "model_name": spec.name,
        "model_version": served.version,
        "served_as": served.alias,
        "is_fallback": served.is_fallback,
        "as_of_date": as_of,
        "training_run_id": served.training_run_id,
        "scoring_run_id": runtime.run_id,
        "scored_at": moment,
    }
    if grain.time_type == "date":
        start = midnight(as_of + timedelta(days=1))
        found |= {"target_start": start, "target_end": start + spec.horizon}
    return found


def _event_targets(grain: TableSpec, spec: ModelSpec) -> dict[str, tuple[str, timedelta]]:
    return {"target_start": (grain.time, timedelta(0)), "target_end": (grain.time, spec.horizon)}


def _columns(task: Task, spec: ModelSpec, grain: TableSpec) -> list[str]:
    """Return the prediction table's columns, in order."""
    answers = {
        Task.ANOMALY: ["anomaly_score", "is_anomaly"],
        Task.BINARY: ["probability", "predicted_class"],
        Task.MULTICLASS: ["probability", "predicted_class", "probabilities"],
        Task.MULTILABEL: ["flags"],
        Task.REGRESSION: _forecasts(spec)[1:],
    }[task]
    moment = [] if grain.time_type == "date" else [grain.time]
    facts = ["model_name", "model_version", "served_as", "is_fallback", "as_of_date", "target_start", "target_end"]
    return [*grain.keys, *moment, "prediction", *answers, "reasons", *facts, "training_run_id", *reversed(UNIMPORTANT)]


def _forecasts(spec: ModelSpec) -> list[str]:
    """Return the columns that hold the forecast of a regression, and its quantiles."""
    return ["prediction", *spec.quantile_columns]


def _naming(task: Task, spec: ModelSpec, served: Served) -> tuple[str, ...]:
    """Return names for the numbered probabilities of a model with several."""
    return {Task.MULTICLASS: served.classes, Task.MULTILABEL: spec.labels}.get(task, ())


def _refuse_columns(population: Frame, grain: TableSpec, model: str) -> None:
    """Refuse anything but keys and time: the real client would use a supplied column instead of the table's."""
    names = list(getattr(population, "column_names", None) or population.columns)
    if set(names) != set(grain.primary_key):
        raise LabelError(
            what=f"columns are {sorted(names)}, expected exactly {sorted(grain.primary_key)}",
            where=f"population of {model}",
            fix="return keys and time, and nothing else",
        )


def _refuse_stale(runtime: Runtime, grain: TableSpec, as_of: date, model: str) -> None:
    """Refuse to score a day for which features were not built."""
    if grain.time_type != "date":
        return
    newest = runtime.newest_day(grain)
    if newest is None or (as_of - newest).days > runtime.settings.max_feature_age:
        raise ScoringError(
            what=f"the newest features are of {newest}, the day to score is {as_of}",
            where=f"{grain.name}, for {model}",
            fix="run `health-monitor features` first, or raise max_feature_age",
        )


def _refuse_changed_formulas(runtime: Runtime, served: Served) -> None:
    """Refuse a version that learnt from columns which mean something else now."""
    from framework.registry.formulas import changed_formulas

    if changed := changed_formulas(runtime, served.facts):
        raise ScoringError(
            what=f"{', '.join(changed)}: version {served.version} learnt from another formula of it than is stored now",
            where=served.name,
            fix="train the model again; the gate does not hold an outdated champion against the new version",
        )


def _remark(served: Served, total: int, written: int) -> str:
    remarks = []
    if served.is_fallback:
        remarks.append(f"a fallback answers: {served.facts.get('reason', '')}")
    if served.alias == "challenger":
        remarks.append("no champion: served as challenger")
    if total == 0:
        remarks.append("nothing to score on this day")
    elif written < total:
        remarks.append(f"{total - written} rows were there already")
    return "; ".join(remarks)


def _skipped(model: str, reason: str) -> UnitResult:
    return UnitResult(stage="score", name=model, status=Status.SKIPPED, reason=reason)

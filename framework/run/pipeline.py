"""The stages of a run: features, train, score. Units are independent: gather, never abort."""

from __future__ import annotations

import contextlib
import dataclasses
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import structlog

from framework.base.errors import HealthMonitorError, MissingInputError
from framework.base.logging import collected, get_logger
from framework.core.results import Ledger, Status, UnitResult
from framework.declare.gold import Days
from framework.gold.quarantine import Profile, quarantine
from framework.run.unchanged import UNCHANGED, features_of, training_of
from framework.tables.declared import LEDGER

if TYPE_CHECKING:
    from datetime import date

    from framework.features.builder import FeatureBuilder
    from framework.gold.runtime import Runtime
    from framework.training.base import ModelTrainer

STAGES = ("features", "train", "score", "monitor")

Listener = Callable[[str, UnitResult | None], None]
"""Called with a unit before it starts (``None``) and with its result."""


class Pipeline:
    """Runs stages for the selected models, writing each unit's result to the ledger as it happens.

    Args:
        runtime: The runtime.
        resume: Take over results of the latest run of the same day and inputs.
        first: First day of features to rebuild; ``None`` for the days that can still change.
        requested: Train only models that monitoring asked to train again, and those without any version.
        listen: Told of each unit; a progress display.
    """

    def __init__(
        self,
        runtime: Runtime,
        *,
        resume: bool = False,
        first: date | None = None,
        requested: bool = False,
        listen: Listener | None = None,
    ) -> None:
        self._runtime = runtime
        self._first = first
        self._requested = requested
        self._listen = listen or (lambda _unit, _result: None)
        self.results: list[UnitResult] = []
        self.models = runtime.plugins.select_models(runtime.settings.domains, runtime.settings.models)
        self._ledger = Ledger(
            runtime.tables,
            runtime.feature_table(LEDGER),
            run_id=runtime.run_id,
            as_of=runtime.as_of,
            inputs=runtime.settings.inputs(),
        )
        self._checked: set[str] = set()
        self._finished = self._earlier if resume else {}

    def run(self, stages: Sequence[str] = STAGES) -> list[UnitResult]:
        """Run stages in order.

        Args:
            stages: Some of ``features``, ``train``, ``score``, ``monitor``.

        Returns:
            One result per unit; a failed one is among them and stops nothing that does not need it.
        """
        with structlog.contextvars.bound_contextvars(run_id=self._runtime.run_id, as_of=str(self._runtime.as_of)):
            for stage in stages:
                getattr(self, f"_{stage}")()
        return self.results

    def units(self, stages: Sequence[str] = STAGES) -> list[str]:
        """Return the units that :meth:`run` will do, for a progress display."""
        found = [f"features:{name}" for name in self._tables()] if "features" in stages else []
        found += [f"{stage}:{model}" for stage in stages if stage != "features" for model in self.models]
        return [*found, "alerts:alerts"] if "monitor" in stages else found

    def _tables(self) -> list[str]:
        """Feature tables of the selected models, each once, in lookup order."""
        return self._runtime.plugins.select_tables(self.models, self._runtime.settings.tables)

    def _features(self) -> None:
        for name in self._tables():
            self._do("features", name, lambda name=name: self._build(name))  # type: ignore[misc]

    def _train(self) -> None:
        from framework.monitoring.outcomes.retraining import open_requests

        asked = {row["model_name"] for row in open_requests(self._runtime)} if self._requested else set(self.models)
        for model in self.models:
            # What has no version yet is asked for every day: one day its history is long enough.
            if model in asked or self._runtime.registry.served(model) is None:
                self._do("train", model, lambda model=model: self._train_one(model))  # type: ignore[misc]

    def _train_one(self, model: str) -> UnitResult:
        from framework.monitoring.outcomes.retraining import take
        from framework.registry.gate import settle

        runtime = self._runtime
        trainer: ModelTrainer = runtime.plugins.trainers[model].item()
        made_of = training_of(trainer, runtime)
        before = self._unchanged("train", model, made_of)
        if before and before.version is not None:
            if any(int(found.version) == before.version for found in runtime.registry.versions(model)):
                settle(runtime, trainer.spec, before.version)
            else:  # somebody has deleted it since
                before = None
        result = before or dataclasses.replace(trainer.train(runtime, runtime.as_of), made_of=made_of)
        if result.version is not None:
            take(runtime, model, result.version, runtime.as_of)
        return result

    def _monitor(self) -> None:
        from framework.monitoring.monitor import monitor_model, tell

        for model in self.models:
            self._do("monitor", model, lambda m=model: monitor_model(self._runtime, m, self._runtime.as_of))  # type: ignore[misc]
        self._do("alerts", "alerts", lambda: tell(self._runtime, self._runtime.as_of))

    def _score(self) -> None:
        for model in self.models:
            self._do("score", model, lambda model=model: self._score_one(model))  # type: ignore[misc]

    def _score_one(self, model: str) -> UnitResult:
        from framework.scoring.scorer import scorer_of

        return scorer_of(self._runtime.plugins, model).score(self._runtime, self._runtime.as_of)

    def _build(self, name: str) -> UnitResult:
        runtime = self._runtime
        builder: FeatureBuilder = runtime.plugins.builders[name].item()
        if not self._first and (before := self._unchanged("features", name, features_of(builder, runtime))):
            return dataclasses.replace(before, rows=0)
        missing = runtime.profiler.why_missing(builder.table.needs)
        if missing:
            return UnitResult(stage="features", name=name, status=Status.SKIPPED, reason=missing)
        remarks = self._check_inputs(builder)
        days = Days(self._first, runtime.as_of) if self._first else builder.plan(runtime, runtime.as_of)
        built = builder.build(runtime, days)
        return UnitResult(
            stage="features",
            name=name,
            status=Status.DONE,
            rows=built.written,
            reason="; ".join(remarks),
            seconds=built.seconds,
            made_of=features_of(builder, runtime),
        )

    @cached_property
    def _earlier(self) -> dict[str, UnitResult]:
        """What earlier runs of this day and these settings recorded, by unit."""
        return self._ledger.finished()

    def _unchanged(self, stage: str, name: str, made_of: str) -> UnitResult | None:
        """Return an earlier result that was made of the same; ``None`` if there is none, or nobody can tell."""
        before = self._earlier.get(f"{stage}:{name}") if made_of else None
        if before is None or before.made_of != made_of:
            return None
        return dataclasses.replace(before, reason=before.reason or UNCHANGED)

    def _check_inputs(self, builder: FeatureBuilder) -> list[str]:
        """Quarantine bad rows of the gold tables that a builder reads, and remark on what is odd."""
        runtime = self._runtime
        remarks: list[str] = []
        for name in builder.table.gold_tables():
            if name in self._checked:  # several builders read it; its rows are named once
                continue
            self._checked.add(name)
            profile = runtime.profiler.profile(name)
            quarantine(runtime, runtime.gold(), profile)
            remarks += filter(None, [profile.counted() if profile.present else ""])
            remarks += _oddities(profile)
        return remarks

    def _do(self, stage: str, name: str, work: Callable[[], UnitResult]) -> None:
        unit = f"{stage}:{name}"
        log = get_logger().bind(stage=stage, unit=name)
        if unit in self._finished and stage != "alerts":  # what was mended must be told too
            taken_over = dataclasses.replace(self._finished[unit], seconds=0.0)
            self.results.append(taken_over)
            self._listen(unit, taken_over)
            log.info("unit_resumed")
            return
        self._listen(unit, None)
        began = time.perf_counter()
        with collected() as events:
            with _named(stage, name, began) as failure:
                result = work()
            if failure:
                result = failure[0]
            result = dataclasses.replace(result, seconds=time.perf_counter() - began)
            report = log.error if result.status is Status.FAILED else log.info
            report(
                "unit_finished",
                status=str(result.status),
                rows=result.rows,
                seconds=round(result.seconds, 2),
                reason=result.reason,
            )
        self.results.append(result)
        self._ledger.record(result, self._runtime.clock.now(), events)
        self._listen(unit, result)


@contextlib.contextmanager
def _named(stage: str, name: str, began: float) -> Iterator[list[UnitResult]]:
    """Turn an exception of a unit into its failed result; the others go on."""
    failure: list[UnitResult] = []
    try:
        yield failure
    except Exception as error:  # noqa: BLE001 - a unit may fail in any way; the result names it
        if not isinstance(error, HealthMonitorError):
            get_logger().error("unexpected_error", stage=stage, unit=name, traceback=traceback.format_exc())
        # A foreign error may carry a whole query plan: its first line goes to the table, all of it to the log.
        first = (str(error).splitlines() or [""])[0][:300]
        reason = str(error) if isinstance(error, HealthMonitorError) else f"{type(error).__name__}: {first}"
        # What the gold layer does not hold costs just what needs it.
        status = Status.SKIPPED if isinstance(error, MissingInputError) else Status.FAILED
        failure.append(
            UnitResult(stage=stage, name=name, status=status, reason=reason, seconds=time.perf_counter() - began)
        )


def _oddities(profile: Profile) -> list[str]:
    found = []
    if profile.bad:
        each = ", ".join(f"{rows} {reason}" for reason, rows in sorted(profile.bad.items()))
        found.append(f"{profile.table}: {sum(profile.bad.values())} rows in quarantine ({each})")
    return found + [f"{profile.table}.{column}: unknown {', '.join(v)}" for column, v in profile.unknown.items()]

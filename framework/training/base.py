"""ModelTrainer: one final verb that owns order, tracking, leakage checks and errors."""

from __future__ import annotations

import dataclasses
import time
from abc import ABC, abstractmethod
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, final

from framework.core.results import Skip, Status, UnitResult
from framework.declare.subclass_checks import check_subclass
from framework.registry import gate
from framework.training import assemble, rolling
from framework.training.baseline import silent_share
from framework.training.fingerprint import fingerprint
from framework.training.fitting import few_threads
from framework.training.leakage import jitter
from framework.training.leakage.checks import checks, run_checks
from framework.training.record import record
from framework.training.rivals import rivals
from framework.training.split import Split, cut_at, held_back_windows, split_by_time
from framework.training.trained import Trained

if TYPE_CHECKING:
    from datetime import date

    from pyspark.sql import DataFrame

    from framework.declare.labels import Label
    from framework.declare.model import ModelSpec, TableSpec, Task
    from framework.gold.runtime import Runtime
    from framework.gold.view import GoldView
    from framework.training.data import Fitted, Judged, TrainingData

SKETCH = "set `spec = ModelSpec(...)` and write `def labels(self, gold, as_of)` and `def estimator(self)`"
MIN_WINDOWS = 4
MAX_SILENT = 0.01
"""Share of training rows on which a baseline may be NULL without saying what it answers there."""


class ModelTrainer(ABC):
    """Trains one model; subclass one of its three kinds, not this class."""

    spec: ClassVar[ModelSpec]
    task: ClassVar[Task]
    calibrates: ClassVar[bool] = False
    """Whether ``fit`` uses the days kept for calibration; what does not is fitted on them instead."""

    def __init_subclass__(cls, *, abstract: bool = False, **kwargs: object) -> None:
        """Check the subclass once, when it is created."""
        super().__init_subclass__(**kwargs)
        needs = () if abstract else ("spec", "task")
        final, steps = ("train", "prepare"), ("label_frame", "fit", "evaluate_fit", "with_truth")
        check_subclass(cls, base=ModelTrainer, final=final, needs=needs, sketch=SKETCH, steps=steps)
        if not abstract:
            cls.spec.alert_condition(cls.task)  # refuses an answer that the model cannot give

    @abstractmethod
    def estimator(self) -> Any:
        """Return an unfitted scikit-learn compatible estimator; import its library inside."""

    @abstractmethod
    def label_frame(self, runtime: Runtime, as_of: date, grain: TableSpec) -> Any:
        """Return keys, time, labels and ``label_known_at`` of every row that may be learnt from."""

    @abstractmethod
    def fit(self, data: TrainingData, runtime: Runtime) -> Fitted:
        """Fit, choose thresholds on calibration rows, and judge on test rows."""

    @abstractmethod
    def evaluate_fit(self, data: TrainingData, runtime: Runtime) -> Judged | None:
        """Fit only what the held-back answers need, and return them; ``None`` where nothing is known of the rows."""

    def with_truth(self, data: TrainingData, runtime: Runtime) -> TrainingData:
        """Return the rows with what judges them besides their labels; labels are all that most models need."""
        return data

    def remarks(self, gold: GoldView) -> list[str]:
        """Return what the operator should know of this training's input; shown beside its figures."""
        return []

    @final
    def train(self, runtime: Runtime, as_of: date) -> UnitResult:
        """Train, judge and register one version.

        Args:
            runtime: The runtime.
            as_of: Newest day that training may know.

        Returns:
            How it ended: ``done`` with the held-back metric beside its baseline, ``fallback`` or
            ``skipped`` with the reason.

        Raises:
            HealthMonitorError: If the labels break their contract or a feature leaks.
        """
        began = time.perf_counter()
        result = self._train(runtime, as_of)
        return dataclasses.replace(result, seconds=time.perf_counter() - began)

    def _train(self, runtime: Runtime, as_of: date) -> UnitResult:
        spec = self.spec
        grain = runtime.plugins.table(spec.lookups[0].table)
        if lacking := self._lacking(runtime, grain):
            return self._skipped(lacking)
        identity = fingerprint(self, runtime, as_of)
        unchanged = runtime.registry.find(spec.name, identity)
        if unchanged is not None:
            gate.settle(runtime, spec, unchanged.version)
            return dataclasses.replace(unchanged.result, reason=unchanged.result.reason or "unchanged")
        data = self.prepare(runtime, as_of)
        if isinstance(data, Skip):
            return self._skipped(data)
        findings = run_checks(checks(self, data, runtime, as_of), spec.name)
        with few_threads(len(data.split.train)):
            fitted = self._with_history(self.fit(data, runtime), data, data.split)
            fitted = self._with_answering_baseline(fitted, data)
            findings += jitter.check(fitted.extras.get(jitter.FIGURE, 0.0), spec.name)
            rolling_result = rolling.rolling_evaluation(self, data, fitted, runtime)
            whole, final = (
                self._refit(data, fitted, rolling_result, runtime) if runtime.settings.refit else (data, fitted)
            )
        final = dataclasses.replace(final, remarks=(*self.remarks(runtime.gold()), *final.remarks))
        final = final.with_findings(findings)
        final = dataclasses.replace(final, rivals=rivals(data, rolling_result.judged, self.task))
        trained = Trained(
            data=whole, fitted=final, rolling_result=rolling_result, fingerprint=identity, refit=whole is not data
        )
        return record(self, runtime, as_of, trained)

    @final
    def prepare(self, runtime: Runtime, as_of: date) -> TrainingData | Skip:
        """Return the labelled rows with their features, split by time, or why there is nothing to train on.

        Args:
            runtime: The runtime.
            as_of: Newest day that may be known.
        """
        spec = self.spec
        grain = runtime.plugins.table(spec.lookups[0].table)
        rows = assemble.assemble(self, runtime, as_of, grain)
        if isinstance(rows, Skip):  # what the operator should know of the input may be the reason
            return Skip("; ".join([rows.reason, *self.remarks(runtime.gold())]))
        calibrate = spec.calibrate if self.calibrates else timedelta(0)
        split = split_by_time(rows.frame["_day"], rows.known_at, calibrate=calibrate, test=spec.test)
        if isinstance(split, Skip):
            return split
        data = assemble.training_data(self, runtime, rows, grain, split)
        absent = [name for name in spec.required if name in data.dropped]
        if absent:
            return Skip(f"required feature {absent[0]}: {data.dropped[absent[0]]}")
        return self.with_truth(data, runtime)

    def _refit(
        self, data: TrainingData, fitted: Fitted, rolling_result: rolling.RollingEvaluation, runtime: Runtime
    ) -> tuple[TrainingData, Fitted]:
        """Fit once more on all settled days; the rolling origins, each fitted up to its own, tell what it is worth."""
        if fitted.fallback or fitted.withheld or fitted.evaluation is None:
            return data, fitted
        day, known = data.frame["_day"], data.frame["label_known_at"].dt.tz_localize(None)
        split = data.split
        calibrate = split.calibrate_end - split.train_end
        whole = cut_at(day, known, cut=split.test_end, test_end=split.test_end, calibrate=calibrate)
        every = dataclasses.replace(data, split=whole)
        again = self.fit(rolling.with_weights(every, fitted), runtime)
        if again.fallback:
            return data, fitted
        weights = fitted.served.get("importance", {})
        training_range = {n: [low, high, weights.get(n, w)] for n, (low, high, w) in again.served["usual"].items()}
        served = again.served | {"usual": training_range} | ({"importance": weights} if weights else {})
        return every, dataclasses.replace(
            fitted,
            estimators=again.estimators,
            served=served,
            outputs=again.outputs,
            evaluation=rolling_result.evaluation or fitted.evaluation,
        )

    def _lacking(self, runtime: Runtime, grain: TableSpec) -> Skip | None:
        """Return which input there is nothing to train on without."""
        if missing := runtime.profiler.why_missing(self.spec.needs):
            return Skip(f"no label: {missing}")
        built = assemble.is_built(grain.name, runtime)
        return None if built else Skip(f"feature table {grain.name} has not been built")

    def _with_history(self, fitted: Fitted, data: TrainingData, split: Split) -> Fitted:
        """Remark where the held-back side holds too few independent label windows to judge by."""
        import pandas as pd

        windows = 0
        if len(split.test):
            test = data.part("test")
            windows = held_back_windows(test["_day"], pd.Series(data.entity[split.test]), self.spec.horizon)
        extras = fitted.extras | {"held_back_windows": float(windows)}
        if windows >= MIN_WINDOWS or fitted.fallback:
            return dataclasses.replace(fitted, extras=extras)
        lacking = (MIN_WINDOWS - windows) * max(1, self.spec.horizon.days)
        remark = (
            f"too little history: {windows} label windows held back, {MIN_WINDOWS} are needed ({lacking} more days)"
        )
        return dataclasses.replace(fitted, extras=extras, withheld=remark, remarks=(*fitted.remarks, remark))

    def _with_answering_baseline(self, fitted: Fitted, data: TrainingData) -> Fitted:
        """Withhold a version whose baseline would have to invent its answer: beating that says nothing."""
        silent = silent_share(self.spec.baseline, data.part("train"), self.task)
        if silent <= MAX_SILENT or fitted.fallback:
            return fitted
        columns = ", ".join(getattr(self.spec.baseline, "columns", ()))
        why = f"the baseline {columns} is NULL in {silent:.0%} of the training rows; say `otherwise=` in FromFeature"
        remarks = (*fitted.remarks, f"not promoted: {why}")
        return dataclasses.replace(fitted, withheld=fitted.withheld or why, remarks=remarks)

    def _skipped(self, skip: Skip) -> UnitResult:
        return UnitResult(stage="train", name=self.spec.name, status=Status.SKIPPED, reason=skip.reason)


class SupervisedTrainer(ModelTrainer, abstract=True):
    """A trainer with labels that lie in the future."""

    @abstractmethod
    def labels(self, gold: GoldView, as_of: date) -> Label | DataFrame:
        """Say what the label of a day is made of.

        Args:
            gold: Gold as known at the end of ``as_of``.
            as_of: Newest day that may be known.

        Returns:
            A :class:`Label`; or, where the label is no aggregate of a window's events, its rows, at most one per
            (keys, t): keys, time, label(s) and ``label_known_at``, which is NULL where the label has not settled yet.
        """

    def label_frame(self, runtime: Runtime, as_of: date, grain: TableSpec) -> Any:
        """Return the labels with the types that the contract fixes."""
        rows = assemble.rows_of(self.labels(runtime.gold().until(as_of), as_of), self.spec, grain, as_of)
        return assemble.cast_labels(rows, self.spec, self.task, grain)

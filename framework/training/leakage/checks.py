"""All leakage checks of a model, in their order: what each asks, what it found, and how long it took."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING, NamedTuple, cast

from framework.base.errors import LeakageError
from framework.base.logging import get_logger
from framework.declare.model import Task
from framework.training.leakage import asymmetry, audits, probe, sources
from framework.training.leakage.finding import Finding, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import date

    from framework.gold.runtime import Runtime
    from framework.training.data import TrainingData
    from framework.training.steps import Steps, SupervisedSteps

NOTHING = "nothing found"


class Check(NamedTuple):
    """One check.

    Args:
        name: Its name in results.
        run: Does it; raises :class:`LeakageError` for what it refuses.
    """

    name: str
    run: Callable[[], list[Finding]]


def checks(trainer: Steps, data: TrainingData, runtime: Runtime, as_of: date) -> Iterator[Check]:
    """Yield a model's checks, the surest first: what one refuses, the others need not see.

    Args:
        trainer: The trainer; a detector has no labels to check.
        data: The labelled rows.
        runtime: The runtime.
        as_of: Newest day that may be known.
    """
    spec = trainer.spec
    yield Check("as_of", lambda: audits.audit_tables(spec, runtime, data.split.train_end))
    yield Check(sources.CHECK, lambda: sources.late_sources(spec, runtime))
    if trainer.task is Task.ANOMALY:
        return
    yield Check("single_feature", lambda: _single_features(data, trainer.task))
    yield Check(asymmetry.CHECK, lambda: asymmetry.asymmetries(data))
    yield Check("label", lambda: audits.audit_labels(cast("SupervisedSteps", trainer), runtime, as_of, data))


def _single_features(data: TrainingData, task: Task) -> list[Finding]:
    settled = data.frame["label_known_at"].notna().to_numpy()
    for label in data.spec.labels:
        probe.check_features(
            data.frame[settled],
            features=data.numeric,
            label=label,
            task=task,
            entity=data.entity[settled],
            model=data.spec.name,
            persists=lambda name, exactly: asymmetry.persists(data, name, exactly=exactly),
        )
    return []


def run_checks(todo: Iterator[Check], model: str, *, to_the_end: bool = False) -> list[Finding]:
    """Run checks, and return what each found; a check that found nothing has one row that says so.

    Args:
        todo: The checks.
        model: For the log.
        to_the_end: Go on after a refusal, and return it as a finding.

    Raises:
        LeakageError: What the first check that refuses raises, unless they are to run to the end.
    """
    found: list[Finding] = []
    seconds: dict[str, float] = {}
    for check in todo:
        began = time.perf_counter()
        try:
            own = check.run()
        except LeakageError as error:
            if not to_the_end:
                raise
            own = [Finding(check=check.name, column=error.where, evidence=error.what, verdict=Verdict.REFUSE)]
        took = seconds[check.name] = round(time.perf_counter() - began, 2)
        rows = own or [Finding(check=check.name, column="", evidence=NOTHING, verdict=Verdict.PASS)]
        found += [dataclasses.replace(row, seconds=took) for row in rows]
    get_logger().info("leakage_checked", model=model, seconds=seconds, findings=sum(bool(row.column) for row in found))
    return found

"""From a fitted model to a registered version: its evidence as tags, its folds as rows, its alias by the gate."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

from framework.core.results import Status, UnitResult
from framework.core.versions import CHAMPION
from framework.declare.model import Task
from framework.registry import gate
from framework.registry.models import TAG_LENGTH
from framework.training.contract import TAG as CONTRACT
from framework.training.contract import contract_of
from framework.training.leakage.finding import Verdict
from framework.training.rolling import rows_of

if TYPE_CHECKING:
    from datetime import date

    from framework.gold.runtime import Runtime
    from framework.training.leakage.finding import Finding
    from framework.training.rolling import RollingEvaluation
    from framework.training.steps import Steps
    from framework.training.trained import Trained

RETRAIN_AFTER_DAYS = 30
"""Age at which a version is due for a new training, whatever its figures say."""


def record(trainer: Steps, runtime: Runtime, as_of: date, trained: Trained) -> UnitResult:
    """Log a fitted model with its evidence, register it, and let the gate decide.

    Args:
        trainer: The trainer.
        runtime: The runtime.
        as_of: Newest day that training knew.
        trained: The training.

    Returns:
        The result, with the registered version.
    """
    from framework.tables.declared import BACKTESTS
    from framework.training import tracking
    from framework.training.compare import compare

    registry, spec = runtime.registry, trainer.spec
    champion = registry.by_alias(spec.name, CHAMPION)
    tags = _version_tags(trainer, runtime, as_of, trained)
    if champion is not None and not gate.objection(tags):
        tags["compared"] = json.dumps(compare(trainer, runtime, trained, champion))
    any_judged = any(v.tags.get("judged") == "true" for v in registry.versions(spec.name))
    expected = gate.decide(tags, champion, any_judged=any_judged)
    result = _result(trainer, trained, expected)
    tags |= {"reason": result.reason[:TAG_LENGTH], "result": json.dumps(dataclasses.asdict(result))}
    logged = tracking.log(registry, trainer, runtime, as_of, trained.data, trained.fitted, tags)
    BACKTESTS.merge(runtime, rows_of(trained.rolling_result, spec.name, trained.fingerprint, as_of, logged.version))
    gate.settle(runtime, spec, logged.version)
    return dataclasses.replace(result, version=logged.version)


def _result(trainer: Steps, trained: Trained, expected: gate.Decision) -> UnitResult:
    data, fitted = trained.data, trained.fitted
    found = fitted.evaluation
    remarks = [*fitted.remarks]
    if data.dropped:
        name, why = next(iter(data.dropped.items()))
        more = f" and {len(data.dropped) - 1} more" if len(data.dropped) > 1 else ""
        remarks.append(f"without {name}{more}: {why}")
    if found is not None and not fitted.fallback and not fitted.withheld and expected.decision == "refused":
        remarks.insert(0, f"not promoted: {expected.reason}")
    return UnitResult(
        stage="train",
        name=trainer.spec.name,
        status=Status.FALLBACK if fitted.fallback else Status.DONE,
        reason="; ".join([r for r in (fitted.fallback, *remarks) if r]),
        rows=len(data.split.train),
        **(found.figures() if found else {}),
        **gate.plain_rule([dataclasses.asdict(one) for one in fitted.rivals]),
    )


def _version_tags(trainer: Steps, runtime: Runtime, as_of: date, trained: Trained) -> dict[str, str]:
    """Return what must be known of a version in the very commit that creates it."""
    fitted, rolling_result, split = trained.fitted, trained.rolling_result, trained.data.split
    judged = fitted.evaluation is not None and not fitted.fallback and not fitted.withheld
    beats = judged and all(e.beats_baseline for e in (fitted.evaluation, rolling_result.evaluation) if e is not None)
    unjudged_anomaly = trainer.task is Task.ANOMALY and not judged

    def flag(value: Any) -> str:
        return "true" if value else "false"

    return {
        "fingerprint": trained.fingerprint,
        "as_of": as_of.isoformat(),
        "fitted_until": (split.test_end if trained.refit else split.calibrate_end).isoformat(),
        "refit": flag(trained.refit),
        "spec_hash": trainer.spec.spec_hash(),
        "formulas": json.dumps(formulas(trainer, runtime, trained.data.inputs)),
        "promote_above": f"{trainer.spec.promote_above:g}",
        "retrain_after_days": str(RETRAIN_AFTER_DAYS),
        "fallback": flag(fitted.fallback),
        "judged": flag(judged),
        "withheld": fitted.withheld,
        "beats_baseline": flag(beats),
        "provisional": flag(fitted.fallback or unjudged_anomaly),
        "gate": json.dumps(_gate_figures(rolling_result)),
        "leakage": json.dumps({one.check: one.verdict for one in sorted(fitted.findings, key=_mildest_first)}),
        "rivals": json.dumps([dataclasses.asdict(one) for one in fitted.rivals]),
        "outputs": json.dumps([list(o) for o in fitted.outputs]),
        "classes": json.dumps(fitted.served.get("classes", [])),
        CONTRACT: contract_of(trainer.spec, trainer.task, fitted).tag(),
    }


def _mildest_first(found: Finding) -> int:
    """Sort so that of a check's rows the gravest is the last: it stands for the check."""
    return [Verdict.PASS, Verdict.ASK, Verdict.REFUSE].index(found.verdict)


def _gate_figures(rolling_result: RollingEvaluation) -> dict[str, Any]:
    found = rolling_result.evaluation
    return {"origins": rolling_result.origins} | (
        found.figures() | {"days": found.days, "rows": found.rows} if found else {}
    )


def formulas(trainer: Steps, runtime: Runtime, inputs: tuple[str, ...]) -> dict[str, str]:
    """Return the hash of each input's formula, by ``table.column``."""
    found: dict[str, str] = {}
    for lookup in trainer.spec.lookups:
        table = runtime.plugins.table(lookup.table)
        declared = lookup.columns or tuple(c.name for c in table.features)
        found |= {f"{table.name}.{n}": table.formula_hash(n) for n in declared if n in inputs}
    return found

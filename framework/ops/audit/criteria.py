"""The six success criteria, each a share that must be whole."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

from framework.core.versions import CHAMPION
from framework.declare.model import Task
from framework.ops.audit.evidence import named
from framework.ops.audit.expected import THRESHOLD
from framework.ops.audit.findings import of_models, of_versions, one

if TYPE_CHECKING:
    from collections.abc import Iterator

    from framework.ops.audit.evidence import Evidence, Model, Version
    from framework.ops.audit.findings import Finding


def by_lookup(evidence: Evidence) -> Iterator[Finding]:
    """15. Every input column of every version is looked up; none is brought by whoever asks."""
    for version in evidence.versions:
        spec = version.files.spec
        subject = f"{version.model} version {version.number}"
        if spec is None:
            yield one(subject, version.files.spec_problem)
            continue
        for column in spec.columns:
            if column.include:
                wrong = "" if column.table else "it takes this column from the frame, not by lookup"
                yield one(f"{subject}, {column.name}", wrong)


def in_registry(evidence: Evidence) -> Iterator[Finding]:
    """16. Every model on offer is registered, with a signature."""
    for model in evidence.models:
        bare = [str(v.number) for v in model.versions if v.files.inputs is None or v.files.outputs is None]
        wrong = f"version {named(bare)} has no signature" if bare else ""
        yield one(model.name, wrong if model.versions else "it is not in the registry")


def by_score_batch(evidence: Evidence) -> Iterator[Finding]:
    """17. Every stored prediction comes from a scoring of the ledger that went through ``score_batch``."""

    def problem(model: Model) -> tuple[float, str]:
        scorings = {
            (line.run_id, line.result.get("version"))
            for line in model.lines
            if line.stage == "score" and line.result.get("scored_with") == model.uri(line.result.get("version"))
        }
        stray = [a for a in model.answers if (a.scoring_run_id, a.version) not in scorings]
        rows, total = sum(a.rows for a in stray), sum(a.rows for a in model.answers)
        if not total:
            return _nothing(model)
        runs = named(sorted({a.scoring_run_id for a in stray}))
        return 1 - rows / total, f"{rows} of {total} predictions come from {runs}" if stray else ""

    for model in evidence.registered:
        yield (model.name, *problem(model))


def traced(evidence: Evidence) -> Iterator[Finding]:
    """18. Every stored prediction names the training run of its version, and the run is there."""

    def problem(model: Model) -> tuple[float, str]:
        # A version may have been removed since; its run tells the story alone then.
        stray = [
            a
            for a in model.answers
            if a.training_run_id not in model.traced
            or model.runs.get(a.version, a.training_run_id) != a.training_run_id
        ]
        rows, total = sum(a.rows for a in stray), sum(a.rows for a in model.answers)
        if not total:
            return _nothing(model)
        runs = named(sorted({a.training_run_id or "none" for a in stray}))
        return 1 - rows / total, f"{rows} of {total} predictions name the wrong run: {runs}" if stray else ""

    for model in evidence.registered:
        yield (model.name, *problem(model))


def thresholds(evidence: Evidence) -> Iterator[Finding]:
    """19. Each version says the skill that it needs to serve and had, who decided on it, and its own threshold."""

    def problem(version: Version) -> str:
        if not _number(version.tags.get("promote_above")):
            return "it does not say the skill above which it may serve"
        if version.alias and not (version.tags.get("decision") and version.tags.get("decision_reason")):
            return "no decision gave it its alias"
        real = version.alias == CHAMPION and version.tags.get("provisional") != "true"
        if real and not _number(json.loads(version.tags.get("gate") or "{}").get("skill_low")):
            return "it is champion without a lower bound of its skill"
        key = THRESHOLD.get(version.task)
        if key is None:
            return "" if version.task == Task.REGRESSION else "its run says no known type of model"
        found = version.files.served.get(key)
        every = list(found.values()) if isinstance(found, dict) else [found]
        return "" if every and all(_number(value) for value in every) else f"the served model holds no '{key}'"

    return of_versions(evidence, problem)


def documented(evidence: Evidence) -> Iterator[Finding]:
    """20. Each registered model has a description."""
    return of_models(evidence, lambda model: "" if model.description.strip() else "it has no description")


def _nothing(model: Model) -> tuple[float, str]:
    """Judge a model without predictions: right only if its scoring found nobody to score."""
    line = model.last("score")
    quiet = line is not None and line.result.get("rows") == 0
    return (1.0, "") if quiet else (0.0, "no prediction is stored")


def _number(value: object) -> bool:
    try:
        return math.isfinite(float(value))  # type: ignore[arg-type]  # whatever is stored
    except (TypeError, ValueError):
        return False

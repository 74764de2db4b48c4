"""The fourteen practices. Each asks one question of what is stored, and says what is wrong."""

from __future__ import annotations

import ast
import json
import re
from typing import TYPE_CHECKING, Any

from framework.core.keys import metadata_of, primary_key, timeseries_column
from framework.declare.model import Task
from framework.features.builder import FROM_GOLD, NOTHING
from framework.ops.audit.evidence import named
from framework.ops.audit.expected import EVIDENCE_TAGS, LABELS, METRICS, MONITOR, REQUESTED, RUN_PARAMS, RUN_TAGS
from framework.ops.audit.findings import of_models, of_versions, one
from framework.ops.audit.serverless import refused
from framework.stores.local.artifact import LOADER
from framework.training.evaluate import PRIMARY

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from framework.ops.audit.evidence import Evidence, Model, Version
    from framework.ops.audit.findings import Finding
    from framework.stores.local.feature_spec import SpecColumn

# Spark and its kin belong to the runtime: a model that pins them cannot be installed beside it.
_OF_THE_RUNTIME = {"pyspark", "databricks-connect", "databricks-feature-engineering", "health-monitor-ml"}
_PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[\w,-]+\])?==[\w.+!-]+$")
_EVENT = re.compile(r"^[a-z][a-z0-9_]*$")


def lookups(evidence: Evidence) -> Iterator[Finding]:
    """1. Each version looks its features up, in tables that hold them, by their keys and at the row's time."""

    def problem(version: Version) -> str:
        if not version.files.features:
            return version.files.spec_problem or "it looks no feature up"
        wrong = [found for column in version.files.features if (found := _unresolved(column, evidence))]
        return named(wrong)

    return of_versions(evidence, problem)


def keys(evidence: Evidence) -> Iterator[Finding]:
    """2. Each looked-up table has a primary key, NOT NULL, that holds its time key."""
    for name, schema in evidence.tables.items():
        if schema is not None:  # one that is absent is a matter of the lookups
            readers = named(evidence.readers(name))
            yield one(name, f"{found} (read by {readers})" if (found := _bad_key(schema)) else "")


def signatures(evidence: Evidence) -> Iterator[Finding]:
    """3. Each version has a signature that names what it looks up and what it answers."""

    def problem(version: Version) -> str:
        files = version.files
        if not files.inputs or not files.outputs:
            return f"its signature has no {'inputs' if not files.inputs else 'outputs'}"
        known = {name for name, _ in files.inputs}
        absent = [c.name for c in files.features if c.include and c.name not in known]
        if absent:
            return f"its signature does not name the inputs {named(absent)}"
        unlike = _unlike(version.tags.get("outputs", ""), files.outputs)
        return f"its signature and its outputs differ in {named(unlike)}" if unlike else ""

    return of_versions(evidence, problem)


def label_types(evidence: Evidence) -> Iterator[Finding]:
    """4. Labels were DOUBLE for numbers, INT (or open text) for classes, and absent for anomalies."""

    def problem(version: Version) -> str:
        allowed = LABELS.get(version.task)
        if version.run is None or allowed is None:
            return f"its run says no known type of model ('{version.task}')"
        found = _json(version.run.params.get("label_types", "null"))
        if not isinstance(found, dict):
            return "its run does not say which types its labels had"
        if not found and allowed:
            return "it was trained without a label"
        wrong = [f"{name} is {kind}" for name, kind in found.items() if kind not in allowed]
        return f"{named(wrong)}, {' or '.join(allowed) or 'no label'} is right for {version.task}" if wrong else ""

    return of_versions(evidence, problem)


def versions(evidence: Evidence) -> Iterator[Finding]:
    """5. Each version is ready, holds an alias, and carries its evidence as tags."""

    def problem(version: Version) -> str:
        if not version.alias:
            return "no version of the model holds an alias, so none can serve"
        if version.status != "READY":
            return f"the registry calls it {version.status}"
        lacking = [tag for tag in EVIDENCE_TAGS if not version.tags.get(tag)]
        return f"it lacks the tags {named(lacking)}" if lacking else ""

    return of_versions(evidence, problem)


def logged(evidence: Evidence) -> Iterator[Finding]:
    """6. Each version was logged by the feature store: its lookups and the raw model in one artefact."""

    def problem(version: Version) -> str:
        files = version.files
        if files.loader != LOADER:
            return f"it is loaded by '{files.loader}', not by the feature store's loader"
        if files.spec is None:
            return files.spec_problem
        return "" if files.raw else "the raw model is not in its artefact"

    return of_versions(evidence, problem)


def scored(evidence: Evidence) -> Iterator[Finding]:
    """7. The newest scoring of each model went through ``score_batch`` of a version that is registered."""

    def problem(model: Model) -> str:
        line = model.last("score")
        if line is None:
            return "the ledger knows no scoring of it"
        version, uri = line.result.get("version"), line.result.get("scored_with") or ""
        if not uri:
            return f"its scoring of {line.as_of} (run {line.run_id}) did not go through score_batch"
        if version not in model.runs or uri != model.uri(version):
            return f"its scoring of {line.as_of} asked {uri}, which is no registered version of it"
        return ""

    return of_models(evidence, problem)


def serverless(evidence: Evidence) -> Iterator[Finding]:
    """8. Nothing that serverless refuses: not in the installed code, nor in what a version brings along."""
    yield one("installed packages", named(evidence.code))

    def problem(version: Version) -> str:
        lines = version.files.requirements
        bad = [line for line in lines if not (pin := _PIN.match(line)) or pin[1].lower() in _OF_THE_RUNTIME]
        if bad or not lines:
            return f"it cannot be installed there as it is: {named(bad) or 'it says no requirement'}"
        return named(f"its code uses {word} in line {line}" for line, word in refused(ast.parse(version.files.code)))

    yield from of_versions(evidence, problem)


def tracked(evidence: Evidence) -> Iterator[Finding]:
    """9. The run of each version is finished and holds tags, parameters, metrics and the dataset."""

    def problem(version: Version) -> str:
        run = version.run
        if run is None:
            return f"its run '{version.run_id}' is not there"
        if run.status != "FINISHED":
            return f"its run ended as {run.status}"
        lacking = [f"tag {tag}" for tag in RUN_TAGS if not run.tags.get(tag)]
        lacking += [f"parameter {name}" for name in RUN_PARAMS if not run.params.get(name)]
        lacking += [] if run.metrics else ["any metric"]
        lacking += [] if run.datasets else ["the dataset"]
        return f"its run lacks {named(lacking)}" if lacking else ""

    return of_versions(evidence, problem)


def logs(evidence: Evidence) -> Iterator[Finding]:
    """10. The newest training and scoring left events with names, fields and the run's context."""

    def problem(model: Model) -> str:
        lines = [line for stage in ("train", "score") if (line := model.last(stage))]
        if not lines:
            return "the ledger knows no run of it"
        for line in lines:
            if not line.log:
                return f"run {line.run_id} left no event of {line.stage}"
            odd = [event for event in line.log if not _structured(event, line.run_id)]
            if odd:
                return f"run {line.run_id} left what is no event: {str(odd[0])[:80]}"
        return ""

    return of_models(evidence, problem)


def bundle(evidence: Evidence) -> Iterator[Finding]:
    """11. The bundle has a task that trains and one that scores each registered model."""

    def problem(model: Model) -> str:
        stages = ("train", "score")
        lacking = [f"{s}_{model.name}" for s in stages if not evidence.bundle.task(s, model.name, model.use_case)]
        return evidence.bundle.problem or (f"no job has the task {named(lacking)}" if lacking else "")

    return of_models(evidence, problem)


def mapping(evidence: Evidence) -> Iterator[Finding]:
    """12. Each looked-up column says what it means, by which formula, and from which gold columns."""
    columns = {(c.table, c.feature): None for version in evidence.versions for c in version.files.features}
    for table, name in columns:
        schema = evidence.tables.get(table)
        if schema is not None and name in schema.names:  # absence is a matter of the lookups
            facts = metadata_of(schema.field(name))
            description, _, gold = facts.get("comment", "").partition(FROM_GOLD)
            told = {"meaning": description, "formula": facts.get("formula"), "gold columns": gold}
            lacking = [what for what, words in told.items() if not words]
            unknown = [need for need in gold.split(", ") if need != NOTHING and not _declared(need, evidence)]
            wrong = f"it does not say its {named(lacking)}" if lacking else ""
            wrong = wrong or (f"no gold table declares {named(unknown)}" if unknown else "")
            yield one(f"{table}.{name}", f"{wrong} (read by {named(evidence.readers(table))})" if wrong else "")


def metrics(evidence: Evidence) -> Iterator[Finding]:
    """13. The run of each version holds the metrics of its type, and those of the baseline."""

    def problem(version: Version) -> str:
        wanted = METRICS.get(version.task)
        if version.run is None or wanted is None:
            return f"its run says no known type of model ('{version.task}')"
        if version.task != Task.ANOMALY or version.tags.get("judged") == "true":
            primary = PRIMARY[Task(version.task)]
            wanted = (*dict.fromkeys((*wanted, primary)), f"baseline_{primary}", "skill")
        lacking = [name for name in wanted if name not in version.run.metrics]
        return f"its run lacks {named(lacking)}" if lacking else ""

    return of_versions(evidence, problem)


def retraining(evidence: Evidence) -> Iterator[Finding]:
    """14. Training starts by itself, and when monitoring asks for it; no newest version is past its age."""

    def problem(model: Model) -> str:
        if evidence.bundle.problem:
            return evidence.bundle.problem
        task = evidence.bundle.task("train", model.name, model.use_case)
        if not evidence.bundle.started(task):
            return f"nothing starts a task train_{model.name} by itself"
        if not (evidence.bundle.started(MONITOR) and evidence.bundle.started(REQUESTED)):
            return f"nothing starts {MONITOR} and {REQUESTED} by itself: no finding of the monitor trains anything"
        if model.retrain_after is None or model.newest_as_of is None:
            return "its newest version does not say when it is due for training"
        line = model.last("score") or model.last("train")
        age = (line.as_of - model.newest_as_of).days if line else 0
        if age <= model.retrain_after:
            return ""
        return f"its newest version is {age} days old, {model.retrain_after} are allowed"

    return of_models(evidence, problem)


def _unresolved(column: SpecColumn, evidence: Evidence) -> str:
    """Return why a looked-up column cannot be found; empty if it can."""
    schema = evidence.tables.get(column.table)
    if schema is None:
        return f"there is no table {column.table}"
    if column.feature not in schema.names:
        return f"{column.table} holds no {column.feature}"
    if timeseries_column(schema) and not column.time_key:
        return f"{column.name} is looked up at no time"
    return "" if column.lookup_key else f"{column.name} is looked up by no key"


def _bad_key(schema: pa.Schema) -> str:
    key, time = primary_key(schema), timeseries_column(schema)
    if not key:
        return "it has no primary key"
    nullable = [name for name in key if schema.field(name).nullable]
    if nullable:
        return f"its key may be NULL in {named(nullable)}"
    return "" if time in key else "it has no time key"


def _unlike(tag: str, outputs: tuple[tuple[str, str], ...]) -> list[str]:
    """Return the output columns in which a version's tag and its signature differ."""
    told = {(str(name), str(kind)) for name, kind in _json(tag) or ()}
    return sorted({name for name, _ in told ^ set(outputs)})


def _structured(event: Any, run_id: str) -> bool:
    return (
        isinstance(event, dict)
        and bool(_EVENT.match(str(event.get("event", ""))))
        and all(event.get(key) for key in ("level", "timestamp"))
        and event.get("run_id") == run_id
    )


def _declared(need: str, evidence: Evidence) -> bool:
    table, _, column = need.partition(".")
    return column in evidence.gold.get(table, frozenset())


def _json(text: str) -> Any:
    return json.loads(text) if text else None

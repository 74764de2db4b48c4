"""Reads the evidence: registry, tracking, artefacts, tables, ledger, bundle, installed code."""

from __future__ import annotations

import json
import tempfile
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from framework.base.errors import HealthMonitorError
from framework.core.versions import CHALLENGER, CHAMPION
from framework.ops.audit.bundle import read_bundle
from framework.ops.audit.evidence import Answers, Evidence, Files, Line, Model, Run, Version
from framework.ops.audit.serverless import refused_in
from framework.registry.models import tags_of
from framework.stores.local import feature_spec
from framework.stores.local.artifact import RAW_FOLDER, SPEC_FOLDER

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pyarrow as pa
    from mlflow.entities.model_registry import ModelVersion

    from framework.core.versions import Versions
    from framework.gold.runtime import Runtime

LEDGER = "run_ledger"
WINDOW = timedelta(days=28)
"""Days before a model's newest scoring whose predictions are looked at."""
ORIGIN = ["model_version", "training_run_id", "scoring_run_id"]


def collect(runtime: Runtime, bundle: Path) -> Evidence:
    """Read everything that the rows are computed from; no gold, and nothing through Spark where it is embedded.

    Args:
        runtime: The runtime.
        bundle: Folder that holds ``databricks.yml``.

    Returns:
        The evidence of the selected models.
    """
    settings = runtime.settings
    names = runtime.plugins.select_models(settings.domains, settings.models)
    lines = _ledger(runtime)
    models = tuple(_model(runtime, name, lines.get(name, ())) for name in names)
    tables = sorted({c.table for m in models for v in m.versions for c in v.files.features})
    packages = {offer.item.__module__.partition(".")[0] for offer in runtime.plugins.trainers.values()}
    return Evidence(
        models=models,
        tables={table: runtime.tables.schema(table) for table in tables},
        gold={name: frozenset(table.names) for name, table in runtime.plugins.gold_tables().items()},
        code=tuple(refused_in({"framework", *packages})),
        bundle=read_bundle(bundle),
    )


def read_files(uri: str) -> Files:
    """Return what the artefact of a version holds.

    Args:
        uri: ``models:/name/version``.
    """
    import mlflow

    with tempfile.TemporaryDirectory() as folder:  # a copy: reading must leave no mark in the artefact
        root = Path(mlflow.artifacts.download_artifacts(uri, dst_path=folder))
        raw = root / SPEC_FOLDER / RAW_FOLDER
        content = yaml.safe_load(_text(root / "MLmodel")) or {}
        signature = content.get("signature") or {}
        flavor = (content.get("flavors") or {}).get("python_function") or {}
        problem, spec = "", None
        try:
            spec = feature_spec.load(root / SPEC_FOLDER)
        except HealthMonitorError as error:
            problem = error.what
        served = yaml.safe_load(_text(raw / "MLmodel")) or {}
        code = ((served.get("flavors") or {}).get("python_function") or {}).get("model_code_path", "")
        return Files(
            loader=str(flavor.get("loader_module", "")),
            inputs=_columns(signature.get("inputs")),
            outputs=_columns(signature.get("outputs")),
            spec=spec,
            spec_problem=problem,
            raw=bool(served),
            requirements=tuple(line for line in _text(raw / "requirements.txt").splitlines() if line.strip()),
            served=json.loads(_text(raw / "artifacts" / "served.json") or "{}"),
            code=_text(raw / code) if code else "",
        )


def _model(runtime: Runtime, name: str, lines: Sequence[Line]) -> Model:
    registry = runtime.registry
    spec = runtime.plugins.trainers[name].item.spec
    every = registry.versions(name)
    found = Model(name=name, full_name=registry.full_name(name), use_case=spec.use_case, lines=tuple(lines))
    if not every:
        return found
    newest, said = every[-1], tags_of(every[-1])
    due = said.get("retrain_after_days", "")
    answers = _answers(runtime, found)
    return Model(
        name=name,
        full_name=found.full_name,
        use_case=spec.use_case,
        registered=True,
        description=registry.client.get_registered_model(found.full_name).description or "",
        versions=tuple(_version(registry, name, alias, version) for alias, version in _serving(registry, name, newest)),
        runs={int(v.version): v.run_id or "" for v in every},
        newest_as_of=date.fromisoformat(said["as_of"]) if said.get("as_of") else None,
        retrain_after=int(due) if due.isdigit() else None,
        answers=answers,
        traced=frozenset(run for run in {a.training_run_id for a in answers} if _run(registry, run)),
        lines=tuple(lines),
    )


def _serving(registry: Versions, name: str, newest: ModelVersion) -> list[tuple[str, ModelVersion]]:
    """Return champion and challenger; where nobody holds an alias, the newest version with none."""
    held = [(alias, registry.by_alias(name, alias)) for alias in (CHAMPION, CHALLENGER)]
    found = [(alias, version) for alias, version in held if version is not None]
    return found or [("", newest)]


def _version(registry: Versions, name: str, alias: str, version: ModelVersion) -> Version:
    return Version(
        model=name,
        number=int(version.version),
        alias=alias,
        status=str(version.status),
        tags=tags_of(version),
        run_id=version.run_id or "",
        run=_run(registry, version.run_id or ""),
        files=read_files(f"models:/{registry.full_name(name)}/{version.version}"),
    )


def _run(registry: Versions, run_id: str) -> Run | None:
    """Return a run; ``None`` if it is unknown or deleted."""
    from mlflow.exceptions import MlflowException

    if not run_id:
        return None
    try:
        found = registry.client.get_run(run_id)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE", "NOT_FOUND"):
            return None
        raise
    if found.info.lifecycle_stage != "active":
        return None
    return Run(
        status=found.info.status,
        tags=dict(found.data.tags),
        params=dict(found.data.params),
        metrics=dict(found.data.metrics),
        datasets=len(found.inputs.dataset_inputs) if found.inputs else 0,
    )


def _ledger(runtime: Runtime) -> dict[str, list[Line]]:
    """Return the ledger's trainings and scorings by model, oldest first."""
    name = runtime.feature_table(LEDGER)
    schema = runtime.tables.schema(name)
    if schema is None:
        return {}
    columns = ["run_id", "unit", "as_of_date", "recorded_at", "result"]
    columns += ["log"] if "log" in schema.names else []  # a ledger from before events were kept has none
    found: dict[str, list[Line]] = {}
    rows = runtime.tables.read(name, columns=columns).to_pylist()
    for row in sorted(rows, key=lambda row: row["recorded_at"]):
        stage, _, unit = row["unit"].partition(":")
        if stage != "features":
            line = Line(
                run_id=row["run_id"],
                stage=stage,
                as_of=row["as_of_date"],
                result=json.loads(row["result"]),
                log=tuple(_events(row.get("log"))),
            )
            found.setdefault(unit, []).append(line)
    return found


def _events(text: str | None) -> list[Any]:
    try:
        found = json.loads(text or "[]")
    except ValueError:
        return [text]  # a plain sentence where events should be
    return found if isinstance(found, list) else [found]


def _answers(runtime: Runtime, model: Model) -> tuple[Answers, ...]:
    """Return a model's stored predictions of the last weeks, counted by origin."""
    name = runtime.feature_table(f"{model.use_case}_predictions")
    line = model.last("score")
    if not runtime.tables.exists(name):
        return ()
    where = [("as_of_date", ">=", line.as_of - WINDOW)] if line else None
    rows: pa.Table = runtime.tables.read(name, columns=ORIGIN, where=where)
    return tuple(
        Answers(
            version=int(row["model_version"] or 0),
            training_run_id=row["training_run_id"] or "",
            scoring_run_id=row["scoring_run_id"] or "",
            rows=row["count_all"],
        )
        for row in rows.group_by(ORIGIN).aggregate([([], "count_all")]).to_pylist()
    )


def _columns(text: Any) -> tuple[tuple[str, str], ...] | None:
    """Return names and types of one side of a stored signature; ``None`` if it is not there."""
    columns: Iterable[Mapping[str, Any]] | None = json.loads(text) if text else None
    return None if columns is None else tuple((str(c.get("name", "")), str(c.get("type", ""))) for c in columns)


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8") if file.is_file() else ""

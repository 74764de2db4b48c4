"""Copies a validated version into another catalog, with its evidence and with its lookups turned to that catalog.

A logged model names its feature tables with their catalog. MLflow's own ``copy_model_version`` would copy these names:
production would score on staging's features. So the artefact is logged again with the names of the target's tables,
and nothing else in it changes.
"""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from enum import StrEnum
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import yaml

from framework.base.errors import HealthMonitorError, RegistryError
from framework.core.keys import metadata_of
from framework.core.versions import CHALLENGER, CHAMPION
from framework.registry import gate
from framework.registry.models import register, tags_of
from framework.stores.local import feature_spec
from framework.stores.local.artifact import SPEC_FOLDER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlflow.entities import Run
    from mlflow.entities.model_registry import ModelVersion
    from mlflow.models import Model
    from mlflow.models.model import ModelInfo

    from framework.core.versions import Versions
    from framework.gold.runtime import Runtime
    from framework.stores.local.feature_spec import FeatureSpec

COPIED_FROM = "copied_from"


class Outcome(StrEnum):
    """How a promotion ended."""

    COPIED = "copied"
    UNCHANGED = "unchanged"
    REFUSED = "refused"
    FAILED = "failed"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Promotion:
    """One model's promotion.

    Args:
        model: Model.
        outcome: How it ended.
        source: Version that was to be copied.
        target: Version in the target catalog.
        alias: Alias that the target version holds.
        reason: Why it was refused, or how it failed.
    """

    model: str
    outcome: Outcome
    source: int | None = None
    target: int | None = None
    alias: str = ""
    reason: str = ""


def promote(runtime: Runtime, catalog: str, models: Sequence[str], version: int | None = None) -> list[Promotion]:
    """Copy versions into the same schema of another catalog.

    Args:
        runtime: The runtime of the source catalog.
        catalog: The target catalog.
        models: Models to copy, each on its own: one that is refused stops no other.
        version: Version to copy; ``None`` for each model's champion.

    Returns:
        One result per model.

    Raises:
        RegistryError: If source and target are one catalog.
    """
    from mlflow.exceptions import MlflowException

    if catalog == runtime.settings.catalog:
        raise RegistryError(
            what="source and target are one catalog", where=catalog, fix="name another with --to-catalog"
        )
    results = []
    for model in models:
        try:
            results.append(_promote(runtime, catalog, model, version))
        except HealthMonitorError as error:
            results.append(Promotion(model=model, outcome=Outcome.REFUSED, source=version, reason=str(error)))
        except MlflowException as error:  # a run of another workspace, a right that is missing
            results.append(Promotion(model=model, outcome=Outcome.FAILED, source=version, reason=str(error)[:500]))
    return results


def _promote(runtime: Runtime, catalog: str, model: str, version: int | None) -> Promotion:
    settings = runtime.settings
    source = runtime.registry.wanted(model, version, CHAMPION)
    refuse_unvalidated(source, runtime.registry.full_name(model))
    target = runtime.registry.of(f"{catalog}.{settings.schema_name}")
    spec = runtime.plugins.trainers[model].item.spec
    number, outcome = _already(target, model, source), Outcome.UNCHANGED
    newest = target.versions(model)
    approved = _approved(runtime.registry, target, model, source)
    if number is None:
        number, outcome = _copy(runtime, target, catalog, model, source), Outcome.COPIED
    if approved or outcome is Outcome.COPIED or int(newest[-1].version) == number:
        # Also what a run that was killed right after the copy has left undone, and a source that was rolled back.
        gate.settle(runtime, spec, number, registry=target, approved=approved)
    held = [a for a in (CHAMPION, CHALLENGER) if (v := target.by_alias(model, a)) and int(v.version) == number]
    return Promotion(
        model=model, outcome=outcome, source=int(source.version), target=number, alias=held[0] if held else ""
    )


def _approved(here: Versions, there: Versions, model: str, source: ModelVersion) -> str:
    """Return the URI of a champion, unless the target's own was trained there: nothing compared the two."""
    champion, theirs = here.by_alias(model, CHAMPION), there.by_alias(model, CHAMPION)
    copied = theirs is None or COPIED_FROM in theirs.tags
    return _uri(source) if copied and champion is not None and champion.version == source.version else ""


def refuse_unvalidated(version: ModelVersion, name: str) -> None:
    """Refuse a version that nobody should act on.

    Args:
        version: The version.
        name: Registered name.

    Raises:
        RegistryError: If the gate objects to it whatever the champion, or it has no signature.
    """
    import mlflow

    lacking = gate.objection(tags_of(version))
    if not lacking:
        signature = mlflow.models.get_model_info(f"models:/{name}/{version.version}").signature
        if signature is None or signature.inputs is None or signature.outputs is None:
            lacking = "it has no signature of inputs and outputs"
    if lacking:
        raise RegistryError(
            what=f"version {version.version} is not validated: {lacking}",
            where=name,
            fix="promote a version that is, or train until one is",
        )


def _already(target: Versions, model: str, source: ModelVersion) -> int | None:
    """Return the target's copy of a version, if there is one."""
    origin = _uri(source)
    for found in reversed(target.versions(model)):
        tags = tags_of(found)
        if tags.get(COPIED_FROM) == origin and tags.get("fingerprint") == source.tags.get("fingerprint"):
            return int(found.version)
    return None


def _copy(runtime: Runtime, target: Versions, catalog: str, model: str, source: ModelVersion) -> int:
    """Log the version again with the target's tables, in a run that carries the evidence, and register it."""
    import mlflow

    client = runtime.registry.client
    run = client.get_run(source.run_id or "")
    moved = {COPIED_FROM: _uri(source), "copied_from_run": source.run_id or ""}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(mlflow.artifacts.download_artifacts(_uri(source), dst_path=str(Path(scratch) / "model")))
        spec = _retarget(folder / SPEC_FOLDER, runtime, catalog)
        _refuse_other_features(spec, runtime, catalog, target.full_name(model))
        evidence = _evidence(run, Path(scratch) / "evidence")
        name = f"{model}_{source.version}_from_{runtime.settings.catalog}"
        tags = {key: value for key, value in run.data.tags.items() if not key.startswith("mlflow.")}
        with mlflow.start_run(experiment_id=target.experiment(model), run_name=name, tags=tags | moved) as copy:
            _copy_run(run, copy.info.run_id, evidence)
            info = _log(folder)
        return register(info, target.full_name(model), tags_of(source) | moved)


def _retarget(folder: Path, runtime: Runtime, catalog: str) -> FeatureSpec:
    """Turn the table names of stored lookups to a catalog; nothing else in the file changes.

    Args:
        folder: Folder that holds ``feature_spec.yaml``.
        runtime: For the source catalog, and the ids of the target's tables.
        catalog: The target catalog.

    Returns:
        The lookups as they are now.
    """
    ours = f"{runtime.settings.catalog}."
    feature_spec.load(folder)  # raises where there are no lookups, or others than this can turn
    file = folder / feature_spec.FILE
    content = yaml.safe_load(file.read_text(encoding="utf-8"))

    def there(name: str) -> str:
        return f"{catalog}.{name.removeprefix(ours)}" if name.startswith(ours) else name

    for entry in (entry for one in content["input_columns"] for entry in one.values()):
        if "table_name" in entry:
            entry["table_name"] = there(entry["table_name"])
    tables = [(there(name), entry) for one in content.get("input_tables", []) for name, entry in one.items()]
    identify = getattr(runtime.tables, "table_id", None)  # Unity Catalog's ids are its own affair: it only warns
    for name, entry in tables:
        if identify is not None and runtime.tables.exists(name):
            entry["table_id"] = identify(name)
    if tables:
        content["input_tables"] = [{name: entry} for name, entry in tables]
    file.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return feature_spec.load(folder)


def _refuse_other_features(spec: FeatureSpec, runtime: Runtime, catalog: str, where: str) -> None:
    """Refuse a copy whose features the target lacks, or computes by another formula than the model learnt from."""
    for table in spec.tables:
        here = f"{runtime.settings.catalog}.{table.name.removeprefix(f'{catalog}.')}"
        schema, learnt = runtime.tables.schema(table.name), runtime.tables.schema(here)
        if schema is None:
            raise RegistryError(
                what=f"there is no feature table {table.name} to score from",
                where=where,
                fix=f"build it first: health-monitor features with the catalog {catalog}",
            )
        for column in (c for c in spec.features if c.table == table.name):
            if column.feature not in schema.names:
                what = f"{table.name} holds no {column.feature}"
            elif learnt is not None and _formula(schema, column.feature) != _formula(learnt, column.feature):
                what = f"{table.name}.{column.feature} has another formula than the model learnt from"
            else:
                continue
            raise RegistryError(what=what, where=where, fix="deploy the same code there and build its features anew")


def _formula(schema: Any, name: str) -> str:
    return metadata_of(schema.field(name)).get("formula", "") if name in schema.names else ""


def _evidence(run: Run, folder: Path) -> Path | None:
    """Download what the training left beside its model; ``None`` if it left nothing."""
    import mlflow

    if not mlflow.MlflowClient().list_artifacts(run.info.run_id):
        return None
    folder.mkdir()
    return Path(mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="", dst_path=str(folder)))


def _copy_run(run: Run, copy: str, evidence: Path | None) -> None:
    """Copy parameters, metrics, dataset and files into the active run."""
    import mlflow

    mlflow.log_params(run.data.params)
    mlflow.log_metrics(run.data.metrics)
    if run.inputs and run.inputs.dataset_inputs:
        mlflow.MlflowClient().log_inputs(copy, run.inputs.dataset_inputs)
    if evidence is not None:
        mlflow.log_artifacts(str(evidence))


def _log(folder: Path) -> ModelInfo:
    """Log the files of a model as a new model of the active run."""
    from mlflow.models import Model as LoggedModel

    stored = LoggedModel.load(str(folder))

    def save(path: str, mlflow_model: Model, **_: object) -> None:
        shutil.copytree(folder, path, dirs_exist_ok=True)
        mlflow_model.flavors = stored.flavors
        mlflow_model.signature = stored.signature
        mlflow_model.artifact_path = "model"
        mlflow_model.save(str(Path(path) / "MLmodel"))

    flavor = SimpleNamespace(__name__="mlflow.pyfunc", save_model=save)
    info: ModelInfo = LoggedModel.log(artifact_path=None, name="model", flavor=flavor, flavor_name="pyfunc")
    return info


def _uri(version: ModelVersion) -> str:
    return f"models:/{version.name}/{version.version}"

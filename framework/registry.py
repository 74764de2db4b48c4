"""Model registry on MLflow: three-level names, versions with their evidence, aliases."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

from framework.errors import RegistryError
from framework.monitoring.contract import TAG as CONTRACT
from framework.monitoring.contract import contract_of
from framework.results import Status, UnitResult
from framework.spec import ModelSpec, Task
from framework.stores.models import TAG_LENGTH, tags_of

if TYPE_CHECKING:
    from datetime import date

    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

    from framework.runtime import Runtime
    from framework.training.base import ModelTrainer
    from framework.training.data import Fitted, TrainingData

CHAMPION = "champion"
CHALLENGER = "challenger"
RETRAIN_AFTER_DAYS = 30
"""Age at which a version is due for a new training, whatever its figures say."""


@dataclasses.dataclass(frozen=True, slots=True)
class Served:
    """The version that answers.

    Args:
        name: Three-level registered name.
        version: Version number.
        alias: ``champion``, or ``challenger`` where there is no champion.
        is_fallback: True if a dummy stands in.
        training_run_id: MLflow run that trained it.
        outputs: Output columns with their Spark types.
        classes: Names of the classes of a multi-class version.
        facts: The version's tags.
    """

    name: str
    version: int
    alias: str
    is_fallback: bool
    training_run_id: str
    outputs: tuple[tuple[str, str], ...]
    classes: tuple[str, ...]
    facts: dict[str, str]

    @property
    def uri(self) -> str:
        """``models:/name/version``."""
        return f"models:/{self.name}/{self.version}"


@dataclasses.dataclass(frozen=True, slots=True)
class Unchanged:
    """A registered version whose training equals the one asked for.

    Args:
        version: Version number.
        result: What that training reported.
    """

    version: int
    result: UnitResult


class ModelRegistry:
    """Registered models of one catalog and schema.

    Args:
        schema_path: ``catalog.schema``.
        artifact_root: URI under which experiments keep artefacts; ``None`` for the server's default.
        tags_in_search: Whether a search returns tags; Unity Catalog's does not, so each version is read on its own.
    """

    def __init__(self, schema_path: str, artifact_root: str | None = None, *, tags_in_search: bool = True) -> None:
        self._schema_path = schema_path
        self._artifact_root = artifact_root
        self._tags_in_search = tags_in_search

    @property
    def client(self) -> MlflowClient:
        """MLflow client of the configured tracking and registry URIs."""
        from mlflow import MlflowClient

        return MlflowClient()

    def of(self, schema_path: str) -> ModelRegistry:
        """Return the registry of another catalog and schema on the same servers."""
        return ModelRegistry(schema_path, self._artifact_root, tags_in_search=self._tags_in_search)

    def full_name(self, model: str) -> str:
        """Return the three-level name of a model."""
        return f"{self._schema_path}.{model}"

    def versions(self, model: str) -> list[ModelVersion]:
        """Return all versions of a model, oldest first; none if it was never registered."""
        name, token = self.full_name(model), None
        found: list[ModelVersion] = []
        while True:
            page = self.client.search_model_versions(f"name = '{name}'", page_token=token)
            found += page
            token = page.token
            if not token:
                break
        if not self._tags_in_search:
            found = [self.client.get_model_version(name, v.version) for v in found]
        return sorted(found, key=lambda v: int(v.version))

    def find(self, model: str, fingerprint: str) -> Unchanged | None:
        """Return the version that a training with this fingerprint registered, if there is one."""
        for version in reversed(self.versions(model)):
            if version.tags.get("fingerprint") == fingerprint:
                stored = json.loads(tags_of(version)["result"])
                result = UnitResult(**stored | {"status": Status(stored["status"]), "version": int(version.version)})
                return Unchanged(int(version.version), result)
        return None

    def by_alias(self, model: str, alias: str) -> ModelVersion | None:
        """Return the version that holds an alias, or ``None``."""
        from mlflow.exceptions import MlflowException

        try:
            return self.client.get_model_version_by_alias(self.full_name(model), alias)
        except MlflowException as error:
            # MLflow's own server answers an unknown model with the first code and an unknown alias with the
            # second; Unity Catalog answers both with the first, or with the third.
            if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE", "NOT_FOUND"):
                return None
            raise

    def served(self, model: str) -> Served | None:
        """Return the version to score with: the champion, else the challenger, else ``None``."""
        for alias in (CHAMPION, CHALLENGER):
            version = self.by_alias(model, alias)
            if version is not None:
                tags = tags_of(version)
                return Served(
                    name=self.full_name(model),
                    version=int(version.version),
                    alias=alias,
                    is_fallback=tags.get("fallback") == "true",
                    training_run_id=version.run_id or "",
                    outputs=tuple((n, t) for n, t in json.loads(tags["outputs"])),
                    classes=tuple(json.loads(tags.get("classes", "[]"))),
                    facts=tags,
                )
        return None

    def settle(self, spec: ModelSpec, version: int) -> str:
        """Give a new version its alias; doing it again changes nothing.

        Until a promotion gate decides, the first version that beats its baseline becomes champion. A
        fallback, or an unjudged anomaly model, holds the alias only while no judged version exists.

        Args:
            spec: The model.
            version: The version to settle.

        Returns:
            The alias that it holds now.
        """
        every = {int(v.version): v for v in self.versions(spec.name)}
        if version not in every:
            raise RegistryError(
                what=f"no version {version}", where=self.full_name(spec.name), fix="train the model first"
            )
        self.describe(spec)
        tags = every[version].tags
        champion = self.by_alias(spec.name, CHAMPION)
        if champion is not None and int(champion.version) == version:
            return CHAMPION
        held_by_real = champion is not None and champion.tags.get("provisional") != "true"
        eligible = tags.get("beats_baseline") == "true"
        provisional = (
            tags.get("provisional") == "true" and champion is None and not any(_judged(v) for v in every.values())
        )
        alias = CHAMPION if (eligible and not held_by_real) or provisional else CHALLENGER
        name = self.full_name(spec.name)
        self.client.set_registered_model_alias(name, alias, str(version))
        challenger = self.by_alias(spec.name, CHALLENGER)
        if alias == CHAMPION and challenger is not None and int(challenger.version) == version:
            self.client.delete_registered_model_alias(name, CHALLENGER)
        return alias

    def describe(self, spec: ModelSpec) -> None:
        """Store what a model asks, learns and is good for as the description of the registered model."""
        name = self.full_name(spec.name)
        text = f"{spec.question} Label: {spec.label_says}. What to do: {spec.action}."
        if self.client.get_registered_model(name).description != text:
            self.client.update_registered_model(name, description=text)

    def record(
        self, trainer: ModelTrainer, runtime: Runtime, as_of: date, data: TrainingData, fitted: Fitted, fingerprint: str
    ) -> UnitResult:
        """Log a fitted model with its evidence, register it, and settle its alias.

        Args:
            trainer: The trainer.
            runtime: The runtime.
            as_of: Newest day that training knew.
            data: The rows it was fitted and judged on.
            fitted: The model.
            fingerprint: Identity of the training.

        Returns:
            The result, with the registered version.
        """
        from framework import tracking

        result = _result(trainer, data, fitted)
        tags = _version_tags(trainer, as_of, fitted, fingerprint, result)
        logged = tracking.log(self, trainer, runtime, as_of, data, fitted, tags)
        self.settle(trainer.spec, logged.version)
        return dataclasses.replace(result, version=logged.version)

    def experiment(self, model: str) -> str:
        """Return the id of the model's experiment, ``/Shared/health_monitor_ml_{model}``; made on first use."""
        name = f"/Shared/health_monitor_ml_{model}"
        found = self.client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        location = f"{self._artifact_root}/{model}" if self._artifact_root else None
        return str(self.client.create_experiment(name, artifact_location=location))


def _judged(version: ModelVersion) -> bool:
    return version.tags.get("judged") == "true"


def _result(trainer: ModelTrainer, data: TrainingData, fitted: Fitted) -> UnitResult:
    found = fitted.evaluation
    remarks = [*fitted.remarks]
    if data.dropped:
        name, why = next(iter(data.dropped.items()))
        more = f" and {len(data.dropped) - 1} more" if len(data.dropped) > 1 else ""
        remarks.append(f"without {name}{more}: {why}")
    above = trainer.spec.promote_above
    if found is not None and not fitted.fallback:
        if not found.beats_baseline:
            remarks.insert(0, "does not beat its baseline: not promoted")
        elif found.skill <= above:
            remarks.insert(0, f"its skill is not above {above:g}: not promoted")
    return UnitResult(
        stage="train",
        name=trainer.spec.name,
        status=Status.FALLBACK if fitted.fallback else Status.DONE,
        reason="; ".join([r for r in (fitted.fallback, *remarks) if r]),
        rows=len(data.split.train),
        metric=found.primary if found else "",
        value=found.model[found.primary] if found else None,
        baseline=found.baseline[found.primary] if found else None,
        skill=found.skill if found else None,
        skill_low=found.skill_low if found else None,
        skill_high=found.skill_high if found else None,
    )


def _version_tags(
    trainer: ModelTrainer, as_of: date, fitted: Fitted, fingerprint: str, result: UnitResult
) -> dict[str, str]:
    """Return what must be known of a version in the very commit that creates it."""
    judged = fitted.evaluation is not None and not fitted.fallback and not fitted.withheld
    beats = judged and fitted.evaluation.beats_baseline and fitted.evaluation.skill > trainer.spec.promote_above  # type: ignore[union-attr]
    unjudged_anomaly = trainer.task is Task.ANOMALY and not judged

    def flag(value: Any) -> str:
        return "true" if value else "false"

    return {
        "fingerprint": fingerprint,
        "as_of": as_of.isoformat(),
        "spec_hash": trainer.spec.spec_hash(),
        "promote_above": f"{trainer.spec.promote_above:g}",
        "retrain_after_days": str(RETRAIN_AFTER_DAYS),
        "fallback": flag(fitted.fallback),
        "judged": flag(judged),
        "beats_baseline": flag(beats),
        "provisional": flag(fitted.fallback or unjudged_anomaly),
        "reason": result.reason[:TAG_LENGTH],
        "outputs": json.dumps([list(o) for o in fitted.outputs]),
        "classes": json.dumps(fitted.served.get("classes", [])),
        CONTRACT: contract_of(trainer.spec, trainer.task, fitted).tag(),
        "result": json.dumps(dataclasses.asdict(result)),
    }

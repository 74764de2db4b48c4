"""Model registry on MLflow: three-level names, versions with their evidence, aliases."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from framework.base.errors import RegistryError
from framework.core.results import Status, UnitResult
from framework.core.versions import CHALLENGER, CHAMPION, Served, Unchanged
from framework.registry.models import packed, tags_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

    from framework.declare.model import ModelSpec


class ModelRegistry:
    """Registered models of one catalog and schema.

    Args:
        schema_path: ``catalog.schema``.
        artifact_root: URI under which experiments keep artefacts; ``None`` for the server's default.
        tags_in_search: Whether a search returns tags; Unity Catalog's does not, so each version is read on its own.
    """

    def __init__(self, schema_path: str, artifact_root: str | None = None, *, tags_in_search: bool = True) -> None:
        self.schema_path = schema_path
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
        return f"{self.schema_path}.{model}"

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

    def wanted(self, model: str, version: int | None, alias: str = CHAMPION) -> ModelVersion:
        """Return a version by number, or the one that holds an alias where none is named.

        Raises:
            RegistryError: If there is none.
        """
        if version is None:
            found, what = self.by_alias(model, alias), alias
        else:
            found = next((v for v in self.versions(model) if int(v.version) == version), None)
            what = f"version {version}"
        if found is None:
            raise RegistryError(
                what=f"there is no {what}",
                where=self.full_name(model),
                fix="train the model, or name a version that is there",
            )
        return found

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

    def give(self, model: str, alias: str, version: int) -> None:
        """Give a version an alias; what becomes champion is no longer the challenger, and the other way round."""
        name = self.full_name(model)
        other = CHALLENGER if alias == CHAMPION else CHAMPION
        self.client.set_registered_model_alias(name, alias, str(version))
        held = self.by_alias(model, other)
        if held is not None and int(held.version) == version:
            self.client.delete_registered_model_alias(name, other)

    def tag(self, model: str, version: int, tags: Mapping[str, str]) -> None:
        """Set tags of a version; long values are cut into pieces."""
        for key, value in packed(tags).items():
            self.client.set_model_version_tag(self.full_name(model), str(version), key, value)

    def describe(self, spec: ModelSpec) -> None:
        """Store what a model asks, learns and is good for as the description of the registered model."""
        name = self.full_name(spec.name)
        text = f"{spec.question} Label: {spec.label_description}. What to do: {spec.action}."
        if self.client.get_registered_model(name).description != text:
            self.client.update_registered_model(name, description=text)

    def experiment(self, model: str) -> str:
        """Return the id of the model's experiment, ``/Shared/health_monitor_ml_{model}``; made on first use."""
        name = f"/Shared/health_monitor_ml_{model}"
        found = self.client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        location = f"{self._artifact_root}/{model}" if self._artifact_root else None
        return str(self.client.create_experiment(name, artifact_location=location))

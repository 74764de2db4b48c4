"""The registry of models as everything above it sees it: served versions, aliases, and the port.

:class:`framework.registry.versions.ModelRegistry` is what fulfils it, on MLflow.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

    from framework.core.results import UnitResult
    from framework.declare.model import ModelSpec

CHAMPION = "champion"
CHALLENGER = "challenger"


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


class Versions(Protocol):
    """Registered models of one catalog and schema."""

    schema_path: str

    @property
    def client(self) -> MlflowClient:
        """MLflow client of the configured tracking and registry URIs."""

    def of(self, schema_path: str) -> Versions:
        """Return the registry of another catalog and schema on the same servers."""

    def full_name(self, model: str) -> str:
        """Return the three-level name of a model."""

    def versions(self, model: str) -> list[ModelVersion]:
        """Return all versions of a model, oldest first; none if it was never registered."""

    def find(self, model: str, fingerprint: str) -> Unchanged | None:
        """Return the version that a training with this fingerprint registered, if there is one."""

    def by_alias(self, model: str, alias: str) -> ModelVersion | None:
        """Return the version that holds an alias, or ``None``."""

    def wanted(self, model: str, version: int | None, alias: str = CHAMPION) -> ModelVersion:
        """Return a version by number, or the one that holds an alias where none is named.

        Raises:
            RegistryError: If there is none.
        """

    def served(self, model: str) -> Served | None:
        """Return the version to score with: the champion, else the challenger, else ``None``."""

    def give(self, model: str, alias: str, version: int) -> None:
        """Give a version an alias."""

    def tag(self, model: str, version: int, tags: Mapping[str, str]) -> None:
        """Set tags of a version."""

    def describe(self, spec: ModelSpec) -> None:
        """Store what a model asks, learns and is good for as the description of the registered model."""

    def experiment(self, model: str) -> str:
        """Return the id of the model's experiment; made on first use."""

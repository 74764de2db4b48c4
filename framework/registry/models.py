"""Registering what was logged, with its evidence as tags: the same whichever store logged it."""

from __future__ import annotations

import contextlib
import warnings
from typing import TYPE_CHECKING

from framework.base.errors import RegistryError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mlflow.entities.model_registry import ModelVersion
    from mlflow.models.model import ModelInfo

REFUSES_LOOKUPS = "packaged by Databricks Feature Store"
"""What MLflow from the package index says in Unity Catalog's place."""
TAG_LENGTH = 1_000
"""Characters of a tag's value that Unity Catalog takes; a longer one goes on in tags ``name_2``, ``name_3``, ..."""


def register(info: ModelInfo, name: str, tags: Mapping[str, str]) -> int:
    """Create the next version of a registered model, with its tags in the same call.

    Args:
        info: A logged model.
        name: Registered name.
        tags: Tags of the version.

    Returns:
        The version.

    Raises:
        RegistryError: If this MLflow cannot register a model with lookups in Unity Catalog.
    """
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    client = MlflowClient()
    try:
        client.create_registered_model(name)
    except MlflowException as problem:
        if problem.error_code not in {"RESOURCE_ALREADY_EXISTS", "ALREADY_EXISTS"}:
            raise
    try:
        version = client.create_model_version(
            name, source=info.model_uri, run_id=info.run_id, tags=packed(tags), model_id=info.model_id
        )
    except MlflowException as problem:
        if REFUSES_LOOKUPS not in str(problem):
            raise
        raise RegistryError(
            what="the MLflow that is installed cannot register a model with feature lookups",
            where=name,
            fix="run in the workspace with the runtime's own MLflow 3 (serverless environment 5): install none over it",
        ) from problem
    return int(version.version)


def packed(tags: Mapping[str, str]) -> dict[str, str]:
    """Cut long values into pieces that the registry takes."""
    found: dict[str, str] = {}
    for name, value in tags.items():
        pieces = [value[at : at + TAG_LENGTH] for at in range(0, len(value), TAG_LENGTH)] or [""]
        found |= {name if at == 1 else f"{name}_{at}": piece for at, piece in enumerate(pieces, 1)}
    return found


def tags_of(version: ModelVersion) -> dict[str, str]:
    """Return a version's tags with their pieces put together again."""
    tags: dict[str, str] = dict(version.tags)
    for name in version.tags:
        at = 2
        while (piece := f"{name}_{at}") in tags:
            tags[name] += tags.pop(piece)
            at += 1
    return tags


@contextlib.contextmanager
def example_optional() -> Iterator[None]:
    """Silence the one warning that asks for an example: the signature is given, nothing is inferred from it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*An input example was not provided", category=UserWarning)
        yield

"""The home that audit and promotion look at: built once, copied by each test that breaks something."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import mlflow
import pytest
import structlog

from framework.ops.audit import collect, serverless
from tests.audit.home import build_home, copy_home

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def clean_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("audit") / "home"
    before = mlflow.get_tracking_uri(), mlflow.get_registry_uri()
    build_home(home)
    mlflow.set_tracking_uri(before[0])
    mlflow.set_registry_uri(before[1])
    structlog.reset_defaults()
    return home


@functools.cache
def refused_in(packages: frozenset[str]) -> list[str]:
    """The installed code stays what it is during the tests: read it once."""
    return serverless.refused_in(packages)


@pytest.fixture
def home(clean_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(collect, "refused_in", lambda packages: refused_in(frozenset(packages)))
    before = mlflow.get_tracking_uri(), mlflow.get_registry_uri()
    yield copy_home(clean_home, tmp_path / "home")
    mlflow.set_tracking_uri(before[0])
    mlflow.set_registry_uri(before[1])

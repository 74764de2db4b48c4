"""One finished run for all end-to-end tests of this folder."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from domains.simulator.write import simulate
from tests.e2e.command import AS_OF, Finished, arguments, finish

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Run:
    """A finished run: its gold, its home, what it printed, and how long it took."""

    gold: Path
    home: Path
    result: Finished
    seconds: float


@pytest.fixture(scope="session")
def gold_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gold")
    simulate(folder, scale=0.1, last_day=AS_OF)
    return folder


@pytest.fixture(scope="session")
def finished_run(gold_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    home = tmp_path_factory.mktemp("home")
    began = time.monotonic()
    result = finish(arguments(gold_folder, home))
    assert result.code == 0, result.err[-4000:]
    return Run(gold_folder, home, result, time.monotonic() - began)

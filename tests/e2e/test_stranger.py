"""A domain in a package of its own: installed with pip, found, trained and scored; a broken one beside it is named."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from deltalake import DeltaTable

from tests.e2e.command import arguments, finish

if TYPE_CHECKING:
    from tests.e2e.conftest import Run

pytestmark = pytest.mark.slow

PAGE = Path(__file__).parents[2] / "docs" / "add_a_domain.md"
BLOCK = re.compile(r"^```\w+ title=(\S+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
BROKEN = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "broken-health"
version = "0.1.0"
[project.entry-points."health_monitor.domains"]
broken = "broken_health"
"""


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return folder


def install(package: Path, site: Path) -> None:
    words = [
        "install",
        "--quiet",
        "--no-build-isolation",
        "--no-deps",
        "--no-index",
        "--target",
        str(site),
        str(package),
    ]
    subprocess.run([sys.executable, "-m", "pip", *words], check=True, capture_output=True)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of installed packages: the example of the docs, and a broken one."""
    folder = tmp_path_factory.mktemp("stranger")
    example = dict(BLOCK.findall(PAGE.read_text()))
    lines = sum(1 for text in example.values() for line in text.splitlines() if line.strip())
    assert 0 < lines < 60
    install(write(folder / "acme", example), folder / "site")
    broken = {"pyproject.toml": BROKEN, "broken_health/__init__.py": "import no_such_library\n"}
    install(write(folder / "broken", broken), folder / "site")
    return folder / "site"


def test_a_strangers_domain_is_found_and_a_broken_one_is_named(site: Path) -> None:
    shown = finish(["plugins"], PYTHONPATH=str(site))
    assert shown.code == 1
    assert "acme" in shown.out
    assert "1 models" in shown.out
    assert "broken" in shown.err
    assert "no_such_library" in shown.err


def test_strict_refuses_to_go_on_with_a_broken_domain(site: Path) -> None:
    refused = finish(["plugins", "--strict"], PYTHONPATH=str(site))
    assert refused.code == 2
    assert "broken" in refused.err


def test_a_strangers_model_is_trained_and_scored_without_an_edit(site: Path, finished_run: Run, tmp_path: Path) -> None:
    words = arguments(finished_run.gold, tmp_path, "--domains", "acme")
    done = finish(words, PYTHONPATH=str(site))
    assert done.code == 0, done.err[-3000:]
    assert re.search(r"acme_workload_forecaster\W+acme\W+done", done.out)
    rows = DeltaTable(str(tmp_path / "tables/main/health_monitor/acme_workload_predictions")).to_pandas()
    assert len(rows) > 0
    assert rows["prediction"].notna().all()
    assert "broken" in done.err

"""The wheel in an environment that has neither Spark, nor MLflow, nor the client."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ABSENT = ("pyspark", "mlflow", "databricks", "sklearn", "xgboost", "deltalake", "pandas")
CHECK = f"""
import importlib.util
assert not [name for name in {ABSENT} if importlib.util.find_spec(name)], "the environment is not bare"
import framework, framework.base.clock, framework.base.errors, framework.declare.model
assert "site-packages" in framework.__file__
import domains
"""


def run(*words: str, **more: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=more.get("cwd"))
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    build = (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation")
    run(*build, "--wheel-dir", str(folder), str(ROOT))
    (found,) = folder.glob("*.whl")
    return found


@pytest.mark.slow
def test_the_wheel_is_built_installed_and_imported_in_a_bare_environment(wheel: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    run(sys.executable, "-m", "venv", str(bare))
    python = str(bare / "bin" / "python")
    run(python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", str(wheel))
    run(python, "-c", CHECK, cwd=str(tmp_path))


def test_the_wheel_asks_for_neither_spark_nor_the_client(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith("METADATA")]
        metadata = archive.read(name).decode()
        files = archive.namelist()
    needed = [line for line in metadata.splitlines() if line.startswith("Requires-Dist:") and "extra ==" not in line]
    assert needed
    assert not [line for line in needed if "spark" in line or "databricks" in line]
    assert not [name for name in files if name.startswith(("tests/", "jobs/"))]


def test_the_wheel_holds_the_report_s_templates(wheel: Path) -> None:
    folder = "framework/ops/report/templates/"
    with zipfile.ZipFile(wheel) as archive:
        shipped = {name.removeprefix(folder) for name in archive.namelist() if name.startswith(folder)}
    there = {file.name for file in (ROOT / folder).iterdir()}
    assert shipped == there >= {"report.html", "style.css"}

"""The generated jobs: what the domains make is what is committed, and a stranger's package joins without an edit."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from packaging.requirements import Requirement

from framework.base.errors import ConfigError
from framework.core.plugins import Registry, discover, hookimpl
from framework.declare.model import Task
from framework.ops.bundle import environment, files
from framework.ops.bundle.command import faults
from framework.ops.bundle.jobs import all_jobs
from framework.ops.bundle.load import OPTIONAL, read_bundle

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
# What Databricks names for serverless environment 5.
ENVIRONMENT_5 = {"numpy": "2.1.3", "pandas": "2.2.3", "pyarrow": "21.0.0"}
EXAMPLE = re.compile(r"^```\w+ title=(\S+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


class Acme:
    """A domain of another team: one table, one model, one scorer."""

    @hookimpl
    def feature_builders(self):
        return [SimpleNamespace(table=SimpleNamespace(name="acme_features"))]

    @hookimpl
    def model_trainers(self):
        lookups = (SimpleNamespace(table="acme_features"), SimpleNamespace(table="cost_features"))
        return [
            SimpleNamespace(
                spec=SimpleNamespace(name="acme_forecaster", use_case="acme_forecast", lookups=lookups),
                task=Task.REGRESSION,
            )
        ]

    @hookimpl
    def batch_scorers(self):
        return [SimpleNamespace(model="acme_forecaster")]


@pytest.fixture(scope="module")
def plugins() -> Registry:
    return discover(strict=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of what the generator reads and writes."""
    for name in ("databricks.yml", "pyproject.toml", "requirements.lock"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "jobs", tmp_path / "jobs")
    return tmp_path


def tasks(job: dict) -> dict[str, dict]:
    return {task["task_key"]: task for task in job["tasks"]}


def test_the_committed_files_are_those_that_the_domains_make(plugins: Registry) -> None:
    assert files.differences(plugins, ROOT) == [], f"run {files.WRITE}"


def test_each_model_has_one_task_after_just_its_own_tables(plugins: Registry) -> None:
    jobs = all_jobs(plugins, ROOT)
    for stage, job in (("train", "ml_training_pipeline"), ("score", "ml_inference_pipeline")):
        found = {key: task for key, task in tasks(jobs[job]).items() if key.startswith(f"{stage}_")}
        specs = {model: plugins.trainers[model].item.spec for model in plugins.trainers}
        assert set(found) == {f"{stage}_{spec.use_case}" for spec in specs.values()}
        for model, spec in specs.items():
            task = found[f"{stage}_{spec.use_case}"]
            tables = {lookup.table for lookup in spec.lookups}
            assert {other["task_key"] for other in task["depends_on"]} == {f"features_{t}" for t in tables}
            assert f"--models={model}" in task["spark_python_task"]["parameters"]
    read = {lookup.table for offer in plugins.trainers.values() for lookup in offer.item.spec.lookups}
    assert set(tasks(jobs["ml_feature_pipeline"])) == {f"features_{table}" for table in read}


def test_jobs_are_named_as_asked(plugins: Registry) -> None:
    bundle = read_bundle(ROOT)
    names = {
        target: bundle.resolved(target)["jobs"]["ml_training_pipeline"]["name"] for target in ("dev", "staging", "prod")
    }
    # Development mode puts "[dev user] " before it.
    assert names == {
        "dev": "ML Training Pipeline",
        "staging": "[staging] ML Training Pipeline",
        "prod": "[prod] ML Training Pipeline",
    }


def test_a_model_without_a_scorer_of_its_own_is_scored_by_its_declaration() -> None:
    class Half(Acme):
        batch_scorers = None

    jobs = all_jobs(discover(extra={"half": Half()}), ROOT)
    assert "train_acme_forecast" in tasks(jobs["ml_training_pipeline"])
    assert "score_acme_forecast" in tasks(jobs["ml_inference_pipeline"])


def test_a_strangers_models_are_among_the_tasks_and_the_bundle_stays_sound(folder: Path) -> None:
    plugins = discover(strict=True, extra={"acme": Acme()})
    changed = files.write(plugins, folder)
    monitor = "jobs/optional/monitors/acme_forecast_predictions.yml"
    pipelines = {f"jobs/resources/ml_{name}_pipeline.yml" for name in ("feature", "training", "inference")}
    assert set(changed) == pipelines | {"jobs/optional/health_monitor.lvdash.json", monitor}
    assert "('acme_forecaster', 'acme')" in (folder / "jobs/optional/health_monitor.lvdash.json").read_text("utf-8")
    job = yaml.safe_load((folder / "jobs/resources/ml_inference_pipeline.yml").read_text())["resources"]["jobs"]
    waits = tasks(job["ml_inference_pipeline"])["score_acme_forecast"]["depends_on"]
    assert [other["task_key"] for other in waits] == ["features_acme_features", "features_cost_features"]
    assert faults(folder) == []
    assert files.differences(plugins, folder) == []


def test_a_file_that_is_no_longer_made_goes_and_one_by_hand_stays(plugins: Registry, folder: Path) -> None:
    old, own = folder / files.RESOURCES / "ml_old.yml", folder / files.RESOURCES / "own.yml"
    gone = folder / OPTIONAL / "monitors" / "old_predictions.yml"
    old.write_text(files.HEADER)
    gone.write_text(files.MONITOR_HEADER)
    own.write_text("resources: {}\n")
    stale = ["jobs/resources/ml_old.yml", "jobs/optional/monitors/old_predictions.yml"]
    assert files.differences(plugins, folder) == stale
    assert files.write(plugins, folder) == stale
    assert own.exists()
    assert not old.exists()
    assert not gone.exists()


@pytest.mark.parametrize("file", ["pyproject.toml", "requirements.lock"])
def test_a_missing_file_is_named(plugins: Registry, folder: Path, file: str) -> None:
    (folder / file).unlink()
    with pytest.raises(ConfigError, match=re.escape(file)):
        files.generated(plugins, folder)


def test_a_dependency_that_is_not_locked_is_named(folder: Path) -> None:
    lock = folder / "requirements.lock"
    lock.write_text(re.sub(r"(?m)^structlog==", "other==", lock.read_text()))
    with pytest.raises(ConfigError, match="'structlog' is not locked"):
        environment.dependencies(folder)


def test_the_environment_satisfies_what_the_project_asks_for() -> None:
    """Pins come from the lock; what the serverless environment brings itself is in our ranges."""
    pins = dict(entry.split("==") for entry in environment.dependencies(ROOT) if "==" in entry)
    brought = {name: ENVIRONMENT_5.get(name) for name in environment.BROUGHT}
    for text in PROJECT["dependencies"]:
        need = Requirement(text)
        version = pins.get(need.name) or brought[need.name]
        assert version is None or version in need.specifier, text
    (client,) = [t for t in PROJECT["optional-dependencies"]["databricks"] if t.startswith("databricks-feature")]
    assert pins["databricks-feature-engineering"] in Requirement(client).specifier
    assert not {"pyspark", "databricks-connect", *ENVIRONMENT_5} & set(pins)


def test_the_wheel_that_the_bundle_builds_holds_the_code_and_no_tests(tmp_path: Path) -> None:
    build = yaml.safe_load((ROOT / "databricks.yml").read_text())["artifacts"]["health_monitor"]["build"]
    words = build.split()
    assert words[:4] == ["python3", "-m", "pip", "wheel"]
    assert words[-3:] == ["--wheel-dir", "dist", "."]
    # The same command, without the network and beside the repository.
    offline = [sys.executable, *words[1:-2], str(tmp_path), "--no-index", "--no-build-isolation", str(ROOT)]
    subprocess.run(offline, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (metadata,) = (archive.read(n).decode() for n in names if n.endswith("METADATA"))
        (entries,) = (archive.read(n).decode() for n in names if n.endswith("entry_points.txt"))
    tops = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert tops == {"framework", "domains"}
    code = {file.relative_to(ROOT).as_posix() for top in tops for file in (ROOT / top).rglob("*.py")}
    assert code <= set(names)
    assert not [line for line in metadata.splitlines() if re.match(r"Requires-Dist: (pyspark|databricks)[^;]*$", line)]
    assert "health_monitor.domains" in entries


@pytest.mark.slow
def test_an_installed_package_joins_the_bundle(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The example of the docs, installed with pip; the committed files are then no longer what the domains make."""
    package, site = tmp_path_factory.mktemp("acme"), tmp_path_factory.mktemp("site")
    for name, text in EXAMPLE.findall((ROOT / "docs" / "add_a_domain.md").read_text()):
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(text)
    quiet = ["--quiet", "--no-build-isolation", "--no-deps", "--no-index", "--target", str(site), str(package)]
    subprocess.run([sys.executable, "-m", "pip", "install", *quiet], check=True, capture_output=True)

    def bundle(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", "from framework.ops.cli import main; main()", "bundle", *words]
        paths = os.pathsep.join([str(site), str(ROOT)])
        return subprocess.run(
            command, check=False, cwd=folder, env=os.environ | {"PYTHONPATH": paths}, text=True, capture_output=True
        )

    stale = bundle("--check")
    assert stale.returncode == 1
    assert "ml_training_pipeline.yml: differs from what the domains make" in stale.stdout
    written = bundle("--write", "--check")
    assert (written.returncode, written.stderr) == (0, "")
    assert "the variable domain_wheels must bring it" in written.stdout
    assert "the bundle is sound" in written.stdout
    assert bundle("--check").returncode == 0

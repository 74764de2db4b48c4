"""Databricks' own reading of the bundle: each resource is one that its package `databricks-bundles` accepts.

The package is under a licence of its own, so it is installed by the extra ``contract`` only.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from framework.ops.bundle.load import read_bundle

pytest.importorskip(
    "databricks.bundles", reason="databricks-bundles is not installed: it is in the extra 'contract', which CI installs"
)

ROOT = Path(__file__).parents[2]
TARGETS = ("dev", "staging", "prod")
JOB = "ml_backfill"


def problems(folder: Path, target: str, resources: dict) -> list[dict]:
    """Run the package's loader as the CLI does, over resources whose variables are put in."""
    found, out, said = folder / "in.json", folder / "out.json", folder / "diagnostics.json"
    found.write_text(json.dumps({"bundle": {"target": target}, "resources": resources}))
    words = ["--phase", "apply_mutators", "--input", str(found), "--output", str(out), "--diagnostics", str(said)]
    words += ["--locations", str(folder / "locations.json")]
    subprocess.run([sys.executable, "-m", "databricks.bundles.build", *words], check=False, capture_output=True)
    return [json.loads(line) for line in said.read_text().splitlines() if line]


@pytest.mark.parametrize("target", TARGETS)
def test_every_resource_is_one(target: str) -> None:
    from databricks.bundles.dashboards import Dashboard
    from databricks.bundles.jobs import Job
    from databricks.bundles.quality_monitors import QualityMonitor
    from databricks.bundles.schemas import Schema

    resources = read_bundle(ROOT).whole.resolved(target)
    assert set(resources) == {"jobs", "schemas", "dashboards", "quality_monitors"}
    for dashboard in resources["dashboards"].values():
        assert Dashboard.from_dict(dashboard).as_dict() == dashboard
    for monitor in resources["quality_monitors"].values():
        assert QualityMonitor.from_dict(monitor).as_dict() == monitor
    for job in resources["jobs"].values():
        back = Job.from_dict(job).as_dict()
        assert [task["task_key"] for task in back["tasks"]] == [task["task_key"] for task in job["tasks"]]
    for schema in resources["schemas"].values():
        assert Schema.from_dict(schema).as_dict()["name"]


@pytest.mark.parametrize("target", TARGETS)
def test_the_loader_has_nothing_to_say(target: str, tmp_path: Path) -> None:
    resources = read_bundle(ROOT).whole.resolved(target)
    assert problems(tmp_path, target, resources) == []
    written = json.loads((tmp_path / "out.json").read_text())["resources"]
    for kind, found in resources.items():
        assert set(written[kind]) == set(found)


def misspelt_field(job: dict) -> None:
    job["tasks"][0]["spark_python_task"]["file"] = "x.py"


def missing_field(job: dict) -> None:
    del job["tasks"][0]["spark_python_task"]["python_file"]


def wrong_type(job: dict) -> None:
    job["max_concurrent_runs"] = "often"


def unknown_target(job: dict) -> None:
    job["performance_target"] = "FAST"


def unknown_operator(job: dict) -> None:
    job["health"]["rules"][0]["op"] = "MORE_THAN"


@pytest.mark.parametrize(
    ("spoil", "description"),
    [
        (misspelt_field, "Unexpected field 'file'"),
        (missing_field, "'python_file'"),
        (wrong_type, "'often'"),
        (unknown_target, "'FAST' is not a valid PerformanceTarget"),
        (unknown_operator, "'MORE_THAN' is not a valid JobsHealthOperator"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_spoilt_resource_is_refused(spoil, description: str, tmp_path: Path) -> None:
    from databricks.bundles.jobs import Job

    resources = read_bundle(ROOT).resolved("prod")
    spoil(resources["jobs"][JOB])
    with pytest.raises((ValueError, TypeError), match=re.escape(description)):
        Job.from_dict(resources["jobs"][JOB])
    (said,) = problems(tmp_path, "prod", resources)
    assert said["severity"] == "error"
    assert JOB in said["path"]


def test_what_the_package_lets_pass_is_ours_to_find() -> None:
    """It accepts a list inside a list and an environment that nobody declares: the reason for a gate of our own."""
    from databricks.bundles.jobs import Job

    job = read_bundle(ROOT).resolved("prod")["jobs"][JOB]
    job["environments"][0]["spec"]["dependencies"].append(["a", "b"])
    job["environments"][0]["environment_key"] = "other"
    Job.from_dict(job)


@pytest.mark.parametrize(
    ("old", "new", "description"),
    [
        ("problem_type", "problem", "Unexpected field 'problem'"),
        ("PROBLEM_TYPE_REGRESSION", "PROBLEM_TYPE_FORECAST", "not a valid MonitorInferenceLogProblemType"),
        ("assets_dir", "assets", "'assets'"),
    ],
)
def test_a_spoilt_monitor_is_refused(old: str, new: str, description: str) -> None:
    from databricks.bundles.quality_monitors import QualityMonitor

    monitor = read_bundle(ROOT).whole.resolved("prod")["quality_monitors"]["model_outcomes"]
    with pytest.raises((ValueError, TypeError), match=re.escape(description)):
        QualityMonitor.from_dict(json.loads(json.dumps(monitor).replace(old, new)))


def test_a_spoilt_dashboard_is_refused() -> None:
    from databricks.bundles.dashboards import Dashboard

    (dashboard,) = read_bundle(ROOT).whole.resolved("prod")["dashboards"].values()
    with pytest.raises((ValueError, TypeError), match="Unexpected field 'dataset_schemas'"):
        Dashboard.from_dict(dashboard | {"dataset_schemas": "x"})

"""The workflow files: valid, without a stored token, and every command that they run exists."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer
import yaml

from framework.ops.bundle.load import read_bundle
from framework.ops.cli import app

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".github" / "workflows"
WORKFLOWS = {file.stem: yaml.safe_load(file.read_text("utf-8")) for file in sorted(FOLDER.glob("*.yml"))}
DEPLOYING = ("staging", "production")
COMMANDS = typer.main.get_command(app).commands
VERSION = re.compile(r"@(v\d+(\.\d+)*|[0-9a-f]{40})$")


def steps(name: str) -> list[dict]:
    return [step for job in WORKFLOWS[name]["jobs"].values() for step in job["steps"]]


def lines(name: str) -> list[list[str]]:
    """Words of each command, without the variables set before it."""
    found = [line for step in steps(name) for line in step.get("run", "").splitlines()]
    return [[w for w in shlex.split(line) if not re.match(r"[A-Z_]+=", w)] for line in found]


def test_they_are_three() -> None:
    assert set(WORKFLOWS) == {"pull-request", *DEPLOYING}


def test_they_follow_the_schema_of_workflows() -> None:
    pytest.importorskip("check_jsonschema", reason="check-jsonschema is not installed: it is among the dev packages")
    words = ["--builtin-schema", "vendor.github-workflows", *map(str, sorted(FOLDER.glob("*.yml")))]
    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_schema_finds_a_planted_fault(tmp_path: Path) -> None:
    pytest.importorskip("check_jsonschema", reason="check-jsonschema is not installed: it is among the dev packages")
    spoilt = tmp_path / "staging.yml"
    spoilt.write_text((FOLDER / "staging.yml").read_text("utf-8").replace("runs-on:", "run-on:"), "utf-8")
    words = ["--builtin-schema", "vendor.github-workflows", str(spoilt)]
    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1


@pytest.mark.parametrize("name", WORKFLOWS)
def test_no_workflow_holds_a_secret_or_may_do_more_than_it_must(name: str) -> None:
    text = (FOLDER / f"{name}.yml").read_text("utf-8")
    assert "secrets." not in text
    assert not re.search(r"(?i)\b(DATABRICKS_TOKEN|CLIENT_SECRET|password)\b", text)
    workflow = WORKFLOWS[name]
    assert workflow["permissions"] == {"contents": "read"}
    assert workflow["concurrency"]["group"]
    wanted = {"contents": "read", "id-token": "write"} if name in DEPLOYING else None
    for job in workflow["jobs"].values():
        assert job.get("permissions") == wanted
        assert job["timeout-minutes"] <= 360


@pytest.mark.parametrize("name", WORKFLOWS)
def test_actions_have_a_version_and_scripts_no_expression(name: str) -> None:
    for step in steps(name):
        assert "uses" not in step or VERSION.search(step["uses"]), step
        assert "${{" not in step.get("run", ""), "an expression in a script is an injection: pass it by env"


@pytest.mark.parametrize("name", DEPLOYING)
def test_a_deployment_logs_in_by_oidc_to_a_workspace_that_it_is_told(name: str) -> None:
    (job,) = WORKFLOWS[name]["jobs"].values()
    env = job["env"]
    assert env["DATABRICKS_AUTH_TYPE"] == "github-oidc"
    assert env["DATABRICKS_HOST"] == "${{ vars.DATABRICKS_HOST }}"
    assert env["DATABRICKS_CLIENT_ID"] == "${{ vars.DATABRICKS_CLIENT_ID }}"
    assert job["environment"] == name
    assert WORKFLOWS[name]["concurrency"]["cancel-in-progress"] is False


@pytest.mark.parametrize("name", DEPLOYING)
def test_defaults_are_those_of_the_bundle(name: str) -> None:
    (job,) = WORKFLOWS[name]["jobs"].values()
    declared = read_bundle(ROOT).variables
    for key, value in job["env"].items():
        if not key.startswith("BUNDLE_VAR_"):
            continue
        variable = key.removeprefix("BUNDLE_VAR_")
        assert variable in declared, key
        if fallback := re.search(r"\|\| '([^']*)'", value):
            assert fallback[1] == declared[variable]["default"], key


def test_each_goes_where_it_should() -> None:
    assert set(WORKFLOWS["pull-request"][True]) == {"pull_request", "merge_group"}  # YAML reads "on" as true
    assert WORKFLOWS["staging"][True] == {"push": {"branches": ["main"]}}
    assert WORKFLOWS["production"][True] == {"push": {"tags": ["v*"]}}
    targets = {name: {w[w.index("--target") + 1] for w in lines(name) if "--target" in w} for name in DEPLOYING}
    assert targets == {"staging": {"staging"}, "production": {"prod"}}


@pytest.mark.parametrize("name", WORKFLOWS)
def test_every_command_exists(name: str) -> None:
    jobs = read_bundle(ROOT).resolved("prod")["jobs"]
    options = {command: {o for p in found.params for o in p.opts} for command, found in COMMANDS.items()}
    for program, *words in lines(name):
        if program == "health-monitor":
            assert words[0] in options, words
            assert {w.partition("=")[0] for w in words[1:] if w.startswith("--")} <= options[words[0]], words
        elif program == "make":
            assert re.search(rf"^{words[0]}:", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE), words
        elif program == "databricks":
            assert words[:2] in (["bundle", "validate"], ["bundle", "deploy"], ["bundle", "run"])
            assert words[1] != "run" or words[2] in jobs
        elif program == ".ci/run":
            assert os.access(ROOT / program, os.X_OK)
        else:
            assert program in ("git", "python3", "health-monitor"), program

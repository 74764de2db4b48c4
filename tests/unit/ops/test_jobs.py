"""The job scripts: parameters, the last line, the exit; and one of them run as serverless compute runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from framework.base.clock import Clock
from framework.base.errors import ConfigError
from framework.core.config import Settings
from framework.core.plugins import discover
from framework.core.results import Status, UnitResult
from framework.ops import jobs
from framework.ops.promotion import promote as promotion
from framework.ops.promotion.promote import Outcome as Ending
from framework.ops.promotion.promote import Promotion
from framework.run import launch, pipeline
from tests.checks.house_rules import thin_jobs

ROOT = Path(__file__).parents[3]
SCRIPTS = sorted((ROOT / "jobs").glob("*.py"))
STAGES = {"build_features": "features", "train_models": "train", "score_batch": "score", "monitor_models": "monitor"}
DONE = UnitResult(stage="score", name="good", status=Status.DONE, rows=7, value=float("nan"))
FAILED = UnitResult(stage="score", name="bad", status=Status.FAILED, reason="no such table (in x). Fix: y")
SKIPPED = UnitResult(stage="score", name="poor", status=Status.SKIPPED, reason="no history")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    for name in list(os.environ):
        if name.startswith("HEALTH_MONITOR_"):
            monkeypatch.delenv(name)


@pytest.fixture
def called(monkeypatch):
    """Run jobs without an engine: what was asked for is kept, and these units come back."""
    seen = SimpleNamespace(units=[DONE], settings=None)

    def fake_launch(settings, _name_broken):
        seen.settings = settings
        return SimpleNamespace(run_id="r1", as_of=date(2026, 10, 27), settings=settings)

    class FakePipeline:
        def __init__(self, _runtime, *, resume, first, requested):
            seen.resume, seen.first, seen.requested = resume, first, requested

        def run(self, stages):
            seen.stages = stages
            return seen.units

    monkeypatch.setattr(launch, "launch", fake_launch)
    monkeypatch.setattr(pipeline, "Pipeline", FakePipeline)
    return seen


def execute(script, words, monkeypatch):
    """Run a script's text as serverless compute does: by ``exec``, with no ``__file__`` and another ``__name__``."""
    monkeypatch.setattr(sys, "argv", ["script", *words])
    exec(compile(script.read_text("utf-8"), "<job>", "exec"), {})  # noqa: S102 - that is how the platform runs it


def last_line(capsys):
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_there_are_six_scripts_all_of_them_thin():
    named = ["build_features", "monitor_models", "promote_models", "score_batch", "snapshot_tables", "train_models"]
    assert [s.stem for s in SCRIPTS] == named
    assert list(thin_jobs(ROOT)) == []
    assert all(len(script.read_text("utf-8").splitlines()) < 40 for script in SCRIPTS)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_script_run_by_exec_reads_its_words_and_fails_with_a_reason(script, monkeypatch, capsys):
    with pytest.raises(SystemExit) as stopped:
        execute(script, ["--catlog=main"], monkeypatch)
    assert "did you mean '--catalog'?" in str(stopped.value.code)  # a text: exit code 1
    found = last_line(capsys)
    assert (found["kind"], found["exit_code"]) == ("ConfigError", 1)


@pytest.mark.parametrize("script", [s for s in SCRIPTS if s.stem in STAGES], ids=lambda script: script.stem)
def test_each_script_runs_its_stage(script, monkeypatch, capsys, called):
    execute(script, ["--platform", "databricks", "--catalog=main"], monkeypatch)
    assert called.stages == [STAGES[script.stem]]
    assert called.settings.platform == "databricks"
    assert last_line(capsys)["exit_code"] == 0


def test_success_returns_and_leaves_its_result_on_the_last_line(called, capsys):
    called.units = [DONE, SKIPPED]
    jobs.run_stage("score", [])
    found = last_line(capsys)
    assert (found["run_id"], found["as_of"], found["exit_code"]) == ("r1", "2026-10-27", 0)
    assert found["counts"] == {"done": 1, "fallback": 0, "skipped": 1, "failed": 0}
    assert [(u["unit"], u["status"], u["reason"]) for u in found["units"]] == [
        ("score:good", "done", ""),
        ("score:poor", "skipped", "no history"),
    ]
    assert found["units"][0]["value"] is None  # JSON knows no NaN


def test_a_failed_unit_fails_the_job_after_the_others(called, capsys):
    called.units = [DONE, FAILED]
    with pytest.raises(SystemExit) as stopped:
        jobs.run_stage("score", [])
    assert stopped.value.code == "1 of 2 failed: score:bad. no such table (in x). Fix: y"
    found = last_line(capsys)
    assert found["counts"]["failed"] == found["exit_code"] == 1


def test_an_unexpected_error_keeps_its_traceback_and_leaves_a_last_line(monkeypatch, capsys):
    def broken(_settings, _name_broken):
        raise ValueError("not ours")

    monkeypatch.setattr(launch, "launch", broken)
    with pytest.raises(ValueError, match="not ours"):
        jobs.run_stage("score", [])
    assert last_line(capsys) == {"error": "not ours", "kind": "ValueError", "exit_code": 1}


def test_words_become_typed_settings(called):
    jobs.run_stage(
        "features", ["--catalog", "ml", "--schema-name=f", "--as-of=2026-10-01", "--models=a, b", "--tables=t"]
    )
    assert called.settings == Settings(
        catalog="ml", schema_name="f", as_of=date(2026, 10, 1), models=("a", "b"), tables=("t",)
    )


def test_an_empty_value_was_not_given(called):
    jobs.run_stage("features", ["--as-of=", "--gold=  ", "--from=", "--models", "", "--config="])
    assert called.settings == Settings()
    assert called.first is None


def test_options_of_the_job_itself(called, tmp_path):
    file = tmp_path / "settings.toml"
    file.write_text('rebuild_days = 5\ncatalog = "other"\n[options.reliability]\nslas = {}\n')
    jobs.run_stage("features", ["--from=2026-09-01", "--resume=TRUE", f"--config={file}", "--catalog=ml"])
    assert (called.first, called.resume) == (date(2026, 9, 1), True)
    assert (called.settings.rebuild_days, called.settings.catalog) == (5, "ml")
    assert called.settings.options == {"reliability": {"slas": {}}}
    assert not called.requested
    jobs.run_stage("train", ["--requested=true"])
    assert called.requested


@pytest.mark.parametrize(
    ("stage", "words", "description"),
    [
        ("features", ["catalog=x"], "unknown parameter 'catalog=x'"),
        ("features", ["--catalog"], "it has no value"),
        ("features", ["--catalog", "--gold=x"], "it has no value"),
        ("features", ["--options=x"], "unknown parameter '--options=x'"),
        ("features", ["--from=yesterday"], "'yesterday' is no day"),
        ("features", ["--as-of=yesterday"], "option 'as_of' cannot be used"),
        ("features", ["--resume=often"], "neither true nor false"),
        ("features", ["--requested=true"], "unknown parameter '--requested=true'"),
        ("train", ["--requested=perhaps"], "neither true nor false"),
        ("train", ["--from=2026-01-01"], "unknown parameter '--from=2026-01-01'"),
        ("train", ["--platform=azure"], "option 'platform' cannot be used"),
        ("score", ["--schemas=a.b"], "unknown parameter '--schemas=a.b'"),
    ],
)
def test_what_cannot_be_used_is_named(stage, words, description, called):
    with pytest.raises(SystemExit, match=description.replace("(", r"\(")):
        jobs.run_stage(stage, words)
    assert called.settings is None


@pytest.mark.parametrize(
    ("words", "description"),
    [
        (["--models=job_failure_predicter"], "did you mean 'job_failure_predictor'?"),
        (["--models=job_failure_predictor", "--tables=cost_features"], "no chosen model reads 'cost_features'"),
        (["--domains=costs"], "did you mean 'cost'?"),
    ],
)
def test_an_unknown_choice_starts_no_engine(words, description, monkeypatch, capsys):
    def never(*_):
        raise AssertionError("an engine was started")

    monkeypatch.setattr("framework.run.opening.open_runtime", never)
    with pytest.raises(SystemExit):
        jobs.run_stage("features", words)
    assert description in last_line(capsys)["error"]


def test_the_tables_of_some_models_in_order():
    plugins = discover(strict=True)
    models = ["dbr_migration_risk_scorer", "job_failure_predictor"]
    assert plugins.select_tables(models, ()) == ["reliability_features", "cost_job_features"]
    assert plugins.select_tables(models, ["cost_job_features"]) == ["cost_job_features"]
    with pytest.raises(ConfigError, match="did you mean 'reliability_features'"):
        plugins.select_tables(models, ["reliability_feature"])


def test_which_tables_are_built_changes_no_result():
    assert Settings(tables=("a",)).inputs() == Settings().inputs()


def test_the_snapshot_job_writes_the_named_schemas(monkeypatch, capsys):
    asked = {}

    def fake_snapshot(_runtime, schemas):
        asked["schemas"] = schemas
        return date(2026, 11, 1), ("a.b",), {"table_snapshots": 3}

    monkeypatch.setattr(launch, "launch", lambda settings, _: SimpleNamespace(run_id="r1", settings=settings))
    monkeypatch.setattr(launch, "snapshot", fake_snapshot)
    jobs.run_snapshot(["--schemas=a.b,c.d", "--catalog=ml"])
    found = last_line(capsys)
    assert asked == {"schemas": "a.b,c.d"}
    assert (found["as_of"], found["units"][0]["unit"], found["units"][0]["rows"]) == (
        "2026-11-01",
        "snapshot:table_snapshots",
        3,
    )


def test_the_promotion_job_stops_at_a_failure_and_at_no_refusal(monkeypatch, capsys):
    endings = [Promotion(model="a", outcome=Ending.COPIED, target=3), Promotion(model="b", outcome=Ending.REFUSED)]
    asked = []
    plugins = SimpleNamespace(select_models=lambda *_: ["a", "b"])
    opened = SimpleNamespace(run_id="r1", plugins=plugins, clock=Clock(datetime(2026, 11, 1, tzinfo=UTC)))
    monkeypatch.setattr(launch, "launch", lambda settings, _: asked.append(settings.catalog) or opened)
    monkeypatch.setattr(promotion, "promote", lambda _, catalog, models: asked.append((catalog, models)) or endings)
    jobs.run_promotion(["--catalog=staging", "--to-catalog=prod"])
    assert asked == ["staging", ("prod", ["a", "b"])]
    assert [unit["status"] for unit in last_line(capsys)["units"]] == ["done", "skipped"]
    endings.append(Promotion(model="c", outcome=Ending.FAILED, reason="no such run"))
    with pytest.raises(SystemExit, match=r"promote:c\. no such run"):
        jobs.run_promotion(["--catalog=staging", "--to-catalog=prod"])
    with pytest.raises(SystemExit, match="no target"):
        jobs.run_promotion(["--catalog=staging", "--to-catalog="])


@pytest.mark.slow
@pytest.mark.spark
def test_a_job_runs_end_to_end_as_the_platform_runs_it(tmp_path):
    """Features of one model from a small simulated gold layer, in a process of its own."""
    script = (ROOT / "jobs" / "build_features.py").read_text("utf-8")
    words = ["--home=home", "--scale=0.02", "--models=data_freshness_predictor", "--as-of=", "--config="]
    command = [sys.executable, "-c", f"exec(compile({script!r}, '<job>', 'exec'), {{}})", *words]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    (unit,) = found["units"]
    assert (unit["unit"], unit["status"], found["exit_code"]) == ("features:quality_features", "done", 0)
    assert unit["rows"] > 100
    assert (tmp_path / "home" / "tables").is_dir()
    events = [json.loads(line)["event"] for line in done.stderr.splitlines() if line.startswith("{")]
    assert "unit_finished" in events

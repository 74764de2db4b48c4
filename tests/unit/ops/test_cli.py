from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from framework.ops.cli import app

ENGINES = ("mlflow", "pyspark", "sklearn", "xgboost")
RUN_OPTIONS = ("--gold", "--home", "--as-of", "--domains", "--models", "--strict", "--resume", "--config", "--scale")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    for name in list(os.environ):
        if name.startswith("HEALTH_MONITOR_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "200")


def call(*words):
    return CliRunner().invoke(app, list(words))


def text_of(output):
    """Output without colours and frames, on one line."""
    return re.sub(r"[\s│]+", " ", re.sub(r"\x1b\[[0-9;]*m", "", output))


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("run", RUN_OPTIONS),
        ("features", (*RUN_OPTIONS, "--from")),
        ("train", RUN_OPTIONS),
        ("score", RUN_OPTIONS),
        ("models", ("--domains", "--strict", "--cards")),
        ("report", ("--home", "--as-of", "--domains", "--models", "--config", "--out")),
        ("plugins", ("--strict",)),
    ],
)
def test_help_mentions_every_option(command, options):
    found = call(command, "--help")
    assert found.exit_code == 0
    for option in options:
        assert option in text_of(found.output)


def test_help_lists_the_commands():
    text = text_of(call("--help").output)
    for command in ("run", "features", "train", "score", "snapshot", "models", "report", "plugins"):
        assert f" {command} " in text


@pytest.mark.parametrize("command", ["run", "features", "train", "score"])
@pytest.mark.parametrize("day", ["2025-02-30", "yesterday", ""])
def test_a_bad_day_is_one_sentence_and_exit_2(command, day, tmp_path):
    found = call(command, "--as-of", day, "--home", str(tmp_path / "home"))
    assert found.exit_code == 2
    assert text_of(found.stderr).strip() == f"ConfigError: '{day}' is no day (in --as-of). Fix: write YYYY-MM-DD"
    assert not (tmp_path / "home").exists()


def test_a_bad_first_day_names_the_option_as_it_is_written():
    found = call("features", "--from", "2025-02-30")
    assert found.exit_code == 2
    assert "(in --from)" in text_of(found.stderr)


@pytest.mark.parametrize("command", ["run", "features", "train", "score", "models"])
def test_an_unknown_domain_names_the_nearest_and_starts_nothing(command, tmp_path):
    home = [] if command == "models" else ["--home", str(tmp_path / "home")]
    found = call(command, "--domains", "gold,relability", *home)
    assert found.exit_code == 2
    assert "no domain 'relability' (in --domains). Fix: did you mean 'reliability'?" in text_of(found.stderr)
    assert not (tmp_path / "home").exists()


def test_an_unknown_model_names_the_nearest(tmp_path):
    found = call("run", "--models", "job_failure_predicter", "--home", str(tmp_path / "home"))
    assert found.exit_code == 2
    assert "did you mean 'job_failure_predictor'?" in text_of(found.stderr)
    assert not (tmp_path / "home").exists()


def test_a_settings_file_with_a_mistake_is_exit_2(tmp_path):
    file = tmp_path / "settings.toml"
    file.write_text("sed = 1")
    for given, description in ((file, "did you mean 'seed'?"), (tmp_path / "none.toml", "cannot read it")):
        found = call("run", "--config", str(given), "--home", str(tmp_path / "home"))
        assert found.exit_code == 2
        assert description in text_of(found.stderr)


def test_the_environment_is_checked_too(monkeypatch):
    monkeypatch.setenv("HEALTH_MONITOR_SEED", "many")
    found = call("run")
    assert found.exit_code == 2
    assert "option 'seed' cannot be used" in text_of(found.stderr)


def test_models_are_listed_and_narrowed_by_domain():
    found = call("models")
    assert found.exit_code == 0
    assert "job_failure_predictor" in found.stdout
    nothing = call("models", "--domains", "gold")
    assert nothing.exit_code == 0
    assert "job_failure_predictor" not in nothing.stdout


def test_cards_are_written_and_named(tmp_path):
    found = call("models", "--cards", str(tmp_path / "cards"))
    assert found.exit_code == 0
    assert (tmp_path / "cards" / "job_failure_predictor.md").exists()
    assert "job_failure_predictor.md" in found.stdout


def install(folder, monkeypatch, code):
    info = folder / "strange_domain-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: strange-domain\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[health_monitor.domains]\nstrange = strange_cli_plugin\n")
    (folder / "strange_cli_plugin.py").write_text(code)
    monkeypatch.syspath_prepend(folder)


def test_a_broken_plugin_is_named_with_its_own_words_and_the_others_are_listed(tmp_path, monkeypatch):
    install(tmp_path, monkeypatch, "raise ValueError('wants [/a/folder] or [red]')")
    found = call("plugins")
    assert found.exit_code == 1
    assert "reliability" in found.stdout
    assert "ValueError: wants [/a/folder] or [red]" in text_of(found.stderr)
    assert call("models").exit_code == 0
    strict = call("plugins", "--strict")
    assert strict.exit_code == 2
    assert "domain 'strange' cannot be loaded" in text_of(strict.stderr)


PROGRAM = """
import json, sys
sys.argv = ["health-monitor", *json.loads(sys.argv[1])]
from framework.ops.cli import main
try:
    main()
except SystemExit as end:
    code = end.code
loaded = sorted({name.partition(".")[0] for name in sys.modules})
sys.stderr.write(json.dumps({"code": code, "loaded": loaded}))
"""


@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["plugins"], ["models", "--help"]])
def test_help_and_plugins_load_no_engine(words):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(words)], capture_output=True, text=True, check=True, timeout=60
    )
    found = json.loads(done.stderr)
    assert found["code"] == 0
    assert not set(found["loaded"]) & {*ENGINES, "pandas", "numpy", "pyarrow"}
    assert done.stdout


BLOCKED = """
import importlib.abc, sys

class Blocker(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked!r}:
            raise ImportError(name + " is blocked")

sys.meta_path.insert(0, Blocker())
import framework
import framework.ops.cli, framework.ops.command, framework.core.config, framework.base.errors
import framework.core.plugins, framework.core.results, framework.declare.model, framework.declare.formulas
import framework.features, framework.scoring, framework.training, framework.stores.frames
import framework.run.summary, framework.ops.report.command, framework.ops.report.collect, framework.training.plots
plugins = framework.core.plugins.discover(strict=True)
assert plugins.trainers
"""


def test_declarations_and_plugins_load_where_no_engine_is_installed():
    blocked = (*ENGINES, "pandas", "numpy", "pyarrow", "deltalake")
    subprocess.run([sys.executable, "-c", BLOCKED.format(blocked=blocked)], check=True, timeout=60)

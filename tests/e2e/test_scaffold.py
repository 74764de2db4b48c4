"""A new domain and new models pass lint, types and their tests at once, and train on rows of their own."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from framework import discover, errors
from framework.ops.cli import app
from framework.ops.scaffold.listing import add_to_list
from framework.ops.scaffold.scaffold import new_domain, new_model

MODEL_LINES, DOMAIN_LINES = 20, 50
KINDS = ("regression", "classification", "anomaly")


def own_lines(text: str) -> int:
    """Count lines of code: blank lines, comments, docstrings and imports are no decision of the author's."""
    tree = ast.parse(text)
    skipped: set[int] = set()
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        first = body[0] if isinstance(body, list) and body else None
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
            skipped |= set(range(first.lineno, (first.end_lineno or first.lineno) + 1))
        if isinstance(node, ast.Import | ast.ImportFrom):
            skipped |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    lines = enumerate(text.splitlines(), 1)
    return sum(1 for at, line in lines if at not in skipped and line.strip() and not line.strip().startswith("#"))


class Folder:
    """A clean folder with the new package installed in it, as a team would find it after ``pip install``."""

    def __init__(self, root: Path) -> None:
        (domain,) = {file.parents[1] for file in new_domain("acme", root, discover()) if file.name == "plugin.py"}
        self.run("pip", "install", "--quiet", "--disable-pip-version-check", "--no-index", "--no-build-isolation",
                 "--no-deps", "--target", str(root / "site"), str(domain))  # fmt: skip
        self.site = root / "site"
        for name in ("pyproject.toml", "tests"):
            (domain / name).rename(self.site / name)
        self.package = self.site / "acme_health"

    def run(self, *words: str) -> str:
        env = os.environ | {"PYTHONPATH": str(getattr(self, "site", "")), "COLUMNS": "300"}
        here = getattr(self, "site", None)
        done = subprocess.run(
            [sys.executable, "-m", *words], cwd=here, env=env, capture_output=True, text=True, check=False, timeout=600
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def acme(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    folder = Folder(tmp_path_factory.mktemp("acme"))
    folder.domain = sum(own_lines(file.read_text()) for file in folder.package.glob("*.py"))
    for kind in KINDS:
        folder.run("framework", "new", "model", f"acme_{kind}", "--domain", "acme", "--kind", kind)
    return folder


def test_lint_and_types_pass_at_once(acme: Folder) -> None:
    acme.run("ruff", "check", ".")
    acme.run("ruff", "format", "--check", ".")
    acme.run("mypy", "--strict", "-p", "acme_health")


def test_a_new_domain_and_new_models_are_short(acme: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    models = {kind: own_lines((acme.package / f"acme_{kind}.py").read_text()) for kind in KINDS}
    with capsys.disabled():
        sys.stdout.write(f"\nlines of a new domain: {acme.domain}; of a new model: {models}\n")
    assert acme.domain <= DOMAIN_LINES
    assert max(models.values()) <= MODEL_LINES


def test_they_import_the_front_door_and_their_own_package_only(acme: Folder) -> None:
    for file in [*acme.package.glob("*.py"), *(acme.site / "tests").glob("*.py")]:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("framework"):
                assert node.module in ("framework", "framework.testing"), file.name


def test_their_own_tests_pass_and_train_on_made_up_rows(acme: Folder) -> None:
    assert "5 passed" in acme.run("pytest", "-q", "-p", "no:randomly", "tests")


def test_the_new_models_stand_in_the_list(acme: Folder) -> None:
    listed = acme.run("framework", "models", "--domains", "acme")
    assert all(f"acme_{kind}" in listed for kind in KINDS)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["domain", "Acme"], "'Acme' is no name in snake_case"),
        (["domain", "class"], "'class' is no name"),
        (["domain", "cost"], "a domain 'cost' is installed already"),
        (["model", "x", "--domain", "costs", "--kind", "regression"], "no domain 'costs'"),
        (["model", "x", "--domain", "cost", "--kind", "regresion"], "no kind 'regresion'"),
        (["model", "budget_forecaster", "--domain", "cost", "--kind", "anomaly"], "exists already"),
        (["model", "x", "--domain", "gold", "--kind", "anomaly"], "builds no table"),
    ],
)
def test_what_cannot_be_written_is_named(words: list[str], message: str, tmp_path: Path) -> None:
    found = CliRunner().invoke(app, ["new", *words], env={"COLUMNS": "300"})
    assert found.exit_code == 2
    assert message in found.output


def test_the_longest_name_leaves_no_line_too_long(tmp_path: Path) -> None:
    new_domain("a" * 24, tmp_path, discover())
    for words in (("check",), ("format", "--check")):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *words, "."], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout
    with pytest.raises(errors.ConfigError, match="at most 24"):
        new_domain("a" * 25, tmp_path, discover())


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    files = new_domain("acme", tmp_path, discover())
    files[3].write_text("mine")
    with pytest.raises(errors.ConfigError, match="exists already"):
        new_domain("acme", tmp_path, discover())
    assert files[3].read_text() == "mine"


def test_a_plugin_of_another_form_says_which_lines_to_write(tmp_path: Path) -> None:
    plugin = tmp_path / "plugin.py"
    plugin.write_text("def model_trainers():\n    return list(FOUND)\n")
    with pytest.raises(errors.ConfigError, match=r"from acme\.late import Late"):
        add_to_list(plugin, "acme.late", "Late")


def test_a_model_goes_into_a_domain_of_ours_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The list of ours is one name a line, and gets one line more."""
    plugin = tmp_path / "plugin.py"
    plugin.write_text((Path(__file__).parents[2] / "domains" / "cost" / "plugin.py").read_text())
    add_to_list(plugin, "domains.cost.late", "Late")
    text = plugin.read_text()
    assert "    from domains.cost import trainers\n    from domains.cost.late import Late\n" in text
    assert "        trainers.TagRecommender,\n        Late,\n    ]" in text
    ast.parse(text)
    with pytest.raises(errors.ConfigError, match="no domain"):
        new_model("x", "nowhere", "anomaly", discover())

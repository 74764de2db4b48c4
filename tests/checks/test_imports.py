"""The import rules hold here, and each of them finds a planted violation."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.checks import rooms as drawn
from tests.checks.circles import PACKAGES, first_circle, imports_of, main

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).resolve().parents[2]


def plant(folder: Path, files: Mapping[str, str]) -> None:
    """Write modules, and an empty ``__init__`` in each folder that has none."""
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        for parent in file.relative_to(folder).parents[:-1]:
            (folder / parent / "__init__.py").touch()


def lint(folder: Path, contracts: list[str]) -> subprocess.CompletedProcess[str]:
    """Run import-linter with this repository's own contracts over planted packages."""
    config = folder / "rules.toml"
    config.write_text("\n".join(contracts))
    line = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()"]
    return subprocess.run(
        [*line, "--config", config.name, "--no-cache"], cwd=folder, capture_output=True, text=True, timeout=120,
        env={"PYTHONPATH": str(folder), "PATH": ""}, check=False,
    )  # fmt: skip


def layers_contract() -> list[str]:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    (layers,) = (contract for contract in declared["contracts"] if contract["type"] == "layers")
    assert declared["exclude_type_checking_imports"] is False
    return [
        "[tool.importlinter]", 'root_packages = ["framework"]', "exclude_type_checking_imports = false",
        "[[tool.importlinter.contracts]]", 'name = "floors"', 'type = "layers"', 'containers = ["framework"]',
        f"layers = {layers['layers']}",
    ]  # fmt: skip


def rooms() -> dict[str, str]:
    folders = sorted(found.parent.name for found in (ROOT / "framework").glob("*/__init__.py"))
    return {f"framework/{room}/a.py": "x = 1\n" for room in folders}


def test_no_circle_is_here(capsys):
    assert main(*PACKAGES) == 0
    assert "no circle among" in capsys.readouterr().out


@pytest.mark.parametrize(
    "text",
    [
        "import planted.b\n",
        "def f():\n    from planted.b import x\n",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from planted.b import x\n",
    ],
    ids=["at the top", "in a function", "for an annotation"],
)
def test_a_planted_circle_is_named(text, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    plant(tmp_path, {"planted/a.py": text, "planted/b.py": "from planted.c import x\n", "planted/c.py": "x = 1\n"})
    assert first_circle(imports_of("planted")) == []
    (tmp_path / "planted" / "c.py").write_text("from planted import a\n")
    circle = first_circle(imports_of("planted"))
    assert set(circle) == {"planted.a", "planted.b", "planted.c"}
    assert circle[0] == circle[-1]


def test_the_rooms_of_the_contract_are_the_folders():
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]["layers"]
    named = {room.strip() for layer in declared for room in layer.split("|")}
    assert named == {name.split("/")[1] for name in rooms()}


@pytest.mark.parametrize(
    ("room", "text", "kept"),
    [
        ("ops", "from framework.core.a import x\n", True),
        ("core", "from framework.ops.a import x\n", False),
        ("training", "from framework.scoring.a import x\n", False),
        ("registry", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from framework.run.a import x\n", False),
    ],
)
def test_a_planted_import_upwards_breaks_the_layers(room, text, kept, tmp_path):
    plant(tmp_path, rooms() | {f"framework/{room}/b.py": text})
    found = lint(tmp_path, layers_contract())
    assert (found.returncode == 0) is kept, found.stdout + found.stderr
    assert ("BROKEN" in found.stdout) is not kept


def test_the_page_shows_the_rooms_as_they_are():
    text = (ROOT / drawn.PAGE).read_text(encoding="utf-8")
    assert drawn.page(text) == text, f"run {drawn.WRITE}"
    old = text.replace("| `framework/base` |", "| `framework/cellar` |")
    assert old != text
    assert drawn.page(old) == text


def test_a_line_that_another_way_says_is_not_drawn():
    graph = {"a": {"b", "c"}, "b": {"c"}, "c": set(), "d": {"a", "c"}}
    assert drawn.reduced(graph) == {"a": {"b"}, "b": {"c"}, "c": set(), "d": {"a"}}

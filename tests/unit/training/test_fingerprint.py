"""What makes a training new: the code that shapes its model, and no other."""

from __future__ import annotations

import importlib
import sys
import tomllib
from pathlib import Path

import pytest

from domains.cost.trainers import BudgetForecaster
from domains.cost.workspace_features import CostFeatures
from framework.training import fingerprint
from framework.training.fingerprint import ROOMS, code_version

ROOT = Path(__file__).resolve().parents[3]
FILES = {
    "__init__.py": "",
    "trainers.py": "from acme_prints.shared import window\nclass Trainer:\n    def labels(self):\n"
    "        from . import late\n        return late\n",
    "features.py": "import acme_prints.deep.sql\nclass Builder: ...\n",
    "shared.py": "window = 7\n",
    "late.py": "x = 1\n",
    "deep/__init__.py": "",
    "deep/sql.py": "from ..shared import window\n",
    "deep/unused.py": "x = 1\n",
    "report.py": "from acme_prints import trainers\n",
}


@pytest.fixture
def acme(tmp_path, monkeypatch):
    """A package of a stranger: what its classes hash to, read anew each time."""
    folder = tmp_path / "acme_prints"
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    trainers, features = (importlib.import_module(f"acme_prints.{name}") for name in ("trainers", "features"))

    def hashed(name=None):
        if name:
            (folder / name).write_text(FILES[name] + "# another line\n")
        return code_version.__wrapped__(trainers.Trainer, features.Builder)

    yield hashed
    for loaded in [name for name in sys.modules if name.partition(".")[0] == "acme_prints"]:
        del sys.modules[loaded]


@pytest.mark.parametrize("name", ["trainers.py", "features.py", "shared.py", "late.py", "deep/sql.py", "__init__.py"])
def test_an_edit_of_what_the_model_is_made_of_makes_it_new(acme, name):
    before = acme()
    assert acme() == before
    assert acme(name) != before


@pytest.mark.parametrize("name", ["report.py", "deep/unused.py"])
def test_an_edit_of_anything_else_refits_nothing(acme, name):
    before = acme()
    assert acme(name) == before


def test_the_rooms_are_training_and_all_below_it():
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]["layers"]
    floors = [{room.strip() for room in layer.split("|")} for layer in declared]
    at = next(number for number, floor in enumerate(floors) if "training" in floor)
    assert set(ROOMS) == {"training", *(room for floor in floors[at + 1 :] for room in floor)}


def test_the_framework_counts_up_to_training_and_a_domain_up_to_what_it_imports():
    assert {name.split(".")[1].split("/")[0] for name, _ in fingerprint._framework_files()} == set(ROOMS)
    reached = {name for one in (BudgetForecaster, CostFeatures) for name in fingerprint._reached(one.__module__)}
    assert {"domains.cost.trainers", "domains.cost.workspace_features", "domains.gold.truth"} <= reached
    assert not {name for name in reached if name.split(".")[1] not in {"cost", "gold"}} - {"domains"}
    assert "domains.cost.plugin" not in reached


def test_a_class_of_a_notebook_is_known_by_itself():
    made = type("Made", (), {"__module__": "nowhere"})
    assert code_version(made) != code_version(type("Other", (), {"__module__": "nowhere"}))

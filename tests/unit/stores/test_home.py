"""What a home may be: each folder works, or is one sentence; nothing is written beside it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from framework.base.errors import ConfigError
from framework.ops.alerts_command import open_tables
from framework.ops.doctor import machine
from framework.stores.local.home import REFUSED

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("name", ["a b", "a#b", "a{}b", "ä", "a'b", "a*b", "a&b=1", "a+b", "a;b", "$a"])
def test_a_home_holds_tables_and_models_whatever_it_is_called(tmp_path: Path, name: str) -> None:
    home = tmp_path / name / "home"
    runtime = open_tables({"home": home})
    table = runtime.feature_table("things")
    runtime.tables.merge(table, pa.table({"key": ["a"]}), keys=["key"], description="things")
    assert runtime.tables.read(table).num_rows == 1
    assert runtime.registry.versions("none") == []
    assert {path.name for path in home.iterdir()} == {"tables", "mlflow.db"}
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("character", REFUSED)
def test_characters_of_addresses_are_named_and_nothing_is_made(tmp_path: Path, character: str) -> None:
    home = tmp_path / f"a{character}b" / "home"
    with pytest.raises(ConfigError, match="has the character") as caught:
        open_tables({"home": home})
    assert f"has the character {character}," in str(caught.value)
    assert not machine.home(home).ok
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_no_home(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for home in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ConfigError, match="is a file"):
            open_tables({"home": home})


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_to_is_no_home(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(ConfigError, match="cannot be written to"):
        open_tables({"home": tmp_path / "home"})


def test_the_command_line_says_it_in_one_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "framework", "run", "--home", str(tmp_path / "a?b")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 2
    assert done.stderr.strip().startswith("ConfigError: its path has the character ?")
    assert len(done.stderr.strip().splitlines()) == 1


MAKE = (
    "import sys, pathlib; from framework.stores.local.opening import _make_database as m; print(1, flush=True); m({})"
)


@pytest.mark.parametrize("size", [1, 100_000])
def test_a_kill_while_the_database_is_made_leaves_none_or_a_whole_one(tmp_path: Path, size: int) -> None:
    """Killed when so many bytes stand: MLflow can use none that holds some of its tables, and mends none."""
    words = MAKE.format(f"pathlib.Path({str(tmp_path / 'mlflow.db')!r})")
    running = subprocess.Popen([sys.executable, "-c", words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    half = tmp_path / f".mlflow-{running.pid}.db"
    while running.poll() is None and not (half.exists() and half.stat().st_size >= size):
        time.sleep(0.002)
    running.kill()
    running.wait()
    assert half.exists() != (tmp_path / "mlflow.db").exists()
    assert open_tables({"home": tmp_path}).registry.versions("none") == []
    assert {path.name for path in tmp_path.iterdir()} <= {"tables", "mlflow.db"}


def test_of_two_first_openings_at_once_one_database_stays(tmp_path: Path) -> None:
    words = MAKE.format(f"pathlib.Path({str(tmp_path / 'mlflow.db')!r})")
    both = [subprocess.Popen([sys.executable, "-c", words], stdout=subprocess.DEVNULL) for _ in range(2)]
    assert [one.wait() for one in both] == [0, 0]
    assert [path.name for path in tmp_path.iterdir()] == ["mlflow.db"]
    assert open_tables({"home": tmp_path}).registry.versions("none") == []


def test_a_file_system_without_hard_links_holds_a_home_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "link", refuse)
    assert open_tables({"home": tmp_path}).registry.versions("none") == []
    assert "mlflow.db" in {path.name for path in tmp_path.iterdir()}
    assert not list(tmp_path.glob(".mlflow-*"))

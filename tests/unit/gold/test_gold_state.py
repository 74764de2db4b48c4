"""A folder's state changes with every change of a table's files, and with nothing else."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake

from framework.declare.gold import GoldColumn, GoldTable
from framework.gold.folder import FolderReader
from framework.gold.snapshots import WithSnapshots
from framework.gold.view import GoldReader

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TABLE = GoldTable(name="facts", description="facts", columns=(GoldColumn(name="at", type="TIMESTAMP"),), known_at="at")
OTHER = GoldTable(name="others", description="others", columns=TABLE.columns, known_at="at")
ROWS = pa.table({"at": [1, 2, 3]})


def state(folder: Path, table: GoldTable = TABLE) -> str | None:
    return FolderReader(cast("Any", None), folder, (TABLE, OTHER)).state(table)


def rewrite(folder: Path) -> None:
    """Write other rows of the same size, under the old file's time, as a copying tool may."""
    file = folder / "facts.parquet"
    facts = file.stat()
    pq.write_table(pa.table({"at": [1, 2, 4]}), file)
    assert file.stat().st_size == facts.st_size
    os.utime(file, ns=(facts.st_atime_ns, facts.st_mtime_ns))


@pytest.mark.parametrize(
    "change",
    [
        rewrite,
        lambda folder: (folder / "facts.parquet").unlink(),
        lambda folder: (folder / "facts.csv").write_text("at\n"),
        lambda folder: (folder / "facts.parquet").rename(folder / "facts"),
    ],
    ids=["rewritten", "removed", "a second form", "renamed"],
)
def test_a_change_of_a_file_is_seen(change: Callable[[Path], Any], tmp_path: Path) -> None:
    pq.write_table(ROWS, tmp_path / "facts.parquet")
    before = state(tmp_path)
    assert state(tmp_path) == before
    change(tmp_path)
    assert state(tmp_path) != before


def test_a_commit_to_a_delta_table_is_seen(tmp_path: Path) -> None:
    write_deltalake(str(tmp_path / "facts"), ROWS)
    before = state(tmp_path)
    write_deltalake(str(tmp_path / "facts"), ROWS, mode="append")
    assert state(tmp_path) != before


def test_another_tables_file_is_another_state(tmp_path: Path) -> None:
    pq.write_table(ROWS, tmp_path / "facts.parquet")
    before = state(tmp_path)
    pq.write_table(ROWS, tmp_path / "others.parquet")
    assert state(tmp_path) == before
    assert state(tmp_path, OTHER) != before


def test_a_folder_that_may_not_be_looked_into_tells_nothing(tmp_path: Path) -> None:
    """One such table must not cost the features that do not need it: nothing is taken for unchanged, that is all."""
    closed = tmp_path / "facts"
    closed.mkdir()
    pq.write_table(ROWS, closed / "part.parquet")
    assert state(tmp_path) is not None
    user = os.geteuid()
    tmp_path.chmod(0)
    try:
        if user == 0:  # who may look into everything
            os.seteuid(65534)
        assert state(tmp_path) is None
    finally:
        os.seteuid(user)
        tmp_path.chmod(0o700)


class Silent(GoldReader):
    """A source that cannot tell."""

    def read(self, table: GoldTable) -> None:
        return None

    def newest_day(self) -> Any:
        raise NotImplementedError


class Versions:
    """Tables of which only the version is asked for."""

    def __init__(self, version: int) -> None:
        self._version = version

    def version(self, _name: str) -> int:
        return self._version


def with_snapshots(gold: GoldReader, version: int, names: dict[str, str]) -> str | None:
    return WithSnapshots(gold, cast("Any", Versions(version)), names).state(TABLE)


def test_a_snapshot_taken_meanwhile_is_seen_where_the_monitor_stands_in(tmp_path: Path) -> None:
    gold = FolderReader(cast("Any", None), tmp_path, (TABLE,))
    own = {"facts": "main.schema.facts"}
    assert with_snapshots(gold, 1, own) != with_snapshots(gold, 2, own)
    assert with_snapshots(gold, 1, {}) == with_snapshots(gold, 2, {})


def test_a_source_that_cannot_tell_says_so() -> None:
    assert with_snapshots(Silent(), 1, {"facts": "main.schema.facts"}) is None

"""Both engines make the same frames of the same gold; and a difference would be found."""

from __future__ import annotations

import subprocess
import sys
from datetime import date
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from domains.simulator.write import simulate
from framework.core.plugins import discover
from framework.stores.local import sail
from tests.conformance.__main__ import ENGINES
from tests.conformance.frames import compare, differences

if TYPE_CHECKING:
    from pathlib import Path

LAST = date(2026, 10, 28)
SCALE = 0.02

pytestmark = pytest.mark.skipif(not sail.is_there(), reason="pysail is not installed: there is one engine only")


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The frames of both engines, each written in a process of its own: a process has one engine."""
    folder = tmp_path_factory.mktemp("conformance")
    simulate(folder / "gold", scale=SCALE, last_day=LAST)
    for engine in ENGINES:
        command = [sys.executable, "-m", "tests.conformance", "--gold", str(folder / "gold")]
        command += ["--as-of", LAST.isoformat(), "--engine", engine, "--out", str(folder / engine)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_both_engines_make_the_same_frames(frames):
    assert list(compare(*(frames / engine for engine in ENGINES))) == []


def test_every_feature_table_and_every_label_was_compared(frames):
    written = {file.stem for file in (frames / ENGINES[0]).glob("*.parquet")}
    plugins = discover(strict=True)
    assert {loaded.item.table.name for loaded in plugins.builders.values()} <= written
    assert {f"labels_{name}" for name in plugins.trainers} <= written
    assert all(pq.read_metadata(frames / ENGINES[0] / f"{name}.parquet").num_rows for name in written)


def test_a_difference_of_a_millionth_in_one_value_is_found(frames):
    rows = pq.read_table(frames / ENGINES[0] / "cost_features.parquet")
    place = rows.schema.get_field_index("cost_28d")
    values = rows["cost_28d"].to_numpy(zero_copy_only=False).copy()
    at = int((values > 1).argmax())
    values[at] *= 1 + 1e-6
    other = rows.set_column(place, "cost_28d", pa.array(values))
    assert [found.split()[0] for found in differences(rows, other)] == ["cost_28d"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"key": ["a", "b"], "x": [1.0, None]}, {"key": ["a", "b"], "x": [1.0, 0.0]}),
        ({"key": ["a", "b"], "x": ["", None]}, {"key": ["a", "b"], "x": ["", ""]}),
        ({"key": ["a", "b"], "x": [1, 2]}, {"key": ["a", "b"], "x": [1.0, 2.0]}),
        ({"key": ["a", "b"], "x": [1.0, 2.0]}, {"key": ["a"], "x": [1.0]}),
    ],
)
def test_null_text_types_and_rows_are_compared_exactly(one, other):
    assert list(differences(pa.table(one), pa.table(other)))
    assert not list(differences(pa.table(one), pa.table(one).take([1, 0])))

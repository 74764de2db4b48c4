"""Drift on Spark: the same counts and the same rows as on Arrow, and no row of data is collected."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta
from typing import Any

import mlflow
import numpy as np
import pyarrow as pa
import pytest

from framework.monitoring.drift.columns import Column
from framework.monitoring.drift.counting import count_columns
from framework.monitoring.drift.drift import COUNTED, measure_drift
from framework.monitoring.drift.histogram import sketch_numbers, sketch_text
from framework.stores.spark_frames import to_spark
from tests.monitored import EVERY, LAST, build_monitored, write_outcomes

START = date(2026, 3, 1)
ODD = [None, math.nan, math.inf, -math.inf, 0.0, -0.0, 1.0, 2.0, -7.5, 1e300]
TEXT = [None, "", "a", "b", "é", "never seen", "a,b"]


def rows_of(seed: int, count: int) -> pa.Table:
    """Random rows with all that is odd: missing, infinite, on the edges, unseen; and a day without any row."""
    rng = np.random.default_rng(seed)
    days = rng.choice([0, 1, 3], count)  # nothing on day 2
    number = [ODD[at] if at < len(ODD) else round(float(rng.normal()), 1) for at in rng.integers(0, 40, count)]
    flags = [[("x", float(value)), ("y", None)] for value in rng.integers(0, 3, count)]
    moments = [datetime(2026, 3, 1, 23, 59, tzinfo=UTC) + timedelta(days=int(day)) for day in days]
    return pa.table(
        {
            "workspace_id": pa.array(rng.choice(["v", "w"], count).tolist(), pa.string()),
            "job_id": pa.array([None if at == 3 else f"j{at}" for at in rng.integers(0, 12, count)], pa.string()),
            "day": pa.array([START + timedelta(days=int(day)) for day in days], pa.date32()),
            "moment": pa.array(moments, pa.timestamp("us", tz="UTC")),
            "number": pa.array(number, pa.float64()),
            "whole": pa.array(rng.integers(0, 5, count).tolist(), pa.int32()),
            "flag": pa.array((rng.random(count) < 0.3).tolist(), pa.bool_()),
            "constant": pa.array([2.0] * count, pa.float64()),
            "gone": pa.array([None] * count, pa.float64()),
            "text": pa.array([TEXT[at] for at in rng.integers(0, len(TEXT), count)], pa.string()),
            "flags": pa.array(flags, pa.map_(pa.string(), pa.float64())),
        }
    )


def columns_of(seen: pa.Table) -> list[Column]:
    numbers = {
        name: sketch_numbers(np.asarray(seen[name].cast(pa.float64()).to_numpy(), dtype=float), 20)
        for name in ("number", "whole", "flag", "constant", "gone")
    }
    edges = sketch_numbers(np.array([0.0, 1.0, 2.0]), 20, [0.0, 1.0, 2.0])
    many = sketch_numbers(np.random.default_rng(1).normal(size=5_000), 500)
    text = sketch_text(np.array([*(["a"] * 5), "b", "é", None], dtype=object), 20)
    columns = [Column(key=name, column=name, sketch=sketch) for name, sketch in numbers.items()]
    return [
        *columns,
        Column(key="edges", column="number", sketch=edges),
        Column(key="many", column="number", sketch=many),
        Column(key="text", column="text", sketch=text),
        Column(key="x", column="flags", sketch=edges, entry="x"),
        Column(key="y", column="flags", sketch=edges, entry="y"),
        Column(key="some", column="number", sketch=edges, where=(("whole", ">=", 2), ("constant", "=", 2.0))),
        Column(key="none", column="number", sketch=edges, where=(("whole", ">", 99),)),
        Column(key="word", column="number", sketch=edges, where=(("text", "=", "a"),)),
    ]


def same(ours: Any, theirs: Any) -> None:
    assert set(ours) == set(theirs)
    for key, one in ours.items():
        other = theirs[key]
        assert one.counts.tolist() == other.counts.tolist(), key
        assert (one.missing, one.entities) == (other.missing, other.entities), key
        assert set(one.daily) == set(other.daily), key
        for day, (counts, missing, total) in one.daily.items():
            assert counts.tolist() == other.daily[day][0].tolist(), (key, day)
            assert missing == other.daily[day][1], (key, day)
            assert total == pytest.approx(other.daily[day][2]), (key, day)


@pytest.mark.parametrize("day", [None, "day", "moment"])
@pytest.mark.parametrize(("seed", "count"), [(1, 300), (2, 7), (3, 0)])
def test_both_branches_count_alike(spark, seed, count, day):
    rows = rows_of(seed, count)
    columns = columns_of(rows_of(9, 200))
    keys = ["workspace_id", "job_id"]
    ours = count_columns(rows, columns, keys=keys, day=day)
    same(ours, count_columns(to_spark(spark, rows), columns, keys=keys, day=day))
    if count == 300:
        assert ours["gone"].missing == 300
        assert ours["none"].rows == 0
        assert 0 < ours["some"].rows < 300
        assert ours["edges"].counts[[0, 1, 3, 5, 6]].all()  # below, on each edge, above


@pytest.fixture(scope="module")
def runtime(spark, tmp_path_factory):
    before = mlflow.get_tracking_uri(), mlflow.get_registry_uri()
    made = build_monitored(tmp_path_factory.mktemp("monitored") / "home")
    first = LAST - timedelta(days=13)
    write_outcomes(made, "job_seconds", lambda load: {"label": load}, first, LAST)
    write_outcomes(made, "job_sizes", lambda load: {"small": float(load < 0), "large": 1.0}, first, LAST)
    yield made
    mlflow.set_tracking_uri(before[0])
    mlflow.set_registry_uri(before[1])


@pytest.mark.parametrize("model", EVERY)
def test_both_branches_find_the_same_drift(spark, runtime, monkeypatch, model):
    served, as_of = runtime.registry.served(model), LAST + timedelta(days=2)
    ours = measure_drift(runtime, model, served, as_of)
    assert {row["level"] for row in ours} >= {"drift"}
    frame, frames = runtime.tables.frame, []

    def on_spark(name, **more):
        frames.append(to_spark(spark, frame(name, **more)))
        return frames[-1]

    monkeypatch.setattr(runtime.tables, "frame", on_spark)
    COUNTED.of(runtime).clear()
    theirs = measure_drift(runtime, model, served, as_of)
    COUNTED.of(runtime).clear()
    assert frames
    assert [(row["kind"], row["name"], row["level"], row["says"]) for row in theirs] == [
        (row["kind"], row["name"], row["level"], row["says"]) for row in ours
    ]
    for row, other in zip(ours, theirs, strict=True):
        assert {k: v for k, v in row.items() if not isinstance(v, float)} == {
            k: v for k, v in other.items() if not isinstance(v, float)
        }
        for key, value in row.items():
            if isinstance(value, float):
                assert value == pytest.approx(other[key]), (row["name"], key)


def test_workers_need_no_package_of_ours():
    """What counts in the workers is pickled by value: a process that cannot import us counts alike."""
    import subprocess
    import sys

    from pyspark import cloudpickle

    from framework.monitoring.drift.counting_spark import _counter

    counter = cloudpickle.dumps(_counter([(0, [1.0, 2.0])]))
    program = (
        "import sys; sys.modules['framework'] = None\n"
        "from pyspark import cloudpickle\n"
        "from datetime import date\n"
        "import pyarrow as pa\n"
        f"count = cloudpickle.loads({counter!r})\n"
        "day = pa.array([date(2026, 1, 2)] * 4)\n"
        "batch = pa.RecordBatch.from_arrays(\n"
        "    [day, pa.array([True, True, True, False]), pa.array([1.0, 1.5, None, 2.0])], names=['day', 'f0', 'c0'])\n"
        "print([list(row.values()) for row in pa.Table.from_batches(count([batch])).to_pylist()])\n"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    day = "datetime.date(2026, 1, 2)"
    assert said.strip() == f"[[0, {day}, -1, 1, 0.0], [0, {day}, 1, 1, 1.0], [0, {day}, 2, 1, 1.5]]"

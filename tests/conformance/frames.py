"""The frames that a run makes of gold: feature tables, labels, events of detectors. Written, and compared."""

# ruff: noqa: T201 - it speaks on stdout

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from framework.base.errors import MissingInputError
from framework.core.config import Settings
from framework.core.plugins import discover
from framework.declare.labels import Label
from framework.declare.model import Task
from framework.run.opening import open_runtime
from framework.run.pipeline import Pipeline
from framework.stores.arrow import to_arrow
from framework.training.assemble import known_labels

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CLOSE = 1e-9


def write(engine: str, gold: str, as_of: str | None, out: Path, models: tuple[str, ...] = ()) -> None:
    """Write the frames of one engine as parquet files, and say how long each took.

    Args:
        engine: ``sail`` or ``spark``.
        gold: Folder of gold tables.
        as_of: The day, or ``None`` for the newest.
        out: Folder to write to; the home stands in it too.
        models: Models whose labels are written; all by default.
    """
    given = {"gold": gold, "home": out / "home", "engine": engine, "as_of": as_of, "strict": True}
    settings = Settings.parse({key: value for key, value in given.items() if value is not None}, "conformance")
    runtime = open_runtime(settings, discover(strict=True))
    results = Pipeline(runtime).run(["features"])
    failed = [f"{r.unit}: {r.reason}" for r in results if r.status == "failed"]
    if failed:
        raise SystemExit("\n".join(failed))
    for result in results:
        print(f"{engine} {result.unit}: {result.rows} rows, {result.seconds:.1f} s", flush=True)
    for loaded in runtime.plugins.builders.values():
        name = loaded.item.table.name
        _keep(out, name, runtime.tables.read(runtime.feature_table(name)))
    for name, loaded in runtime.plugins.trainers.items():
        if models and name not in models:
            continue
        began = time.perf_counter()
        trainer = loaded.item()
        try:
            frame = _labels(trainer, runtime)
        except MissingInputError as error:  # gold has no such table: neither engine makes this frame
            print(f"{engine} {name}: {error}", flush=True)
            continue
        if frame is not None:
            _keep(out, f"labels_{name}", frame)
            print(f"{engine} {name}: {frame.num_rows} rows, {time.perf_counter() - began:.1f} s", flush=True)


def _labels(trainer: Any, runtime: Any) -> pa.Table | None:
    """Return the labels of a model; of a detector the events that judge it, or ``None``."""
    grain = runtime.plugins.table(trainer.spec.lookups[0].table)
    if trainer.task is not Task.ANOMALY:
        return to_arrow(known_labels(trainer, runtime, runtime.as_of, grain))
    events = trainer.events(runtime.gold(truth=True).until(runtime.as_of), runtime.as_of)
    if isinstance(events, Label):
        events = events.events
    return None if events is None else to_arrow(events)


def _keep(out: Path, name: str, rows: pa.Table) -> None:
    out.mkdir(parents=True, exist_ok=True)
    pq.write_table(rows, out / f"{name}.parquet")


def compare(one: Path, two: Path) -> Iterator[str]:
    """Yield a line for each difference of two engines: frames, rows, columns.

    Args:
        one: Folder of the one engine's frames.
        two: Folder of the other's.
    """
    here, there = ({file.stem for file in folder.glob("*.parquet")} for folder in (one, two))
    yield from (f"{name}: only one engine has it" for name in sorted(here ^ there))
    for name in sorted(here & there):
        yield from (
            f"{name}: {found}" for found in differences(*(pq.read_table(f / f"{name}.parquet") for f in (one, two)))
        )


def differences(left: pa.Table, right: pa.Table) -> Iterator[str]:
    """Yield what differs between two frames: numbers by more than 1e-9, anything else at all.

    Args:
        left: Rows in any order.
        right: Rows in any order; an engine promises none.
    """
    if left.schema.names != right.schema.names or left.num_rows != right.num_rows:
        yield f"{left.num_rows} rows of {left.schema.names} against {right.num_rows} of {right.schema.names}"
        return
    sortable = [f.name for f in left.schema if not pa.types.is_nested(f.type) and not pa.types.is_floating(f.type)]
    floats = [f.name for f in left.schema if pa.types.is_floating(f.type)]
    order = [(name, "ascending") for name in sortable + floats]
    one, two = left.sort_by(order), right.sort_by(order)
    for name in left.schema.names:
        a, b = one[name], two[name]
        if a.type != b.type:
            yield f"{name} is {a.type} against {b.type}"
        elif name in floats:
            x, y = (column.to_numpy(zero_copy_only=False).astype(float) for column in (a, b))
            far = ~np.isclose(x, y, rtol=CLOSE, atol=CLOSE, equal_nan=True)
            if far.any():
                at = int(np.flatnonzero(far)[0])
                yield f"{name} differs in {int(far.sum())} of {len(x)} rows, first {x[at]} against {y[at]}"
        elif not a.equals(b):
            far = [i for i, (x, y) in enumerate(zip(a.to_pylist(), b.to_pylist(), strict=True)) if x != y]
            if far:
                yield f"{name} differs in {len(far)} of {len(a)} rows, first {a[far[0]]} against {b[far[0]]}"

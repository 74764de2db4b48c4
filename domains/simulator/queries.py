"""fact_query_history, fact_warehouse_events and dim_warehouse, with the dirt that a real source has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from domains.simulator.calendar import DAY, Flags, Floats, Ints
from domains.simulator.rows import Rows, arrivals
from domains.simulator.statement_text import texts
from domains.simulator.statements import STATUSES, Statements, all_statements
from domains.simulator.warehouses import SIZES, Warehouse, all_warehouses

if TYPE_CHECKING:
    from collections.abc import Iterable

    from domains.simulator.world import World

P_TWICE, P_TURNED, P_NO_ID = 0.0008, 0.0003, 0.0003
P_NO_TEXT, P_NO_USER, P_NO_WAREHOUSE, P_NO_BYTES, P_NO_CACHE = 0.008, 0.004, 0.002, 0.01, 0.004
P_NO_COUNT = 0.002
DRAWS = 11
Columns = dict[str, Any]


def fact_query_history(world: World) -> Rows:
    """Return all statements of all warehouses."""
    parts = [
        _of_source(world, warehouse, statements)
        for warehouse, (sources, _) in all_statements(world).items()
        for statements in sources
        if len(statements.requests.time)
    ]
    columns = {name: pa.concat_arrays([part[0][name] for part in parts]) for name in parts[0][0]}
    return Rows(columns, arrival=np.concatenate([p[1] for p in parts]), time=np.concatenate([p[2] for p in parts]))


def _of_source(world: World, warehouse: Warehouse, found: Statements) -> tuple[dict[str, pa.Array], Ints, Ints]:
    """Return the columns of one source's statements, when they arrived, and when they began."""
    asked = found.requests
    space = warehouse.workspace
    rng = world.stream("statement_rows", space.index, warehouse.number, asked.source)
    count = len(asked.time)
    draws = rng.random((DRAWS, count))
    columns = _measures(found, draws) | _keys(world, warehouse, found, draws, rng)
    table = pa.table(columns)
    total = found.for_compute + found.for_room + found.compile + found.work
    known = asked.time + np.ceil(total).astype(np.int64)
    arrival = arrivals(known, space, draws[:3])
    twice = np.flatnonzero(draws[3] < P_TWICE)
    which = pa.array(np.concatenate([np.arange(count), twice]))
    arrival, time = (np.concatenate([values, values[twice]]) for values in (arrival, asked.time))
    taken = table.take(which).combine_chunks()
    return {name: _flat(taken[name]) for name in taken.column_names}, arrival, time


def _flat(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks)


def _keys(world: World, warehouse: Warehouse, found: Statements, draws: Floats, rng: np.random.Generator) -> Columns:
    asked, space = found.requests, warehouse.workspace
    count = len(asked.time)
    prefix = f"01f{space.index:03x}{warehouse.number:02x}-{asked.source}"
    total = _milliseconds(found.for_compute + found.for_room + found.compile + found.work)
    start = world.calendar.micros(asked.time)
    end = start + total * 1_000
    turned = draws[4] < P_TURNED
    stamps = pa.timestamp("us", tz="UTC")
    verbs = pa.array([template.verb for template in asked.templates])
    return {
        "statement_id": _nulls([f"{prefix}-{number:07x}" for number in range(count)], draws[4] > 1 - P_NO_ID),
        "workspace_id": pa.array([space.workspace_id] * count, type=pa.string()),
        "compute_warehouse_id": _nulls([warehouse.warehouse_id] * count, draws[5] < P_NO_WAREHOUSE),
        "executed_by": _nulls(asked.who, draws[6] < P_NO_USER),
        "start_time": pa.array(np.where(turned, end + 60_000_000, start), type=stamps),
        "end_time": pa.array(end, type=stamps),
        "execution_status": pa.array(STATUSES).take(pa.array(found.status)),
        "statement_type": verbs.take(pa.array(asked.template)),
        "statement_text": _nulls(texts(world, asked, rng), draws[7] < P_NO_TEXT),
        "total_duration_ms": pa.array(total),
    }


def _measures(found: Statements, draws: Floats) -> Columns:
    """Return the columns of cost; a statement that did not finish often lacks its bytes."""
    asked = found.requests
    unknown = (draws[8] < P_NO_BYTES) | ((found.status > 0) & (draws[8] < 0.5))  # noqa: PLR2004 -- half of them
    rows = np.exp(
        np.array([template.rows for template in asked.templates])[asked.template]
        + 0.9 * asked.volume + 1.4 * asked.exported + 0.5 * asked.normal[4]
    )  # fmt: skip
    writes = np.array([template.verb != "SELECT" for template in asked.templates])[asked.template]
    disk = np.clip(95 * np.sqrt(draws[9]) * (found.for_compute < 1), 0, 100)
    return {
        "execution_duration_ms": pa.array(_milliseconds(found.work)),
        "compilation_duration_ms": pa.array(_milliseconds(found.compile)),
        "waiting_at_capacity_duration_ms": pa.array(_milliseconds(found.for_room)),
        "waiting_for_compute_duration_ms": pa.array(_milliseconds(found.for_compute)),
        "read_bytes": _whole(found.size, unknown),
        "written_bytes": _whole(np.where(writes, 0.3 * found.size, 0.0), unknown),
        "spilled_local_bytes": _whole(found.spilled, unknown),
        "read_files": _whole(found.read, unknown),
        "pruned_files": _whole(found.pruned, unknown),
        "produced_rows": _whole(np.where(writes | (found.status > 0), 0.0, rows), unknown),
        "from_result_cache": pa.array(found.cached, mask=draws[10] < P_NO_CACHE),
        "read_io_cache_percent": pa.array(disk.astype(np.int32), mask=unknown | found.cached),
    }


def _milliseconds(seconds: Floats) -> Ints:
    return np.round(seconds * 1e3).astype(np.int64)


def _whole(values: Floats, unknown: Flags) -> pa.Array:
    return pa.array(values.astype(np.int64), mask=unknown)


def _nulls(values: list[Any], unknown: Flags) -> pa.Array:
    return pa.array(np.array(values, dtype=object), type=pa.string(), mask=unknown)


def fact_warehouse_events(world: World) -> Rows:
    """Return every start, stop and change of the number of clusters."""
    columns: dict[str, list[Any]] = {name: [] for name in ("workspace_id", "warehouse_id", "event_type")}
    times, counts, arrived, missing = [], [], [], []
    for warehouse, (_, events) in all_statements(world).items():
        if not events:
            continue
        space = warehouse.workspace
        columns["workspace_id"] += [space.workspace_id] * len(events)
        columns["warehouse_id"] += [warehouse.warehouse_id] * len(events)
        columns["event_type"] += [kind for _, kind, _ in events]
        time = np.array([at for at, _, _ in events])
        draws = world.stream("warehouse_events", space.index, warehouse.number).random((4, len(events)))
        times.append(time)
        counts.append(np.array([clusters for _, _, clusters in events], dtype=np.int32))
        arrived.append(arrivals(np.ceil(time).astype(np.int64), space, draws[:3]))
        missing.append(draws[3] < P_NO_COUNT)
    time = np.concatenate(times)
    whole = np.floor(time).astype(np.int64)
    micros = world.calendar.micros(whole) + ((time - whole) * 1e3).astype(np.int64) * 1_000
    clusters = pa.array(np.concatenate(counts), mask=np.concatenate(missing))
    stamps = pa.array(micros, type=pa.timestamp("us", tz="UTC"))
    return Rows(
        {**columns, "event_time": stamps, "cluster_count": clusters}, arrival=np.concatenate(arrived), time=whole
    )


def dim_warehouse(world: World) -> Rows:
    """Return all versions of all warehouses."""
    return _versions(world, all_warehouses(world))


def _versions(world: World, warehouses: Iterable[Warehouse]) -> Rows:
    pairs = [(warehouse, version) for warehouse in warehouses for version in warehouse.versions]
    time: Ints = np.array([version.time for _, version in pairs], dtype=np.int64)
    return Rows(
        {
            "workspace_id": [warehouse.workspace.workspace_id for warehouse, _ in pairs],
            "warehouse_id": [warehouse.warehouse_id for warehouse, _ in pairs],
            "warehouse_size": [SIZES[version.size] for _, version in pairs],
            "warehouse_type": [warehouse.kind for warehouse, _ in pairs],
            "min_clusters": [version.least for _, version in pairs],
            "max_clusters": [version.most for _, version in pairs],
            "auto_stop_minutes": [version.stop for _, version in pairs],
            "change_time": pa.array(world.calendar.micros(time), type=pa.timestamp("us", tz="UTC")),
        },
        arrival=np.maximum(time, -DAY),
    )

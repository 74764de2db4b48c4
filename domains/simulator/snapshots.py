"""table_snapshots and information_schema_columns: what the monitor itself writes down every evening."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from domains.simulator.calendar import DAY, Flags, Ints, chance
from domains.simulator.rows import Rows
from domains.simulator.tables import Table, all_tables, all_writes, rows_by_day

if TYPE_CHECKING:
    from domains.simulator.world import World

TYPES = ("string", "bigint", "int", "double", "decimal(18,2)", "date", "timestamp", "boolean")
WIDER = {"int": "bigint", "bigint": "string", "date": "timestamp", "double": "decimal(18,2)", "boolean": "string"}
NOUNS = ("id", "key", "code", "status", "amount", "price", "quantity", "country", "channel", "created_at", "updated_at")
P_MISSED = 0.004
"""Days on which the evening's job did not run: nobody saw the tables."""
P_SCANNED_AGAIN = 0.001
Columns = tuple[tuple[str, str], ...]


def table_snapshots(world: World) -> Rows:
    """Return each table at the end of each day that was seen."""
    seen = _seen(world)
    parts = []
    for table in all_tables(world):
        rng = world.stream("table_snapshots", table.workspace.index, table.number)
        rows, alive = rows_by_day(world, table)
        days = np.flatnonzero(alive & seen)
        days = np.sort(np.concatenate([days, days[rng.random(len(days)) < P_SCANNED_AGAIN]]))
        files = rng.uniform(0.9, 1.25, size=len(rows))  # small files pile up until somebody compacts them
        size = rows * table.width * files
        unknown = rng.random(len(days)) < 0.003  # noqa: PLR2004 -- one of the world's parameters
        written = all_writes(world)[table]
        last = np.searchsorted(written, (days + 1) * DAY) - 1
        altered = np.where(last >= 0, written[np.maximum(last, 0)], -1)
        parts.append((table, days, pa.array(rows[days], mask=unknown), size[days].astype(np.int64), altered))
    at = np.repeat(np.arange(len(parts)), [len(days) for _, days, *_ in parts])
    days = np.concatenate([days for _, days, *_ in parts])
    altered = np.concatenate([part[4] for part in parts])
    columns = _names(world, at) | {
        "snapshot_date": _dates(world, days),
        "row_count": pa.chunked_array([part[2] for part in parts]).combine_chunks(),
        "size_bytes": np.concatenate([part[3] for part in parts]),
        "last_altered": pa.array(world.calendar.micros(altered), mask=altered < 0).cast(pa.timestamp("us", tz="UTC")),
    }
    return Rows(columns, arrival=(days + 1) * DAY - 1, time=days * DAY)


def information_schema_columns(world: World) -> Rows:
    """Return all columns of all tables on each day that was seen."""
    tables, seen = all_tables(world), _seen(world)
    at: list[Ints] = []
    day: list[Ints] = []
    place: list[Ints] = []
    names: list[str] = []
    types: list[str] = []
    for number, table in enumerate(tables):
        _, alive = rows_by_day(world, table)
        days = np.flatnonzero(alive & seen)
        for first, last, columns in _spans(world, table):
            shown = days[(days >= first) & (days < last)]
            at.append(np.full(len(shown) * len(columns), number))
            day.append(np.repeat(shown, len(columns)))
            place.append(np.tile(np.arange(1, len(columns) + 1), len(shown)))
            names += [name for name, _ in columns] * len(shown)
            types += [kind for _, kind in columns] * len(shown)
    days = np.concatenate(day)
    order = np.argsort(days, kind="stable")
    ordered = pa.array(order)
    columns_of = _names(world, np.concatenate(at)[order]) | {
        "snapshot_date": _dates(world, days[order]),
        "column_name": pa.array(names).take(ordered),
        "ordinal_position": np.concatenate(place)[order].astype(np.int32),
        "data_type": pa.array(types).take(ordered),
        "is_nullable": pa.array(["YES", "NO"]).take(pa.array((np.concatenate(place)[order] == 1).astype(np.int64))),
    }
    return Rows(columns_of, arrival=(days[order] + 1) * DAY - 1, time=days[order] * DAY)


def _spans(world: World, table: Table) -> list[tuple[int, int, Columns]]:
    """Return the table's column sets, each with its first day and the day after its last."""
    rng = world.stream("columns", table.workspace.index, table.number)
    count = int(rng.integers(3, 12))
    columns = [("id", "bigint"), *((f"{rng.choice(NOUNS)}_{n}", str(rng.choice(TYPES))) for n in range(count))]
    spans, first = [], 0
    for last in [*_change_days(world, table, rng), world.calendar.days]:
        spans.append((first, last, tuple(columns)))
        _change(rng, columns, last)
        first = last
    return spans


def _change_days(world: World, table: Table, rng: np.random.Generator) -> list[int]:
    """Columns change in bursts: a team works on a schema for some weeks, mostly by deployments, then leaves it."""
    days = np.arange(world.calendar.days)
    rate = np.full(len(days), float(rng.uniform(0.001, 0.012)))
    for start, length in _sprints(world, table.workspace.index, table.schema):
        rate[start : start + length] += float(rng.uniform(0.0, 0.16))
    deployed = np.bincount(np.clip(table.producer.deployments // DAY, 0, len(days) - 1), minlength=len(days)) > 0
    busy = (world.calendar.weekday(days * DAY) < 5) & ~table.workspace.holiday  # noqa: PLR2004 -- Saturday
    chances = np.clip(rate * np.where(busy, 1.3, 0.15) + 0.12 * deployed, 0, 0.6)
    return [int(day) for day in np.flatnonzero(rng.random(len(days)) < chances) if day > 0]


@lru_cache(maxsize=4096)
def _sprints(world: World, workspace: int, schema: str) -> list[tuple[int, int]]:
    """Return when a team works on a schema; its tables share that."""
    rng = world.stream("sprints", workspace, schema)
    starts = rng.integers(0, world.calendar.days, size=int(rng.integers(2, 6)))
    return [(int(start), int(rng.integers(12, 50))) for start in starts]


def _change(rng: np.random.Generator, columns: list[tuple[str, str]], day: int) -> None:
    """Add, drop or retype one column, sometimes several."""
    for number in range(int(rng.choice((1, 2, 4), p=(0.7, 0.2, 0.1)))):
        which = int(rng.integers(1, len(columns))) if len(columns) > 1 else 0
        outcome = float(rng.random())
        if outcome < 0.6 or len(columns) < 3:  # noqa: PLR2004 -- one of the world's parameters
            columns.append((f"{rng.choice(NOUNS)}_d{day}_{number}", str(rng.choice(TYPES))))
        elif outcome < 0.8:  # noqa: PLR2004 -- one of the world's parameters
            columns.pop(which)
        else:
            name, kind = columns[which]
            columns[which] = (name, WIDER.get(kind, "string" if kind != "string" else "bigint"))


@lru_cache(maxsize=1)
def _seen(world: World) -> Flags:
    rng = world.stream("snapshot_days")
    missed = rng.random(world.calendar.days) < P_MISSED
    if chance(rng, 0.5):
        first = int(rng.integers(0, world.calendar.days - 200))
        missed[first : first + int(rng.integers(2, 5))] = True
    return ~missed


def _names(world: World, at: Ints) -> dict[str, Any]:
    tables, index = all_tables(world), pa.array(at)
    return {
        "table_catalog": pa.array([table.catalog for table in tables]).take(index),
        "table_schema": pa.array([table.schema for table in tables]).take(index),
        "table_name": pa.array([table.name for table in tables]).take(index),
    }


def _dates(world: World, days: Ints) -> pa.Array:
    first = np.datetime64(world.calendar.first_day)
    return pa.array(first + days)

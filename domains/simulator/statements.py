"""What became of each request: bytes, files, spill, seconds, waiting, cache, outcome."""

from __future__ import annotations

import dataclasses
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from domains.simulator.calendar import DAY, Flags, Floats, Ints
from domains.simulator.incidents import effect
from domains.simulator.queueing import Event, Operation
from domains.simulator.requests import Requests, all_requests, month_end
from domains.simulator.templates import neglect, table_version
from domains.simulator.warehouses import DEPLOYMENT, SKEW, STATISTICS, Warehouse, all_warehouses, regressions
from domains.simulator.workspaces import load_at

if TYPE_CHECKING:
    from collections.abc import Mapping

    from domains.simulator.world import World

FILE = np.log(48e6)
MEMORY = np.log(3e9)
"""Log of the bytes that a statement may hold in memory on the smallest size; each size has twice as much."""
YEAR = 365 * DAY
FINISHED, FAILED, CANCELED, CLOSED = range(4)
STATUSES = ("FINISHED", "FAILED", "CANCELED", "CLOSED")
P_CANCELED, P_CLOSED = 0.008, 0.0006
LONGEST = 2 * 3_600.0


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Statements:
    """The statements of one source; times in seconds, everything else as in the table."""

    requests: Requests
    size: Floats
    pruned: Floats
    read: Floats
    spilled: Floats
    compile: Floats
    work: Floats
    status: Ints
    cached: Flags
    for_compute: Floats
    for_room: Floats


@lru_cache(maxsize=1)
def all_statements(world: World) -> Mapping[Warehouse, tuple[list[Statements], list[Event]]]:
    """Return the statements of every warehouse, and its events: drawn once, read by each table that shows them."""
    return {warehouse: _at_work(world, warehouse) for warehouse in all_warehouses(world)}


def _at_work(world: World, warehouse: Warehouse) -> tuple[list[Statements], list[Event]]:
    parts = [_statements(world, warehouse, requests) for requests in all_requests(world, warehouse)]
    time = np.concatenate([part.requests.time for part in parts])
    seconds = np.concatenate([part.compile + part.work for part in parts])
    luck = np.concatenate([part.requests.uniform[5] for part in parts])
    cached = np.concatenate([part.cached for part in parts])
    operation = Operation(warehouse)
    order = np.argsort(time, kind="stable")
    rows = zip(*(column[order].tolist() for column in (time, seconds, luck, cached)), strict=True)
    waits = np.zeros((len(time), 2))
    waits[order] = [operation.serve(float(t), s, u, cached=c) for t, s, u, c in rows]
    ends = np.cumsum([len(part.requests.time) for part in parts])[:-1]
    waited = [
        dataclasses.replace(part, for_compute=found[:, 0], for_room=found[:, 1])
        for part, found in zip(parts, np.split(waits, ends), strict=True)
    ]
    return waited, operation.close(float(world.calendar.end))


def _statements(world: World, warehouse: Warehouse, asked: Requests) -> Statements:
    """Work out what each request costs, leaving out how long it waits."""
    time = asked.time.astype(np.float64)
    size, kept = _data(world, asked, time)
    log_read = size + np.log(kept)
    plan, skew, code = _slowdowns(world, warehouse, asked.time)
    power = _size_of(warehouse, asked.time)
    spilled = _spilled(asked, log_read, skew, power)
    strain = load_at(warehouse.workspace, world.calendar, asked.time)
    felt = effect(world.outages[warehouse.workspace.index], asked.time, 0.0)
    pace = _per_template(asked, "pace")
    log_work = warehouse.pace + pace + 0.5 * (log_read - _per_template(asked, "size") - np.log(0.5))
    log_work += plan + skew * 0.6 + 0.5 * code + 0.13 * strain + felt.slowdown + 0.2 * (spilled > 0)
    log_work += -0.45 * (power - warehouse.need) + 0.3 * asked.normal[0]
    log_work += 0.06 * month_end(world)[world.calendar.day(asked.time)] + 1.2 * (asked.uniform[0] < 0.012)  # noqa: PLR2004
    work = np.where(np.isnan(asked.seconds), np.exp(log_work), asked.seconds * np.exp(plan + skew + felt.slowdown))
    milliseconds = np.exp(_per_template(asked, "compile") + 1.4 * code + 0.3 * asked.normal[1])
    cached = _cached(asked, time)
    status = _outcome(asked, felt.failure, cached)
    work = np.where(status > 0, work * asked.uniform[2], work)
    work = np.where(cached, 0.05 + 0.3 * asked.uniform[2], np.clip(work, 0.08, LONGEST))
    files = np.maximum(np.exp(size - FILE), 1.0)
    none = np.zeros(len(time))
    return Statements(
        requests=asked,
        size=np.where(cached, 0.0, np.exp(log_read)),
        pruned=np.where(cached, 0.0, np.floor(files * (1 - kept))),
        read=np.where(cached, 0.0, np.ceil(files * kept)),
        spilled=np.where(cached, 0.0, spilled),
        compile=np.where(cached, 0.02, np.clip(milliseconds / 1e3, 0.03, 120.0)),
        work=work,
        status=status,
        cached=cached,
        for_compute=none,
        for_room=none,
    )


def _per_template(asked: Requests, name: str) -> Floats:
    found: Floats = np.array([getattr(template, name) for template in asked.templates])[asked.template]
    return found


def _data(world: World, asked: Requests, time: Floats) -> tuple[Floats, Floats]:
    """Return the log of the bytes of the table, and the share of its files that is read."""
    prune = _per_template(asked, "prune")
    lost = np.zeros(len(time))
    for number, template in enumerate(asked.templates):
        hit = asked.template == number
        lost[hit] = neglect(template, time[hit])
    size = _per_template(asked, "size") + _per_template(asked, "growth") * time / YEAR + asked.volume
    size = size + 0.12 * asked.normal[2] + 0.1 * month_end(world)[world.calendar.day(asked.time)]
    kept: Floats = np.clip(1 - prune * (1 - lost) * (1 - 0.15 * asked.uniform[1]), 0.02, 1.0)
    return size, kept


def _slowdowns(world: World, warehouse: Warehouse, time: Ints) -> tuple[Floats, Floats, Floats]:
    """Return the shifts by bad plans, by skewed data and by bad dashboards."""
    shifts = []
    for how in (STATISTICS, SKEW, DEPLOYMENT):
        hit = [r.incident for r in regressions(world)[warehouse] if r.how == how]
        shifts.append(effect(hit, time, 0.0).slowdown)
    return shifts[0], shifts[1], shifts[2]


def _size_of(warehouse: Warehouse, time: Ints) -> Floats:
    versions = warehouse.versions
    at = np.searchsorted([version.time for version in versions], time, side="right") - 1
    power: Floats = np.array([version.size for version in versions], dtype=np.float64)[np.maximum(at, 0)]
    return power


def _spilled(asked: Requests, log_read: Floats, skew: Floats, power: Floats) -> Floats:
    """Bytes spill where a statement needs more memory than the size has; skewed data needs more."""
    fits = MEMORY + np.log(2) * power
    excess = log_read + _per_template(asked, "blowup") + 1.5 * skew + 0.7 * asked.normal[3] - fits
    spilled: Floats = np.where(excess > 0, np.exp(log_read) * np.clip(excess, 0, 3) * 0.4, 0.0)
    return spilled


def _cached(asked: Requests, time: Floats) -> Flags:
    """A repeated call on the same day is answered from the cache while its table has not been written."""
    version = np.zeros(len(time))
    for number, template in enumerate(asked.templates):
        hit = asked.template == number
        version[hit] = table_version(template, time[hit])
    order = np.lexsort((asked.time, asked.template))
    key = np.stack([asked.template, asked.time // DAY, version])[:, order]
    same = np.zeros(len(time), dtype=np.bool_)
    same[order[1:]] = (key[:, 1:] == key[:, :-1]).all(axis=0)
    found: Flags = same & (asked.uniform[3] < _per_template(asked, "cacheable"))
    return found


def _outcome(asked: Requests, shift: Floats, cached: Flags) -> Ints:
    chance = np.minimum(_per_template(asked, "fragile") * np.exp(0.8 * shift), 0.9)
    status = np.where(asked.fails | (asked.uniform[4] < chance), FAILED, FINISHED)
    by_hand = asked.source.startswith("p")
    status = np.where(asked.uniform[6] < P_CANCELED * (1 + 3 * by_hand), CANCELED, status)
    status = np.where(asked.uniform[6] > 1 - P_CLOSED, CLOSED, status)
    found: Ints = np.where(cached, FINISHED, status).astype(np.int64)
    return found

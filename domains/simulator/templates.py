"""Statement templates: one text with changing literals, and how it behaves."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from domains.simulator.calendar import DAY, HOUR, Floats, chance

if TYPE_CHECKING:
    from domains.simulator.warehouses import Warehouse
    from domains.simulator.world import World

SUBJECTS = ("orders", "customers", "events", "ledger", "stock", "sessions", "invoices", "visits", "returns", "prices")
MEASURES = ("amount", "margin", "units", "latency", "visits", "discount", "weight", "score")
GROUPS = ("region", "channel", "store", "segment", "country", "device", "category", "cohort")
REFRESH = (1, 2, 4, 6, 12, 24, 24, 24, 24, 168)
"""Hours between writes to a table; each of them makes cached answers worthless."""

BY_HAND, BY_BOARD = (0.0, 0.5, 0.8), (0.0, 0.75, 0.97)
"""Chances that a repeated call is answered from the result cache; people change a word now and then."""


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Template:
    """A statement that is asked again and again.

    Args:
        name: Its name within the warehouse.
        verb: Statement type.
        measure: A column of it.
        group: Another one.
        table: Table that it reads.
        pace: Shift of the log seconds against the warehouse's pace.
        size: Log of the bytes of its table on the first day.
        growth: Growth of that log in a year.
        prune: Share of files that pruning skips while the table is well kept.
        unkept: Spans of world seconds in which nobody optimizes the table.
        blowup: Log of the memory that it needs for each byte read, against what its warehouse's right size has.
        compile: Log of the milliseconds to compile.
        rows: Log of the rows returned.
        cacheable: Chance that a repeated call is answered from the result cache.
        writes: Hours between writes to its table, usual and in ``busier``.
        busier: Span of world seconds in which the table is written more often.
        fragile: Chance to fail.
    """

    name: str
    verb: str
    measure: str
    group: str
    table: str
    pace: float
    size: float
    growth: float
    prune: float
    unkept: tuple[tuple[int, int], ...]
    blowup: float
    compile: float
    rows: float
    cacheable: float
    writes: tuple[int, int]
    busier: tuple[int, int]
    fragile: float


def draw_template(
    rng: np.random.Generator, world: World, warehouse: Warehouse | None, name: str, *, by_hand: bool = False
) -> Template:
    """Draw one template; a job's template has no warehouse and writes what it reads."""
    end = world.calendar.end
    verb = "SELECT" if warehouse else str(rng.choice(("MERGE", "INSERT", "UPDATE"), p=(0.5, 0.4, 0.1)))
    subject = str(rng.choice(SUBJECTS))
    busy = int(rng.integers(0, end))
    tangled = chance(rng, 0.12)  # views on views: long to plan, quick to read
    steady = chance(rng, 0.5)
    return Template(
        name=name,
        verb=verb,
        measure=str(rng.choice(MEASURES)),
        group=str(rng.choice(GROUPS)),
        table=f"main.{subject}.{subject}_v{int(rng.integers(1, 9))}_{name}",
        pace=float(rng.normal(-0.5 if by_hand else -0.2, 0.9)) - 1.2 * tangled,
        size=float(np.log(4e9) + rng.normal(0.0, 1.6)),
        growth=float(rng.choice((0.0, rng.uniform(0.1, 0.6), rng.uniform(0.6, 1.8)), p=(0.4, 0.4, 0.2))),
        prune=float(rng.choice((0.05, rng.uniform(0.2, 0.6), rng.uniform(0.6, 0.97)), p=(0.12, 0.3, 0.58))),
        unkept=tuple(
            (start, start + int(rng.uniform(8, 60) * DAY))
            for start in rng.integers(0, end, size=rng.poisson(1.1)).tolist()
        ),
        blowup=float(rng.normal(-1.6, 1.5)),
        compile=float(rng.normal(np.log(700), 0.7)) + 2.6 * tangled,
        rows=float(rng.normal(np.log(400), 1.8)),
        cacheable=0.0 if verb != "SELECT" else float(rng.choice(BY_HAND if by_hand else BY_BOARD, p=(0.2, 0.3, 0.5))),
        writes=(int(rng.choice(REFRESH)), int(rng.choice(REFRESH[:4]))),
        busier=(0, 0) if steady else (busy, busy + int(rng.uniform(15, 90) * DAY)),
        fragile=float(np.exp(rng.normal(np.log(0.008), 1.0))),
    )


def table_version(template: Template, time: Floats) -> Floats:
    """Return which version of its table a template sees at some times."""
    usual, often = (np.floor(time / (hours * HOUR)) for hours in template.writes)
    busier = (time >= template.busier[0]) & (time < template.busier[1])
    seen: Floats = np.where(busier, often + 1e9, usual)
    return seen


def neglect(template: Template, time: Floats) -> Floats:
    """Return how far pruning has decayed at some times, 0 to 1; OPTIMIZE brings it back at once."""
    lost = np.zeros(len(time))
    for start, end in template.unkept:
        lost = np.maximum(lost, np.where(time < end, (time - start) / max(end - start, 1) * 1.3, 0.0))
    decayed: Floats = np.clip(lost, 0.0, 1.0)
    return decayed

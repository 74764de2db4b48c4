"""Prints what the checks of single columns catch, by kind: ``python -m tests.leakage [--seeds 5] [--first 101]``."""

# ruff: noqa: T201 - it speaks on stdout

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from framework.base.errors import LeakageError
from framework.declare.model import Task
from framework.training.leakage import asymmetry, probe
from tests.leakage.worlds import HONEST, LEAKS, SYMMETRIC, World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from framework.training.data import TrainingData

FORMS = ((1, True), (7, True), (1, False), (7, False))
"""Horizons in days, and whether the label is a class."""


def stopped(data: TrainingData, task: Task) -> str:
    """Return which check stops a model with this one feature: ``refused``, ``asked``, or nothing."""
    try:
        probe.check_features(
            data.frame,
            features=data.numeric,
            label="label",
            task=task,
            entity=data.entity,
            model="made_up",
            persists=lambda name, exactly: asymmetry.persists(data, name, exactly=exactly),
        )
    except LeakageError:
        return "refused"
    return "asked" if asymmetry.asymmetries(data) else ""


def battery(seeds: Iterable[int]) -> list[tuple[str, str, int, int, int]]:
    """Return side, kind, tried, refused and asked, per kind of feature."""
    rows = []
    for side, kinds in (("leak", LEAKS), ("leak", SYMMETRIC), ("honest", HONEST)):
        for kind, made in kinds.items():
            found = [one for seed in seeds for one in _forms(made, seed)]
            rows.append((side, kind, len(found), found.count("refused"), found.count("asked")))
    return rows


def _forms(made: Callable[[World], Any], seed: int) -> Iterable[str]:
    for horizon, binary in FORMS:
        world = World(seed, horizon, binary=binary)
        with np.errstate(invalid="ignore"):
            data = world.rows(np.asarray(made(world), dtype=float))
        yield stopped(data, Task.BINARY if binary else Task.REGRESSION)


def main() -> None:
    """Parse the options, and print the table that ``docs/leakage.md`` shows."""
    parser = argparse.ArgumentParser(description="Measure the leakage checks of single columns.")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first", type=int, default=101)
    options = parser.parse_args()
    began = time.perf_counter()
    rows = battery(range(options.first, options.first + options.seeds))
    print("| | kind | tried | refused | asked about | let through |\n|---|---|---|---|---|---|")
    for side, kind, tried, refused, asked in rows:
        print(f"| {side} | {kind} | {tried} | {refused} | {asked} | {tried - refused - asked} |")
    cases = sum(row[2] for row in rows)
    print(f"\n{cases} models of one feature, {1000 * (time.perf_counter() - began) / cases:.0f} ms each with its data")


if __name__ == "__main__":
    main()

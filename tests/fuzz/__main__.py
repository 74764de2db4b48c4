"""Draws values for the gold contract and prints what became of each: ``python -m tests.fuzz [--count 5000]``."""

# ruff: noqa: T201 - it speaks on stdout

from __future__ import annotations

import argparse
import sys

from framework.stores.local.opening import local_engine
from tests.fuzz.gold_values import counts, draw, read

BAD = ("silent", "traceback")


def main() -> int:
    """Parse the options, draw, read, and print the counts; exit with 1 if there is a bad one."""
    parser = argparse.ArgumentParser(description="Fuzz the values of the gold contract.")
    parser.add_argument("--count", type=int, default=5_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    outcomes = read(local_engine("auto").session(), draw(options.count, options.seed))
    for outcome, number in sorted(counts(outcomes).items()):
        print(f"{outcome:14} {number:6}")
    bad = [one for one in outcomes if one[1] in BAD]
    for case, outcome, given in bad[:40]:
        print(outcome, case, "->", repr(given)[:200])
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main())

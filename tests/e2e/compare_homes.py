"""Compares what two homes answered: same prediction tables, same rows, whatever run or version wrote them.

    python -m tests.e2e.compare_homes path/to/one/home path/to/the/other

It prints a line per table and ends with 1 if any differs. An upgrade that changes no model changes no answer.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from deltalake import DeltaTable

if TYPE_CHECKING:
    import pandas as pd

PROVENANCE = ("scored_at", "scoring_run_id", "model_version", "served_as", "model_uri", "training_run_id")
"""Columns that say who answered and when, and not what."""


def tables(home: Path) -> dict[str, Path]:
    """Return the prediction tables of a home by name."""
    return {folder.name: folder for folder in sorted((home / "tables").glob("*/*/*_predictions")) if folder.is_dir()}


def answers(folder: Path) -> pd.DataFrame:
    """Return a table's answers, each once, in an order that does not hang on how they were written."""
    rows = DeltaTable(str(folder)).to_pandas()
    rows = rows[[column for column in sorted(rows.columns) if column not in PROVENANCE]]
    # Threads add a forest's trees up in any order: the last digit of a mean is nobody's.
    short = {column: rows[column].map("{:.12g}".format) for column in rows.select_dtypes("float")}
    rows = rows.assign(**short).astype(str)
    return rows.drop_duplicates().sort_values(list(rows.columns), ignore_index=True)


def differences(one: Path, other: Path) -> dict[str, str]:
    """Return what differs by table; empty text where nothing does."""
    left, right = tables(one), tables(other)
    found = dict.fromkeys(sorted(set(left) ^ set(right)), "is in one home only")
    for name in sorted(set(left) & set(right)):
        rows, others = answers(left[name]), answers(right[name])
        if list(rows.columns) != list(others.columns):
            found[name] = f"columns differ: {sorted(set(rows.columns) ^ set(others.columns))}"
        else:
            both = rows.merge(others, how="outer", indicator=True)
            apart = both["_merge"].value_counts()
            only = {side: int(apart.get(f"{side}_only", 0)) for side in ("left", "right")}
            found[name] = (
                f"{only['left']} and {only['right']} rows stand in one home only" if any(only.values()) else ""
            )
    return found


def main(one: str, other: str) -> int:
    """Print a line per table, and return whether any differs."""
    found = differences(Path(one), Path(other))
    for name, what in found.items():
        sys.stdout.write(f"{name}: {what or 'the same'}\n")
    rows = sum(len(answers(folder)) for folder in tables(Path(one)).values())
    differ = sum(1 for what in found.values() if what)
    sys.stdout.write(f"{len(found)} tables, {rows} rows in the first home; {differ} tables differ\n")
    return int(differ > 0 or not found)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))

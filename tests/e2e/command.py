"""Runs the command line as its users do, in a process of its own, and reads what it left in its home."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import pandas as pd
from deltalake import DeltaTable

if TYPE_CHECKING:
    from pathlib import Path

AS_OF = date(2026, 10, 27)
PROVENANCE = ["scored_at", "scoring_run_id", "training_run_id", "decided_at", "fingerprint"]
"""Who wrote a row, and when: different from run to run while the row says the same."""
GROWING = {"run_ledger"}


@dataclass(frozen=True)
class Finished:
    """A finished command: its exit code and what it printed."""

    code: int
    out: str
    err: str


def arguments(gold: Path | str, home: Path, *more: str) -> list[str]:
    """Return the words of a whole run."""
    return ["run", "--gold", str(gold), "--home", str(home), "--as-of", AS_OF.isoformat(), *more]


def start(words: list[str], **environment: str) -> subprocess.Popen[str]:
    """Start the command."""
    program = [sys.executable, "-c", "from framework.ops.cli import main; main()", *words]
    return subprocess.Popen(
        program, env=os.environ | environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def finish(words: list[str], **environment: str) -> Finished:
    """Run the command to its end."""
    process = start(words, **environment)
    out, err = process.communicate(timeout=1200)
    return Finished(process.returncode, out, err)


def kill_after(words: list[str], seconds: float) -> bool:
    """Start the command and kill it outright; tell whether it was still running."""
    process = start(words)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
    running = process.poll() is None
    if running:
        process.send_signal(signal.SIGKILL)
    process.communicate()
    return running


def tables(home: Path) -> dict[str, pd.DataFrame]:
    """Return every table's rows, in key order, without provenance; the ledger grows and is left out."""
    found = {}
    for log in sorted((home / "tables").glob("*/*/*/_delta_log")):
        folder = log.parent
        if folder.name in GROWING:
            continue
        rows = DeltaTable(str(folder)).to_pandas()
        rows = rows[[c for c in sorted(rows.columns) if c not in PROVENANCE]]
        text = rows.astype(str)
        found[folder.name] = rows.loc[text.sort_values(list(text.columns)).index].reset_index(drop=True)
    return found


def ledger(home: Path) -> list[dict[str, Any]]:
    """Return the results of all units, in the order in which they ended."""
    rows = DeltaTable(str(home / "tables/main/health_monitor/run_ledger")).to_pyarrow_table().to_pylist()
    return [json.loads(row["result"]) for row in sorted(rows, key=lambda row: row["recorded_at"])]


def differences(one: Path, two: Path, only: set[str] | None = None, models: set[str] | None = None) -> list[str]:
    """Return the tables in which two homes differ, of some or of all; numbers may differ by rounding.

    Args:
        one: A home.
        two: Another.
        only: Tables to compare; ``None`` for all.
        models: Models whose rows are compared, in tables that name a model; ``None`` for all.
    """
    left, right = (
        {n: _of(models, t) for n, t in tables(home).items() if only is None or n in only} for home in (one, two)
    )
    if set(left) != set(right):
        return sorted(set(left) ^ set(right))
    return [name for name in left if not _same(left[name], right[name])]


def _of(models: set[str] | None, rows: pd.DataFrame) -> pd.DataFrame:
    if models is None or "model_name" not in rows:
        return rows
    return rows[rows["model_name"].isin(models)].reset_index(drop=True)


def _same(left: pd.DataFrame, right: pd.DataFrame) -> bool:
    try:
        pd.testing.assert_frame_equal(left, right, rtol=1e-9, atol=1e-12)
    except AssertionError:
        return False
    return True


def moments(count: int, seconds: float, seed: int) -> list[float]:
    """Return random moments within the time that an undisturbed run takes."""
    rng = random.Random(seed)  # noqa: S311 - moments of a test, not secrets
    return [rng.uniform(0.5, seconds) for _ in range(count)]

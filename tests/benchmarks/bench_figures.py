"""Measures every model on simulated gold over several seeds, and on real traces if they are at hand.

    python -m tests.benchmarks.bench_figures [--scale 0.25] [--seeds 5] [--real DIR --as-of DATE] [--homes DIR]

Writes what ``docs/model_catalog.md`` shows, and prints it. With ``--homes`` a run that was interrupted goes on where it
stopped.
"""

# ruff: noqa: T201 - a benchmark speaks on stdout

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from deltalake import DeltaTable

PROGRAM = [sys.executable, "-c", "from framework.cli import main; main()"]
Results = dict[str, dict[str, Any]]


def run(home: Path, *words: str) -> Results:
    """Run everything into a home, and return each training's result by model."""
    words = ("run", "--resume", "--home", str(home), *words)
    done = subprocess.run([*PROGRAM, *words], capture_output=True, text=True, check=False)
    print(done.stdout, flush=True)
    if done.returncode:
        print(f"exit {done.returncode}: {done.stderr[-2_000:]}", flush=True)
    rows = DeltaTable(str(home / "tables/main/health_monitor/run_ledger")).to_pyarrow_table().to_pylist()
    rows.sort(key=lambda row: row["recorded_at"])
    results = [json.loads(row["result"]) for row in rows if row["unit"].startswith("train:")]
    return {result["name"]: result for result in results}


def one(result: dict[str, Any]) -> str:
    """Say how one training ended."""
    if result["skill"] is None:
        return f"{result['status']}: {result['reason']}"
    figures = f"{result['metric']} {result['value']:.4g} against {result['baseline']:.4g}"
    interval = f"skill {result['skill']:+.3f} ({result['skill_low']:+.3f} … {result['skill_high']:+.3f})"
    return "; ".join(part for part in (figures, interval, result["reason"]) if part)


def several(results: list[dict[str, Any]]) -> str:
    """Say how a model did over the seeds: means, and the mean of the lower bounds."""
    judged = [r for r in results if r["skill"] is not None]
    if not judged:
        return f"not judged: {results[0]['reason']}"
    value, baseline, skill, low = (
        statistics.fmean(r[key] for r in judged) for key in ("value", "baseline", "skill", "skill_low")
    )
    beats = sum("does not beat" not in r["reason"] for r in judged)
    each = ", ".join(f"{r['skill']:+.2f}" for r in judged)
    return (
        f"{judged[0]['metric']} {value:.4g} against {baseline:.4g}; skill {skill:+.3f}, mean lower bound {low:+.3f};"
        f" by seed {each}; beats its baseline in {beats} of {len(results)}"
    )


def simulated(homes: Path, scale: float, seeds: int) -> dict[str, str]:
    """Run every seed, and return what is to be said of each model."""
    by_model: dict[str, list[dict[str, Any]]] = {}
    homes.mkdir(parents=True, exist_ok=True)
    for seed in range(1, seeds + 1):
        config = homes / f"seed{seed}.toml"
        config.write_text(f"seed = {seed}\n", encoding="utf-8")
        words = ("--gold", "simulate", "--scale", str(scale), "--config", str(config))
        for name, result in run(homes / f"seed{seed}", *words).items():
            by_model.setdefault(name, []).append(result)
    return {name: several(results) for name, results in sorted(by_model.items())}


def main() -> None:
    """Parse the options, run, and write the figures."""
    parser = argparse.ArgumentParser(description="Measure every model.")
    parser.add_argument("--scale", type=float, default=0.25)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--real", type=Path)
    parser.add_argument("--as-of")
    parser.add_argument("--homes", type=Path)
    parser.add_argument("--out", type=Path, default=Path("docs/figures.json"))
    options = parser.parse_args()
    homes = options.homes or Path(tempfile.mkdtemp())
    found = json.loads(options.out.read_text(encoding="utf-8")) if options.out.is_file() else {}
    if options.seeds:
        note = f"simulated gold at scale {options.scale:g}, means over {options.seeds} seeds"
        found["simulated"] = {"note": note, "models": simulated(homes, options.scale, options.seeds)}
    if options.real:
        real = run(homes / "real", "--gold", str(options.real), "--as-of", options.as_of)
        note = f"public traces of real systems, as of {options.as_of}"
        found["real"] = {"note": note, "models": {name: one(r) for name, r in sorted(real.items())}}
    text = json.dumps(found, indent=1, ensure_ascii=False)
    options.out.write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()

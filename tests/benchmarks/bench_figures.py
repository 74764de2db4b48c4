"""Measures every model on simulated gold over several seeds, and on real traces if they are at hand.

    python -m tests.benchmarks.bench_figures [--scale 0.25] [--seeds 5] [--real DIR --as-of DATE] [--homes DIR]

Writes what ``docs/model_catalog.md`` shows, and prints it. With ``--homes`` a run that was interrupted goes on where it
stopped; with ``--collect`` too, nothing is run and the homes are only read.
"""

# ruff: noqa: T201 - a benchmark speaks on stdout

from __future__ import annotations

import argparse
import json
import math
import sqlite3
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from deltalake import DeltaTable

from framework.core.plugins import discover
from framework.declare.model import Task

PROGRAM = [sys.executable, "-c", "from framework.ops.cli import main; main()"]
METRICS = """
    SELECT e.name, m.key, m.value FROM latest_metrics m
    JOIN runs r ON r.run_uuid = m.run_uuid JOIN experiments e ON e.experiment_id = r.experiment_id
    WHERE m.key IN ('precision_at_k', 'prevalence') ORDER BY r.start_time
"""
ANOMALY_SKILL, TIMES_PREVALENCE = 0.2, 3
Results = dict[str, dict[str, Any]]


def run(home: Path, *words: str, collect: bool) -> Results:
    """Run everything into a home unless it is only to be read, and return each training's result by model."""
    if not collect:
        words = ("run", "--resume", "--home", str(home), *words)
        done = subprocess.run([*PROGRAM, *words], capture_output=True, text=True, check=False)
        print(done.stdout, flush=True)
        if done.returncode:
            print(f"exit {done.returncode}: {done.stderr[-2_000:]}", flush=True)
    rows = DeltaTable(str(home / "tables/main/health_monitor/run_ledger")).to_pyarrow_table().to_pylist()
    rows.sort(key=lambda row: row["recorded_at"])
    results = [json.loads(row["result"]) for row in rows if row["unit"].startswith("train:")]
    by_model = {result["name"]: result for result in results}
    with sqlite3.connect(home / "mlflow.db") as base:
        for experiment, key, value in base.execute(METRICS):
            name = experiment.removeprefix("/Shared/health_monitor_ml_")
            if name in by_model:
                by_model[name][key] = value
    return by_model


def one(result: dict[str, Any]) -> str:
    """Say how one training ended."""
    if result["skill"] is None:
        return f"{result['status']}: {result['reason']}"
    figures = f"{result['metric']} {result['value']:.4g} against {result['baseline']:.4g}"
    interval = f"skill {result['skill']:+.3f} ({result['skill_low']:+.3f} … {result['skill_high']:+.3f})"
    return "; ".join(part for part in (figures, interval, rules([result]), result["reason"]) if part)


def rules(results: list[dict[str, Any]]) -> str:
    """Say which plain rule did best on the training rows of most seeds, and how the model did against each seed's."""
    known = [r for r in results if r.get("rule_skill") is not None]
    if not known:
        return ""
    usual = statistics.mode(r["rule"] for r in known)
    each = ", ".join(f"{r['rule_skill']:+.2f}" for r in known)
    return f"plain rule: {usual} ({statistics.fmean(r['rule_value'] for r in known):.4g}), skill against it {each}"


def several(results: list[dict[str, Any]], *, anomaly: bool) -> str:
    """Say how a model did over the seeds, and whether that is what is asked of its kind.

    The seeds are independent worlds: the bound of their mean skill follows from the distance of each to its own.
    """
    judged = [r for r in results if r["skill"] is not None]
    if not judged:
        return f"not judged: {results[0]['reason']}"
    value, baseline, skill = (statistics.fmean(r[key] for r in judged) for key in ("value", "baseline", "skill"))
    low = skill - math.sqrt(sum((r["skill"] - r["skill_low"]) ** 2 for r in judged)) / len(judged)
    each = ", ".join(f"{r['skill']:+.2f}" for r in judged)
    said = f"{judged[0]['metric']} {value:.4g} against {baseline:.4g}; mean skill {skill:+.3f}, lower bound {low:+.3f}"
    said += f"; by seed {each}"
    good = skill > 0 and low > 0
    if anomaly:
        lift = statistics.fmean(r["precision_at_k"] for r in judged) / statistics.fmean(r["prevalence"] for r in judged)
        said += f"; precision@k {lift:.1f} x prevalence"
        good = skill >= ANOMALY_SKILL and lift >= TIMES_PREVALENCE
    said += f"; {rules(judged)}" if rules(judged) else ""
    asked = f"skill {ANOMALY_SKILL} and {TIMES_PREVALENCE} x prevalence" if anomaly else "a lower bound above 0"
    unjudged = f"; not judged in {len(results) - len(judged)}" if len(judged) < len(results) else ""
    return f"{said}{unjudged}. {'Meets' if good else '**Does not meet**'} what is asked: {asked}"


def simulated(homes: Path, scale: float, seeds: int, *, collect: bool) -> dict[str, str]:
    """Run every seed, and return what is to be said of each model."""
    by_model: dict[str, list[dict[str, Any]]] = {}
    homes.mkdir(parents=True, exist_ok=True)
    for seed in range(1, seeds + 1):
        config = homes / f"seed{seed}.toml"
        config.write_text(f"seed = {seed}\n", encoding="utf-8")
        words = ("--gold", "simulate", "--scale", str(scale), "--config", str(config))
        for name, result in run(homes / f"seed{seed}", *words, collect=collect).items():
            by_model.setdefault(name, []).append(result)
    trainers = discover(strict=True).trainers
    return {
        name: several(results, anomaly=trainers[name].item.task is Task.ANOMALY)
        for name, results in sorted(by_model.items())
    }


def main() -> None:
    """Parse the options, run, and write the figures."""
    parser = argparse.ArgumentParser(description="Measure every model.")
    parser.add_argument("--scale", type=float, default=0.25)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--real", type=Path)
    parser.add_argument("--as-of")
    parser.add_argument("--homes", type=Path)
    parser.add_argument("--collect", action="store_true")
    parser.add_argument("--out", type=Path, default=Path("docs/figures.json"))
    options = parser.parse_args()
    homes = options.homes or Path(tempfile.mkdtemp())
    found = json.loads(options.out.read_text(encoding="utf-8")) if options.out.is_file() else {}
    if options.seeds:
        note = f"simulated gold at scale {options.scale:g}, means over {options.seeds} seeds"
        found["simulated"] = {
            "note": note,
            "models": simulated(homes, options.scale, options.seeds, collect=options.collect),
        }
    if options.real:
        real = run(homes / "real", "--gold", str(options.real), "--as-of", options.as_of, collect=options.collect)
        note = f"public traces of real systems, as of {options.as_of}"
        found["real"] = {"note": note, "models": {name: one(r) for name, r in sorted(real.items())}}
    text = json.dumps(found, indent=1, ensure_ascii=False)
    options.out.write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()

"""Times a whole run from a cold process, and says where the time went.

    python -m tests.benchmarks.bench_run [--gold DIR|simulate] [--as-of DATE] [--scale 0.1] [--cold]

Prints the start of the command line, and wall time, processor time and peak memory (its children included) of a run
and of the same run again. Without ``--cold`` one more run in this process tells the share of the framework's own work:
what is neither the engine, nor a bare fit or predict, nor starting up.
"""

# ruff: noqa: T201 - a benchmark speaks on stdout

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from datetime import date
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable

PROGRAM = [sys.executable, "-c", "from framework.ops.cli import main; main()"]


class Cold(NamedTuple):
    """A command that ran in a process of its own: wall and processor seconds, peak memory of its tree, and output."""

    seconds: float
    processor: float
    gigabytes: float
    out: str

    def __str__(self) -> str:
        """Return the figures in one line."""
        return f"{self.seconds:.1f} s, {self.processor:.0f} CPU-seconds, peak {self.gigabytes:.1f} GB"


def cold(words: list[str]) -> Cold:
    """Run a command in a process of its own."""
    began, peak, used = time.perf_counter(), 0, _children()
    process = subprocess.Popen([*PROGRAM, *words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    tree = psutil.Process(process.pid)

    def watch() -> None:
        nonlocal peak
        while process.poll() is None:
            try:
                peak = max(peak, sum(p.memory_info().rss for p in (tree, *tree.children(recursive=True))))
            except psutil.NoSuchProcess:
                return
            time.sleep(0.2)

    watcher = threading.Thread(target=watch)
    watcher.start()
    out, _ = process.communicate()
    watcher.join()
    if process.returncode:
        raise SystemExit(f"{' '.join(words)} ended with {process.returncode}:\n{out}")
    return Cold(time.perf_counter() - began, _children() - used, peak / 1e9, out)


def _children() -> float:
    """Return the processor seconds of all ended children, and of theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class Stopwatch:
    """Adds up the time inside wrapped functions; time inside a nested one counts for the outer one."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._depth = threading.local()

    def wrap(self, owner: Any, name: str, label: str) -> None:
        original: Callable[..., Any] = getattr(owner, name)

        @wraps(original)
        def timed(*args: Any, **kwargs: Any) -> Any:
            if getattr(self._depth, "inside", False):
                return original(*args, **kwargs)
            self._depth.inside = True
            began = time.perf_counter()
            try:
                return original(*args, **kwargs)
            finally:
                self._depth.inside = False
                if threading.current_thread() is threading.main_thread():
                    self.seconds[label] += time.perf_counter() - began

        setattr(owner, name, timed)


def inside(gold: str, as_of: str | None, scale: float, home: Path) -> None:
    """Run the stages in this process, with the engine, fits and predicts under a stopwatch."""
    began = time.perf_counter()
    import mlflow.pyfunc
    import xgboost
    from pyspark.sql.connect.client import SparkConnectClient
    from sklearn.ensemble import HistGradientBoostingRegressor

    from framework.base import logging
    from framework.core.config import load_settings
    from framework.core.plugins import discover
    from framework.run.opening import open_runtime
    from framework.run.pipeline import Pipeline
    from framework.training import tracking

    logging.configure(console=False)
    watch = Stopwatch()
    for name in ("to_table", "to_pandas", "_analyze"):
        watch.wrap(SparkConnectClient, name, "engine")
    for model in (xgboost.XGBClassifier, HistGradientBoostingRegressor):
        watch.wrap(model, "fit", "bare fits")
        watch.wrap(model, "predict", "bare predicts")
    watch.wrap(xgboost.XGBClassifier, "predict_proba", "bare predicts")
    watch.wrap(mlflow.pyfunc.PyFuncModel, "predict", "bare predicts")
    given = {"gold": gold, "home": home, "scale": scale, "as_of": date.fromisoformat(as_of) if as_of else None}
    logged = Stopwatch()
    logged.wrap(tracking, "log", "MLflow")
    runtime = open_runtime(load_settings(given), discover())
    imports = time.perf_counter() - began
    pipeline = Pipeline(runtime)
    results = pipeline.run()
    total = time.perf_counter() - began
    versions = sum(r.stage == "train" and r.version is not None for r in results)
    watch.seconds["start-up"] += imports
    watch.seconds["framework"] = total - sum(watch.seconds.values())
    print(f"\nin one process: {total:.1f} s, {versions} models")
    for label, seconds in sorted(watch.seconds.items(), key=lambda item: -item[1]):
        print(f"  {label:14} {seconds:6.1f} s  {seconds / total:4.0%}")
    print(
        f"  MLflow log and register: {logged.seconds['MLflow'] / max(versions, 1):.2f} s per model, in the framework's"
    )


def main() -> None:
    """Parse the options and measure."""
    parser = argparse.ArgumentParser(description="Time a whole run.")
    parser.add_argument("--gold", default="simulate")
    parser.add_argument("--as-of")
    parser.add_argument("--scale", type=float, default=0.1)
    parser.add_argument("--cold", action="store_true", help="only runs in processes of their own")
    options = parser.parse_args()
    for words in (["--help"], ["plugins"]):
        print(f"health-monitor {words[0]}: {min(cold(words).seconds for _ in range(3)):.2f} s")
    with tempfile.TemporaryDirectory() as folder:
        words = ["run", "--gold", options.gold, "--home", f"{folder}/cold", "--scale", str(options.scale)]
        words += ["--as-of", options.as_of] if options.as_of else []
        first = cold(words)
        print(f"{first.out}\ncold run: {first}")
        again = cold(words)
        print(f"same run again: {again}; {first.seconds / again.seconds:.1f} times as fast")
        if options.cold:
            return
        inside(options.gold, options.as_of, options.scale, Path(folder) / "inside")


if __name__ == "__main__":
    main()

"""A quarter, day by day: does trust come back after the world has changed?

Ninety days of a simulated platform. Six models of all kinds, trained weekly, scored and monitored daily, one process.
After a third of it every job takes four times as long as before. The figures are printed; what must hold is asserted.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import time
from collections import Counter
from datetime import date, timedelta
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from domains.gold.simulator import simulate
from domains.reliability.trainers import JobDurationForecaster
from framework.clock import midnight
from framework.config import Settings
from framework.monitoring.tables import DECISIONS, DRIFT, PERFORMANCE, REQUESTS, SERVING
from framework.plugins import discover
from framework.replay import replay
from framework.stores.local.opening import open_local

if TYPE_CHECKING:
    from framework.runtime import Runtime

MODELS = (
    "job_duration_forecaster",  # regression: the one that the change hits
    "job_failure_predictor",  # binary
    "performance_regression_detector",  # anomaly
    "warehouse_optimizer",  # many classes
    "query_optimization_recommender",  # many labels
    "pipeline_health_scorer",  # regression
)
LAST = date(2026, 10, 28)
HIT = "job_duration_forecaster"


class ShuffledDuration(JobDurationForecaster):
    """A deliberately bad challenger: each label stands on a row that is not its own."""

    def labels(self, gold: Any, as_of: date) -> Any:
        from pyspark.sql import Window
        from pyspark.sql import functions as F

        rows = super().labels(gold, as_of)
        one = Window.partitionBy(F.lit(1))
        shuffled = rows.select("label", F.row_number().over(one.orderBy(F.xxhash64("job_id", "run_date"))).alias("n"))
        placed = rows.drop("label").withColumn(
            "n", F.row_number().over(one.orderBy("workspace_id", "job_id", "run_date"))
        )
        return placed.join(shuffled, "n").drop("n")


@dataclasses.dataclass
class Quarter:
    """What came out of it.

    Args:
        runtime: The runtime of the last day.
        first: First day.
        changed: First day on which jobs take longer; ``None`` if nothing changes.
        seconds: Wall time, simulation left out.
    """

    runtime: Runtime
    first: date
    changed: date | None
    seconds: float


def stretch_jobs(gold: Path, since: date, factor: int) -> None:
    """Let every run that starts on a day or later take several times as long."""
    file = gold / "fact_job_run_timeline.parquet"
    rows = pq.read_table(file)
    frame = rows.to_pandas()
    start = frame.groupby(["workspace_id", "job_id", "run_id"], dropna=False)["period_start_time"].transform("min")
    hit = start >= midnight(since)
    for name in ("period_start_time", "period_end_time"):
        stretched = start + (frame[name] - start) * factor
        frame[name] = frame[name].where(~hit, stretched)
    frame["run_date"] = frame["period_start_time"].dt.date.where(hit, frame["run_date"])
    frame["run_duration_seconds"] = frame["run_duration_seconds"].where(~hit, frame["run_duration_seconds"] * factor)
    pq.write_table(pa.Table.from_pandas(frame, schema=rows.schema, preserve_index=False), file)


def play(
    home: Path,
    gold: Path,
    *,
    days: int,
    changed_after: int | None,
    models: tuple[str, ...] = MODELS,
    refit: bool = True,
) -> Quarter:
    """Replay the newest days of a gold folder."""
    given = {"gold": str(gold), "home": home, "as_of": LAST, "models": models, "refit": refit}
    began = time.perf_counter()
    runtime = open_local(Settings.parse(given, "quarter"), discover(strict=True))
    first = LAST - timedelta(days=days - 1)
    for day, results in replay(runtime, first, LAST):
        failed = [r for r in results if r.status == "failed"]
        if failed:
            raise AssertionError(f"{day}: {failed[0].unit}: {failed[0].reason}")
        spent = Counter()
        for r in results:
            spent[r.stage] += r.seconds
        told = "; ".join(f"{r.name}: {r.reason}" for r in results if r.stage == "train" or "train again" in r.reason)
        shown = ", ".join(f"{stage} {seconds:.1f} s" for stage, seconds in spent.items())
        sys.stderr.write(f"{day} {time.perf_counter() - began:.0f} s ({shown}) {told}\n")
    changed = None if changed_after is None else first + timedelta(days=changed_after)
    return Quarter(runtime, first, changed, time.perf_counter() - began)


def main() -> None:
    """Simulate, replay, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=0.25)
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--changed-after", type=int, default=30)
    parser.add_argument("--quiet", action="store_true", help="nothing changes: count false alarms")
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    folder = given.folder or Path(mkdtemp(prefix="quarter-"))
    gold = folder / "gold"
    if not gold.exists():
        simulate(gold, scale=given.scale, last_day=LAST, days=given.days + 180)
        if not given.quiet:
            stretch_jobs(gold, LAST - timedelta(days=given.days - 1 - given.changed_after), 4)
    models = discover(strict=True).select_models((), ()) if given.models == "all" else given.models.split(",")
    changed = None if given.quiet else given.changed_after
    quarter = play(folder / "home", gold, days=given.days, changed_after=changed, models=tuple(models))
    sys.stdout.write(json.dumps(figures(quarter), indent=1, default=str) + "\n")


def figures(quarter: Quarter) -> dict[str, Any]:
    """Return what the tables tell of the quarter."""
    runtime = quarter.runtime
    drift = DRIFT.read(runtime, [("level", "=", "drift")]).to_pylist()
    asked = REQUESTS.read(runtime).to_pylist()
    told = [
        (d["as_of_date"], d["model_name"], d["model_version"], d["decision"])
        for d in DECISIONS.read(runtime).to_pylist()
    ]
    found: dict[str, Any] = {
        "seconds": round(quarter.seconds),
        "drift_days": Counter(m for m, _ in {(d["model_name"], d["as_of_date"]) for d in drift}),
        "requests": Counter(f"{r['model_name']} {r['reason']}" for r in asked),
        "decisions": Counter(f"{model} {decision}" for _, model, _, decision in told),
    }
    rows = [r for r in PERFORMANCE.read(runtime, [("model_name", "=", HIT)]).to_pylist() if r["skill"] is not None]
    serving = {
        r["as_of_date"]: r["model_version"] for r in SERVING.read(runtime, [("model_name", "=", HIT)]).to_pylist()
    }
    found["performance"] = [
        (str(r["as_of_date"]), r["model_version"], round(r["skill"], 3), round(r["value"]), round(r["baseline"]))
        for r in sorted(rows, key=lambda r: r["as_of_date"])
        if serving.get(r["as_of_date"]) == r["model_version"]
    ][::3]
    found["hit"] = sorted(
        (str(r["requested_on"]), str(r["last_seen_on"]), r["model_version"], r["reason"], r["says"])
        for r in asked
        if r["model_name"] == HIT
    )
    found["promotions"] = sorted((str(d), v, what) for d, m, v, what in told if m == HIT)
    if quarter.changed:
        found["changed"] = quarter.changed
        found["detected"] = min(
            (d["as_of_date"] for d in drift if d["model_name"] == HIT and d["as_of_date"] >= quarter.changed),
            default=None,
        )
    return found


if __name__ == "__main__":
    main()

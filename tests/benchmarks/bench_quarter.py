"""A quarter, day by day: does trust come back after the world has changed?

Ninety days of a simulated platform. Six models of all kinds, trained weekly, scored and monitored daily, one process.
After twenty of them every job takes four times as long as before. The figures are printed; what must hold is asserted.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import time
from collections import Counter
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from domains.reliability.trainers import JobDurationForecaster
from domains.simulator.write import simulate
from framework.base.clock import midnight
from framework.core.config import Settings
from framework.core.plugins import discover
from framework.core.versions import CHAMPION
from framework.registry.aliases import rollback
from framework.registry.models import tags_of
from framework.run.opening import open_runtime
from framework.run.pipeline import Pipeline
from framework.run.replay import replay
from framework.scoring.current import latest_predictions
from framework.scoring.scorer import UNIMPORTANT
from framework.tables.declared import ALERTS, DECISIONS, DRIFT, OUTCOMES, REQUESTS, SERVING
from framework.testing import label_rows

if TYPE_CHECKING:
    from framework.core.plugins import Registry
    from framework.gold.runtime import Runtime

MODELS = (
    "job_duration_forecaster",  # regression: the one that the change hits
    "job_failure_predictor",  # binary
    "performance_regression_detector",  # anomaly
    "warehouse_optimizer",  # many classes
    "query_optimization_recommender",  # many labels
    "sla_breach_predictor",  # binary again
)
LAST = date(2026, 10, 28)
HIT = "job_duration_forecaster"
DETECTED_WITHIN = 3
"""Days from the change to the first drift."""
EACH = timedelta(days=30)
"""In a quiet quarter a model has one alert of drift at most in so many days."""


class ShuffledDuration(JobDurationForecaster):
    """A deliberately bad challenger: each settled label stands on a row that is not its own."""

    def labels(self, gold: Any, as_of: date) -> Any:
        """Return the labels in another order."""
        from pyspark.sql import Window
        from pyspark.sql import functions as F

        labelled = label_rows(JobDurationForecaster(), discover(strict=True), gold)
        rows = labelled.withColumn("settled", F.col("label_known_at").isNotNull())
        alike = Window.partitionBy("settled")
        number = F.row_number().over(alike.orderBy("workspace_id", "job_id", "run_date")).alias("number")
        other = F.row_number().over(alike.orderBy(F.xxhash64("job_id", "run_date"))).alias("number")
        placed = rows.select("*", number).drop("label")
        return placed.join(rows.select("settled", "label", other), ["settled", "number"]).drop("settled", "number")


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
    runtime = open_runtime(Settings.parse(given, "quarter"), discover(strict=True))
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


def _alone(quarter: Quarter, plugins: Registry | None = None) -> Runtime:
    """Return the runtime of the newest day with one model only, and nothing kept from the replay."""
    runtime = quarter.runtime
    fresh = {"audited": {}, "labels": {}, "events": {}, "counted": {}, "version_facts": {}}
    settings = runtime.settings.model_copy(update={"models": (HIT,)})
    return dataclasses.replace(runtime, settings=settings, plugins=plugins or runtime.plugins, **fresh)


def shuffled_is_refused(quarter: Quarter) -> str:
    """Train the bad challenger on the newest day; return why the gate refused it."""
    plugins = quarter.runtime.plugins
    offer = dataclasses.replace(plugins.trainers[HIT], item=ShuffledDuration)
    runtime = _alone(quarter, dataclasses.replace(plugins, trainers={**plugins.trainers, HIT: offer}))
    before = runtime.registry.by_alias(HIT, CHAMPION).version
    (trained,) = Pipeline(runtime).run(("train",))
    tags = tags_of(next(v for v in runtime.registry.versions(HIT) if int(v.version) == trained.version))
    must(tags["decision"] == "refused", f"the shuffled challenger was {tags['decision']}: {trained}")
    must(runtime.registry.by_alias(HIT, CHAMPION).version == before, "the shuffled challenger took the alias")
    return tags["decision_reason"]


def rollback_restores(quarter: Quarter) -> int:
    """Score an older champion's day with the newest, roll back, score it once more; return how many rows came back."""
    runtime = _alone(quarter)
    champion = int(runtime.registry.by_alias(HIT, CHAMPION).version)
    served = SERVING.read(runtime, [("model_name", "=", HIT), ("served_as", "=", CHAMPION)]).to_pylist()
    older = max((r for r in served if r["model_version"] != champion), key=lambda r: r["as_of_date"])
    day = runtime.at(older["as_of_date"])
    before = _rows(day)
    Pipeline(day).run(("score",))
    must(_rows(day) != before, f"version {champion} answers as version {older['model_version']} did")
    rollback(runtime, HIT, older["model_version"])
    Pipeline(day).run(("score",))
    must(_rows(day) == before, f"version {older['model_version']} answers otherwise than before on {day.as_of}")
    return len(before)


def must(holds: bool, otherwise: str) -> None:
    """Fail with what was found where something does not hold."""
    if not holds:
        raise AssertionError(otherwise)


def _rows(runtime: Runtime) -> list[dict[str, Any]]:
    use_case = runtime.plugins.trainers[HIT].item.spec.use_case
    rows = latest_predictions(runtime, use_case, runtime.as_of).drop_columns(list(UNIMPORTANT))
    return sorted(rows.to_pylist(), key=str)


def main() -> None:
    """Simulate, replay, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=0.25)
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--changed-after", type=int, default=20)
    parser.add_argument("--quiet", action="store_true", help="nothing changes: count false alarms")
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--refit", action=argparse.BooleanOptionalAction, default=True)
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
    quarter = play(
        folder / "home", gold, days=given.days, changed_after=changed, models=tuple(models), refit=given.refit
    )
    found = figures(quarter)
    if quarter.changed:
        found |= trust(quarter, quarter.changed)
        found["refused"] = shuffled_is_refused(quarter)
        found["rows_restored"] = rollback_restores(quarter)
    sys.stdout.write(json.dumps(found, indent=1, default=str) + "\n")
    check(found)


def figures(quarter: Quarter) -> dict[str, Any]:
    """Return what the tables tell of all models: alerts of drift, requests, decisions."""
    runtime = quarter.runtime
    alerts = ALERTS.read(runtime, [("kind", "=", "drift")]).to_pylist()
    return {
        "seconds": round(quarter.seconds),
        "changed": quarter.changed,
        "drift_alerts": Counter(a["model_name"] for a in alerts),
        "drift_alert_days": _by_model(alerts),
        "requests": Counter(f"{r['model_name']} {r['reason']}" for r in REQUESTS.read(runtime).to_pylist()),
        "decisions": Counter(f"{d['model_name']} {d['decision']}" for d in DECISIONS.read(runtime).to_pylist()),
    }


def _by_model(alerts: list[dict[str, Any]]) -> dict[str, list[list[str]]]:
    days: dict[str, list[list[str]]] = {}
    for alert in sorted(alerts, key=lambda row: (row["model_name"], row["first_day"])):
        days.setdefault(alert["model_name"], []).append(json.loads(alert["days"]))
    return days


def _too_often(alerts: list[list[str]]) -> bool:
    first = [date.fromisoformat(days[0]) for days in alerts]
    return any(later - earlier < EACH for earlier, later in pairwise(first))


def trust(quarter: Quarter, changed: date) -> dict[str, Any]:
    """Return how the model that the change hits lost its ground and found it again."""
    runtime, own = quarter.runtime, [("model_name", "=", HIT)]
    drift = DRIFT.read(runtime, [*own, ("level", "=", "drift")]).to_pylist()
    asked = [r for r in REQUESTS.read(runtime, own).to_pylist() if r["requested_on"] >= changed]
    promoted = [d for d in DECISIONS.read(runtime, own).to_pylist() if d["decision"] == "promoted"]
    return {
        "first_drift": min((d["as_of_date"] for d in drift if d["as_of_date"] >= changed), default=None),
        "drift_before": len({d["as_of_date"] for d in drift if d["as_of_date"] < changed}),
        "asked": sorted((str(r["requested_on"]), r["reason"], r["says"]) for r in asked),
        "promoted": sorted((str(d["as_of_date"]), d["model_version"]) for d in promoted),
        "weeks": weeks(runtime, changed),
    }


def weeks(runtime: Runtime, changed: date) -> list[dict[str, Any]]:
    """Return week by week what became of the predictions that served, beside the baseline's; weeks from the change."""
    own = [("model_name", "=", HIT)]
    serving = SERVING.read(runtime, own, columns=["as_of_date", "model_version"]).to_pandas()
    rows = OUTCOMES.read(runtime, own).to_pandas().merge(serving, on=["as_of_date", "model_version"])
    rows["week"] = [(day - changed).days // 7 for day in rows["as_of_date"]]
    rows["miss"], rows["baseline_miss"] = ((rows["outcome"] - rows[n]).abs() for n in ("prediction", "baseline"))
    return [
        {
            "week": int(week),
            "from": str(one["as_of_date"].min()),
            "versions": sorted(one["model_version"].unique().tolist()),
            "served_as": sorted(one["served_as"].unique()),
            "rows": len(one),
            "mae": round(one["miss"].mean()),
            "baseline": round(one["baseline_miss"].mean()),
            "skill": round(float(1 - one["miss"].sum() / one["baseline_miss"].sum()), 3),
        }
        for week, one in rows.groupby("week")
    ]


def check(found: dict[str, Any]) -> None:
    """Fail where the quarter does not show what it must."""
    changed = found["changed"]
    if changed is None:
        often = {model: days for model, days in found["drift_alert_days"].items() if _too_often(days)}
        must(not often, f"more than one drift alert in 30 days: {often}")
        asked = [request for request in found["requests"] if request.endswith("_drift")]
        must(not asked, f"asked to train for drift although nothing changed: {asked}")
        return
    must(found["drift_before"] == 0, f"{found['drift_before']} days of drift before anything changed")
    first = found["first_drift"]
    must(first is not None and (first - changed).days <= DETECTED_WITHIN, f"drift was found on {first} first")
    must(bool(found["asked"]), "nothing asked for a training")
    later = [version for day, version in found["promoted"] if day > found["asked"][0][0]]
    must(bool(later), "no version was promoted after the change")
    before = [week["skill"] for week in found["weeks"] if week["week"] < 0 and week["served_as"] == [CHAMPION]]
    after = [week["skill"] for week in found["weeks"] if set(week["versions"]) <= set(later)]
    lost = min(week["skill"] for week in found["weeks"] if week["week"] >= 0)
    must(bool(before) and bool(after), f"no whole week was served before and after: {found['weeks']}")
    must(lost < 0 < after[-1], f"the champion lost {lost:+.3f}, the new one came to {after}: it did not recover")


if __name__ == "__main__":
    main()

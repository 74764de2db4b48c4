"""Runtime upgrades of jobs: when each happened, and whether the runs after it were worse than those before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from domains.gold.runs import JOB, job_runs, with_runtime
from framework import days

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pandas as pd
    from pyspark.sql import DataFrame

    from framework import GoldView

CLASSES = ("low", "medium", "high")
LOW, MEDIUM, HIGH = range(3)
SIDE = days(14)
"""How long before and after the change runs are compared."""
LEAST_RUNS = 5
SIGNIFICANT, MUCH_LONGER, WORSE = 0.05, 1.25, 0.1
SEEN = days(28)
"""A job whose last run is older than this is not asked about."""


def versioned(gold: GoldView) -> DataFrame:
    """Return the runs whose major runtime version is known, made once per run of ours."""
    return gold.staged("versioned_runs", lambda: with_runtime(gold, job_runs(gold)).where("runtime_major IS NOT NULL"))


def upgrades(gold: GoldView) -> DataFrame:
    """Return each first run of a job on a newer major version than any before, as ``changed`` with ``old_major``."""
    order = f"OVER (PARTITION BY {', '.join(JOB)} ORDER BY start_time, run_id ROWS UNBOUNDED PRECEDING)"
    newest = versioned(gold).selectExpr(
        *JOB, "run_id", "start_time AS changed", f"max(runtime_major) {order} AS new_major"
    )
    before = f"lag(new_major) OVER (PARTITION BY {', '.join(JOB)} ORDER BY changed, run_id) AS old_major"
    return newest.selectExpr(*JOB, "changed", "new_major", before).where("new_major > old_major")


def compared(gold: GoldView) -> DataFrame:
    """Return each upgrade with the runs on both sides of it.

    Returns:
        Job keys, ``run_date`` (the day before the change), failures, decided runs and successful seconds before and
        after, ``known_at`` of the last of them, and ``pending`` (1 if one is still running).
    """
    from pyspark.sql import functions as F

    span = f"INTERVAL {SIDE.days} DAYS"
    runs = versioned(gold).where("decided = 1 OR pending")
    moment = upgrades(gold)
    sides = runs.join(moment, list(JOB)).where(f"start_time >= changed - {span} AND start_time < changed + {span}")
    sides = sides.selectExpr(
        "*",
        "start_time < changed AND runtime_major = old_major AS before",
        "start_time >= changed AND runtime_major = new_major AS after",
    )
    sums = []
    for side in ("before", "after"):
        sums += [
            F.expr(f"count_if({side} AND decided = 1) AS runs_{side}"),
            F.expr(f"count_if({side} AND failed = 1) AS failed_{side}"),
            F.expr(f"collect_list(CASE WHEN {side} AND succeeded = 1 THEN seconds END) AS seconds_{side}"),
        ]
    return sides.groupBy(*JOB, F.expr("date_sub(to_date(changed), 1) AS run_date")).agg(
        *sums, F.max("known_at").alias("known_at"), F.expr("max(cast(pending AS int)) AS pending")
    )


def judged(sides: DataFrame) -> DataFrame:
    """Add the class of each upgrade, for those with enough runs on both sides."""
    enough = sides.where(f"runs_before >= {LEAST_RUNS} AND runs_after >= {LEAST_RUNS}")
    kept = [*JOB, "run_date", "known_at", "pending"]
    schema = ", ".join(f"{name} {dict(sides.dtypes)[name]}" for name in kept) + ", label int"

    def judge(frames: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for frame in frames:
            found = frame[kept].copy()
            found["label"] = [risk(*row) for row in zip(*(frame[name] for name in MEASURES), strict=True)]
            yield found

    return enough.mapInPandas(judge, schema)


MEASURES = ("runs_before", "failed_before", "seconds_before", "runs_after", "failed_after", "seconds_after")


def risk(
    runs_before: int, failed_before: int, seconds_before: Iterable[float], runs_after: int, failed_after: int,
    seconds_after: Iterable[float],
) -> int:  # fmt: skip
    """Return the class of one upgrade.

    High: the failure rate rose (two-sided Fisher), or the median duration by a quarter (Mann-Whitney), both at 5 %.
    Medium: the point estimate of either is ten percent (points, for the rate) worse. Else low.
    """
    import numpy as np
    from scipy.stats import fisher_exact, mannwhitneyu

    rise = failed_after / runs_after - failed_before / runs_before
    table = np.array([[failed_before, runs_before - failed_before], [failed_after, runs_after - failed_after]])
    if rise > 0 and fisher_exact(table)[1] < SIGNIFICANT:
        return HIGH
    before, after = (np.asarray(list(seconds), dtype=float) for seconds in (seconds_before, seconds_after))
    longer = 1.0
    if len(before) and len(after) and np.median(before) > 0:
        longer = float(np.median(after) / np.median(before))
        if longer >= MUCH_LONGER and mannwhitneyu(before, after, alternative="two-sided")[1] < SIGNIFICANT:
            return HIGH
    return MEDIUM if rise >= WORSE or longer >= 1 + WORSE else LOW


def behind(gold: GoldView) -> DataFrame:
    """Return the jobs whose newest recent run stands on an older major version than the newest anywhere."""
    from pyspark.sql import functions as F

    recent = versioned(gold).where(f"start_day > date_sub(DATE'{gold.days.end}', {SEEN.days})")
    now = recent.groupBy(*JOB).agg(F.max_by("runtime_major", "start_time").alias("runtime_major"))
    newest = versioned(gold).agg(F.max("runtime_major").alias("newest"))
    return now.crossJoin(newest).where("runtime_major < newest").select(*JOB)

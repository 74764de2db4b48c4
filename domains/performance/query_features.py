"""How each statement of a workspace has been doing, by day, under the fingerprint of its text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from domains.performance.statements import QUERY, QUERY_NEEDS, statements
from domains.performance.warehouse_formulas import (
    CACHE,
    COMPILE,
    PRUNED,
    QUEUE,
    READ,
    READ_FILES,
    SPILL,
    USERS,
    WORK,
    count,
    hidden,
)
from framework import DailyFeatures, Feature, TableSpec, days
from framework import formulas as fx

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from framework import GoldView

WEEK, MONTH, LONG = days(7), days(28), days(56)
PROBLEMS = {
    "spill": ("spilled_bytes > 0", SPILL, "spilled to disk"),
    "queue": ("queue_ms > 0.1 * total_ms", QUEUE, "queued for over a tenth of their time"),
    "poor_pruning": (
        "read_files + pruned_files >= 100 AND pruned_files < 0.2 * (read_files + pruned_files)",
        (*READ_FILES, *PRUNED),
        "read over four fifths of at least 100 files",
    ),
    "long_compile": ("compile_ms > 0.3 * total_ms", COMPILE, "compiled for over 30 % of their time"),
    "slow": ("total_ms > 60000", (), "took over a minute"),
}
"""What can be wrong with a run of a statement: the condition, the gold columns that it needs, its meaning."""


def problem(name: str) -> tuple[Feature, ...]:
    """Declare how often a problem occurs: counts of the day, shares over a week, a month and two, and the last day."""
    condition, needs, description = PROBLEMS[name]
    runs, bad = f"{name}_runs", f"{name}_bad"
    return (
        hidden(bad, f"count_if({condition})", description=f"runs that {description}", needs=needs),
        hidden(runs, f"count({condition})", description="runs of which that is known", needs=needs),
        fx.daily(
            f"{name}_share",
            f"count_if({condition}) / nullif(count({condition}), 0)",
            description=f"share of runs that {description}",
            unit="share",
            needs=needs,
        ),
        fx.rate(
            f"{name}_share_7d", bad, runs, window=WEEK, description=f"share of runs that {description}, last 7 days"
        ),
        fx.rate(
            f"{name}_share_28d", bad, runs, window=MONTH, description=f"share of runs that {description}, last 28 days"
        ),
        fx.rate(
            f"{name}_share_56d", bad, runs, window=LONG, description=f"share of runs that {description}, last 56 days"
        ),
        fx.derived(
            f"{name}_last",
            f"last({name}_share, true) OVER trailing",
            window=MONTH,
            unit="share",
            description=f"share of runs that {description}, last active day",
        ),
    )


DAY = (
    count("runs", "count(total_ms)", description="runs that ended", unit="runs"),
    count("active", "max(CASE WHEN total_ms IS NOT NULL THEN 1 END)", description="1 if a run ended", unit="0/1"),
    count("failed", "sum(failed)", description="runs that failed", unit="runs"),
    count(
        "users",
        "size(collect_set(executed_by))",
        description="people and services that asked",
        needs=USERS,
        unit="names",
    ),
    hidden("from_cache", "sum(cached)", description="runs answered from the cache", needs=CACHE),
    hidden("cache_known", "count(cached)", description="runs of which that is known", needs=CACHE),
    hidden("files_read", "sum(read_files)", description="files read", needs=READ_FILES),
    hidden("files_pruned", "sum(pruned_files)", description="files skipped", needs=PRUNED),
    fx.values("durations", "total_ms"),
    fx.daily("read_mean_gb", "avg(read_bytes) / 1e9", description="mean data read by a run", unit="GB", needs=READ),
    fx.daily(
        "spill_mean_gb", "avg(spilled_bytes) / 1e9", description="mean data spilled by a run", unit="GB", needs=SPILL
    ),
    fx.daily("work_mean_ms", "avg(work_ms)", description="mean execution time", unit="ms", needs=WORK),
    fx.daily("compile_mean_ms", "avg(compile_ms)", description="mean compilation", unit="ms", needs=COMPILE),
    fx.daily("queue_mean_ms", "avg(queue_ms)", description="mean time queued", unit="ms", needs=QUEUE),
)

LEVELS = (
    fx.total("runs_7d", "runs", window=WEEK, description="runs, last 7 days", unit="runs"),
    fx.total("runs_28d", "runs", window=MONTH, description="runs, last 28 days", unit="runs"),
    fx.total("active_days_28d", "active", window=MONTH, description="days with a run, last 28 days", unit="days"),
    fx.days_since("days_since_run", "active", window=MONTH, description="days since a run ended"),
    fx.rate("failure_rate_28d", "failed", "runs", window=MONTH, description="share of runs that failed, last 28 days"),
    fx.rate(
        "cache_share_28d", "from_cache", "cache_known", window=MONTH, description="share from the cache, last 28 days"
    ),
    fx.sorted_values("durations_28d", "durations", window=MONTH),
    fx.quantile("p50_ms_28d", 0.5, "durations_28d", description="median duration, last 28 days", unit="ms"),
    fx.quantile("p80_ms_28d", 0.8, "durations_28d", description="P80 duration, last 28 days", unit="ms"),
    fx.quantile("p95_ms_28d", 0.95, "durations_28d", description="P95 duration, last 28 days", unit="ms"),
    *(
        fx.mean(
            f"{name}_{window.days}d", name, window=window, description=f"{description}, {window.days} days", unit=unit
        )
        for name, description, unit in (
            ("read_mean_gb", "mean data read by a run", "GB"),
            ("spill_mean_gb", "mean data spilled by a run", "GB"),
            ("work_mean_ms", "mean execution time", "ms"),
            ("compile_mean_ms", "mean compilation", "ms"),
            ("queue_mean_ms", "mean time queued", "ms"),
        )
        for window in (WEEK, MONTH)
    ),
    fx.derived(
        "pruned_share_7d",
        "sum(files_pruned) OVER trailing / nullif(sum(files_pruned) OVER trailing + sum(files_read) OVER trailing, 0)",
        window=WEEK,
        description="share of files skipped, last 7 days",
        unit="share",
    ),
    fx.derived(
        "files_per_run_7d",
        "(sum(files_pruned) OVER trailing + sum(files_read) OVER trailing)"
        " / nullif(sum(poor_pruning_runs) OVER trailing, 0)",
        window=WEEK,
        description="files considered by a run, last 7 days",
        unit="files",
    ),
    *fx.calendar("query_date"),
)


class PerformanceQueryFeatures(DailyFeatures):
    """One row per statement fingerprint and day."""

    table = TableSpec(
        name="performance_query_features",
        description="One row per workspace, statement fingerprint and day, until 28 silent days after its last run.",
        keys=QUERY,
        time="query_date",
        needs=QUERY_NEEDS,
        columns=(*DAY, *(column for name in PROBLEMS for column in problem(name)), *LEVELS),
    )

    def events(self, gold: GoldView) -> DataFrame:
        """Return statements on the day they ended; without text there is no fingerprint."""
        return statements(gold).where("query_fingerprint IS NOT NULL AND workspace_id IS NOT NULL")

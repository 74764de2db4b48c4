"""What a warehouse's day was like: statements and clusters."""

from __future__ import annotations

from domains.performance.clusters import AS_SET, CLUSTERS, IDLE, LEAST
from domains.performance.warehouse_formulas import (
    CACHE,
    COLD,
    COMPILE,
    P95,
    PRUNED,
    QUEUE,
    READ,
    READ_FILES,
    SPILL,
    TEXT,
    USERS,
    WORK,
    count,
    hidden,
)
from framework import formulas as fx

STATEMENTS = (
    count("statements", "count(total_ms)", description="statements that ended"),
    count("active", "max(CASE WHEN total_ms IS NOT NULL THEN 1 END)", description="1 if a statement ended", unit="0/1"),
    count("failed", "sum(failed)", description="statements that failed"),
    count(
        "users",
        "size(collect_set(executed_by))",
        description="people and services that asked",
        needs=USERS,
        unit="names",
    ),
    hidden("total_ms_sum", "sum(total_ms)", description="milliseconds of all statements"),
    hidden("queue_ms_sum", "sum(queue_ms)", description="milliseconds queued", needs=QUEUE),
    hidden("start_ms_sum", "sum(start_ms)", description="milliseconds waited for compute", needs=COLD),
    hidden("compile_ms_sum", "sum(compile_ms)", description="milliseconds compiling", needs=COMPILE),
    hidden("work_ms_sum", "sum(work_ms)", description="milliseconds executing", needs=WORK),
    hidden("queued", "count_if(queue_ms > 1000)", description="statements queued for over a second", needs=QUEUE),
    hidden("cold", "count_if(start_ms > 1000)", description="statements that waited for compute", needs=COLD),
    hidden("spilled", "count_if(spilled_bytes > 0)", description="statements that spilled", needs=SPILL),
    hidden("spill_known", "count(spilled_bytes)", description="statements with known spill", needs=SPILL),
    hidden("from_cache", "sum(cached)", description="statements answered from the cache", needs=CACHE),
    hidden("cache_known", "count(cached)", description="statements of which that is known", needs=CACHE),
    hidden("files_read", "sum(read_files)", description="files read", needs=READ_FILES),
    hidden("files_pruned", "sum(pruned_files)", description="files skipped", needs=PRUNED),
    count("read_gb", "sum(read_bytes) / 1e9", description="data read", needs=READ, unit="GB"),
    hidden("alike_runs", "sum(alike_runs)", description="runs of statements with a past", needs=TEXT),
    hidden("alike_log", "sum(alike_log)", description="sum of their shifts", needs=TEXT),
    hidden("alike_slower", "sum(alike_slower)", description="runs of statements that were much slower", needs=TEXT),
    fx.values("durations", "total_ms"),
    fx.daily("p50_ms", "percentile(total_ms, 0.5)", description="median duration", unit="ms"),
    fx.daily("p95_ms", f"percentile(total_ms, {P95})", description="P95 duration", unit="ms"),
    fx.daily(
        "mean_log_ms",
        "avg(CASE WHEN total_ms >= 0 THEN ln(total_ms + 1) END)",
        description="mean log duration",
        unit="log ms",
    ),
    fx.daily("work_p50_ms", "percentile(work_ms, 0.5)", description="median execution time", unit="ms", needs=WORK),
    fx.daily(
        "compile_p50_ms", "percentile(compile_ms, 0.5)", description="median compilation", unit="ms", needs=COMPILE
    ),
    fx.daily("read_p50_gb", "percentile(read_bytes, 0.5) / 1e9", description="median data read", unit="GB", needs=READ),
    fx.daily(
        "cache_share",
        "avg(cached)",
        description="share of statements answered from the cache",
        unit="share",
        needs=CACHE,
    ),
)

CLUSTER_DAY = (
    count("running_minutes", "sum(running_minutes)", description="minutes running", needs=CLUSTERS, unit="minutes"),
    hidden("idle_minutes", "sum(idle_minutes)", description="minutes without a statement", needs=IDLE),
    hidden("least_minutes", "sum(least_minutes)", description="minutes at minimum clusters", needs=LEAST),
    hidden("most_minutes", "sum(most_minutes)", description="minutes at maximum clusters", needs=LEAST),
    hidden("cluster_minutes", "sum(cluster_minutes)", description="cluster minutes", needs=CLUSTERS),
    count("peak_clusters", "max(peak_clusters)", description="most clusters at once", needs=CLUSTERS, unit="clusters"),
    *(
        fx.daily(f"day_{name}", f"max({name})", description="setting as of the day's end", hidden=True)
        for name in AS_SET
    ),
)

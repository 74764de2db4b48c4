"""What a warehouse's day was like: statements and clusters."""

from __future__ import annotations

from domains.performance.clusters import AS_SET, CLUSTERS, IDLE, LEAST
from domains.performance.words import (
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
    count("statements", "count(total_ms)", says="statements that ended"),
    count("active", "max(CASE WHEN total_ms IS NOT NULL THEN 1 END)", says="1 if a statement ended", unit="0/1"),
    count("failed", "sum(failed)", says="statements that failed"),
    count("users", "size(collect_set(executed_by))", says="people and services that asked", needs=USERS, unit="names"),
    hidden("total_ms_sum", "sum(total_ms)", says="milliseconds of all statements"),
    hidden("queue_ms_sum", "sum(queue_ms)", says="milliseconds queued", needs=QUEUE),
    hidden("start_ms_sum", "sum(start_ms)", says="milliseconds waited for compute", needs=COLD),
    hidden("compile_ms_sum", "sum(compile_ms)", says="milliseconds compiling", needs=COMPILE),
    hidden("work_ms_sum", "sum(work_ms)", says="milliseconds executing", needs=WORK),
    hidden("queued", "count_if(queue_ms > 1000)", says="statements queued for over a second", needs=QUEUE),
    hidden("cold", "count_if(start_ms > 1000)", says="statements that waited for compute", needs=COLD),
    hidden("spilled", "count_if(spilled_bytes > 0)", says="statements that spilled", needs=SPILL),
    hidden("spill_known", "count(spilled_bytes)", says="statements with known spill", needs=SPILL),
    hidden("from_cache", "sum(cached)", says="statements answered from the cache", needs=CACHE),
    hidden("cache_known", "count(cached)", says="statements of which that is known", needs=CACHE),
    hidden("files_read", "sum(read_files)", says="files read", needs=READ_FILES),
    hidden("files_pruned", "sum(pruned_files)", says="files skipped", needs=PRUNED),
    count("read_gb", "sum(read_bytes) / 1e9", says="data read", needs=READ, unit="GB"),
    hidden("alike_runs", "sum(alike_runs)", says="runs of statements with a past", needs=TEXT),
    hidden("alike_log", "sum(alike_log)", says="sum of their shifts", needs=TEXT),
    hidden("alike_slower", "sum(alike_slower)", says="runs of statements that were much slower", needs=TEXT),
    fx.values("durations", "total_ms"),
    fx.daily("p50_ms", "percentile(total_ms, 0.5)", says="median duration", unit="ms"),
    fx.daily("p95_ms", f"percentile(total_ms, {P95})", says="P95 duration", unit="ms"),
    fx.daily(
        "mean_log_ms", "avg(CASE WHEN total_ms >= 0 THEN ln(total_ms + 1) END)", says="mean log duration", unit="log ms"
    ),
    fx.daily("work_p50_ms", "percentile(work_ms, 0.5)", says="median execution time", unit="ms", needs=WORK),
    fx.daily("compile_p50_ms", "percentile(compile_ms, 0.5)", says="median compilation", unit="ms", needs=COMPILE),
    fx.daily("read_p50_gb", "percentile(read_bytes, 0.5) / 1e9", says="median data read", unit="GB", needs=READ),
    fx.daily(
        "cache_share", "avg(cached)", says="share of statements answered from the cache", unit="share", needs=CACHE
    ),
)

CLUSTER_DAY = (
    count("running_minutes", "sum(running_minutes)", says="minutes running", needs=CLUSTERS, unit="minutes"),
    hidden("idle_minutes", "sum(idle_minutes)", says="minutes without a statement", needs=IDLE),
    hidden("least_minutes", "sum(least_minutes)", says="minutes at minimum clusters", needs=LEAST),
    hidden("most_minutes", "sum(most_minutes)", says="minutes at maximum clusters", needs=LEAST),
    hidden("cluster_minutes", "sum(cluster_minutes)", says="cluster minutes", needs=CLUSTERS),
    count("peak_clusters", "max(peak_clusters)", says="most clusters at once", needs=CLUSTERS, unit="clusters"),
    *(fx.daily(f"day_{name}", f"max({name})", says="setting as of the day's end", hidden=True) for name in AS_SET),
)

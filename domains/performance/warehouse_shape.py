"""Whether a warehouse's size, cache and speed are what they used to be."""

from __future__ import annotations

from domains.performance.clusters import LEAST
from domains.performance.warehouse_formulas import MONTH, WEEK, held, rule, upward, usual
from framework import days
from framework import formulas as fx

CAPACITY = (
    fx.derived(
        "peak_clusters_7d",
        "max(nullif(peak_clusters, 0)) OVER trailing",
        window=WEEK,
        description="peak clusters, last 7 days",
        unit="clusters",
    ),
    fx.derived(
        "peak_clusters_28d",
        "max(nullif(peak_clusters, 0)) OVER trailing",
        window=MONTH,
        description="peak clusters, 28 days",
        unit="clusters",
    ),
    fx.derived(
        "peak_clusters_mean_28d",
        "avg(nullif(peak_clusters, 0)) OVER trailing",
        window=MONTH,
        unit="clusters",
        description="mean daily peak on days that it ran, last 28 days",
    ),
    fx.rate(
        "clusters_mean_7d",
        "cluster_minutes",
        "running_minutes",
        window=WEEK,
        description="mean clusters while running",
        unit="clusters",
    ),
    fx.rate(
        "idle_share_7d",
        "idle_minutes",
        "running_minutes",
        window=WEEK,
        description="share of running time idle, 7 days",
    ),
    fx.rate(
        "idle_share_28d",
        "idle_minutes",
        "running_minutes",
        window=MONTH,
        description="share of running time idle, 28 days",
    ),
    fx.rate(
        "least_share_7d",
        "least_minutes",
        "running_minutes",
        window=WEEK,
        description="share of running time at minimum, 7 days",
    ),
    fx.rate(
        "least_share_28d",
        "least_minutes",
        "running_minutes",
        window=MONTH,
        description="share of running time at minimum, 28 days",
    ),
    fx.rate(
        "most_share_7d",
        "most_minutes",
        "running_minutes",
        window=WEEK,
        description="share of running time at maximum, 7 days",
    ),
    fx.total(
        "running_minutes_7d", "running_minutes", window=WEEK, description="minutes running, last 7 days", unit="minutes"
    ),
    held(
        "size_step", description="size as of the day, in steps from 1 (2X-Small)", unit="step", column="warehouse_size"
    ),
    held("min_clusters", description="minimum clusters as of the day", unit="clusters", column="min_clusters"),
    held("max_clusters", description="maximum clusters as of the day", unit="clusters", column="max_clusters"),
    held("auto_stop_minutes", description="idle minutes before it stops", unit="minutes", column="auto_stop_minutes"),
    fx.derived(
        "size_now_7d",
        unit="0 undersized, 1 oversized, 2 right-sized",
        window=WEEK,
        description="the rule of the warehouse optimizer on the last 7 days",
        needs=LEAST,
        sql=rule(
            *(
                f"sum({c}) OVER trailing"
                for c in ("queue_ms_sum", "total_ms_sum", "idle_minutes", "running_minutes", "least_minutes")
            )
        ),
    ),
)

CACHED = (
    fx.derived(
        "cache_days_28d",
        "sort_array(collect_list(cache_share) OVER trailing)",
        window=MONTH,
        description="daily cache shares",
        hidden=True,
        type="array<double>",
    ),
    fx.quantile(
        "cache_median_28d",
        0.5,
        "cache_days_28d",
        description="median daily share from the cache, 28 days",
        unit="share",
    ),
    fx.rate(
        "cache_share_7d", "from_cache", "cache_known", window=WEEK, description="share from the cache, last 7 days"
    ),
    fx.rate(
        "cache_share_28d", "from_cache", "cache_known", window=MONTH, description="share from the cache, last 28 days"
    ),
    fx.derived(
        "cache_last",
        "last(cache_share, true) OVER trailing",
        window=MONTH,
        description="share on the last active day",
        unit="share",
    ),
    *usual("cache_share"),
    fx.derived(
        "cache_above_day",
        "CASE WHEN cache_share > cache_share_usual THEN 1 WHEN cache_share <= cache_share_usual THEN 0 END",
        description="whether a day's share lay above the median of the days before",
        hidden=True,
    ),
    fx.derived(
        "cache_above_last",
        "last(cache_above_day, true) OVER trailing",
        window=MONTH,
        unit="0/1",
        description="1 if the last active day's share lay above the median of the 28 days before it",
    ),
    fx.mean(
        "cache_above_share_28d",
        "cache_above_day",
        window=MONTH,
        description="share of days above their median",
        unit="share",
    ),
    *(
        fx.lagged(
            f"cache_{n}_days_ago", "cache_share", by=days(n), description=f"cache share {n} days ago", unit="share"
        )
        for n in (6, 13)
    ),
)

SHIFTS = (
    fx.derived(
        "statements_seen", "nullif(statements, 0)", description="statements on a day that had some", hidden=True
    ),
    *usual("statements_seen"),
    *usual("p95_ms"),
    fx.derived(
        "p95_ratio",
        "p95_ms / nullif(p95_ms_usual, 0)",
        description="the day's P95 over its median of 28 days before",
        unit="ratio",
    ),
    fx.derived(
        "p95_ratio_7d",
        "p95_median_7d / nullif(p95_median_28d, 0)",
        description="median P95 of 7 days over that of 28",
        unit="ratio",
    ),
    fx.derived(
        "p95_rise_7d",
        "CASE WHEN p95_ratio_7d > 1 THEN ln(p95_ratio_7d) WHEN p95_ratio_7d > 0 THEN 0 END",
        description="rise of the median P95 of 7 days over that of 28 days",
        unit="log ratio",
    ),
    upward("p95_shift", "p95_ms", description="rise of the P95 at comparable volume"),
    fx.mean(
        "p95_shift_3d",
        "p95_shift",
        window=days(3),
        description="mean rise of the P95 at comparable volume, three days",
        unit="log ratio",
    ),
    *(
        fx.rate(
            f"{name}_{span.days}d",
            of,
            "alike_runs",
            window=span,
            description=f"{description}, {span.days} days",
            unit=unit,
        )
        for span in (days(1), WEEK)
        for name, of, description, unit in (
            ("slower", "alike_log", "rise of durations against the same statements' 28 days before", "log ratio"),
            ("slower_share", "alike_slower", "share of runs much slower than the same statements before", "share"),
        )
    ),
    fx.derived(
        "slower_rise_7d",
        "CASE WHEN slower_7d > 0 THEN slower_7d WHEN slower_7d IS NOT NULL THEN 0 END",
        description="rise of durations against the same statements before, 7 days, 0 where they fell",
        unit="log ratio",
    ),
)

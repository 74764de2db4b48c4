"""What a warehouse's last weeks were like: latency, activity, waiting."""

from __future__ import annotations

from domains.performance.warehouse_formulas import MONTH, P95, WEEK
from framework import days
from framework import formulas as fx

LATENCY = (
    fx.sorted_values("durations_7d", "durations", window=WEEK),
    fx.sorted_values("durations_28d", "durations", window=MONTH),
    fx.quantile("p50_ms_7d", 0.5, "durations_7d", description="median duration, last 7 days", unit="ms"),
    fx.quantile("p95_ms_7d", P95, "durations_7d", description="P95 duration, last 7 days", unit="ms"),
    fx.quantile("p50_ms_28d", 0.5, "durations_28d", description="median duration, last 28 days", unit="ms"),
    fx.quantile("p95_ms_28d", P95, "durations_28d", description="P95 duration, last 28 days", unit="ms"),
    fx.quantile("p99_ms_28d", 0.99, "durations_28d", description="P99 duration, last 28 days", unit="ms"),
    fx.derived(
        "p95_days_28d",
        "sort_array(collect_list(p95_ms) OVER trailing)",
        window=MONTH,
        description="daily P95",
        hidden=True,
        type="array<double>",
    ),
    fx.derived(
        "p95_days_7d",
        "sort_array(collect_list(p95_ms) OVER trailing)",
        window=WEEK,
        description="daily P95",
        hidden=True,
        type="array<double>",
    ),
    fx.quantile("p95_median_28d", 0.5, "p95_days_28d", description="median of daily P95, last 28 days", unit="ms"),
    fx.quantile("p95_median_7d", 0.5, "p95_days_7d", description="median of daily P95, last 7 days", unit="ms"),
    fx.derived(
        "p95_last",
        "last(p95_ms, true) OVER trailing",
        window=MONTH,
        description="P95 of the last active day",
        unit="ms",
    ),
    fx.mean("mean_log_ms_7d", "mean_log_ms", window=WEEK, description="mean log duration, last 7 days", unit="log ms"),
    fx.mean(
        "mean_log_ms_28d", "mean_log_ms", window=MONTH, description="mean log duration, last 28 days", unit="log ms"
    ),
    *(
        fx.lagged(f"p95_{n}_days_ago", "p95_ms", by=days(n), description=f"P95 {n} days ago", unit="ms", hidden=True)
        for n in (6, 13, 20, 27)
    ),
    fx.derived(
        "p95_week_before",
        "coalesce(p95_6_days_ago, p95_median_28d)",
        unit="ms",
        description="P95 of tomorrow's weekday in the last week, else the median of daily P95",
    ),
    fx.derived(
        "p95_weekday_28d",
        unit="ms",
        description="mean daily P95 of tomorrow's weekday, last four weeks",
        sql="aggregate(filter(array(p95_6_days_ago, p95_13_days_ago, p95_20_days_ago, p95_27_days_ago), x -> x > 0), "
        "cast(struct(0D AS s, 0D AS n) AS struct<s:double,n:double>), (a, x) -> struct(a.s + x AS s, a.n + 1 AS n), "
        "a -> a.s / nullif(a.n, 0))",
    ),
)

ACTIVITY = (
    fx.total("statements_7d", "statements", window=WEEK, description="statements, last 7 days", unit="statements"),
    fx.total("statements_28d", "statements", window=MONTH, description="statements, last 28 days", unit="statements"),
    fx.total("active_days_7d", "active", window=WEEK, description="days with a statement, last 7 days", unit="days"),
    fx.total("active_days_28d", "active", window=MONTH, description="days with a statement, last 28 days", unit="days"),
    fx.days_since("days_since_statement", "active", window=MONTH, description="days since a statement ended"),
    *(
        fx.lagged(f"statements_{n}_days_ago", "statements", by=days(n), description=f"{n} days ago", hidden=True)
        for n in (6, 13, 20, 27)
    ),
    fx.derived(
        "statements_on_next_weekday",
        unit="statements",
        description="statements on tomorrow's weekday, mean of four weeks",
        sql=" + ".join(f"coalesce(statements_{n}_days_ago, 0)" for n in (6, 13, 20, 27)).join(("(", ") / 4")),
    ),
    fx.derived(
        "growth_7d",
        "statements_7d / nullif(statements_28d / 4, 0)",
        unit="ratio",
        description="statements of 7 days over a week's share of 28 days",
    ),
    fx.rate(
        "failure_rate_7d", "failed", "statements", window=WEEK, description="share of statements that failed, 7 days"
    ),
    *fx.calendar("query_date"),
    fx.of_date(
        "month_turns",
        "CASE WHEN day(date_add(query_date, 3)) <= 4 THEN 1 ELSE 0 END",
        description="1 if tomorrow is one of the days around the end of a month",
        unit="0/1",
    ),
)

WAITING = (
    fx.rate(
        "queue_share_7d", "queue_ms_sum", "total_ms_sum", window=WEEK, description="share of time queued, last 7 days"
    ),
    fx.rate(
        "queue_share_28d",
        "queue_ms_sum",
        "total_ms_sum",
        window=MONTH,
        description="share of time queued, last 28 days",
    ),
    fx.derived(
        "queue_share", "queue_ms_sum / nullif(total_ms_sum, 0)", description="share of time queued", unit="share"
    ),
    fx.rate(
        "queued_rate_7d", "queued", "statements", window=WEEK, description="share of statements queued, last 7 days"
    ),
    fx.rate(
        "cold_rate_7d", "cold", "statements", window=WEEK, description="share that waited for compute, last 7 days"
    ),
    fx.rate(
        "cold_share_28d", "start_ms_sum", "total_ms_sum", window=MONTH, description="share of time waiting for compute"
    ),
    fx.rate(
        "compile_share_7d", "compile_ms_sum", "total_ms_sum", window=WEEK, description="share of time compiling, 7 days"
    ),
    fx.rate(
        "spill_rate_7d", "spilled", "spill_known", window=WEEK, description="share of statements that spilled, 7 days"
    ),
    fx.rate(
        "spill_rate_28d",
        "spilled",
        "spill_known",
        window=MONTH,
        description="share of statements that spilled, 28 days",
    ),
    fx.derived(
        "pruned_share_7d",
        "sum(files_pruned) OVER trailing / nullif(sum(files_pruned) OVER trailing + sum(files_read) OVER trailing, 0)",
        window=WEEK,
        description="share of files skipped, last 7 days",
        unit="share",
    ),
    fx.total("read_gb_7d", "read_gb", window=WEEK, description="data read, last 7 days", unit="GB"),
)

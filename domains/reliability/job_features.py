"""How each job has been doing, by day: outcomes, durations, deadlines, retries, runtime version."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from domains.gold.runs import JOB, MAX_RUN, NEEDS, OUTCOME, job_runs, with_runtime
from domains.reliability.runs import first_runs, followers, retries, with_breach
from framework import DailyFeatures, Feature, TableSpec, days, stack
from framework import formulas as fx

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from framework import GoldView

WEEK, MONTH, QUARTER = days(7), days(28), days(90)
DEADLINE_SHARE = 0.95
LATE_SHARE = 0.95
LAST_RUNS = 10
NOW = 20_500
"""Day number (of 2026) near which the weights of fading shares are of the order of 1."""
RUNTIME = ("fact_job_run_timeline.compute_ids", "dim_cluster.dbr_version")
SUCCESSFUL = "CASE WHEN succeeded = 1 THEN seconds END"


count = partial(fx.counted, unit="runs", needs=OUTCOME)


def share_of_last(number: int) -> Feature:
    """Declare the share of failures among the last decided runs of the past 28 days."""
    last = fx.last_of("flatten(collect_list(last_outcomes) OVER trailing)", number)
    sql = f"aggregate({last}, 0D, (total, run) -> total + run.failed) / nullif(size({last}), 0)"
    description = f"share of the last {number} decided runs that failed, within 28 days"
    return fx.derived(f"failed_share_last_{number}", sql, window=MONTH, description=description, unit="share")


def share_of_last_days(number: int) -> Feature:
    """Declare the share of days with a failure among a job's last active days of a quarter, smoothed."""
    last = fx.last_of("collect_list(decided_outcome) OVER trailing", number)
    sql = f"aggregate({last}, 0.5D, (total, failed) -> total + failed) / (size({last}) + 1)"
    description = f"share of the last {number} active days with a failed run, within 90 days, smoothed"
    return fx.derived(f"failed_day_share_last_{number}", sql, window=QUARTER, description=description, unit="share")


def fading_share(half_life: int) -> Feature:
    """Declare the share of active days with a failure, where a day counts half as much after its half-life."""
    # Weights relative to a fixed day; the power that makes them relative to the row's own day cancels but for
    # the smoothing, which it scales.
    weight = f"pow(2D, (day_number - {NOW}) / {half_life}.0D)"
    bad, every = (f"coalesce(sum({flag} * {weight}) OVER trailing, 0)" for flag in ("failure_day", "decided_day"))
    description = f"share of active days with a failed run, each day weighing half after {half_life} days, smoothed"
    sql = f"({bad} + 0.5D * {weight}) / ({every} + {weight})"
    return fx.derived(
        f"failed_day_share_fading_{half_life}d", sql, window=QUARTER, description=description, unit="share"
    )


DAY = (
    count("runs", "count(end_time)", description="runs that ended"),
    count("decided", "sum(decided)", description="runs that succeeded or failed"),
    count("failed", "sum(failed)", description="runs that ended FAILED, ERROR or TIMED_OUT"),
    count("timed_out", "count_if(state = 'TIMED_OUT')", description="runs that timed out"),
    count(
        "cancelled",
        "count_if(state IN ('CANCELLED', 'SKIPPED', 'BLOCKED'))",
        description="runs that did not do their work",
    ),
    count("active", "max(CASE WHEN end_time IS NOT NULL THEN 1 END)", description="1 if a run ended", unit="0/1"),
    count("failure_day", "max(failed)", description="1 if a run failed", unit="0/1"),
    count("decided_day", "max(decided)", description="1 if a run succeeded or failed", unit="0/1", hidden=True),
    count("success_day", "max(succeeded)", description="1 if a run succeeded", unit="0/1", hidden=True),
    count("breaches", "sum(breached)", description="first runs that ended after their deadline", hidden=True),
    count("first_runs", "count(breached)", description="first runs with a deadline", hidden=True),
    count("retries_won", "sum(retry_succeeded)", description="runs after a failure that succeeded", hidden=True),
    count("retries_made", "count(retry_succeeded)", description="runs after a failure", hidden=True),
    fx.daily(
        "last_outcomes",
        fx.last_of(
            "sort_array(collect_list(CASE WHEN decided = 1 THEN struct(end_time AS at, failed) END))", LAST_RUNS
        ),
        description="the day's last outcomes, in time",
        hidden=True,
        type="array<struct<at:timestamp,failed:int>>",
    ),
    fx.daily(
        "decided_outcome",
        "max(failed)",
        description="1 if a run failed, 0 if all succeeded, else NULL",
        hidden=True,
        needs=OUTCOME,
    ),
    count(
        "long_started",
        "sum(long_started)",
        description="runs that outlast the day on which they were first seen",
        hidden=True,
    ),
    count("long_ended", "sum(long_ended)", description="runs first seen on an earlier day", hidden=True),
    fx.values("seconds", SUCCESSFUL, needs=OUTCOME),
    fx.values("first_hours", "end_hours", needs=OUTCOME),
    fx.daily("sla_hours", "max(sla_hours)", description="configured deadline", hidden=True),
    fx.daily(
        "median_seconds",
        f"percentile({SUCCESSFUL}, 0.5)",
        description="median duration of successful runs",
        unit="seconds",
    ),
    fx.daily(
        "runtime_major", "max(runtime_major)", description="newest major runtime version", unit="version", needs=RUNTIME
    ),
)

ACTIVITY = (
    fx.total("runs_7d", "runs", window=WEEK, description="runs, last 7 days", unit="runs"),
    fx.total("runs_28d", "runs", window=MONTH, description="runs, last 28 days", unit="runs"),
    fx.total("active_days_7d", "active", window=WEEK, description="days with a run, last 7 days", unit="days"),
    fx.total("active_days_28d", "active", window=MONTH, description="days with a run, last 28 days", unit="days"),
    fx.derived(
        "running_runs",
        "greatest(sum(long_started) OVER trailing - sum(long_ended) OVER trailing, 0)",
        window=MAX_RUN,
        description="runs still running at the end of the day",
        unit="runs",
    ),
    fx.rate(
        "runs_per_active_day_28d",
        "runs",
        "active",
        window=MONTH,
        description="runs per active day, last 28 days",
        unit="runs",
    ),
    fx.days_since("days_since_run", "active", window=QUARTER, description="days since a run ended"),
    *(
        fx.lagged(f"runs_{n}_days_ago", "runs", by=days(n), description=f"runs {n} days ago", hidden=True)
        for n in (6, 13, 20, 27)
    ),
    fx.derived(
        "runs_on_next_weekday_28d",
        " + ".join(f"coalesce(runs_{n}_days_ago, 0)" for n in (6, 13, 20, 27)),
        description="runs on tomorrow's weekday, last four weeks",
        unit="runs",
    ),
    *fx.calendar("run_date"),
)

FAILURES = (
    fx.rate(
        "failure_rate_7d",
        "failed",
        "decided",
        window=WEEK,
        description="share of decided runs that failed, last 7 days",
    ),
    fx.rate(
        "failure_rate_28d",
        "failed",
        "decided",
        window=MONTH,
        description="share of decided runs that failed, last 28 days",
    ),
    fx.rate(
        "timeout_rate_28d",
        "timed_out",
        "decided",
        window=MONTH,
        description="share of decided runs that timed out, 28 days",
    ),
    fx.rate(
        "cancel_rate_28d",
        "cancelled",
        "runs",
        window=MONTH,
        description="share of runs that did not do their work, 28 days",
    ),
    fx.total(
        "failed_days_7d", "failure_day", window=WEEK, description="days with a failed run, last 7 days", unit="days"
    ),
    fx.smoothed_rate(
        "failed_day_share_28d",
        "failure_day",
        "decided_day",
        window=MONTH,
        description="share of active days with a failed run, last 28 days, add-one smoothed",
    ),
    fx.smoothed_rate(
        "failed_day_share_90d",
        "failure_day",
        "decided_day",
        window=QUARTER,
        description="share of active days with a failed run, last 90 days, add-one smoothed",
    ),
    share_of_last(3),
    share_of_last(LAST_RUNS),
    share_of_last_days(5),
    share_of_last_days(10),
    fading_share(10),
    fading_share(21),
    fx.days_since("days_since_failure", "failure_day", window=QUARTER, description="days since a run failed"),
    fx.days_since("days_since_success", "success_day", window=QUARTER, description="days since a run succeeded"),
    fx.rate(
        "retry_success_rate_28d",
        "retries_won",
        "retries_made",
        window=MONTH,
        description="share of runs after a failure that succeeded",
    ),
)

DURATIONS = (
    fx.sorted_values("seconds_7d", "seconds", window=WEEK),
    fx.sorted_values("seconds_28d", "seconds", window=MONTH),
    fx.quantile("median_seconds_7d", 0.5, "seconds_7d", description="median duration, last 7 days", unit="seconds"),
    fx.quantile("median_seconds_28d", 0.5, "seconds_28d", description="median duration, last 28 days", unit="seconds"),
    fx.quantile("p95_seconds_28d", LATE_SHARE, "seconds_28d", description="P95 duration, last 28 days", unit="seconds"),
    fx.mean(
        "median_seconds_mean_28d",
        "median_seconds",
        window=MONTH,
        description="mean of daily medians, 28 days",
        unit="seconds",
    ),
    fx.zscore(
        "seconds_z_28d",
        "median_seconds",
        window=MONTH,
        description="the day's median duration against the 28 days before",
    ),
    fx.derived(
        "seconds_ratio_7d",
        "median_seconds_7d / nullif(median_seconds_28d, 0)",
        description="median duration of 7 days over that of 28 days",
        unit="ratio",
    ),
)

PROMISES = (
    fx.lagged(
        "p95_seconds_a_week_ago", "p95_seconds_28d", by=WEEK, description="P95 duration as of a week ago", hidden=True
    ),
    fx.total("failed_runs_7d", "failed", window=WEEK, description="failed runs, last 7 days", unit="runs"),
    fx.total("decided_runs_7d", "decided", window=WEEK, description="decided runs, last 7 days", unit="runs"),
    fx.derived(
        "late_runs_7d",
        "size(filter(seconds_7d, x -> x > p95_seconds_a_week_ago))",
        description="successful runs of the last 7 days that took longer than the P95 of a week ago",
        unit="runs",
    ),
    fx.derived(
        "health_7d",
        "100 * (1 - (failed_runs_7d + late_runs_7d) / nullif(decided_runs_7d, 0))",
        description="100 x (1 - share of failed or late runs), last 7 days",
        unit="points",
    ),
    fx.sorted_values("first_hours_90d", "first_hours", window=QUARTER),
    fx.derived(
        "deadline_hours",
        f"coalesce(max(sla_hours) OVER trailing, {fx.nearest_rank('first_hours_90d', DEADLINE_SHARE)})",
        window=QUARTER,
        description="deadline of the day's first run: as configured, else P95 of its past ends",
        unit="hours after 00:00 local",
    ),
    fx.smoothed_rate(
        "breach_rate_28d",
        "breaches",
        "first_runs",
        window=MONTH,
        description="share of days whose first run ended after its deadline, last 28 days, add-one smoothed",
    ),
)


class ReliabilityFeatures(DailyFeatures):
    """One row per job and day."""

    reach = MAX_RUN.days
    table = TableSpec(
        name="reliability_features",
        description="One row per job and day, from its first run until 28 silent days after its last.",
        keys=JOB,
        time="run_date",
        needs=NEEDS,
        columns=(*DAY, *ACTIVITY, *FAILURES, *DURATIONS, *PROMISES),
    )

    def events(self, gold: GoldView) -> DataFrame:
        """Return runs on the day they ended and were first seen, first runs and retries when they were certain."""
        from pyspark.sql import functions as F

        runs = with_runtime(gold, job_runs(gold))
        first = with_breach(first_runs(gold, runs), window=QUARTER.days, share=DEADLINE_SHARE)
        long = F.coalesce(F.col("seen_day") < F.col("end_day"), F.lit(True))
        ended = runs.where("end_time IS NOT NULL").withColumn("day", F.col("end_day"))
        ended = ended.withColumn("long_ended", (long & (F.date_diff("end_day", "seen_day") < MAX_RUN.days)).cast("int"))
        seen = runs.where(long).selectExpr(*JOB, "seen_day AS day", "1 AS long_started")
        opening = first.where("known_day IS NOT NULL").selectExpr(
            *JOB, "known_day AS day", "end_hours", "sla_hours", "breached"
        )
        again = retries(followers(runs)).selectExpr(*JOB, "to_date(known_time) AS day", "retry_succeeded")
        events = ended
        for more in (seen, opening, again):
            events = stack(events, more)
        return events

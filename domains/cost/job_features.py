"""What each job costs by day, on which compute, who pays, and what it is called."""

from __future__ import annotations

from typing import TYPE_CHECKING

from domains.cost.money import MONEY, amount, spent
from domains.cost.usage import JOB, JOB_COST, PRICED, SAVED, savings, share_saved, usage
from domains.gold.runs import OUTCOME, job_runs
from framework import DailyFeatures, Feature, TableSpec, days, stack
from framework import formulas as fx

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from framework import GoldView

WEEK, FORTNIGHT, MONTH, QUARTER = days(7), days(14), days(28), days(90)
BY_SKU = f"array<struct<cost:double,saved:{SAVED}>>"
VERSIONS = "array<struct<since:date,name:string>>"
SKU = (*JOB_COST, "fact_usage.sku_name")
TAGS = (*JOB_COST, "fact_usage.custom_tags")
NAME = ("dim_job.name", "dim_job.change_time")


def avoidable(name: str, window: int, description: str) -> Feature:
    """Declare what jobs compute would have saved over trailing days, at the prices known on the row's day."""
    each = f"coalesce(x.cost, 0D) * {share_saved('x.saved', 'usage_date')}"
    sql = f"aggregate(flatten(collect_list(on_all_purpose) OVER trailing), 0D, (total, x) -> total + {each})"
    return fx.derived(name, sql, window=days(window), description=description, unit=MONEY)


def in_workspace(name: str, sql: str, *, description: str, unit: str = "share") -> Feature:
    """Declare a sum over the workspace's jobs of the same day, ``OVER peers`` of the SQL."""
    return fx.derived(
        name, sql.replace("OVER peers", "OVER peers_within(workspace_id)"), description=description, unit=unit
    )


DAY = (
    amount("cost", "sum(cost)", description="net list cost of the job's records"),
    amount("all_purpose_cost", "sum(all_purpose_cost)", description="of it on all-purpose SKUs", needs=SKU),
    amount("dbu", "sum(dbu)", description="DBU used", unit="DBU", needs=("fact_usage.usage_unit",
            "fact_usage.usage_quantity")),
    amount("records", "sum(records)", description="billing records", unit="records"),
    amount("unpriced_records", "sum(unpriced)", description="records without a list cost", unit="records"),
    amount("tagged_records", "sum(tagged)", description="records that carry the tag", unit="records", needs=TAGS),
    amount("used", "max(CASE WHEN records > 0 THEN 1 END)", description="1 if the job was billed", unit="0/1"),
    amount("on_jobs_compute", "max(CASE WHEN cost > 0 AND all_purpose_cost = 0 THEN 1 END)",
           description="1 if the job was billed without all-purpose compute", unit="0/1", needs=SKU, hidden=True),
    amount("on_all_purpose_day", "max(CASE WHEN all_purpose_cost > 0 THEN 1 END)",
           description="1 if the job was billed on all-purpose compute", unit="0/1", needs=SKU, hidden=True),
    amount("runs", "count(end_time)", description="runs that ended", unit="runs", needs=OUTCOME),
    amount("run_seconds", "sum(seconds)", description="seconds of the runs that ended", unit="seconds", needs=OUTCOME),
    amount("failed_runs", "sum(failed)", description="runs that failed", unit="runs", needs=OUTCOME),
    fx.daily("on_all_purpose", "flatten(collect_list(on_all_purpose))",
            description="all-purpose cost by SKU, and what it saves",
          needs=PRICED, hidden=True, type=BY_SKU),
    fx.daily("versions", "max_by(versions, size(versions))",
             description="names of the job since when", needs=NAME, hidden=True, type=VERSIONS),
)  # fmt: skip

LEVELS = (
    spent("cost_7d", "cost", window=WEEK, description="net cost, last 7 days"),
    spent("cost_28d", "cost", window=MONTH, description="net cost, last 28 days"),
    fx.total("dbu_28d", "dbu", window=MONTH, description="DBU, last 28 days", unit="DBU"),
    spent("all_purpose_7d", "all_purpose_cost", window=WEEK, description="all-purpose cost, last 7 days"),
    spent("all_purpose_14d", "all_purpose_cost", window=FORTNIGHT, description="all-purpose cost, last 14 days"),
    spent("all_purpose_28d", "all_purpose_cost", window=MONTH, description="all-purpose cost, last 28 days"),
    avoidable("avoidable_7d", 7, "what jobs compute would have saved, last 7 days"),
    avoidable("avoidable_28d", 28, "what jobs compute would have saved, last 28 days"),
    fx.lagged("avoidable_28d_before", "avoidable_28d", by=MONTH, description="the same, 28 days ago", unit=MONEY),
    fx.total("used_days_7d", "used", window=WEEK, description="days with a record, last 7 days", unit="days"),
    fx.total("used_days_28d", "used", window=MONTH, description="days with a record, last 28 days", unit="days"),
    fx.total("used_days_90d", "used", window=QUARTER, description="days with a record, last 90 days", unit="days"),
    fx.total("runs_28d", "runs", window=MONTH, description="runs, last 28 days", unit="runs"),
    fx.total("run_seconds_28d", "run_seconds", window=MONTH, description="seconds of runs, last 28 days",
             unit="seconds"),
    fx.total("unpriced_records_28d", "unpriced_records", window=MONTH, description="unpriced records, last 28 days",
            unit="records"),
    fx.days_since("days_since_used", "used", window=QUARTER, description="days since the job was billed"),
    fx.days_since("days_since_all_purpose", "on_all_purpose_day", window=QUARTER,
            description="days since it cost on all-purpose"),
    fx.days_since("days_since_jobs_compute", "on_jobs_compute", window=QUARTER,
            description="days since it cost without all-purpose"),
    fx.derived("days_seen", "day_number - min(CASE WHEN used > 0 THEN day_number END) OVER trailing", window=QUARTER,
               description="days since the first record of the last 90", unit="days"),
    fx.rate("cost_per_used_day_28d", "cost", "used", window=MONTH, description="cost of a day with a record, 28 days",
            unit=MONEY),
    fx.rate("failed_share_28d", "failed_runs", "runs", window=MONTH, description="share of runs that failed, 28 days"),
    fx.derived("cost_per_hour_28d", "3600 * cost_28d / nullif(run_seconds_28d, 0)",
               description="cost of an hour of runs, 28 days", unit=MONEY),
    fx.derived("week_over_month", "4 * cost_7d / nullif(cost_28d, 0)", description="last week over the mean week",
               unit="ratio"),
    fx.derived("all_purpose_week_over_month", "4 * all_purpose_7d / nullif(all_purpose_28d, 0)",
               description="all-purpose cost of the last week over the mean week", unit="ratio"),
    fx.derived("all_purpose_share_28d", "all_purpose_28d / nullif(cost_28d, 0)",
               description="share of all-purpose cost",
               unit="share"),
)  # fmt: skip

TAGGING = (
    fx.total("records_28d", "records", window=MONTH, description="billing records, last 28 days", unit="records"),
    fx.total("tagged_records_28d", "tagged_records", window=MONTH, description="tagged records, last 28 days",
             unit="records"),
    fx.derived("tagged_share_28d", "tagged_records_28d / nullif(records_28d, 0)",
               description="share of records that carry the tag, 28 days; NULL without records", unit="share"),
    fx.derived("job_name",
               "coalesce(try_element_at(filter(last(versions, true) OVER trailing,"
               " v -> v.since <= usage_date), -1).name, '')",
            window=QUARTER,
            description="name of the job as of the day; empty if it has none", needs=NAME, type="string"),
)  # fmt: skip

AROUND = (
    in_workspace("workspace_all_purpose_share", "sum(all_purpose_28d) OVER peers / nullif(sum(cost_28d) OVER peers, 0)",
                 description="share of all-purpose cost among the workspace's jobs, 28 days"),
    in_workspace("workspace_leaving_jobs",
                 "count_if(all_purpose_28d > 0 AND all_purpose_7d = 0 AND cost_7d > 0) OVER peers",
                 description="jobs of the workspace that left all-purpose compute within 28 days", unit="jobs"),
    in_workspace("workspace_tagged_share", "avg(tagged_share_28d) OVER peers",
                 description="mean share of tagged records over the workspace's jobs, 28 days"),
    in_workspace("share_of_workspace", "cost_28d / nullif(sum(cost_28d) OVER peers, 0)",
                 description="the job's share of the cost of its workspace's jobs, 28 days"),
    *fx.calendar("usage_date"),
)  # fmt: skip


class CostJobFeatures(DailyFeatures):
    """One row per job and day."""

    table = TableSpec(
        name="cost_job_features",
        description="One row per job and day, from its first record until 28 silent days after its last.",
        keys=JOB,
        time="usage_date",
        needs=JOB_COST,
        columns=(*DAY, *LEVELS, *TAGGING, *AROUND),
    )

    def events(self, gold: GoldView) -> DataFrame:
        """Return a job's cost by day, the names that it has had, and its runs on the day they ended."""
        from pyspark.sql import functions as F

        by_sku = job_cost(gold, "day")
        costs = by_sku.groupBy(*JOB, "day").agg(
            *(F.sum(name).alias(name) for name in ("cost", "all_purpose_cost", "dbu", "records", "unpriced", "tagged")),
            F.collect_list(F.expr("CASE WHEN all_purpose_cost <> 0 THEN struct(all_purpose_cost AS cost, saved) END"))
            .cast(BY_SKU)
            .alias("on_all_purpose"),
        )
        events = _named(gold, costs)
        if not gold.has("fact_job_run_timeline"):
            return events.selectExpr(
                "*",
                "CAST(NULL AS timestamp) AS end_time",
                "CAST(NULL AS double) AS seconds",
                "CAST(NULL AS int) AS failed",
            )
        ended = job_runs(gold).where("end_time IS NOT NULL")
        runs = ended.selectExpr(*JOB, "end_day AS day", "end_time", "seconds", "failed")
        return stack(events, runs)


def job_cost(gold: GoldView, day: str) -> DataFrame:
    """Return the cost of each job by day and SKU, with what its SKU would save on jobs compute.

    Args:
        gold: The gold.
        day: ``day`` (when records became known) or ``usage_day``.
    """
    from pyspark.sql import functions as F

    from framework import KNOWN_AT

    records = usage(gold).where("job_id IS NOT NULL")
    found = records.groupBy(*JOB, day, "sku_name").agg(
        F.expr("sum(cost) AS cost"),
        F.expr("coalesce(sum(CASE WHEN all_purpose THEN cost END), 0) AS all_purpose_cost"),
        F.expr("sum(dbu) AS dbu"),
        F.expr("count(*) AS records"),
        F.expr("count_if(cost IS NULL) AS unpriced"),
        F.expr("count_if(cost_center IS NOT NULL) AS tagged"),
        F.max(KNOWN_AT).alias(KNOWN_AT),
    )
    if not gold.has("fact_list_prices"):
        return found.withColumn("saved", F.lit(None).cast(SAVED))
    return found.join(F.broadcast(savings(gold)), "sku_name", "left")


def _named(gold: GoldView, costs: DataFrame) -> DataFrame:
    """Add all versions of the job's name: which one held on a day is for the formula to say."""
    from pyspark.sql import functions as F

    if not gold.has("dim_job"):
        return costs.withColumn("versions", F.lit(None).cast(VERSIONS))
    version = F.expr("struct(to_date(change_time) AS since, change_time, name) AS version")
    # Of two versions on one day the later one holds at its end; an array sorts by time.
    names = gold.dim_job.groupBy(*JOB).agg(F.sort_array(F.collect_list(version)).alias("versions"))
    plain = F.expr("transform(versions, v -> struct(v.since AS since, v.name AS name))").alias("versions")
    return costs.join(names.select(*JOB, plain), list(JOB), "left")

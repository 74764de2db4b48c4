"""What each workspace spends by day, against its own past."""

from __future__ import annotations

from typing import TYPE_CHECKING

from domains.cost.money import MONEY, amount, spent
from domains.cost.options import CostOptions
from domains.cost.usage import COST, TAGGED, WORKSPACE, usage
from framework import DailyFeatures, Feature, TableSpec, days
from framework import formulas as fx

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from framework import GoldView

WEEK, MONTH, TWO_MONTHS, QUARTER = days(7), days(28), days(56), days(84)
SAME_WEEKDAY = (7, 14, 21, 28, 35, 42, 49, 56)
LAGS = ", ".join(f"booked_{n}_days_ago" for n in SAME_WEEKDAY)
ITEM_PAST, ITEM_GAP = 42, 8
"""A jump must exceed an item's past from so many days ago until so many: longer than a month, so that what closes
the books is usual; without the last week, so that a spike of several days is a jump on each of them."""
RISE_PAST = days(35)
DBU = ("fact_usage.usage_unit", "fact_usage.usage_quantity")
WAREHOUSE = ("fact_usage.usage_metadata_warehouse_id",)
JOBS = ("fact_usage.usage_metadata_job_id",)
SPAN = ("fact_usage.usage_start_time", "fact_usage.usage_end_time")


def rise(name: str, of: str, *, description: str) -> Feature:
    """Declare by how much today exceeds the highest of the 35 days before, over the usual cost of a day."""
    sql = f"greatest({of} - max({of}) OVER earlier, 0) / nullif(abs(booked_mean_past), 0)"
    return fx.derived(name, sql, window=RISE_PAST, description=description, unit="days of usual cost")


def jump(name: str, amount_sql: str, *, description: str) -> Feature:
    """Declare a jump in usual days of the workspace, on a log scale; 0 where there is none."""
    sql = f"ln(1 + greatest({amount_sql}, 0) / nullif(usual_day, 0))"
    return fx.derived(name, sql, description=description, unit="log days of usual cost")


DAY = (
    amount("cost", "sum(cost)",
            description="net list cost of the records that became known, corrections and credits included"),
    amount("booked", "sum(booked)", description="list cost without corrections"),
    amount("corrections", "sum(corrections)", description="net of retractions and restatements",
            needs=("fact_usage.record_type",)),
    amount("credits", "sum(credits)", description="list cost of records below zero that correct nothing"),
    amount("dbu", "sum(dbu)", description="DBU used; no other unit is added", unit="DBU", needs=DBU),
    amount("job_cost", "sum(job_cost)", description="list cost of jobs", needs=JOBS),
    amount("warehouse_cost", "sum(warehouse_cost)", description="list cost of SQL warehouses", needs=WAREHOUSE),
    amount("all_purpose_cost", "sum(all_purpose_cost)", description="list cost on all-purpose SKUs",
            needs=("fact_usage.sku_name",)),
    amount("tagged_cost", "sum(tagged_cost)", description="list cost that carries the tag", needs=TAGGED),
    amount("records", "sum(records)", description="billing records", unit="records"),
    amount("unpriced_records", "sum(unpriced)", description="records without a list cost", unit="records"),
    amount("unpriced_dbu", "sum(unpriced_dbu)", description="DBU of records without a list cost",
           unit="DBU", needs=DBU),
    amount("items", "count_if(booked > 0)", description="jobs, warehouses, clusters and SKUs that cost something",
            unit="items"),
    amount("top_item_cost", "max(booked)", description="cost of the dearest job, warehouse, cluster or SKU"),
    amount("largest_jump", "max(jump)", description="most that an item exceeds its highest day, 8 to 42 days before"),
    amount("jumps", "sum(jump)", description="sum of what items exceed their highest day, 8 to 42 days before"),
    amount("largest_weekday_jump", "max(weekday_jump)", description="the same against the item's same weekdays"),
    amount("weekday_jumps", "sum(weekday_jump)", description="sum of the same against the items' same weekdays"),
    amount("largest_hours_jump", "max(hours_jump)", description="most that an item runs longer than on its longest day",
           unit="hours", needs=SPAN),
    amount("new_item_cost", "sum(new_cost)", description="cost of items not seen in the 42 days before"),
    fx.daily("budget", "max(budget)", description="configured monthly budget", unit=MONEY),
)  # fmt: skip

PAST = (
    *(fx.lagged(f"booked_{n}_days_ago", "booked", by=days(n), description=f"booked {n} days ago",
            hidden=True) for n in SAME_WEEKDAY),
    fx.derived(
        "same_weekday",
        f"sort_array(filter(array({LAGS}), x -> x IS NOT NULL))",
        description="booked on the same weekday of the last eight weeks",
        hidden=True,
        type="array<double>",
    ),
    fx.derived("weekday_median", fx.nearest_rank("same_weekday", 0.5),
               description="median cost of the same weekday, last eight weeks", unit=MONEY),
    fx.derived(
        "weekday_spread",
        fx.nearest_rank("sort_array(transform(same_weekday, x -> abs(x - weekday_median)))", 0.5),
        description="median distance from that median",
        unit=MONEY,
    ),
    fx.derived(
        "cost_weekday_z",
        # The spread is held above a twentieth of the median, or a very regular workspace would alarm at once.
        "CASE WHEN size(same_weekday) >= 4 THEN (booked - weekday_median)"
        " / nullif(greatest(1.4826 * weekday_spread, 0.05 * abs(weekday_median)), 0) END",
        description="booked cost against the same weekday of the last eight weeks, robust",
        unit="standard deviations",
    ),
    fx.derived("booked_mean_past", "avg(booked) OVER earlier", window=MONTH,
               description="mean cost of the 28 days before",
               unit=MONEY),
    fx.derived("usual_day", "greatest(abs(booked_mean_past), 0.02 * avg(abs(booked_mean_past)) OVER peers)",
               description="mean cost of the 28 days before, at least a fiftieth of the mean "
               "workspace's: cents alarm nobody",
            unit=MONEY),
    fx.derived("cost_ratio_past", "booked / nullif(booked_mean_past, 0)",
               description="cost over the mean of the 28 days before", unit="ratio"),
    fx.derived("over_weekday", "greatest(booked - weekday_median, 0) / nullif(abs(booked_mean_past), 0)",
               description="what exceeds the weekday's median, in usual days", unit="days of usual cost"),
    fx.derived("largest_jump_share", "largest_jump / nullif(abs(booked_mean_past), 0)",
               description="largest jump of an item, in usual days", unit="days of usual cost"),
    fx.derived("jumps_share", "jumps / nullif(abs(booked_mean_past), 0)",
               description="jumps of all items, in usual days",
               unit="days of usual cost"),
    fx.derived("new_item_share", "new_item_cost / nullif(abs(booked_mean_past), 0)",
               description="cost of new items, in usual days", unit="days of usual cost"),
    jump("jump_size", "largest_jump", description="largest jump of an item, in usual days of the workspace"),
    jump("lone_jump_size", "2 * largest_jump - jumps",
         description="largest jump less all others: what nothing else explains"),
    jump("lone_weekday_jump_size", "2 * largest_weekday_jump - weekday_jumps",
         description="largest jump against the same weekdays, less all others"),
    fx.derived("hours_jump_size", "ln(1 + largest_hours_jump)", description="longest run beyond an item's longest day",
               unit="log hours"),
    fx.derived("top_item_share", "top_item_cost / nullif(booked, 0)", description="share of the dearest item",
               unit="share"),
    rise("cost_rise", "booked", description="rise of the whole above its highest recent day"),
    rise("job_rise", "job_cost", description="rise of jobs above their highest recent day"),
    rise("warehouse_rise", "warehouse_cost", description="rise of SQL warehouses above their highest recent day"),
    rise("all_purpose_rise", "all_purpose_cost",
         description="rise of all-purpose compute above its highest recent day"),
)  # fmt: skip

LEVELS = (
    spent("cost_3d", "cost", window=days(3), description="net cost, last 3 days"),
    spent("cost_7d", "cost", window=WEEK, description="net cost, last 7 days"),
    spent("cost_28d", "cost", window=MONTH, description="net cost, last 28 days"),
    spent("cost_84d", "cost", window=QUARTER, description="net cost, last 84 days"),
    spent("job_cost_28d", "job_cost", window=MONTH, description="cost of jobs, last 28 days"),
    spent("tagged_cost_28d", "tagged_cost", window=MONTH, description="tagged cost, last 28 days"),
    fx.total("unpriced_records_28d", "unpriced_records", window=MONTH, description="unpriced records, last 28 days",
            unit="records"),
    fx.mean("items_7d", "items", window=WEEK, description="items that cost something a day, last 7 days", unit="items"),
    fx.mean("items_28d", "items", window=MONTH, description="items that cost something a day, last 28 days",
            unit="items"),
    fx.derived("cost_deviation_28d", "stddev_samp(booked) OVER trailing", window=MONTH,
               description="deviation of daily cost, 28 days", unit=MONEY),
    *(
        fx.lagged(f"cost_7d_{n}_days_ago", "cost_7d", by=days(n),
                  description=f"cost of seven days, {n} days ago", unit=MONEY)
        for n in (7, 14, 21, 23)  # the last is the coming week, one month earlier
    ),
    fx.derived("weekday_median_7d", "sum(weekday_median) OVER trailing", window=WEEK,
               description="sum of the weekdays' medians, last 7 days", unit=MONEY),
    fx.derived("lowest_week_28d", "min(cost_7d) OVER trailing", window=days(22),
               description="lowest seven days within the last 28",
               unit=MONEY),
    fx.derived("lowest_week_84d", "min(cost_7d) OVER trailing", window=days(78),
               description="lowest seven days within the last 84",
               unit=MONEY),
    fx.derived("highest_week_84d", "max(cost_7d) OVER trailing", window=days(78),
               description="highest seven days within the last 84", unit=MONEY),
)  # fmt: skip

SHAPE = (
    fx.derived("week_over_month", "4 * cost_7d / nullif(cost_28d, 0)",
               description="last week over the mean week of 28 days", unit="ratio"),
    fx.derived("month_over_quarter", "3 * cost_28d / nullif(cost_84d, 0)",
               description="last 28 days over the mean of 84",
               unit="ratio"),
    fx.derived("week_trend", "(cost_7d - cost_7d_21_days_ago) / nullif(cost_28d, 0)",
               description="change over three weeks, over 28 days", unit="share"),
    fx.derived("lowest_week_ratio_28d", "4 * lowest_week_28d / nullif(cost_28d, 0)",
               description="lowest week over the mean week, 28 days", unit="ratio"),
    fx.derived("lowest_week_ratio_84d", "12 * lowest_week_84d / nullif(cost_84d, 0)",
               description="lowest week over the mean week, 84 days", unit="ratio"),
    fx.derived("lowest_of_quarter_ratio", "4 * lowest_week_84d / nullif(cost_28d, 0)",
               description="lowest week of 84 days over the mean week of 28", unit="ratio"),
    fx.derived("highest_week_ratio_84d", "4 * highest_week_84d / nullif(cost_28d, 0)",
               description="highest week of 84 days over the mean week of 28", unit="ratio"),
    fx.derived("cost_variation_28d", "28 * cost_deviation_28d / nullif(cost_28d, 0)",
               description="deviation over mean, 28 days", unit="ratio"),
    fx.derived("job_share_28d", "job_cost_28d / nullif(cost_28d, 0)", description="share of jobs in the cost, 28 days",
               unit="share"),
    fx.derived("tagged_share_28d", "tagged_cost_28d / nullif(cost_28d, 0)", description="share of tagged cost, 28 days",
               unit="share"),
    fx.derived("spent_of_budget_28d", "cost_28d / nullif(max(budget) OVER trailing, 0)", window=MONTH,
               description="cost of 28 days over the configured monthly budget", unit="ratio"),
    fx.derived("days_to_month_end", "date_diff(last_day(usage_date), usage_date)", description="days left in the month",
               unit="days"),
    fx.derived("day_of_year", "dayofyear(usage_date)", description="day of the year", unit="days"),
    fx.derived("fleet_week_over_month", "4 * sum(cost_7d) OVER peers / nullif(sum(cost_28d) OVER peers, 0)",
               description="last week over the mean week, all workspaces together", unit="ratio"),
    *fx.calendar("usage_date"),
)  # fmt: skip


class CostFeatures(DailyFeatures):
    """One row per workspace and day."""

    reach = ITEM_PAST
    table = TableSpec(
        name="cost_features",
        description="One row per workspace and day; a record counts on the day on which it became known.",
        keys=WORKSPACE,
        time="usage_date",
        needs=COST,
        columns=(*DAY, *PAST, *LEVELS, *SHAPE),
    )

    def events(self, gold: GoldView) -> DataFrame:
        """Return the day's cost of each job, warehouse, cluster or SKU, beside its own past."""
        from pyspark.sql import functions as F

        items = usage(gold).groupBy(*WORKSPACE, "day", "item").agg(*map(F.expr, ITEM))
        known = items.selectExpr("*", *PAST_OF_ITEM).selectExpr(
            "*",
            "greatest(booked - coalesce(highest, 0), 0) AS jump",
            "greatest(booked - coalesce(highest_of_weekday, 0), 0) AS weekday_jump",
            "greatest(hours - coalesce(longest, 0), 0) AS hours_jump",
            "CASE WHEN seen = 0 THEN booked END AS new_cost",
        )
        budgets = gold.options(CostOptions).budgets
        pairs = [F.lit(part) for pair in budgets.items() for part in pair]
        budget = F.create_map(*pairs)[F.col("workspace_id")] if pairs else F.lit(None)
        return known.withColumn("budget", budget.cast("double"))


ITEM = (
    "sum(cost) AS cost",
    "coalesce(sum(CASE WHEN NOT corrects THEN cost END), 0) AS booked",
    "sum(CASE WHEN corrects THEN cost END) AS corrections",
    "sum(CASE WHEN NOT corrects AND cost < 0 THEN cost END) AS credits",
    "sum(dbu) AS dbu",
    "max(CASE WHEN NOT corrects THEN hours END) AS hours",
    "sum(CASE WHEN job_id IS NOT NULL AND NOT corrects THEN cost END) AS job_cost",
    "sum(CASE WHEN warehouse_id IS NOT NULL AND NOT corrects THEN cost END) AS warehouse_cost",
    "sum(CASE WHEN all_purpose AND NOT corrects THEN cost END) AS all_purpose_cost",
    "sum(CASE WHEN cost_center IS NOT NULL THEN cost END) AS tagged_cost",
    "count(*) AS records",
    "count_if(cost IS NULL) AS unpriced",
    "sum(CASE WHEN cost IS NULL THEN dbu END) AS unpriced_dbu",
)
_ITEM = (
    "OVER (PARTITION BY workspace_id, item{more} ORDER BY unix_date(day)"
    " RANGE BETWEEN {since} PRECEDING AND {until} PRECEDING)"
)
_EVERY_DAY = _ITEM.format(more="", since=ITEM_PAST, until=ITEM_GAP)
PAST_OF_ITEM = (
    f"max(booked) {_EVERY_DAY} AS highest",
    f"max(hours) {_EVERY_DAY} AS longest",
    f"max(booked) {_ITEM.format(more=', dayofweek(day)', since=ITEM_PAST, until=7)} AS highest_of_weekday",
    f"count(*) {_ITEM.format(more='', since=ITEM_PAST, until=1)} AS seen",
)

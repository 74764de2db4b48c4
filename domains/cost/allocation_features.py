"""What each cost centre takes of its workspace's tagged cost, by day."""

from __future__ import annotations

from typing import TYPE_CHECKING

from domains.cost.money import amount, spent
from domains.cost.usage import CENTER, TAGGED, usage
from framework import DailyFeatures, Feature, TableSpec, days
from framework import formulas as fx

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from framework import GoldView

WEEK, FORTNIGHT, MONTH, QUARTER = days(7), days(14), days(28), days(90)
GROUP = "OVER peers_within(workspace_id)"


def share(name: str, of: str, *, description: str) -> Feature:
    """Declare a cost centre's share of its workspace's non-negative tagged cost."""
    sql = f"greatest({of}, 0D) / nullif(sum(greatest({of}, 0D)) {GROUP}, 0)"
    return fx.derived(name, sql, description=description, unit="share")


class CostAllocationFeatures(DailyFeatures):
    """One row per cost centre of a workspace and day."""

    table = TableSpec(
        name="cost_allocation_features",
        description="One row per workspace, cost centre and day, from its first tagged record until "
        "28 days after its last.",
        keys=CENTER,
        time="usage_date",
        needs=TAGGED,
        columns=(
            amount("cost", "sum(cost)", description="net tagged list cost"),
            fx.daily("records", "count(*)", empty=0, description="tagged records", unit="records"),
            fx.daily("jobs", "count(DISTINCT job_id)", empty=0, description="jobs with tagged records", unit="jobs"),
            fx.daily("items", "count(DISTINCT item)", empty=0, description="things with tagged records", unit="items"),
            spent("cost_7d", "cost", window=WEEK, description="net tagged cost, last 7 days"),
            spent("cost_14d", "cost", window=FORTNIGHT, description="net tagged cost, last 14 days"),
            spent("cost_28d", "cost", window=MONTH, description="net tagged cost, last 28 days"),
            spent("cost_84d", "cost", window=days(84), description="net tagged cost, last 84 days"),
            fx.total("items_7d", "items", window=WEEK, description="things tagged, sum over 7 days", unit="items"),
            fx.total("items_28d", "items", window=MONTH, description="things tagged, sum over 28 days", unit="items"),
            share("share_7d", "cost_7d", description="share of the workspace's tagged cost, last 7 days"),
            share("share_14d", "cost_14d", description="share of the workspace's tagged cost, last 14 days"),
            share("share_28d", "cost_28d", description="share of the workspace's tagged cost, last 28 days"),
            share("share_84d", "cost_84d", description="share of the workspace's tagged cost, last 84 days"),
            share("share_of_items_7d", "items_7d", description="share of the workspace's tagged things, last 7 days"),
            fx.lagged("share_28d_before", "share_28d", by=MONTH, description="the same share, 28 days ago",
                      unit="share"),
            fx.derived("share_trend", "share_7d - share_28d", description="share of 7 days less that of 28",
                       unit="share"),
            fx.derived("items_trend", "4 * items_7d / nullif(items_28d, 0)",
                       description="tagged things of the last week over the mean week", unit="ratio"),
            fx.derived("centres", f"count_if(cost_28d > 0) {GROUP}",
                       description="cost centres of the workspace, 28 days",
                       unit="centres"),
            fx.derived("workspace_trend", f"4 * sum(cost_7d) {GROUP} / nullif(sum(cost_28d) {GROUP}, 0)",
                       description="the workspace's tagged cost of the last week over the mean week", unit="ratio"),
            fx.derived("days_seen", "day_number - min(CASE WHEN records > 0 THEN day_number END) OVER trailing",
                       window=QUARTER, description="days since the first record of the last 90", unit="days"),
            fx.days_since("days_since_seen", "records", window=QUARTER,
                          description="days since the last tagged record"),
        ),
    )  # fmt: skip

    def events(self, gold: GoldView) -> DataFrame:
        """Return the tagged records."""
        return usage(gold).where("cost_center IS NOT NULL").select(*CENTER, "day", "cost", "job_id", "item")

"""The six models of the domain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from domains.cost.allocation_features import CostAllocationFeatures
from domains.cost.job_features import CostJobFeatures, job_cost
from domains.cost.outcomes import TIME, daily_cost
from domains.cost.remarks import near_duplicates, unpriced_pairs
from domains.cost.usage import COST, JOB, PRICED, SETTLE, TAGGED, WORKSPACE, share_saved, usage
from domains.cost.workspace_features import CostFeatures
from domains.gold.truth import incident_days
from framework import (
    WORTH_AN_ALERT,
    AnomalyTrainer,
    ClassificationTrainer,
    FromFeature,
    GroupPrior,
    Label,
    Lookup,
    ModelSpec,
    RegressionTrainer,
    Task,
    days,
    learners,
)

if TYPE_CHECKING:
    from datetime import date

    from pyspark.sql import DataFrame

    from framework import GoldView

STEADY = 0.8
WEEK = 7
JUMPS = ("cost_weekday_z", "jump_size", "lone_jump_size", "lone_weekday_jump_size", "hours_jump_size")
LEVELS = (
    "cost", "cost_3d", "cost_7d", "cost_28d", "cost_84d", "cost_7d_7_days_ago", "cost_7d_14_days_ago",
    "cost_7d_21_days_ago", "cost_7d_23_days_ago", "weekday_median_7d", "items_7d", "items_28d", "cost_deviation_28d",
    "week_over_month", "month_over_quarter", "week_trend", "largest_jump_share", "jumps_share", "days_to_month_end",
    "day_of_year", "fleet_week_over_month", "job_share_28d", "spent_of_budget_28d", "weekday_sin", "weekday_cos",
)  # fmt: skip
STEADINESS = (
    "cost_28d", "week_over_month", "month_over_quarter", "week_trend", "lowest_week_ratio_28d", "lowest_week_ratio_84d",
    "lowest_of_quarter_ratio", "highest_week_ratio_84d", "cost_variation_28d", "job_share_28d", "items_7d", "items_28d",
    "jumps_share", "days_to_month_end", "day_of_year", "fleet_week_over_month",
)  # fmt: skip
ALL_PURPOSE = (
    "avoidable_7d", "avoidable_28d", "avoidable_28d_before", "all_purpose_7d", "all_purpose_14d", "all_purpose_28d",
    "used_days_7d", "used_days_28d", "used_days_90d", "days_since_used", "days_since_all_purpose",
    "days_since_jobs_compute", "days_seen", "cost_per_used_day_28d", "failed_share_28d", "week_over_month",
    "all_purpose_week_over_month", "all_purpose_share_28d", "workspace_all_purpose_share", "workspace_leaving_jobs",
    "share_of_workspace", "weekday_sin", "weekday_cos",
)  # fmt: skip
SHARES = (
    "share_7d", "share_14d", "share_28d", "share_84d", "share_28d_before", "share_trend", "share_of_items_7d",
    "centres", "days_seen", "days_since_seen",
)  # fmt: skip
NAMED = (
    "job_name", "cost_28d", "all_purpose_share_28d", "used_days_28d", "runs_28d", "run_seconds_28d",
    "workspace_tagged_share", "days_seen",
)  # fmt: skip


class CostAnomalyDetector(AnomalyTrainer):
    """Which workspaces spend today as they never do? Stop what runs away."""

    spec = ModelSpec(
        name="cost_anomaly_detector",
        use_case="cost_anomaly",
        question="Does the workspace spend today in a way that it never does?",
        action="look at the top SKU and job, stop the runaway",
        label_description="judged by days on which a spend spike was injected or confirmed",
        unit="workspace-day",
        lookups=(Lookup(table="cost_features", columns=JUMPS),),
        horizon=days(1),
        baseline=FromFeature(columns=("cost_weekday_z",), otherwise=0.0),
        promote_above=WORTH_AN_ALERT,
        needs=COST,
        required=("cost_weekday_z",),
        alert_budget=0.05,
    )

    def events(self, gold: GoldView, as_of: date) -> DataFrame | None:
        """Return the days of spend spikes."""
        return incident_days(gold, "spend_spike", keys=WORKSPACE, time=TIME)

    def estimator(self) -> Any:
        """Isolation forest: most of its inputs are 0 on a usual day."""
        return learners.isolation_forest()


class BudgetForecaster(RegressionTrainer):
    """What will the workspace spend in the coming week?"""

    spec = ModelSpec(
        name="budget_forecaster",
        use_case="budget_forecast",
        question="What will the workspace spend over the next seven days?",
        action="warn the budget owner when the median forecast passes the budget",
        label_description="sum of list_cost used in (t, t+7], corrections netted out",
        unit="workspace-day",
        lookups=(Lookup(table="cost_features", columns=LEVELS),),
        horizon=days(WEEK),
        baseline=FromFeature(columns=("cost_7d",), otherwise="usual"),
        needs=COST,
        required=("cost_7d",),
    )

    def labels(self, gold: GoldView, as_of: date) -> Label:
        """Label days by the cost of the week after; a week without a record costs nothing."""
        rows = CostFeatures().facts(gold, "records")
        return Label(events=daily_cost(gold, as_of), day="usage_day", value="sum(cost)", settle=SETTLE, context=rows)

    def estimator(self) -> Any:
        """Boosted trees on a scale that is logarithmic on both sides of 0: credits make weeks negative."""
        return _on_signed_log_scale(learners.boosted_regression())


class JobCostOptimizer(RegressionTrainer):
    """What would the job save in the coming four weeks if it moved to job compute today?"""

    bounds = (0.0, None)
    spec = ModelSpec(
        name="job_cost_optimizer",
        use_case="job_cost_optimization",
        question="How much of the job's cost over the next 28 days would jobs compute avoid?",
        action="move the top jobs to job compute",
        label_description="cost on all-purpose SKUs in (t, t+28] x (1 - jobs price / all-purpose price as of t)",
        unit="workspace-job-day",
        lookups=(Lookup(table="cost_job_features", columns=ALL_PURPOSE),),
        horizon=days(28),
        baseline=FromFeature(columns=("avoidable_28d",), otherwise="usual"),
        needs=PRICED,
        required=("avoidable_28d",),
        score_where=(("all_purpose_28d", ">", 0.0),),
    )

    def remarks(self, gold: GoldView) -> list[str]:
        """Name the SKU pairs whose price ratio is not known."""
        return unpriced_pairs(gold)

    def labels(self, gold: GoldView, as_of: date) -> Label:
        """Label days of jobs on all-purpose compute by what they could have avoided in the four weeks after."""
        rows = CostJobFeatures().facts(gold, "all_purpose_28d").where("all_purpose_28d > 0")
        saved = f"greatest(sum(coalesce(all_purpose_cost, 0D) * {share_saved('saved', TIME)}), 0D)"
        spent = job_cost(gold, "usage_day").where("all_purpose_cost <> 0")
        return Label(events=spent, day="usage_day", value=saved, settle=SETTLE, context=rows, otherwise=0.0)

    def estimator(self) -> Any:
        """Boosted trees on log amounts."""
        return _on_signed_log_scale(learners.boosted_regression())


class ChargebackAttribution(RegressionTrainer):
    """Which share of the workspace's tagged cost will each cost centre take?"""

    bounds = (0.0, 1.0)
    spec = ModelSpec(
        name="chargeback_attribution",
        use_case="chargeback",
        question="Which share of the workspace's tagged cost will the cost centre take over the next 28 days?",
        action="split untagged cost, reconcile later",
        label_description="share of tagged, non-negative net workspace cost used in (t, t+28]",
        unit="workspace-cost_center-day",
        lookups=(Lookup(table="cost_allocation_features", columns=SHARES),),
        horizon=days(28),
        baseline=FromFeature(columns=("share_28d",), otherwise="usual"),
        needs=TAGGED,
        required=("share_28d",),
        shares_of=("workspace_id",),
    )

    def remarks(self, gold: GoldView) -> list[str]:
        """Report near-duplicates of the tag's key and values."""
        return near_duplicates(gold)

    def labels(self, gold: GoldView, as_of: date) -> Label:
        """Label cost centres by their share of the four weeks after; one that goes silent takes none of it."""
        spent = usage(gold).where("cost_center IS NOT NULL AND cost IS NOT NULL")
        return Label(
            events=spent,
            day="usage_day",
            value="greatest(sum(cost), 0D)",
            settle=SETTLE,
            context=CostAllocationFeatures().facts(gold, "records"),
            otherwise=0.0,
        )

    def estimator(self) -> Any:
        """Small, slow trees on half of the columns: shares move little, and each leaf must not be one cost centre."""
        return learners.boosted_regression(max_iter=300, min_samples_leaf=200, max_leaf_nodes=8, share_of_columns=0.5)


class CommitmentRecommender(ClassificationTrainer):
    """Will the workspace's spending hold, so that it is safe to commit to it?"""

    spec = ModelSpec(
        name="commitment_recommender",
        use_case="commitment",
        question="Will every week of the next 28 days cost at least 80 % of the last 28 days' mean?",
        action="commit, or wait",
        label_description="1 if the lowest 7-day mean cost in (t, t+28] >= 80 % of the last 28 days' "
        "mean; none if <= 0",
        unit="workspace-day",
        lookups=(Lookup(table="cost_features", columns=STEADINESS),),
        horizon=days(28),
        baseline=GroupPrior(by=WORKSPACE),
        needs=COST,
        required=("cost_28d",),
        alert_on=(),  # either answer is advice for whoever is about to commit
        score_where=(("cost_28d", ">", 0.0),),
    )

    def labels(self, gold: GoldView, as_of: date) -> Label:
        """Label days by the lowest week that lies wholly in the four weeks after."""
        past = CostFeatures().facts(gold, "cost_28d").where("cost_28d > 0")
        week = f"OVER (PARTITION BY workspace_id ORDER BY usage_day ROWS BETWEEN {WEEK - 1} PRECEDING AND CURRENT ROW)"
        weeks = daily_cost(gold, as_of).selectExpr(
            "workspace_id", "usage_day", "known_at", f"sum(cost) {week} AS spent"
        )
        lowest = f"min(CASE WHEN date_diff(usage_day, {TIME}) >= {WEEK} THEN spent END) / {WEEK}"
        steady = f"CASE WHEN {lowest} >= {STEADY} * max(cost_28d) / 28 THEN 1 ELSE 0 END"
        return Label(events=weeks, day="usage_day", value=steady, settle=SETTLE, context=past)

    def estimator(self) -> Any:
        """Boosted trees."""
        return learners.boosted_trees()


class TagRecommender(ClassificationTrainer):
    """Which cost centre will an untagged job turn out to belong to?"""

    task = Task.MULTICLASS
    spec = ModelSpec(
        name="tag_recommender",
        use_case="tag",
        question="Which cost centre will the untagged job be tagged with?",
        action="accept or reject; it stays silent below a calibrated confidence",
        label_description="first cost_center that the job's usage carries in (t, t+28]; jobs "
        "untagged at t, one row a week",
        unit="workspace-job-day",
        lookups=(Lookup(table="cost_job_features", columns=NAMED),),
        horizon=days(28),
        baseline=GroupPrior(by=WORKSPACE),
        needs=(*TAGGED, "fact_usage.usage_metadata_job_id"),
        required=("job_name",),
        confidence=0.8,
        score_where=(("tagged_records_28d", "=", 0.0),),
    )

    def remarks(self, gold: GoldView) -> list[str]:
        """Report near-duplicates of the tag's key and values."""
        return near_duplicates(gold)

    def labels(self, gold: GoldView, as_of: date) -> Label:
        """Label untagged jobs, one day a week, by the first tag that comes."""
        untagged = CostJobFeatures().facts(gold, "tagged_records_28d").where("tagged_records_28d = 0")
        weekly = untagged.where(f"pmod(unix_date({TIME}), {WEEK}) = pmod(hash(workspace_id, job_id), {WEEK})")
        tagged = usage(gold).where("job_id IS NOT NULL AND cost_center IS NOT NULL")
        first = tagged.groupBy(*JOB, "usage_day").agg({"cost_center": "min", "known_at": "max"})
        first = first.selectExpr(*JOB, "usage_day", "`min(cost_center)` AS carried", "`max(known_at)` AS known_at")
        return Label(events=first, day="usage_day", value="min_by(carried, usage_day)", settle=SETTLE, context=weekly)

    def estimator(self) -> Any:
        """A forest over the words and letters of the name, and over numbers."""
        from domains.cost.text import name_forest

        return name_forest(text="job_name")


def _on_signed_log_scale(regression: Any) -> Any:
    """Return the regression on arcsinh(y): logarithmic for large amounts, and it takes credits too."""
    import numpy as np
    from sklearn.compose import TransformedTargetRegressor

    return TransformedTargetRegressor(regression, func=np.arcsinh, inverse_func=np.sinh)

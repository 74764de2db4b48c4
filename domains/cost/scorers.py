"""Who is scored on a day: every row of the model's feature table, or a part of them."""

from __future__ import annotations

from framework import BatchScorer


class CostAnomalyScorer(BatchScorer):
    """Every workspace of the day."""

    model = "cost_anomaly_detector"


class BudgetScorer(BatchScorer):
    """Every workspace of the day."""

    model = "budget_forecaster"


class JobCostScorer(BatchScorer):
    """Jobs that cost something on all-purpose compute within 28 days."""

    model = "job_cost_optimizer"
    where = (("all_purpose_28d", ">", 0.0),)


class ChargebackScorer(BatchScorer):
    """Every cost centre of the day; the shares of a workspace add up to 1."""

    model = "chargeback_attribution"
    shares_of = ("workspace_id",)


class CommitmentScorer(BatchScorer):
    """Workspaces that cost something within 28 days."""

    model = "commitment_recommender"
    where = (("cost_28d", ">", 0.0),)


class TagScorer(BatchScorer):
    """Jobs whose usage of the last 28 days carries no tag."""

    model = "tag_recommender"
    where = (("tagged_records_28d", "=", 0.0),)

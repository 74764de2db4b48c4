"""Who is scored: by default every job with a feature row on the day."""

from __future__ import annotations

from domains.reliability.trainers import MIN_ACTIVE_DAYS
from framework import BatchScorer


class JobFailureScorer(BatchScorer):
    """Every job of the day."""

    model = "job_failure_predictor"


class JobDurationScorer(BatchScorer):
    """Every job of the day."""

    model = "job_duration_forecaster"


class SlaBreachScorer(BatchScorer):
    """Jobs that run regularly enough to have a deadline."""

    model = "sla_breach_predictor"
    where = (("active_days_28d", ">=", MIN_ACTIVE_DAYS),)


class RetrySuccessScorer(BatchScorer):
    """Every run that failed on the day."""

    model = "retry_success_predictor"


class PipelineHealthScorer(BatchScorer):
    """Every job of the day."""

    model = "pipeline_health_scorer"

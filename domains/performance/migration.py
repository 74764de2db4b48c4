"""The model on runtime upgrades: which jobs to move first, and which with care."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from domains.gold.runs import JOB, OUTCOME
from domains.performance.upgrades import CLASSES, compared, judged
from framework import (
    LABEL_KNOWN_AT,
    ClassificationTrainer,
    GroupPrior,
    Lookup,
    ModelSpec,
    Task,
    days,
    learners,
)

if TYPE_CHECKING:
    from datetime import date

    from pyspark.sql import DataFrame

    from framework import GoldView

RUNTIME = ("fact_job_run_timeline.compute_ids", "dim_cluster.dbr_version")
JOB_TRAITS = (
    "runtime_major", "runs_28d", "active_days_28d", "runs_per_active_day_28d", "failure_rate_28d", "timeout_rate_28d",
    "cancel_rate_28d", "failed_day_share_28d", "failed_day_share_90d", "retry_success_rate_28d", "median_seconds_28d",
    "p95_seconds_28d", "seconds_ratio_7d",
)  # fmt: skip


class DbrMigrationRiskScorer(ClassificationTrainer):
    """What will moving the job to a newer runtime do to it?"""

    task = Task.MULTICLASS
    spec = ModelSpec(
        name="dbr_migration_risk_scorer",
        use_case="dbr_migration",
        question="How risky is it to move the job to the next major runtime version?",
        action="order migration waves",
        label_description="of an upgrade on t+1, 14 days after against 14 before, at least 5 runs a "
        "side: high if the failure "
        "rate rose (Fisher, p < 0.05) or the median duration by 25 % (Mann-Whitney, p < 0.05); medium if either is "
        "10 % worse; else low",
        unit="workspace-job-day before a change of the major version; scored: every job on an old version",
        lookups=(
            Lookup(table="reliability_features", columns=JOB_TRAITS),
            Lookup(table="cost_job_features", columns=("cost_28d", "dbu_28d")),
        ),
        horizon=days(28),
        baseline=GroupPrior(by=("runtime_major",)),
        needs=(*OUTCOME, *RUNTIME),
        required=("runtime_major",),
        classes=CLASSES,
        alert_on=("high",),
    )

    def labels(self, gold: GoldView, as_of: date) -> DataFrame:
        """Label the day before each upgrade; settled once every compared run is, and the horizon is over."""
        from pyspark.sql import functions as F

        found = judged(compared(gold))
        over = F.date_add("run_date", self.spec.horizon.days + 1).cast("timestamp")
        certain = F.greatest(over, F.col("known_at"))
        settled = (F.col("pending") == 0) & (certain <= F.date_add(F.lit(as_of), 1).cast("timestamp"))
        return found.select(*JOB, "run_date", "label", F.when(settled, certain).alias(LABEL_KNOWN_AT))

    def estimator(self) -> Any:
        """A light forest: upgrades are few."""
        return learners.forest(min_samples_leaf=5, max_samples=0.7)

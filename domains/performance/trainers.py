"""Six models on warehouses and statements; the seventh, on runtime upgrades, has a module of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from domains.performance.clusters import LEAST, cluster_days
from domains.performance.query_features import PROBLEMS
from domains.performance.statements import QUERY, QUERY_NEEDS, WAREHOUSE, WAREHOUSE_NEEDS, statements
from domains.performance.warehouse_features import PerformanceFeatures
from domains.performance.warehouse_formulas import CACHE, P95, QUEUE, rule
from framework import (
    WORTH_AN_ALERT,
    AnomalyTrainer,
    ClassificationTrainer,
    FromFeature,
    Label,
    Lookup,
    ModelSpec,
    RegressionTrainer,
    Task,
    days,
    learners,
    stack,
)

if TYPE_CHECKING:
    from datetime import date

    from pyspark.sql import DataFrame

    from framework import GoldView

TABLE, TIME = "performance_features", "query_date"
USED = (("statements_28d", ">", 0),)
"""Warehouses that were used within four weeks."""
LEAST_STATEMENTS = 20
PERSISTENT = 1.2
OFTEN, ONE_DAY_IN = 0.2, 3
LATENCY = (
    "statements", "active", "p50_ms", "p95_ms", "mean_log_ms", "work_p50_ms", "p50_ms_7d", "p95_ms_7d", "p50_ms_28d",
    "p95_ms_28d", "p99_ms_28d", "p95_median_28d", "p95_median_7d", "p95_last", "mean_log_ms_7d", "mean_log_ms_28d",
    "p95_week_before", "p95_weekday_28d", "statements_7d", "statements_28d", "active_days_7d", "days_since_statement",
    "statements_on_next_weekday", "growth_7d", "weekday_sin", "weekday_cos", "is_weekend", "month_turns",
    "queue_share_7d", "queue_share_28d", "cold_share_28d", "spill_rate_7d", "read_gb_7d", "size_step", "cache_share_7d",
    "p95_ratio_7d", "most_share_7d",
)  # fmt: skip
SIZING = (
    "statements_7d", "statements_28d", "active_days_7d", "growth_7d", "queue_share_7d", "queue_share_28d",
    "queued_rate_7d", "idle_share_7d", "idle_share_28d", "least_share_7d", "least_share_28d", "most_share_7d",
    "running_minutes_7d", "peak_clusters_7d", "peak_clusters_28d", "clusters_mean_7d", "size_step", "min_clusters",
    "max_clusters", "auto_stop_minutes", "p95_ms_7d", "mean_log_ms_7d", "spill_rate_7d", "size_now_7d",
)  # fmt: skip
SHIFTS = ("p95_ratio", "p95_rise_7d", "p95_shift_3d", "slower_rise_7d", "slower_share_7d")
CAPACITY = (
    "statements_28d", "statements_on_next_weekday", "growth_7d", "month_turns", "queue_share_7d", "queued_rate_7d",
    "peak_clusters_7d", "peak_clusters_28d", "peak_clusters_mean_28d", "least_share_28d", "min_clusters",
    "max_clusters",
)  # fmt: skip
CACHING = (
    "statements", "statements_7d", "statements_28d", "statements_on_next_weekday", "active_days_7d", "growth_7d",
    "days_since_statement", "weekday_sin", "weekday_cos", "is_weekend", "month_turns", "users", "cache_share",
    "cache_median_28d", "cache_share_7d", "cache_share_28d", "cache_last", "cache_above_last", "cache_above_share_28d",
    "cache_6_days_ago", "cache_13_days_ago", "auto_stop_minutes",
)  # fmt: skip


class QueryPerformanceForecaster(RegressionTrainer):
    """How slow will the warehouse be when it is next used?"""

    bounds = (0.0, None)
    spec = ModelSpec(
        name="query_performance_forecaster",
        use_case="query_performance",
        question="What will the P95 of statement durations be on the warehouse's next active day?",
        action="pre-scale, or move workloads",
        label_description="P95 of total_duration_ms on the next active day within (t, t+7]",
        unit="workspace-warehouse-day",
        lookups=(Lookup(table=TABLE, columns=LATENCY),),
        horizon=days(7),
        baseline=FromFeature(columns=("p95_week_before",), otherwise="usual"),
        needs=WAREHOUSE_NEEDS,
        required=("p95_week_before",),
        score_where=USED,
    )

    def labels(self, gold: GoldView, as_of: date) -> Label:
        """Label days by the next day that has statements."""
        return Label(events=active_days(gold), value="min_by(p95_ms, day)")

    def estimator(self) -> Any:
        """Boosted trees on log milliseconds."""
        return learners.on_log_scale(learners.boosted_regression())


class WarehouseOptimizer(ClassificationTrainer):
    """Does the warehouse's size suit what it will be asked?"""

    task = Task.MULTICLASS
    spec = ModelSpec(
        name="warehouse_optimizer",
        use_case="warehouse_optimization",
        question="Will the warehouse be undersized, oversized or right-sized over the next seven days?",
        action="change the size, and check the queue share after",
        label_description="over (t, t+7]: undersized if over 10 % of statement time is queued; else "
        "oversized if at minimum "
        "clusters and over 60 % of running time idle; else right-sized",
        unit="workspace-warehouse-day",
        lookups=(Lookup(table=TABLE, columns=SIZING),),
        horizon=days(7),
        baseline=FromFeature(columns=("size_now_7d",)),
        needs=(*WAREHOUSE_NEEDS, *QUEUE, *LEAST),
        required=("size_now_7d",),
        classes=("undersized", "oversized", "right_sized"),
        alert_on=("undersized",),  # somebody waits; what is oversized costs, and is in the list
        score_where=USED,
    )

    def labels(self, gold: GoldView, as_of: date) -> Label:
        """Label days by the rule on the week after."""
        events = stack(statements(gold), cluster_days(gold))
        sums = (f"coalesce(sum({c}), 0)" for c in
                ("queue_ms", "total_ms", "idle_minutes", "running_minutes", "least_minutes"))  # fmt: skip
        known = events.where("workspace_id IS NOT NULL AND warehouse_id IS NOT NULL")
        return Label(events=known, value=rule(*sums))

    def estimator(self) -> Any:
        """A light forest."""
        return learners.forest()


class PerformanceRegressionDetector(AnomalyTrainer):
    """Did the warehouse become slower today, and will it stay so?"""

    spec = ModelSpec(
        name="performance_regression_detector",
        use_case="performance_regression",
        question="Did the warehouse's statements become slower, beyond a bad day?",
        action="look at what changed that day",
        label_description="judged by later days: median daily P95 over (t, t+3] at least 1.2 times "
        "the trailing 28-day median",
        unit="workspace-warehouse-day",
        lookups=(Lookup(table=TABLE, columns=SHIFTS),),
        horizon=days(3),
        baseline=FromFeature(columns=("p95_ratio",), otherwise=1.0),
        promote_above=WORTH_AN_ALERT,
        needs=WAREHOUSE_NEEDS,
        required=("p95_ratio",),
        alert_budget=0.1,
        score_where=(("statements", ">", 0),),
    )

    def events(self, gold: GoldView, as_of: date) -> Label:
        """Judge by the gold of the days after: a shift that persists."""
        usual = PerformanceFeatures().facts(gold, "p95_median_28d")
        slower = f"CAST(percentile(p95_ms, 0.5) >= {PERSISTENT} * max(p95_median_28d) AS int)"
        return Label(events=active_days(gold), value=slower, context=usual)

    def estimator(self) -> Any:
        """Isolation forest over rises only: what became faster is no incident."""
        return learners.isolation_forest()


class ClusterCapacityPlanner(RegressionTrainer):
    """How many clusters will the coming week need?"""

    bounds = (0.0, None)
    spec = ModelSpec(
        name="cluster_capacity_planner",
        use_case="cluster_capacity",
        question="How many clusters will the warehouse run at its peak over the next seven days?",
        action="set minimum and maximum clusters",
        label_description="peak running cluster_count over (t, t+7]; none if it does not run",
        unit="workspace-warehouse-day",
        lookups=(Lookup(table=TABLE, columns=CAPACITY),),
        horizon=days(7),
        baseline=FromFeature(columns=("peak_clusters_7d",), otherwise="usual"),
        needs=LEAST[:5],
        required=("peak_clusters_7d",),
        score_where=USED,
        honest={
            "queue_share_7d": "a forerunner: statements queue before the warehouse adds clusters",
            "queued_rate_7d": "a forerunner: statements queue before the warehouse adds clusters",
        },
    )

    def labels(self, gold: GoldView, as_of: date) -> Label:
        """Label days by the peak of the week after."""
        return Label(events=cluster_days(gold), value="max(peak_clusters)")

    def estimator(self) -> Any:
        """Few and small trees, rounded: weeks resemble each other, and large trees learn single warehouses by heart."""
        small = learners.boosted_regression(loss="squared_error", max_iter=80, max_depth=3, min_samples_leaf=100)
        return learners.in_whole_numbers(learners.on_log_scale(small))


class CacheHitPredictor(ClassificationTrainer):
    """Will the cache help more than usual on the next active day?"""

    spec = ModelSpec(
        name="cache_hit_predictor",
        use_case="cache_hit",
        question="Will a larger share of statements than usual be answered from the cache on the next active day?",
        action="schedule a warm-up",
        label_description="1 if the share from the cache on the next active day within (t, t+7] "
        "exceeds the trailing "
        "28-day median; none if that is 0 or 1, or rests on fewer than 20 statements",
        unit="workspace-warehouse-day",
        lookups=(Lookup(table=TABLE, columns=CACHING),),
        horizon=days(7),
        baseline=FromFeature(columns=("cache_above_last",), otherwise="usual"),
        needs=(*WAREHOUSE_NEEDS, *CACHE),
        required=("cache_median_28d",),
        alert_on=(),  # a warmer or a colder cache is no incident
        score_where=(("cache_median_28d", ">", 0), ("cache_median_28d", "<", 1), ("statements_28d", ">=", 20)),
    )

    def labels(self, gold: GoldView, as_of: date) -> Label:
        """Label days by the next active day against the median as of the day."""
        usual = (
            PerformanceFeatures()
            .facts(gold, "cache_median_28d", "statements_28d")
            .where(f"cache_median_28d > 0 AND cache_median_28d < 1 AND statements_28d >= {LEAST_STATEMENTS}")
        )
        return Label(
            events=active_days(gold).where("cache_share IS NOT NULL"),
            value="CAST(min_by(cache_share, day) > max(cache_median_28d) AS int)",
            context=usual,
        )

    def estimator(self) -> Any:
        """Boosted trees, shallow ones: eligible days are few."""
        return learners.boosted_trees(n_estimators=250, max_depth=3, min_child_weight=20)


class QueryOptimizationRecommender(ClassificationTrainer):
    """What is wrong with the statement, and will be next week?"""

    task = Task.MULTILABEL
    spec = ModelSpec(
        name="query_optimization_recommender",
        use_case="query_optimization",
        question="Which problems will the statement have in over a fifth of its runs over the next seven days?",
        action="fix the named cause",
        label_description="per problem, 1 if it occurs in over 20 % of the runs in (t, t+7]: spilled "
        "bytes; queued for over "
        "10 % of the time; under 20 % of at least 100 files pruned; compiling over 30 % of the time; over 60 s",
        unit="workspace-fingerprint-day",
        lookups=(Lookup(table="performance_query_features"),),
        horizon=days(7),
        labels=tuple(PROBLEMS),
        baseline=FromFeature(columns=tuple(f"{name}_share_7d" for name in PROBLEMS), otherwise="usual"),
        needs=(*QUERY_NEEDS, *(need for _, needs, _ in PROBLEMS.values() for need in needs)),
        required=("runs_28d",),
        alert_on=(),  # most statements have something to mend: that is a list to work off, not a reason to wake up
        score_where=(("runs_7d", ">", 0),),
    )

    def labels(self, gold: GoldView, as_of: date) -> Label:
        """Label days by the share of bad runs in the week after; a run that cannot tell is left out of it."""
        bad = {name: f"CAST(coalesce(sum({name}_bad) > {OFTEN} * sum({name}_runs), false) AS int)" for name in PROBLEMS}
        # The weeks of neighbouring days hold nearly the same runs: a part of the days says as much as all of them.
        some = f"pmod(hash(CAST(query_fingerprint AS STRING), {TIME}), {ONE_DAY_IN}) = 0"
        return Label(events=problem_days(gold), value=bad, where=some)

    def estimator(self) -> Any:
        """Boosted trees, one set per problem."""
        return learners.boosted_trees(n_estimators=120, learning_rate=0.05, max_bin=64)


def problem_days(gold: GoldView) -> DataFrame:
    """Return one row per statement fingerprint and day: how many runs had each problem, of how many that can tell."""
    from pyspark.sql import functions as F

    known = statements(gold).where("query_fingerprint IS NOT NULL AND workspace_id IS NOT NULL")
    counts = [F.max("known_at").alias("known_at")]
    for name, (condition, _, _) in PROBLEMS.items():
        counts += [F.expr(f"count_if({condition}) AS {name}_bad"), F.expr(f"count({condition}) AS {name}_runs")]
    return known.groupBy(*QUERY, "day").agg(*counts)


def active_days(gold: GoldView) -> DataFrame:
    """Return one row per warehouse and day with statements: its P95 and its share from the cache."""
    from pyspark.sql import functions as F

    found = statements(gold).where("workspace_id IS NOT NULL AND warehouse_id IS NOT NULL AND total_ms IS NOT NULL")
    return found.groupBy(*WAREHOUSE, "day").agg(
        F.expr(f"percentile(total_ms, {P95}) AS p95_ms"),
        F.expr("avg(cached) AS cache_share"),
        F.max("known_at").alias("known_at"),
    )

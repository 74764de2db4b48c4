"""The three models of the domain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from domains.gold.contract.snapshots import TABLE
from domains.quality.changes import SEEN, SHAPE, WRITES, column_changes, seen_tables, writes
from domains.quality.features import CAP_HOURS, ROWS, QualityFeatures
from framework import (
    LABEL_KNOWN_AT,
    WORTH_AN_ALERT,
    AnomalyTrainer,
    ClassificationTrainer,
    FromFeature,
    Label,
    Lookup,
    ModelSpec,
    RegressionTrainer,
    days,
    learners,
)

if TYPE_CHECKING:
    from datetime import date

    from pyspark.sql import DataFrame

    from framework import GoldView

TIME = "snapshot_date"
PERSISTS = 3
"""Days after a departure on which the rows must still lie outside: a blip that mends itself is no drift."""


class DataDriftDetector(AnomalyTrainer):
    """Did a table's content just leave its usual range for good?"""

    spec = ModelSpec(
        name="data_drift_detector",
        use_case="data_drift",
        question="Has the table's volume left what is usual for it?",
        action="hold downstream, tell the owner",
        label_description="judged: the rows of the day and of the three after it all leave the "
        "interval of the 28 days before",
        unit="table-day",
        lookups=(
            Lookup(
                table="quality_features",
                columns=(
                    "rows_z_28d", "rows_outside_28d", "size_outside_28d",
                ),
            ),
        ),
        horizon=days(PERSISTS),
        baseline=FromFeature(columns=("rows_z_28d",), otherwise=0.0),
        promote_above=WORTH_AN_ALERT,
        needs=ROWS,
        required=("rows_z_28d",),
        alert_budget=0.5,
        test=days(84),  # departures are rare: three weeks hold a handful
        score_where=(("seen", ">", 0),),
    )  # fmt: skip

    def events(self, gold: GoldView, as_of: date) -> DataFrame:
        """Judge days by the rows of the next three: only later gold tells a drift from a blip."""
        facts = QualityFeatures().facts(gold, "row_count", "rows_low_28d", "rows_high_28d")
        window = (
            f"OVER (PARTITION BY {', '.join(TABLE)} ORDER BY unix_date({TIME})"
            f" RANGE BETWEEN CURRENT ROW AND {PERSISTS} FOLLOWING)"
        )
        left = f"min(row_count) {window} > rows_high_28d OR max(row_count) {window} < rows_low_28d"
        judged = facts.selectExpr(
            *TABLE, TIME, f"cast({left} AS int) AS is_event", f"count(row_count) {window} AS known"
        )
        return judged.where(f"known > {PERSISTS}").select(*TABLE, TIME, "is_event")

    def estimator(self) -> Any:
        """An isolation forest."""
        return learners.isolation_forest(heavy_tailed=True)


class DataFreshnessPredictor(RegressionTrainer):
    """When will the table be written next?"""

    bounds = (0.0, float(CAP_HOURS))
    spec = ModelSpec(
        name="data_freshness_predictor",
        use_case="data_freshness",
        question="How many hours after the end of the day will the table be written next?",
        action="chase the producing job",
        label_description="hours from the end of t to the table's next write, at most 14 days",
        unit="table-day",
        lookups=(
            Lookup(
                table="quality_features",
                columns=(
                    "writes", "writes_7d", "writes_28d", "hours_since_write", "median_gap_hours", "longest_gap_hours",
                    "expected_hours", "write_hour", "writes_tomorrow_28d", "writes_day_after_28d",
                    "weekday_sin", "weekday_cos", "is_weekend",
                ),
            ),
        ),
        horizon=days(14),
        baseline=FromFeature(columns=("expected_hours",), otherwise=float(CAP_HOURS)),
        needs=WRITES,
        required=("expected_hours",),
        alert_on=("high",),
    )  # fmt: skip

    def labels(self, gold: GoldView, as_of: date) -> DataFrame:
        """Label days by the first write of the two weeks after; a table that gets none has the cap."""
        from pyspark.sql import functions as F

        written = QualityFeatures().facts(gold, "hours_since_write").where("hours_since_write IS NOT NULL")
        first = writes(gold).groupBy(*TABLE, "day").agg(F.min("write_time").alias("first_write"))
        rows = written.join(first.withColumnRenamed("day", TIME), [*TABLE, TIME], "left")
        # Backwards in time, so that the frame grows row by row.
        later = f"OVER (PARTITION BY {', '.join(TABLE)} ORDER BY {TIME} DESC"
        later += " ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)"
        wait = f"unix_timestamp(last(first_write, true) {later}) - unix_timestamp(date_add({TIME}, 1))"
        span = self.spec.horizon.days
        return rows.selectExpr(
            *TABLE,
            TIME,
            f"least(coalesce({wait}, {CAP_HOURS} * 3600) / 3600, {CAP_HOURS}) AS label",
            f"cast(date_add({TIME}, {span + 1}) AS timestamp) AS {LABEL_KNOWN_AT}",
        ).where(F.col(TIME) <= F.date_sub(F.lit(as_of), span))

    def estimator(self) -> Any:
        """Boosted trees."""
        return learners.boosted_regression()


class SchemaChangePredictor(ClassificationTrainer):
    """Will a column of the table change next week?"""

    spec = ModelSpec(
        name="schema_change_predictor",
        use_case="schema_change",
        question="Will a column of the table be added, dropped or retyped within seven days?",
        action="warn consumers",
        label_description="1 if consecutive snapshots in (t, t+7] differ in columns; 0 if all days "
        "were seen and none does",
        unit="table-day",
        lookups=(
            Lookup(
                table="quality_features",
                columns=(
                    "changed_days_7d", "changed_days_28d", "changed_days_90d", "days_since_change", "change_rate_90d",
                ),
            ),
        ),
        horizon=days(7),
        baseline=FromFeature(columns=("change_rate_90d",), otherwise="usual"),
        needs=(*SHAPE, *SEEN),
        required=("change_rate_90d",),
        calibrate=days(42),
        test=days(42),
        score_where=(("seen", ">", 0),),
    )  # fmt: skip

    def labels(self, gold: GoldView, as_of: date) -> Label:
        """Label days by the column changes of the week after, if somebody looked."""
        known = QualityFeatures().facts(gold, "seen").where("seen > 0")
        seen = seen_tables(gold).selectExpr(*TABLE, "day", "known_at", "day AS seen_day", "0 AS changed")
        changed = column_changes(gold).where("added + dropped + retyped > 0").selectExpr(
            *TABLE, "day", "known_at", "cast(NULL AS date) AS seen_day", "1 AS changed"
        )  # fmt: skip
        whole = f"WHEN count(DISTINCT seen_day) >= {self.spec.horizon.days} THEN 0"
        value = f"CASE WHEN max(changed) = 1 THEN 1 {whole} END"
        return Label(events=seen.unionByName(changed), value=value, context=known)

    def estimator(self) -> Any:
        """Boosted trees: few, shallow and held back, since changes are rare and tables few."""
        return learners.boosted_trees(
            n_estimators=150, max_depth=2, colsample_bytree=0.5, min_child_weight=30, reg_lambda=20.0
        )

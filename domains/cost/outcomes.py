"""What came after a day: cost by the day of its use, corrections netted out, silent days included."""

from __future__ import annotations

from typing import TYPE_CHECKING

from domains.cost.usage import SETTLE, WORKSPACE, usage
from framework import KNOWN_AT, LABEL_KNOWN_AT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, timedelta

    from pyspark.sql import DataFrame

    from framework import GoldView

TIME = "usage_date"


def daily_cost(gold: GoldView, as_of: date) -> DataFrame:
    """Return each workspace's net cost of every day from its first record to ``as_of``; silent days cost 0."""
    from pyspark.sql import functions as F

    costs = (
        usage(gold).groupBy(*WORKSPACE, "usage_day").agg(F.sum("cost").alias("cost"), F.max(KNOWN_AT).alias(KNOWN_AT))
    )
    span = F.sequence(F.min("usage_day"), F.lit(as_of))
    begun = costs.where(F.col("usage_day") <= F.lit(as_of)).groupBy(*WORKSPACE)
    every = begun.agg(span.alias("span")).selectExpr(*WORKSPACE, "explode(span) AS usage_day")
    silent = "CAST(date_add(usage_day, 1) AS timestamp)"
    return every.join(costs, [*WORKSPACE, "usage_day"], "left").selectExpr(
        *WORKSPACE, "usage_day", "coalesce(cost, 0D) AS cost", f"coalesce({KNOWN_AT}, {silent}) AS {KNOWN_AT}"
    )


def or_nothing(labels: DataFrame, rows: DataFrame, keys: Sequence[str], horizon: timedelta, as_of: date) -> DataFrame:
    """Add the rows whose window holds no event at all: nothing was spent, which is known when it ends.

    Args:
        labels: From :func:`framework.declare.labels.label_within`.
        rows: Keys and time of every row of the population.
        keys: Entity keys.
        horizon: Length of the window.
        as_of: Newest day that may be known.

    Returns:
        Keys, time, label and ``label_known_at`` of every row whose window has ended.
    """
    from pyspark.sql import functions as F

    end = F.date_add(TIME, horizon.days + 1).cast("timestamp") + F.lit(SETTLE)
    cut = F.date_add(F.lit(as_of), 1).cast("timestamp")
    ended = rows.where(F.col(TIME) <= F.date_sub(F.lit(as_of), horizon.days)).select(*keys, TIME)
    found = labels.withColumn("__found", F.expr("true"))
    known = F.when(F.col("__found"), F.col(LABEL_KNOWN_AT)).when(end <= cut, end)
    return ended.join(found, [*keys, TIME], "left").select(
        *keys, TIME, F.coalesce("label", F.lit(0.0)).alias("label"), known.alias(LABEL_KNOWN_AT)
    )

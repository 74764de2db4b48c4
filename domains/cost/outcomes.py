"""What came after a day: cost by the day of its use, corrections netted out, silent days included."""

from __future__ import annotations

from typing import TYPE_CHECKING

from domains.cost.usage import WORKSPACE, usage
from framework import KNOWN_AT

if TYPE_CHECKING:
    from datetime import date

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

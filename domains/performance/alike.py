"""Are the same statements slower than they were? A warehouse whose mix changes is not slower, only used otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from domains.performance.statements import WAREHOUSE, statements

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from framework import GoldView

PAST_DAYS = 28
LEAST_PAST_RUNS = 3
MUCH = 0.4
"""Rise of the log of a duration that counts as much slower: about half as long again."""


def alike_days(gold: GoldView) -> DataFrame:
    """Return how much slower each warehouse's statements ran on each day than the same ones did before.

    Args:
        gold: Gold as known at the end of its last day.

    Returns:
        Keys, ``day``, ``alike_runs`` (runs of statements with a past), ``alike_log`` (sum of the shifts of the log of
        the duration against each statement's own 28 days before) and ``alike_slower`` (runs of statements that were
        much slower); answers from the cache do not count.
    """
    ran = statements(gold).where("query_fingerprint IS NOT NULL AND total_ms > 0 AND coalesce(cached, 0) = 0")
    days = ran.groupBy(*WAREHOUSE, "query_fingerprint", "day").agg(*_sums())
    over = (
        f"OVER (PARTITION BY {', '.join(WAREHOUSE)}, query_fingerprint ORDER BY unix_date(day) "
        f"RANGE BETWEEN {PAST_DAYS} PRECEDING AND 1 PRECEDING)"
    )
    shifted = days.selectExpr(
        *WAREHOUSE,
        "day",
        "runs",
        f"sum(runs) {over} AS past_runs",
        f"logs / runs - sum(logs) {over} / sum(runs) {over} AS shift",
    ).where(f"past_runs >= {LEAST_PAST_RUNS}")
    return shifted.selectExpr(
        *WAREHOUSE,
        "day",
        "cast(runs AS double) AS alike_runs",
        "runs * shift AS alike_log",
        f"CASE WHEN shift > {MUCH} THEN cast(runs AS double) ELSE 0D END AS alike_slower",
    )


def _sums() -> list[Column]:
    from pyspark.sql import functions as F

    return [F.expr("count(*) AS runs"), F.expr("sum(ln(total_ms)) AS logs")]

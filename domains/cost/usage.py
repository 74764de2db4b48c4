"""Billing records as the domain reads them: when they became known, what they cost, who pays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from domains.cost.options import CostOptions
from framework import KNOWN_AT, days

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from framework import GoldView

WORKSPACE = ("workspace_id",)
JOB = ("workspace_id", "job_id")
CENTER = ("workspace_id", "cost_center")
SETTLE = days(1)
"""How long a day's records ordinarily take to reach gold; later ones move the label's known-at."""

COST = ("fact_usage.workspace_id", "fact_usage.usage_date", "fact_usage.list_cost")
JOB_COST = (*COST, "fact_usage.usage_metadata_job_id")
TAGGED = (*COST, "fact_usage.custom_tags")
PRICED = (*JOB_COST, "fact_list_prices.pricing_default")


def usage(gold: GoldView) -> DataFrame:
    """Return all billing records with the columns that the domain uses, read once per run of ours.

    A record counts in features on ``day``, when it became known, so that a past day's row never changes; a
    correction (RETRACTION, RESTATEMENT) therefore moves the net cost of the day on which it arrives, and is told
    apart from what was ``booked``. Labels place every record on its ``usage_day``, where corrections net out.
    """
    return gold.staged("cost_usage", lambda: _read(gold))


def _read(gold: GoldView) -> DataFrame:
    from pyspark.sql import functions as F

    tag = F.try_element_at("custom_tags", F.lit(gold.options(CostOptions).tag_key))
    all_purpose = F.col("sku_name").isin(list(gold.options(CostOptions).sku_pairs))
    return (
        gold.fact_usage.withColumn("cost_center", tag)
        .selectExpr(
            "workspace_id",
            "usage_metadata_job_id AS job_id",
            "usage_metadata_warehouse_id AS warehouse_id",
            "coalesce('job ' || usage_metadata_job_id, 'warehouse ' || usage_metadata_warehouse_id,"
            " 'cluster ' || usage_metadata_cluster_id, 'sku ' || sku_name) AS item",
            "sku_name",
            "nullif(trim(cost_center), '') AS cost_center",
            f"to_date({KNOWN_AT}) AS day",
            "coalesce(usage_date, to_date(usage_start_time)) AS usage_day",
            KNOWN_AT,
            "CAST(list_cost AS double) AS cost",
            "coalesce(record_type IN ('RETRACTION', 'RESTATEMENT'), false) AS corrects",
            # What is stored or transferred has no hours of its own.
            "CASE WHEN coalesce(usage_metadata_job_id, usage_metadata_warehouse_id, usage_metadata_cluster_id)"
            " IS NOT NULL"
            " THEN (unix_seconds(usage_end_time) - unix_seconds(usage_start_time)) / 3600 END AS hours",
            # Units are never added up: quantities are read of DBU records alone, costs of all.
            "CASE WHEN usage_unit = 'DBU' THEN CAST(usage_quantity AS double) END AS dbu",
        )
        .withColumn("all_purpose", F.coalesce(all_purpose, F.expr("false")))
    )


def savings(gold: GoldView) -> DataFrame:
    """Return for each all-purpose SKU the share of its price that the paired jobs SKU saves, from each day on.

    Returns:
        ``sku_name`` and ``saved``: an array of (``since``, ``share``) in order of time; the share lies in [0, 1].
    """
    from pyspark.sql import functions as F

    pairs = gold.options(CostOptions).sku_pairs or {"": ""}  # a map without entries would have no type
    names = F.create_map(*(F.lit(name) for pair in pairs.items() for name in pair))
    prices = gold.fact_list_prices.selectExpr("sku_name", "price_start_time AS at", "CAST(pricing_default AS double) p")
    ours = prices.where(F.col("sku_name").isin(list(pairs))).withColumn("jobs_sku", names[F.col("sku_name")])
    jobs = prices.selectExpr("sku_name AS jobs_sku", "at AS jobs_at", "p AS jobs_p")
    both = ours.join(jobs, "jobs_sku")
    changes = both.selectExpr("sku_name", "explode(array(at, jobs_at)) AS since").distinct()
    then = both.join(changes, "sku_name").where("at <= since AND jobs_at <= since")
    share = then.groupBy("sku_name", "since").agg(
        F.expr("1 - least(greatest(max_by(jobs_p, jobs_at) / nullif(max_by(p, at), 0), 0D), 1D)").alias("share")
    )
    # greatest() and least() pass over NULL: without a price the share would read as none or all.
    known = share.where("share IS NOT NULL").selectExpr("sku_name", "struct(to_date(since) AS since, share) AS point")
    return known.groupBy("sku_name").agg(F.sort_array(F.collect_list("point")).alias("saved"))


SAVED = "array<struct<since:date,share:double>>"


def share_saved(points: str, day: str) -> str:
    """Return SQL for the share saved as of a day; 0 where no price was known yet.

    Args:
        points: The array that :func:`savings` gives.
        day: The day.
    """
    return f"coalesce(try_element_at(filter({points}, p -> p.since <= {day}), -1).share, 0D)"

"""What really happened, as events that judge an anomaly model; features and labels never read it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyspark.sql import DataFrame

    from framework import GoldView

TRUTH = "incident_truth"


def incident_days(gold: GoldView, *kinds: str, keys: Sequence[str], time: str) -> DataFrame | None:
    """Return the days of incidents of some kinds, by the entity that was hit.

    Args:
        gold: A view that may read the truth.
        kinds: Kinds of incidents that the model should find.
        keys: Entity keys; ``workspace_id`` is the incident's own, the others stand in its entity.
        time: Name of the day in the result.

    Returns:
        Keys, day and ``is_event`` (1), each day of each incident once; ``None`` if nobody wrote incidents down.
    """
    from pyspark.sql import functions as F

    if not gold.has(TRUTH):
        return None
    hit = [F.col(k) if k == "workspace_id" else F.col("entity")[k].alias(k) for k in keys]
    last = F.to_date(F.coalesce(F.col("end_time"), F.col("start_time")) - F.expr("INTERVAL '0.000001' SECOND"))
    first = F.to_date("start_time")
    days = F.explode(F.sequence(first, F.greatest(first, last))).alias(time)
    incidents = gold.incident_truth.where(F.col("kind").isin(list(kinds)))
    found = incidents.select(*hit, days).dropna(subset=list(keys)).distinct()
    return found.withColumn("is_event", F.lit(1))

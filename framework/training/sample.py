"""Keeps a training within ``max_rows``: whole entities are sampled, in Spark, by key hash."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from framework.logging import get_logger
from framework.stores.frames import count, is_spark

if TYPE_CHECKING:
    from framework.runtime import Runtime
    from framework.spec import TableSpec

PARTS = 1_000


def bounded(labels: Any, runtime: Runtime, grain: TableSpec, model: str) -> Any:
    """Return the labels, or those of a sample of whole entities if there may be too many.

    An entity is kept with all its days or not at all, so windows stay whole, and it is kept by a hash of
    its keys, so that every training sees the same entities. Prevalence stays as it is.

    Args:
        labels: The label frame.
        runtime: For the limit, and the size of the feature table: no label joins without a feature row.
        grain: The table that fixes keys and time.
        model: For the log.
    """
    limit = runtime.settings.max_rows
    if runtime.tables.count(runtime.feature_table(grain.name)) <= limit:
        return labels
    rows = count(labels)
    if rows <= limit:
        return labels
    kept = max(1, int(PARTS * limit / rows))
    get_logger().warning("labels_sampled", model=model, rows=rows, entity_rate=kept / PARTS)
    if is_spark(labels):
        from pyspark.sql import functions as F

        return labels.where(F.pmod(F.xxhash64(*grain.keys), F.lit(PARTS)) < kept)
    import pandas as pd

    hashed = pd.util.hash_pandas_object(labels.select(list(grain.keys)).to_pandas(), index=False)
    return labels.filter((hashed % PARTS < kept).to_numpy())

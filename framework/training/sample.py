"""Keeps a training within ``max_rows``: whole entities are sampled, in Spark, by key hash."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from framework.base.logging import get_logger
from framework.stores.frames import count, is_spark

if TYPE_CHECKING:
    from collections.abc import Sequence

    from framework.core.ports import Frame
    from framework.declare.model import TableSpec
    from framework.gold.runtime import Runtime

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
    get_logger().warning("labels_sampled", model=model, rows=rows, entity_rate=_kept(limit, rows) / PARTS)
    return _of_entities(labels, grain.keys, _kept(limit, rows))


def at_most(frame: Frame, limit: int, keys: Sequence[str]) -> Frame:
    """Return a frame, or the rows of a sample of whole entities if it has more rows than a limit.

    Args:
        frame: Arrow or Spark.
        limit: Rows to keep, about.
        keys: Columns that make an entity.
    """
    rows = count(frame)
    return frame if rows <= limit else _of_entities(frame, keys, _kept(limit, rows))


def _kept(limit: int, rows: int) -> int:
    """Return how many of the parts of all entities to keep."""
    return max(1, int(PARTS * limit / rows))


def _of_entities(frame: Any, keys: Sequence[str], kept: int) -> Any:
    if is_spark(frame):
        from pyspark.sql import functions as F

        return frame.where(F.pmod(F.xxhash64(*keys), F.lit(PARTS)) < kept)
    import pandas as pd

    hashed = pd.util.hash_pandas_object(frame.select(list(keys)).to_pandas(), index=False)
    return frame.filter((hashed % PARTS < kept).to_numpy())

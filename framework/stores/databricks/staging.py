"""Frames written out once for a run: serverless compute has no cache, so a staged frame is a table of its own."""

from __future__ import annotations

import atexit
import itertools
from datetime import timedelta
from typing import TYPE_CHECKING

from framework.base.logging import get_logger
from framework.stores.databricks import sql
from framework.stores.spark_frames import to_spark

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from pyspark.sql import DataFrame, SparkSession

    from framework.core.ports import Frame

PREFIX = "__staging_"
"""Tables with this prefix belong to one run and are nobody else's business."""
LIFETIME = timedelta(days=2)
"""Longer than any run: what is older was left by a run that was killed."""
_STAMP = "%Y%m%d%H%M"


class Staging:
    """Staging tables of one run, dropped when the process ends; older runs' leftovers go when one starts.

    Args:
        schema: ``catalog.schema`` that holds them.
        spark: Returns the session.
        run_id: The run.
        began: When it began, UTC.
    """

    def __init__(self, schema: str, spark: Callable[[], SparkSession], run_id: str, began: datetime) -> None:
        self._schema = schema
        self._spark = spark
        self._began = began
        self._names = (f"{PREFIX}{began.strftime(_STAMP)}_{run_id}_{number}" for number in itertools.count())
        self._kept: dict[str, str] = {}
        self._made: list[str] = []

    def keep(self, name: str, make: Callable[[], Frame]) -> DataFrame:
        """Return a frame, computed on the first call with its name."""
        if name not in self._kept:
            self._kept[name] = self._write(to_spark(self._spark(), make()))
        return self._spark().table(self._kept[name])

    def stage(self, frame: DataFrame) -> DataFrame:
        """Return a frame that is cheap to read again."""
        return self._spark().table(self._write(frame))

    def clear(self) -> None:
        """Drop the run's tables."""
        for table in self._made:
            self._spark().sql(f"DROP TABLE IF EXISTS {sql.name_of(table)}")
        self._made.clear()
        self._kept.clear()

    def sweep(self) -> list[str]:
        """Drop what killed runs left behind, and return the names."""
        oldest = f"{PREFIX}{(self._began - LIFETIME).strftime(_STAMP)}"
        rows = self._spark().sql(f"SHOW TABLES IN {sql.name_of(self._schema)}").collect()
        left = [row["tableName"] for row in rows if row["tableName"].startswith(PREFIX) and row["tableName"] < oldest]
        for table in left:
            self._spark().sql(f"DROP TABLE IF EXISTS {sql.name_of(f'{self._schema}.{table}')}")
        return left

    def _write(self, frame: DataFrame) -> str:
        if not self._made:
            if swept := self.sweep():
                get_logger().info("staging_swept", tables=len(swept))
            atexit.register(self.clear)
        name = f"{self._schema}.{next(self._names)}"
        self._made.append(name)
        self._spark().sql(f"CREATE TABLE {sql.name_of(name)} USING DELTA AS SELECT * FROM {{rows}}", rows=frame)
        return name

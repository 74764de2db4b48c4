"""A frame with looked-up features: computed once, handed out as Spark or as pandas."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa

from framework.stores.arrow import to_arrow, to_pandas
from framework.stores.local.lookup import look_up
from framework.stores.spark_frames import to_spark

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pyspark.sql import DataFrame, SparkSession

    from framework.stores.local.feature_spec import FeatureSpec
    from framework.stores.local.lookup import FeatureReader


class LocalTrainingSet:
    """``TrainingSet`` over Arrow.

    Args:
        frame: pandas or Arrow; a Spark frame was brought over before.
        spec: The model's columns.
        labels: Label columns of the frame, last in the result.
        reader: Where feature tables come from.
        spark: Returns the session; called only for ``load_df``.
    """

    def __init__(
        self,
        frame: pd.DataFrame | pa.Table,
        *,
        spec: FeatureSpec,
        labels: Sequence[str],
        reader: FeatureReader,
        spark: Callable[[], SparkSession],
    ) -> None:
        self.spec = spec
        self.labels = list(labels)
        self._frame = frame
        self._reader = reader
        self._spark = spark

    def load_df(self) -> DataFrame:
        """Return the training set as a Spark DataFrame, without the excluded columns."""
        kept = to_arrow(self._frame, self._kept)
        columns = {**dict(zip(kept.column_names, kept.columns, strict=True)), **self._features}
        return to_spark(self._spark(), pa.table({name: columns[name] for name in self._ordered}))

    def to_pandas(self) -> pd.DataFrame:
        """Return the training set as pandas, without the excluded columns.

        A pandas frame's own columns come back as they were given; its index does not.
        """
        features = to_pandas(pa.table(self._features)) if self._features else pd.DataFrame()
        if isinstance(self._frame, pd.DataFrame):
            kept = self._frame[self._kept].reset_index(drop=True)
        else:
            kept = to_pandas(to_arrow(self._frame, self._kept))
        # One dictionary instead of a concat: no block is copied.
        columns = {name: (features if name in features else kept)[name] for name in self._ordered}
        return pd.DataFrame(columns, copy=False)

    @property
    def _ordered(self) -> list[str]:
        return [*self.spec.included, *self.labels]

    @property
    def _kept(self) -> list[str]:
        """Columns of the frame that stay in the result."""
        return [*(column.name for column in self.spec.sources if column.include), *self.labels]

    @cached_property
    def _features(self) -> dict[str, pa.Array]:
        names = [column.name for column in self.spec.features if column.include]
        needed = {key for column in self.spec.features for key in (*column.lookup_key, column.time_key) if key}
        keys = to_arrow(self._frame, sorted(needed))
        return look_up(self._reader, self.spec, keys, names)

"""Between the port's words and the client's: lookups, training sets, types that a join changed, errors."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from framework.base.errors import FeatureStoreError, HealthMonitorError
from framework.stores.arrow import to_arrow, to_pandas
from framework.stores.ddl import arrow_type, fields_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd
    import pyarrow as pa
    from pyspark.sql import DataFrame
    from pyspark.sql.types import StructType

    from framework.core.ports import FeatureLookup, Frame

ANSWER = "prediction"
"""The column in which the client returns what a model answers."""


class NativeTrainingSet:
    """``TrainingSet`` over the client's own.

    Args:
        native: The client's training set.
        schema: Schema of the frame that it was made of.
    """

    def __init__(self, native: Any, schema: StructType) -> None:
        self.native = native
        self._schema = schema

    def load_df(self) -> DataFrame:
        """Return the training set as a Spark DataFrame, without the excluded columns."""
        return _with_types(self.native.load_df(), self._schema)

    def to_pandas(self) -> pd.DataFrame:
        """Return the training set as pandas, without the excluded columns."""
        return to_pandas(to_arrow(self.load_df()))


def native(lookup: FeatureLookup) -> Any:
    """Return a lookup in the client's class."""
    from databricks.feature_engineering import FeatureLookup as Native

    return Native(
        table_name=lookup.table_name,
        lookup_key=list(lookup.lookup_key),
        feature_names=None if lookup.feature_names is None else list(lookup.feature_names),
        rename_outputs=dict(lookup.rename_outputs) or None,
        timestamp_lookup_key=lookup.timestamp_lookup_key,
        lookback_window=lookup.lookback_window,
        default_values=dict(lookup.default_values) or None,
    )


def fields(df: Frame | None, schema: pa.Schema | None, name: str) -> pa.Schema:
    """Return the Arrow schema of a new table: the one given, else the frame's."""
    import pyarrow as pa

    from framework.stores.frames import is_spark

    if schema is not None:
        return schema
    if df is None:
        raise FeatureStoreError(what="neither rows nor a schema", where=name, fix="pass df or schema")
    if not is_spark(df):
        return to_arrow(df).schema
    found: StructType = df.schema  # type: ignore[assignment]
    return pa.schema([pa.field(f.name, arrow_type(f.dataType.simpleString())) for f in found.fields])


def flat(scored: DataFrame, schema: StructType, result_type: str) -> DataFrame:
    """Return the scored frame's own columns, then one column per output; looked-up features stay behind."""
    from pyspark.sql import functions as F

    own = _with_types(scored, schema).select(*schema.fieldNames(), ANSWER)
    nested = result_type.strip().lower().startswith("struct<")
    outputs = [F.col(ANSWER)[field.name].alias(field.name) for field in fields_of(result_type)]
    return own.select(*schema.fieldNames(), *(outputs if nested else [F.col(ANSWER)]))


@contextlib.contextmanager
def refused(where: str) -> Iterator[None]:
    """Turn a refusal of the client, of Spark or of the catalog into ours; ours pass through.

    Raises:
        FeatureStoreError: With the first line of what the client said.
    """
    from mlflow.exceptions import MlflowException
    from pyspark.errors import PySparkException

    try:
        yield
    except FeatureStoreError:
        raise
    except HealthMonitorError as problem:
        raise FeatureStoreError(what=problem.what, where=problem.where, fix=problem.fix) from problem
    except (ValueError, MlflowException, PySparkException) as problem:
        first = (str(problem).strip().splitlines() or [type(problem).__name__])[0]
        raise FeatureStoreError(what=first, where=where, fix="correct the call; see the cause below") from problem


def _with_types(frame: DataFrame, schema: StructType) -> DataFrame:
    """Give a frame's own columns back the types that they had: the client's join makes timestamps of dates."""
    kinds = dict(frame.dtypes)
    changed = {
        field.name: frame[field.name].cast(field.dataType)
        for field in schema.fields
        if field.name in kinds and kinds[field.name] != field.dataType.simpleString()
    }
    return frame.withColumns(changed) if changed else frame

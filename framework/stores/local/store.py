"""``FeatureStore`` over a folder of Delta tables and an MLflow registry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from framework.base.errors import FeatureStoreError, TableError
from framework.core.keys import primary_key, timeseries_column
from framework.core.ports import LoggedModel
from framework.registry.models import register
from framework.stores.arrow import to_arrow
from framework.stores.ddl import spark_name
from framework.stores.frames import is_spark
from framework.stores.local import artifact
from framework.stores.local.checks import (
    check_frame_columns,
    check_name,
    check_outputs,
    column_types,
    first_rows,
    refused,
    with_time,
)
from framework.stores.local.feature_spec import build
from framework.stores.local.lookup import FeatureReader, spec_columns
from framework.stores.local.scoring import Scorer
from framework.stores.local.training_set import LocalTrainingSet

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import timedelta

    import pandas as pd
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

    from framework.core.ports import FeatureLookup, Frame, TrainingSet
    from framework.stores.local.feature_spec import SpecColumn
    from framework.stores.local.tables import LocalTables


class LocalFeatureStore:
    """``FeatureStore`` without a workspace; what it logs, the real client can score.

    Args:
        tables: Where feature tables are kept.
        spark: Returns the session; called only when a Spark DataFrame is asked for or given.
    """

    def __init__(self, tables: LocalTables, spark: Callable[[], SparkSession]) -> None:
        self._tables = tables
        self._spark = spark
        self._reader = FeatureReader(tables)
        self._scorer = Scorer(self._reader, spark)

    def create_table(
        self,
        *,
        name: str,
        primary_keys: Sequence[str],
        timeseries_column: str | None = None,
        df: Frame | None = None,
        schema: pa.Schema | None = None,
        description: str = "",
    ) -> None:
        """Create a feature table from a frame or an Arrow schema (whose field metadata holds comments).

        Args:
            name: Three-level name.
            primary_keys: Key columns, the time-series column among them.
            timeseries_column: Column that holds the time from which a row is valid.
            df: First rows.
            schema: Columns; needed only without ``df``, or to give ``df`` comments.
            description: Table comment.

        Raises:
            FeatureStoreError: If the name has not three levels, the table exists, or a key is missing.
        """
        check_name(name)
        if timeseries_column is not None and timeseries_column not in primary_keys:
            raise FeatureStoreError(
                what=f"time-series column '{timeseries_column}' is no primary key",
                where=name,
                fix="name it in primary_keys as well",
            )
        rows = with_time(first_rows(df, schema, name), timeseries_column)
        try:
            self._tables.create(name, rows, keys=primary_keys, description=description)
        except TableError as problem:
            raise refused(problem) from problem

    def write_table(self, *, name: str, df: Frame, mode: str = "merge") -> int:
        """Merge rows by primary key; new columns widen the table.

        Args:
            name: Feature table.
            df: Rows.
            mode: Only ``merge``, as in the client.

        Returns:
            Rows inserted or changed; a second identical call returns 0 and commits nothing.

        Raises:
            FeatureStoreError: On another mode, on NULL or duplicate keys, on a missing column.
        """
        if mode != "merge":
            raise FeatureStoreError(
                what=f"mode '{mode}' is not offered",
                where=f"write_table({name})",
                fix="use mode='merge'; to replace a table, delete its rows or create a new one",
            )
        schema = self._reader.schema(name)
        rows = to_arrow(df)
        missing = [column for column in schema.names if column not in rows.column_names]
        if missing and timeseries_column(schema) is not None:
            raise FeatureStoreError(
                what=f"columns are missing: {', '.join(missing)}",
                where=name,
                fix="a time-series table takes whole rows: write every column, NULL where there is no value",
            )
        try:
            return self._tables.merge(name, rows, keys=primary_key(schema))
        except TableError as problem:
            raise refused(problem) from problem

    def read_table(self, *, name: str) -> DataFrame:
        """Return a feature table as a Spark DataFrame."""
        self._reader.schema(name)
        return self._tables.spark(name)

    def create_training_set(
        self,
        *,
        df: Frame,
        feature_lookups: Sequence[FeatureLookup],
        label: str | Sequence[str] | None,
        exclude_columns: Sequence[str] = (),
    ) -> TrainingSet:
        """Describe a training set: the frame's columns, then the looked-up features, then the labels.

        Args:
            df: Keys, times, labels and any further columns.
            feature_lookups: What to add.
            label: Label column or columns.
            exclude_columns: Columns that neither the result nor the model has.

        Returns:
            The training set; nothing is joined yet.

        Raises:
            FeatureStoreError: If a table, key or feature is unknown, or an output name is taken.
        """
        frame = to_arrow(df) if is_spark(df) else df
        types = column_types(frame)
        labels = [label] if isinstance(label, str) else list(label or [])
        features: list[SpecColumn] = []
        for lookup in feature_lookups:
            check_frame_columns(lookup, types)
            features += spec_columns(lookup, self._reader.schema(lookup.table_name))
        check_outputs(types, labels, features, exclude_columns)
        spec = build(
            sources={name: spark_name(kind) for name, kind in types.items() if name not in labels},
            features=features,
            exclude=exclude_columns,
            tables=self._spec_tables(feature_lookups),
        )
        return LocalTrainingSet(frame, spec=spec, labels=labels, reader=self._reader, spark=self._spark)

    def log_model(
        self,
        *,
        model: str,
        artifact_path: str,
        training_set: TrainingSet,
        registered_model_name: str,
        artifacts: Mapping[str, str],
        output_schema: Any,
        pip_requirements: Sequence[str],
        input_example: pd.DataFrame | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> LoggedModel:
        """Log a model-from-code with its lookups and signatures in the active run, and register it.

        Args:
            model: Path of the Python file that defines the served model.
            artifact_path: Name of the logged model.
            training_set: The training set whose lookups are stored with the model.
            registered_model_name: Three-level name.
            artifacts: Files that the served model loads, by name.
            output_schema: MLflow ``Schema`` of what ``predict`` returns.
            pip_requirements: What the served model needs.
            input_example: Synthetic rows of what the served model takes; never real ones.
            tags: Tags set on the new version in the same commit that creates it.

        Returns:
            The registered version.

        Raises:
            FeatureStoreError: If the name has not three levels, or the training set is another store's.
        """
        check_name(registered_model_name)
        if not isinstance(training_set, LocalTrainingSet):
            raise FeatureStoreError(
                what=f"a training set of type {type(training_set).__name__}",
                where=f"log_model({registered_model_name})",
                fix="pass the training set that this store created",
            )
        info = artifact.log(
            model=model,
            name=artifact_path,
            spec=training_set.spec,
            artifacts=artifacts,
            outputs=output_schema,
            pip_requirements=pip_requirements,
            input_example=input_example,
        )
        version = register(info, registered_model_name, tags or {})
        return LoggedModel(model_uri=info.model_uri, name=registered_model_name, version=version)

    def score_batch(self, *, model_uri: str, df: Frame, result_type: str) -> Frame:
        """Look up features for keys and predict.

        Args:
            model_uri: ``models:/catalog.schema.model/version`` or ``...@alias``.
            df: Keys, time and any columns to pass through; a column named as a feature is used instead of it.
            result_type: ``struct<...>`` DDL of the outputs.

        Returns:
            The columns of ``df`` and one column per field of ``result_type``: Spark for Spark, else pandas.
        """
        return self._scorer.score(model_uri, df, result_type)

    def _spec_tables(self, lookups: Sequence[FeatureLookup]) -> dict[str, tuple[str, timedelta | None]]:
        tables: dict[str, tuple[str, timedelta | None]] = {}
        for lookup in lookups:
            entry = (self._tables.table_id(lookup.table_name), lookup.lookback_window)
            if tables.setdefault(lookup.table_name, entry) != entry:
                # The stored layout has one window per table, so a second one would be lost when scoring.
                raise FeatureStoreError(
                    what="two lookups give different lookback windows",
                    where=lookup.table_name,
                    fix="use one lookback_window per feature table",
                )
        return tables

"""``FeatureStore`` over the unmodified ``databricks.feature_engineering.FeatureEngineeringClient``; see the port."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from framework.base.errors import FeatureStoreError
from framework.core.keys import primary_key
from framework.core.ports import LoggedModel
from framework.registry.models import example_optional, register
from framework.stores.databricks import sql
from framework.stores.databricks.native import NativeTrainingSet, fields, flat, native, refused
from framework.stores.spark_frames import to_spark

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pandas as pd
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

    from framework.core.ports import FeatureLookup, Frame, TrainingSet
    from framework.stores.databricks.tables import DatabricksTables


class DatabricksFeatureStore:
    """Feature tables, training sets and models in Unity Catalog.

    Args:
        tables: Delta tables, for what the client has no word for.
        spark: Returns the session.
        client: Returns the client, made on first use since it connects to the workspace.
    """

    def __init__(self, tables: DatabricksTables, spark: Callable[[], SparkSession], client: Callable[[], Any]) -> None:
        self._tables, self._spark, self._client = tables, spark, client

    def create_table(
        self, *, name: str, primary_keys: Sequence[str], timeseries_column: str | None = None, df: Frame | None = None,
        schema: pa.Schema | None = None, description: str = "",
    ) -> None:  # fmt: skip
        """Create a feature table with primary key and comments, clustered by its keys, with a change data feed."""
        declared = fields(df, schema, name)
        with refused(f"create_table({name})"):
            if self._tables.exists(name):  # the client would return it as if it were new
                raise FeatureStoreError(what="table exists already", where=name, fix="merge into it, or rename it")
            keys, columns = list(primary_keys), ", ".join(sql.declared(field) for field in declared)
            empty = self._spark().createDataFrame([], columns).schema
            self._client().create_table(
                name=name, primary_keys=keys, timeseries_column=timeseries_column, schema=empty, description=description
            )
            self._spark().sql(sql.cluster_by(name, sql.layout(keys, declared)))
            self._spark().sql(sql.set_properties(name, sql.table_properties(declared)))
        if df is not None:
            self.write_table(name=name, df=df)

    def write_table(self, *, name: str, df: Frame, mode: str = "merge") -> int:
        """Merge the rows that the table does not hold yet: the client alone would rewrite every row it is given."""
        with refused(f"write_table({name})"):
            if mode != "merge":  # the client says what it takes instead
                self._client().write_table(name=name, df=to_spark(self._spark(), df), mode=mode)
            stored = self._tables.schema(name)
            if stored is None:
                raise FeatureStoreError(what="no such feature table", where=name, fix="create it first")
            keys, staged = primary_key(stored), self._tables.staged(df)

            def once() -> int:
                fresh = self._tables.fresh(name, staged, keys=keys)
                if fresh.count:
                    self._client().write_table(name=name, df=fresh.frame, mode=mode)
                return fresh.count

            return self._tables.committed(name, once)

    def read_table(self, *, name: str) -> DataFrame:
        """Return a feature table as a Spark DataFrame."""
        with refused(f"read_table({name})"):
            frame: DataFrame = self._client().read_table(name=name)
        return frame

    def create_training_set(
        self, *, df: Frame, feature_lookups: Sequence[FeatureLookup], label: str | Sequence[str] | None,
        exclude_columns: Sequence[str] = (),
    ) -> TrainingSet:  # fmt: skip
        """Describe a training set: the frame's columns, then the looked-up features, then the labels."""
        frame = to_spark(self._spark(), df)
        with refused("create_training_set"):
            for lookup in feature_lookups:  # the client's own error would name no table
                self._tables.spark(lookup.table_name)
            made = self._client().create_training_set(
                df=frame,
                feature_lookups=[native(lookup) for lookup in feature_lookups],
                label=label if label is None or isinstance(label, str) else list(label),
                exclude_columns=list(exclude_columns),
                use_spark_native_join=True,
            )
        return NativeTrainingSet(made, frame.schema)

    def log_model(
        self, *, model: str, artifact_path: str, training_set: TrainingSet, registered_model_name: str,
        artifacts: Mapping[str, str], output_schema: Any, pip_requirements: Sequence[str],
        input_example: pd.DataFrame | None = None, tags: Mapping[str, str] | None = None,
    ) -> LoggedModel:  # fmt: skip
        """Log a model-from-code with its lookups and signatures in the active run, and register it."""
        import mlflow
        from mlflow.models import ModelSignature

        with refused(f"log_model({registered_model_name})"), example_optional():
            if not isinstance(training_set, NativeTrainingSet):
                raise FeatureStoreError(
                    what=f"a training set of type {type(training_set).__name__}", where=registered_model_name,
                    fix="pass the training set that this store created",
                )  # fmt: skip
            info = self._client().log_model(
                model=model, artifact_path=artifact_path, flavor=mlflow.pyfunc, training_set=training_set.native,
                artifacts=dict(artifacts), output_schema=output_schema, pip_requirements=list(pip_requirements),
                signature=ModelSignature(outputs=output_schema), input_example=input_example,
            )  # fmt: skip
        version = register(info, registered_model_name, tags or {})
        return LoggedModel(model_uri=info.model_uri, name=registered_model_name, version=version)

    def score_batch(self, *, model_uri: str, df: Frame, result_type: str) -> Frame:
        """Look up features for keys and predict; the environment is this job's own, with the model's versions."""
        frame = to_spark(self._spark(), df)
        with refused(f"score_batch({model_uri})"):
            scored = self._client().score_batch(
                model_uri=model_uri, df=frame, result_type=result_type, env_manager="local", use_spark_native_join=True
            )
        return flat(scored, frame.schema, result_type)

"""The unmodified client, over the stand-in: an address, a token, and Spark statements answered from its tables."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any
from unittest import mock

from framework.stores.arrow import to_arrow
from framework.stores.ddl import arrow_type, spark_name
from framework.stores.local.delta import open_delta
from tests.contract.standin.server import Endpoints, serve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.contract.standin.catalog import UnityCatalog

CONNECT = "databricks.ml_features._training_scoring_client._training_scoring_client.is_in_databricks_serverless_runtime"


@contextlib.contextmanager
def connected(catalog: UnityCatalog) -> Iterator[Any]:
    """Yield a ``FeatureEngineeringClient`` that finds this machine where it looks for a workspace."""
    import databricks.feature_engineering.client as module
    from pyspark.sql.utils import is_remote

    endpoints = Endpoints(catalog)
    with serve(endpoints) as address, contextlib.ExitStack() as stack:
        found = {"DATABRICKS_HOST": address, "DATABRICKS_TOKEN": "stand-in", "DATABRICKS_AUTH_TYPE": "pat"}
        stack.enter_context(mock.patch.dict(os.environ, found))
        stack.enter_context(mock.patch.object(module, "SparkClient", spark_client(catalog)))
        # Under Spark Connect no worker sees the driver's scratch folder: the client's serverless branch does without.
        stack.enter_context(mock.patch(CONNECT, is_remote))
        yield module.FeatureEngineeringClient()
    assert endpoints.unknown == []


def spark_client(catalog: UnityCatalog) -> type:  # noqa: C901 - one class, whose methods are one line each
    """Return the client's Spark layer with its Delta and Unity Catalog statements answered from the catalog."""
    from databricks.ml_features._spark_client._spark_client import SparkClient

    class StandinSparkClient(SparkClient):
        def catalog_exists(self, catalog_name: str) -> bool:
            return catalog.has(catalog_name)

        def database_exists(self, catalog_name: str, database_name: str) -> bool:
            return catalog.has(catalog_name, database_name)

        def table_exists(self, full_table_name: str) -> bool:
            return catalog.exists(full_table_name)

        def create_table(self, qualified_table_name: str, schema: Any, partition_columns: Any = None,
                         path: Any = None, comment: str | None = None) -> None:  # fmt: skip
            assert not partition_columns
            assert path is None
            catalog.create(qualified_table_name, _arrow_schema(schema), comment=comment or "")

        def get_feature_table_schema(self, feature_table_name: str) -> Any:
            return self.read_table(feature_table_name).schema

        def read_table(
            self, qualified_table_name: str, as_of_delta_timestamp: Any = None, streaming: bool = False
        ) -> Any:
            assert as_of_delta_timestamp is None
            assert not streaming
            return open_delta(self._spark, catalog.folder(qualified_table_name))

        def get_pk_from_table_create_stmt(self, full_table_name: str) -> list[str]:
            return list(catalog.facts(full_table_name)["key"])

        def set_cols_not_null(self, full_table_name: str, cols: list[str]) -> None:
            catalog.set_not_null(full_table_name, cols)

        def set_cols_pk_tk(self, full_table_name: str, pk_cols: list[str], pk_name: str | None = None,
                           tk_col: str | None = None) -> None:  # fmt: skip
            catalog.note(full_table_name, key=pk_cols, time=tk_col)

        def set_table_tags(self, full_table_name: str, tags: dict[str, str]) -> None:
            catalog.note(full_table_name, tags=catalog.facts(full_table_name)["tags"] | tags)

        def delete_empty_table(self, qualified_table_name: str) -> None:
            catalog.drop(qualified_table_name)

        def attempt_to_update_delta_table_schema(self, delta_table_name: str, new_schema: Any) -> None:
            stored = catalog.schema(delta_table_name)
            catalog.add_columns(delta_table_name, [f for f in _arrow_schema(new_schema) if f.name not in stored.names])

        def _merge_df_into_delta_table(
            self, feature_table_name: str, primary_keys: list[str], timestamp_keys: list[str], source_df: Any
        ) -> None:
            rows = to_arrow(source_df)
            keys = [key.strip("`") for key in (*primary_keys, *timestamp_keys)]
            values = {f"`{name}`": f"s.`{name}`" for name in rows.column_names}
            on = " AND ".join(f"t.`{key}` = s.`{key}`" for key in keys)
            catalog.merge(feature_table_name, rows, on=on, update=values, insert=values)

        def _cluster_table(self, feature_table_name: str, default_clustering_columns: list[str]) -> None:
            """Layout changes no row."""

        def is_photon_cluster(self) -> bool:
            return True

    return StandinSparkClient


def _arrow_schema(schema: Any) -> Any:
    """Return a Spark schema as Arrow, comments kept."""
    import pyarrow as pa

    fields = []
    for field in schema.fields:
        said = field.metadata.get("comment")
        kind = arrow_type(field.dataType.simpleString())
        assert spark_name(kind) == field.dataType.simpleString()
        fields.append(pa.field(field.name, kind, field.nullable, {"comment": said} if said else None))
    return pa.schema(fields)

"""What the service does when the client asks it to generate a feature spec."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.contract.standin.catalog import UnityCatalog


def feature_spec(catalog: UnityCatalog, request: dict[str, Any]) -> str:
    """Return the YAML of a training set, built of the client's own entities."""
    from databricks.ml_features.version import VERSION
    from databricks.ml_features_common.entities.column_info import ColumnInfo
    from databricks.ml_features_common.entities.feature_spec import FeatureSpec
    from databricks.ml_features_common.entities.feature_table_info import FeatureTableInfo
    from databricks.ml_features_common.entities.source_data_column_info import SourceDataColumnInfo
    from databricks.ml_features_common.utils.feature_spec_utils import assign_topological_ordering

    lookups = [feature["feature_lookup"] for feature in request.get("features", [])]
    excluded = set(request.get("exclude_columns", []))
    looked_up = [info for lookup in lookups for info in _infos(catalog, lookup)]
    needed = {key for info in looked_up for key in info.lookup_key}
    infos = [*(SourceDataColumnInfo(name) for name in request.get("input_columns", [])), *looked_up]
    columns = [
        ColumnInfo(info=info, include=info.output_name not in excluded)
        for info in infos
        if info.output_name not in excluded or info.output_name in needed
    ]
    windows = {lookup["table_name"]: lookup.get("lookback_window_seconds") for lookup in lookups}
    kept = {info.table_name for info in looked_up if info.output_name not in excluded or info.output_name in needed}
    tables = [
        FeatureTableInfo(table_name=name, table_id=catalog.facts(name)["id"], lookback_window=windows[name])
        for name in sorted(kept)
    ]
    spec = FeatureSpec(
        column_infos=assign_topological_ordering(column_infos=columns),
        table_infos=tables,
        function_infos=[],
        workspace_id=0,
        feature_store_client_version=VERSION,
        serialization_version=FeatureSpec.SERIALIZATION_VERSION_NUMBER,
    )
    return yaml.safe_dump(spec._to_dict(), sort_keys=False)


def _infos(catalog: UnityCatalog, lookup: dict[str, Any]) -> Iterator[Any]:
    from databricks.ml_features_common.entities.feature_column_info import FeatureColumnInfo

    table = lookup["table_name"]
    keys = catalog.facts(table)["key"]
    every = sorted(field.name for field in catalog.schema(table) if field.name not in keys)
    renamed = {pair["feature_name"]: pair["output_name"] for pair in lookup.get("rename_outputs", [])}
    defaults = {pair["feature_name"]: pair["default_value"] for pair in lookup.get("default_values", [])}
    for name in lookup.get("feature_names") or every:
        output = renamed.get(name, name)
        yield FeatureColumnInfo(
            table_name=table,
            feature_name=name,
            lookup_key=lookup["lookup_keys"],
            output_name=output,
            timestamp_lookup_key=lookup.get("timestamp_lookup_keys", []),
            default_value_str=defaults.get(output),
        )

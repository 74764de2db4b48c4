"""What a call on the feature store must prove before anything is written or joined."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa

from framework.base.errors import FeatureStoreError, TableError, nearest
from framework.core.keys import TIMESERIES, metadata_of
from framework.stores.arrow import normal_type, to_arrow

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from framework.core.ports import FeatureLookup, Frame
    from framework.stores.local.feature_spec import SpecColumn

_LEVELS = 3
_REFUSED_CATALOGS = frozenset({"hive_metastore", "spark_catalog"})


def check_name(name: str) -> None:
    """Refuse a name that Unity Catalog would refuse."""
    parts = name.split(".")
    if len(parts) != _LEVELS or parts[0] in _REFUSED_CATALOGS:
        raise FeatureStoreError(
            what="the name has not three levels below a Unity Catalog catalog",
            where=f"'{name}'",
            fix="write catalog.schema.name, with a catalog other than hive_metastore and spark_catalog",
        )


def first_rows(df: Frame | None, schema: pa.Schema | None, name: str) -> pa.Table:
    """Return the rows that a new table starts with, in the types and comments of its schema."""
    if df is None and schema is None:
        raise FeatureStoreError(what="neither rows nor a schema", where=name, fix="pass df or schema")
    if schema is None:
        return to_arrow(df) if df is not None else pa.table({})
    fields = [field.with_type(normal_type(field.type)) for field in schema]
    if df is None:
        return pa.schema(fields).empty_table()
    rows = to_arrow(df)
    absent = [field.name for field in fields if field.name not in rows.column_names]
    if absent:
        raise FeatureStoreError(
            what=f"columns of the schema are missing: {', '.join(absent)}", where=name, fix="add them to df"
        )
    return rows.select(schema.names).cast(pa.schema(fields))


def with_time(rows: pa.Table, time: str | None) -> pa.Table:
    """Mark the time-series column."""
    fields = [
        field.with_metadata({**metadata_of(field), TIMESERIES: "1"}) if field.name == time else field
        for field in rows.schema
    ]
    return pa.table(rows.columns, schema=pa.schema(fields))


def column_types(frame: Frame) -> dict[str, pa.DataType]:
    """Return the Arrow types of a frame's columns; one that holds only NULL counts as text."""
    if isinstance(frame, pd.DataFrame):
        # Only object columns must be read whole to know what they hold.
        told = {name for name, kind in frame.dtypes.items() if not pd.api.types.is_object_dtype(kind)}
        known = to_arrow(frame.iloc[:0]).schema
        read = to_arrow(frame, [name for name in frame.columns if name not in told]).schema
        types = {name: (known if name in told else read).field(name).type for name in frame.columns}
    else:
        types = {field.name: field.type for field in to_arrow(frame).schema}
    return {name: pa.string() if pa.types.is_null(kind) else kind for name, kind in types.items()}


def check_frame_columns(lookup: FeatureLookup, types: Mapping[str, pa.DataType]) -> None:
    """Refuse a lookup on columns that the frame has not."""
    time = [lookup.timestamp_lookup_key] if lookup.timestamp_lookup_key else []
    for key in [*lookup.lookup_key, *time]:
        if key not in types:
            raise FeatureStoreError(
                what=f"the frame has no column '{key}'",
                where=f"lookup of {lookup.table_name}",
                fix=nearest(key, types),
            )


def check_outputs(
    types: Mapping[str, pa.DataType],
    labels: Sequence[str],
    features: Sequence[SpecColumn],
    exclude: Sequence[str],
) -> None:
    """Refuse labels that are no columns, and output names that stand for two things."""
    for label in labels:
        if label not in types:
            raise FeatureStoreError(what=f"no label column '{label}'", where="the frame", fix=nearest(label, types))
        if label in exclude:
            raise FeatureStoreError(
                what=f"label '{label}' is excluded", where="exclude_columns", fix="leave it out there"
            )
    taken = set(types)
    for feature in features:
        if feature.name in taken:
            raise FeatureStoreError(
                what=f"output name '{feature.name}' is taken by the frame or another lookup",
                where=f"lookup of {feature.table}",
                fix="rename it with rename_outputs, or drop the frame's column",
            )
        taken.add(feature.name)


def refused(problem: TableError) -> FeatureStoreError:
    """Return a table's refusal in the words of the feature store."""
    return FeatureStoreError(what=problem.what, where=problem.where, fix=problem.fix)

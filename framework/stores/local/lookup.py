"""Looking up features: from lookups to spec columns, and from keys to values.

Training and scoring run this same code, so a feature cannot mean two things.
"""

from __future__ import annotations

from collections import OrderedDict
from datetime import timedelta
from typing import TYPE_CHECKING

import pyarrow as pa

from framework.base.errors import FeatureStoreError, nearest
from framework.core.keys import primary_key, timeseries_column
from framework.stores.arrow import pc
from framework.stores.ddl import spark_name
from framework.stores.local.asof import asof_indices
from framework.stores.local.feature_spec import SpecColumn, lookups_default

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from framework.core.ports import FeatureLookup
    from framework.stores.local.feature_spec import FeatureSpec
    from framework.stores.local.tables import LocalTables

_KEPT_TABLES = 4


class FeatureReader:
    """Reads feature tables once per version and remembers the last few.

    Args:
        tables: Where the tables are.
    """

    def __init__(self, tables: LocalTables) -> None:
        self.tables = tables
        self._kept: OrderedDict[tuple[object, ...], pa.Table] = OrderedDict()

    def schema(self, name: str) -> pa.Schema:
        """Return a feature table's schema.

        Raises:
            FeatureStoreError: If there is no such table, or it declares no primary key.
        """
        schema = self.tables.schema(name)
        if schema is None:
            folder, _, table = name.rpartition(".")
            raise FeatureStoreError(
                what="no such feature table", where=name, fix=nearest(table, self.tables.names(folder))
            )
        if not primary_key(schema):
            raise FeatureStoreError(what="the table has no primary key", where=name, fix="create it with create_table")
        return schema

    def read(self, name: str, columns: Sequence[str], time: tuple[str, object, object] | None) -> pa.Table:
        """Return columns of a table's current version in one chunk each.

        Args:
            name: Table.
            columns: Columns.
            time: Time column with the first and last time that can matter; ``None`` for all rows.

        Returns:
            The rows.
        """
        kept = (name, self.tables.version(name), time)
        table = self._kept.get(kept)
        if table is None or not set(columns) <= set(table.column_names):
            # Columns asked for before are read again along: rows of two reads need not be in one order.
            wanted = list(dict.fromkeys([*(table.column_names if table is not None else []), *columns]))
            where = [] if time is None else [(time[0], ">=", time[1]), (time[0], "<=", time[2])]
            table = self.tables.read(name, columns=wanted, where=where).combine_chunks()
            self._kept[kept] = table
        self._kept.move_to_end(kept)
        while len(self._kept) > _KEPT_TABLES:
            self._kept.popitem(last=False)
        return table


def spec_columns(lookup: FeatureLookup, schema: pa.Schema) -> list[SpecColumn]:
    """Return the columns that one lookup adds.

    Args:
        lookup: The lookup.
        schema: Schema of its table.

    Returns:
        Spec columns in order.

    Raises:
        FeatureStoreError: If a feature is unknown, or keys and table do not fit.
    """
    keys, time = primary_key(schema), timeseries_column(schema)
    where = f"lookup of {lookup.table_name}"
    if lookup.timestamp_lookup_key and time is None:
        raise FeatureStoreError(
            what="the table has no time-series column", where=where, fix="leave timestamp_lookup_key out"
        )
    matched = _matched(schema, as_of=bool(lookup.timestamp_lookup_key))
    if len(lookup.lookup_key) != len(matched):
        raise FeatureStoreError(
            what=f"lookup_key has {len(lookup.lookup_key)} columns for the keys {', '.join(matched)}",
            where=where,
            fix="name one column per key, in the table's order; the time goes into timestamp_lookup_key",
        )
    known = sorted(name for name in schema.names if name not in keys)
    names = list(lookup.feature_names) if lookup.feature_names is not None else known
    for name in names:
        if name not in schema.names:
            raise FeatureStoreError(what=f"unknown feature '{name}'", where=where, fix=nearest(name, known))
    outputs = {name: lookup.rename_outputs.get(name, name) for name in names}
    _known_words(lookup.rename_outputs, names, "rename_outputs", where)
    _known_words(lookup.default_values, outputs.values(), "default_values (by output name)", where)
    return [
        SpecColumn(
            name=outputs[name],
            data_type=spark_name(schema.field(name).type),
            table=lookup.table_name,
            feature=name,
            lookup_key=tuple(lookup.lookup_key),
            time_key=lookup.timestamp_lookup_key or "",
            default=lookups_default(lookup, outputs[name]),
        )
        for name in names
    ]


def look_up(reader: FeatureReader, spec: FeatureSpec, keys: pa.Table, names: Sequence[str]) -> dict[str, pa.Array]:
    """Return the values of features for rows of keys.

    Args:
        reader: Where feature tables come from.
        spec: The model's columns.
        keys: Key and time columns, one row per row of the frame.
        names: Features to look up, by output name.

    Returns:
        One column per name; NULL where no row was valid and there is no default.
    """
    groups: dict[tuple[str, tuple[str, ...], str], list[SpecColumn]] = {}
    for column in spec.features:
        if column.name in names:
            groups.setdefault((column.table, column.lookup_key, column.time_key), []).append(column)
    found: dict[str, pa.Array] = {}
    for columns in groups.values():
        found |= _look_up_group(reader, spec, keys, columns)
    return {name: found[name] for name in names}


def _look_up_group(
    reader: FeatureReader, spec: FeatureSpec, keys: pa.Table, columns: Sequence[SpecColumn]
) -> dict[str, pa.Array]:
    """Look up columns that share a table, its keys and the as-of time: one search serves them all."""
    table, lookup_key, time_key = columns[0].table, columns[0].lookup_key, columns[0].time_key
    lookback = spec.lookback(table)
    schema = reader.schema(table)
    for column in columns:
        if column.feature not in schema.names:
            raise FeatureStoreError(
                what=f"feature '{column.feature}' is gone", where=table, fix=nearest(column.feature, schema.names)
            )
    matched, time = _matched(schema, as_of=bool(time_key)), timeseries_column(schema)
    window = None if lookback is None else timedelta(seconds=lookback)
    at = _as(keys[time_key], schema.field(time).type) if time_key and time else None
    wanted = [*matched, *([time] if at is not None and time else []), *(column.feature for column in columns)]
    rows = reader.read(table, list(dict.fromkeys(wanted)), _range(at, time, window))
    positions = asof_indices(
        [keys[key] for key in lookup_key],
        at,
        [rows[key] for key in matched],
        rows[time] if at is not None else None,
        window,
    )
    missed = positions < 0
    taken = pa.array(positions, mask=missed if bool(missed.any()) else None)
    return {column.name: _filled(_whole(rows[column.feature]).take(taken), column) for column in columns}


def _matched(schema: pa.Schema, *, as_of: bool) -> list[str]:
    """Key columns that the lookup key must match; without an as-of time the time is a key like any other."""
    time = timeseries_column(schema)
    return [key for key in primary_key(schema) if not (as_of and key == time)]


def _as(times: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    if not (pa.types.is_temporal(times.type) or pa.types.is_null(times.type)):
        raise FeatureStoreError(
            what=f"the as-of time has type {times.type}", where="timestamp_lookup_key", fix="cast it to a date or time"
        )
    return times if times.type == kind else pc.cast(times, kind, safe=False)


def _range(at: pa.ChunkedArray | None, time: str | None, window: timedelta | None) -> tuple[str, object, object] | None:
    """With a lookback window, only rows of that range can match: a day's scoring need not read years."""
    if at is None or time is None or window is None:
        return None
    bounds = pc.min_max(at).as_py()
    if bounds["min"] is None:
        return None
    return time, bounds["min"] - window, bounds["max"]


def _filled(values: pa.Array, column: SpecColumn) -> pa.Array:
    default = column.default_scalar(values.type)
    if default is None:
        return values
    if pa.types.is_floating(values.type):
        # Spark's fillna, which the client uses, replaces NaN as well.
        values = pc.if_else(pc.is_nan(values), default, values)
    return pc.fill_null(values, default)


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays([pa.nulls(0, column.type), *column.chunks])


def _known_words(words: Iterable[str], known: Iterable[str], option: str, where: str) -> None:
    allowed = list(known)
    for word in words:
        if word not in allowed:
            raise FeatureStoreError(what=f"{option} names unknown '{word}'", where=where, fix=nearest(word, allowed))

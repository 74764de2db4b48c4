"""``feature_spec.yaml``: which columns a model takes and where they come from, in the client's own layout.

The layout is that of serialization version 11, byte for byte, so that a model logged here can be
scored on Databricks and the other way round.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import yaml

from framework.base.errors import FeatureStoreError
from framework.stores.ddl import arrow_type

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import timedelta
    from pathlib import Path

    from framework.core.ports import FeatureLookup

FILE = "feature_spec.yaml"
SERIALIZATION_VERSION = 11
# The version of the client whose layout this is; readers go by the serialization version.
CLIENT_VERSION = "0.18.2"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class SpecColumn:
    """One column that a model or one of its lookups takes.

    Args:
        name: Name in the frame and towards the model.
        data_type: Spark's name of its type.
        include: Whether the model takes it; a key that only a lookup needs is not included.
        table: Feature table it is looked up in; empty for a column of the frame.
        feature: Its name in that table.
        lookup_key: Columns of the frame that match the table's keys.
        time_key: Column of the frame that holds the as-of time; empty for a plain lookup.
        default: Text of the value that stands for a missing one; empty for none.
    """

    name: str
    data_type: str
    include: bool = True
    table: str = ""
    feature: str = ""
    lookup_key: tuple[str, ...] = ()
    time_key: str = ""
    default: str = ""

    def default_scalar(self, kind: pa.DataType) -> pa.Scalar | None:
        """Return the default in the type of the feature.

        Raises:
            FeatureStoreError: If the text is no value of that type.
        """
        if not self.default:
            return None
        try:
            return pa.scalar(self.default.lower() if pa.types.is_boolean(kind) else self.default).cast(kind)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as problem:
            raise FeatureStoreError(
                what=f"default '{self.default}' is no {self.data_type}",
                where=f"default_values of '{self.name}'",
                fix="give a value of the feature's type",
            ) from problem


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class SpecTable:
    """A feature table that a model reads.

    Args:
        name: Three-level name.
        table_id: Id from its creation.
        lookback: How many seconds old a row may be; ``None`` for any age.
    """

    name: str
    table_id: str
    lookback: float | None = None


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class FeatureSpec:
    """All columns of a model, in the order in which it takes them.

    Args:
        columns: The frame's columns, then the features.
        tables: Feature tables, by name.
    """

    columns: tuple[SpecColumn, ...]
    tables: tuple[SpecTable, ...]

    @property
    def sources(self) -> list[SpecColumn]:
        """Columns that the frame must bring."""
        return [column for column in self.columns if not column.table]

    @property
    def features(self) -> list[SpecColumn]:
        """Columns that are looked up."""
        return [column for column in self.columns if column.table]

    @property
    def included(self) -> list[str]:
        """Names of the columns that the model takes, in order."""
        return [column.name for column in self.columns if column.include]

    def lookback(self, table: str) -> float | None:
        """Return how many seconds old a row of a table may be."""
        return next((one.lookback for one in self.tables if one.name == table), None)

    def save(self, folder: Path) -> None:
        """Write the file into a folder."""
        (folder / FILE).write_text(self.to_yaml(), encoding="utf-8")

    def to_yaml(self) -> str:
        """Return the text of the file."""
        order = _order(self.columns)
        content: dict[str, Any] = {
            "input_columns": [{column.name: _entry(column, order[column.name])} for column in self.columns],
            "workspace_id": "0",
            "feature_store_client_version": CLIENT_VERSION,
        }
        if self.tables:
            content["input_tables"] = [{table.name: _table_entry(table)} for table in self.tables]
        content["serialization_version"] = SERIALIZATION_VERSION
        dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
        return str(yaml.dump(content, default_flow_style=False, allow_unicode=True, sort_keys=False, Dumper=dumper))


def build(
    *,
    sources: Mapping[str, str],
    features: Sequence[SpecColumn],
    exclude: Sequence[str],
    tables: Mapping[str, tuple[str, timedelta | None]],
) -> FeatureSpec:
    """Return the spec of a training set.

    An excluded column stays, not included, only while a lookup needs it as a key. An excluded time
    key does not stay: so it is in the client, and scoring must bring that column itself.

    Args:
        sources: The frame's columns without labels, with Spark's names of their types.
        features: Looked-up columns in order.
        exclude: Columns that the model does not take.
        tables: Id and lookback window, by table.

    Returns:
        The spec.
    """
    needed = {key for feature in features for key in feature.lookup_key}
    columns = [SpecColumn(name=name, data_type=kind) for name, kind in sources.items()]
    kept = [
        dataclasses.replace(column, include=column.name not in exclude)
        for column in [*columns, *features]
        if column.name not in exclude or column.name in needed
    ]
    used = sorted({column.table for column in kept if column.table})
    return FeatureSpec(
        columns=tuple(kept),
        tables=tuple(
            SpecTable(name=name, table_id=tables[name][0], lookback=_seconds(tables[name][1])) for name in used
        ),
    )


def load(folder: Path) -> FeatureSpec:
    """Read the file from a folder, whoever wrote it.

    Args:
        folder: Folder that holds ``feature_spec.yaml``.

    Returns:
        The spec.

    Raises:
        FeatureStoreError: If there is none, or it uses feature functions or views.
    """
    path = folder / FILE
    if not path.is_file():
        raise FeatureStoreError(
            what="the model was logged without feature lookups",
            where=str(folder),
            fix="log it with log_model of a feature store",
        )
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    if "features" in content or "input_columns" not in content:
        raise FeatureStoreError(
            what="the model uses feature views", where=str(path), fix="log it with feature lookups, or score it there"
        )
    columns = [_column(name, entry, str(path)) for one in content["input_columns"] for name, entry in one.items()]
    tables = [next(iter(entry.items())) for entry in content.get("input_tables", [])]
    return FeatureSpec(
        columns=tuple(columns),
        tables=tuple(
            SpecTable(name=name, table_id=entry.get("table_id", ""), lookback=entry.get("lookback_window"))
            for name, entry in tables
        ),
    )


def lookups_default(lookup: FeatureLookup, output: str) -> str:
    """Return the text of a lookup's default for one output; empty for none."""
    value = lookup.default_values.get(output)
    return "" if value is None else str(value)


def _column(name: str, entry: Mapping[str, Any], where: str) -> SpecColumn:
    source = entry.get("source")
    if source not in {"training_data", "feature_store"}:
        raise FeatureStoreError(
            what=f"column '{name}' comes from '{source}'", where=where, fix="use feature lookups, no functions"
        )
    kind = str(entry.get("data_type", ""))
    if kind:
        arrow_type(kind)  # an unknown type is better refused here than while scoring
    return SpecColumn(
        name=name,
        data_type=kind,
        include=bool(entry.get("include", True)),
        table=entry.get("table_name", ""),
        feature=entry.get("feature_name", ""),
        lookup_key=tuple(entry.get("lookup_key", ())),
        time_key=next(iter(entry.get("timestamp_lookup_key", ())), ""),
        default=str(entry.get("default_value", "")),
    )


def _entry(column: SpecColumn, place: int) -> dict[str, Any]:
    entry: dict[str, Any] = {}
    if column.table:
        entry |= {"table_name": column.table, "feature_name": column.feature, "lookup_key": list(column.lookup_key)}
        if column.time_key:
            entry["timestamp_lookup_key"] = [column.time_key]
        if column.default:
            entry["default_value"] = column.default
    entry["data_type"] = column.data_type
    if not column.include:
        entry["include"] = False
    entry["topological_ordering"] = place
    entry["source"] = "feature_store" if column.table else "training_data"
    return entry


def _table_entry(table: SpecTable) -> dict[str, Any]:
    entry: dict[str, Any] = {"table_id": table.table_id}
    if table.lookback is not None:
        entry["lookback_window"] = float(table.lookback)
    return entry


def _order(columns: Sequence[SpecColumn]) -> dict[str, int]:
    """Sources before features, each by name: features depend on nothing but the frame's columns."""
    ordered = sorted(columns, key=lambda column: (bool(column.table), column.name))
    return {column.name: place for place, column in enumerate(ordered)}


def _seconds(window: timedelta | None) -> float | None:
    return None if window is None else window.total_seconds()

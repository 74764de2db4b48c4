"""The two ports that everything else is written against.

``FeatureStore`` has the keyword surface of Databricks' ``FeatureEngineeringClient``; ``Tables`` reads
and merges plain Delta tables. A *frame* is a Spark DataFrame, a pandas DataFrame or an Arrow table:
what goes in decides nothing about the result's meaning, only about its transport.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import timedelta

    import pandas as pd
    import pyarrow as pa
    from pyspark.sql import DataFrame

    Frame: TypeAlias = DataFrame | pd.DataFrame | pa.Table


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class FeatureLookup:
    """Which columns of a feature table to join to a frame, and on what.

    Args:
        table_name: Three-level name of the feature table.
        lookup_key: Columns of the frame that match the table's keys, in the table's order.
        feature_names: Columns to take, in order; ``None`` for all, in alphabetical order.
        rename_outputs: New names, by feature name.
        timestamp_lookup_key: Column of the frame that holds the as-of time; ``None`` for a plain lookup.
        lookback_window: How old a row may be; 0 for the exact time only, ``None`` for any age.
        default_values: What stands for a missing value, by output name.
    """

    table_name: str
    lookup_key: Sequence[str]
    feature_names: Sequence[str] | None = None
    rename_outputs: Mapping[str, str] = dataclasses.field(default_factory=dict)
    timestamp_lookup_key: str | None = None
    lookback_window: timedelta | None = None
    default_values: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class View:
    """A view: the rows of a table whose values in some columns stand together in a row of another table.

    Args:
        rows: Three-level name of the table whose rows it shows, with all their columns.
        among: Three-level name of the other table.
        on: Columns that both tables have.
        description: Comment of the view, used on creation.
    """

    rows: str
    among: str
    on: tuple[str, ...]
    description: str = ""


class TrainingSet(Protocol):
    """A frame with looked-up features, not yet computed."""

    def load_df(self) -> DataFrame:
        """Return the training set as a Spark DataFrame, without the excluded columns."""

    def to_pandas(self) -> pd.DataFrame:
        """Return the training set as pandas, without the excluded columns."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class LoggedModel:
    """Where a logged model went.

    Args:
        model_uri: URI of the logged model.
        name: Three-level registered name.
        version: Registered version.
    """

    model_uri: str
    name: str
    version: int


class FeatureStore(Protocol):
    """Feature tables, training sets, models with their lookups; all arguments keyword-only."""

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

        Raises:
            FeatureStoreError: If the name has not three levels, the table exists, or a key is missing.
        """

    def write_table(self, *, name: str, df: Frame, mode: Literal["merge"] = "merge") -> int:
        """Merge rows by primary key; new columns widen the table.

        Returns:
            Rows inserted or changed; a second identical call returns 0 and commits nothing.

        Raises:
            FeatureStoreError: On another mode, on NULL or duplicate keys, on a missing column.
        """

    def read_table(self, *, name: str) -> DataFrame:
        """Return a feature table as a Spark DataFrame."""

    def create_training_set(
        self,
        *,
        df: Frame,
        feature_lookups: Sequence[FeatureLookup],
        label: str | Sequence[str] | None,
        exclude_columns: Sequence[str] = (),
    ) -> TrainingSet:
        """Describe a training set: the frame's columns, then the looked-up features.

        Raises:
            FeatureStoreError: If a table, key or feature is unknown, or an output name is taken.
        """

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
        """

    def score_batch(self, *, model_uri: str, df: Frame, result_type: str) -> Frame:
        """Look up features for keys and predict.

        Args:
            model_uri: ``models:/catalog.schema.model/version`` or ``...@alias``.
            df: Keys, time and any columns to pass through.
            result_type: ``struct<...>`` DDL of the outputs.

        Returns:
            The columns of ``df`` and one column per field of ``result_type``.
        """


class TrainingObserver(Protocol):
    """Told of each training while its MLflow run is active, as the monitor is for its references."""

    def __call__(self, trainer: Any, runtime: Any, data: Any, fitted: Any) -> None:
        """Look at a training.

        Args:
            trainer: The trainer.
            runtime: The runtime.
            data: The rows that the model was fitted and judged on.
            fitted: The fit.
        """


class Tables(Protocol):
    """Plain Delta tables by three-level name: predictions, ledger, quarantine, monitoring."""

    def exists(self, name: str) -> bool:
        """Tell whether a table exists."""

    def names(self, schema: str) -> list[str]:
        """Return the tables of ``catalog.schema``, sorted."""

    def schema(self, name: str) -> pa.Schema | None:
        """Return a table's Arrow schema with field metadata, or ``None`` if it does not exist."""

    def details(self, name: str) -> dict[str, Any]:
        """Return a table's ``row_count``, ``size_bytes`` and ``last_altered`` (UTC), from its metadata."""

    def version(self, name: str) -> int:
        """Return a table's Delta version; -1 if it does not exist."""

    def read(self, name: str, *, columns: Sequence[str] | None = None, where: Sequence[Any] | None = None) -> pa.Table:
        """Return rows as Arrow.

        Args:
            name: Table.
            columns: Columns to read; ``None`` for all.
            where: Conjunction of ``(column, op, value)`` with op one of ``= < <= > >= in``.
        """

    def frame(self, name: str, *, columns: Sequence[str] | None = None, where: Sequence[Any] | None = None) -> Frame:
        """Return rows in the adapter's own form: Arrow where it is embedded, Spark on Databricks."""

    def count(self, name: str) -> int:
        """Return the number of rows, from metadata where there is any; 0 if the table does not exist."""

    def spark(self, name: str) -> DataFrame:
        """Return a table as a Spark DataFrame."""

    def merge(
        self, name: str, rows: Frame, *, keys: Sequence[str], unimportant: Sequence[str] = (), description: str = ""
    ) -> int:
        """Insert new rows and update changed ones, in one commit.

        Args:
            name: Table, created on first use with the rows' schema.
            rows: Rows, unique in ``keys``.
            keys: Primary key.
            unimportant: Columns whose difference alone does not make a row changed (``scored_at``).
            description: Table comment, used on creation.

        Returns:
            Rows inserted or changed; if there are none, nothing is committed.
        """

    def annotate(self, name: str, schema: pa.Schema) -> None:
        """Bring a table's column metadata (comments, formulas) in line with a schema; commits only differences."""

    def append(self, name: str, rows: Frame) -> None:
        """Append rows in one commit; creates the table on first use."""

    def delete(self, name: str, *, column: str, values: Sequence[str]) -> None:
        """Delete the rows whose text column holds one of the values, in one commit; without values, none."""

    def keep_view(self, name: str, view: View) -> None:
        """Make a view, or bring it in line with its table's columns; rights on it stay. Nothing where there are none.

        Args:
            name: Three-level name of the view.
            view: What it shows; both tables exist.
        """

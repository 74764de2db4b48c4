"""FeatureBuilder: from gold to a feature table, by declaration."""

from __future__ import annotations

import dataclasses
import time
from abc import ABC, abstractmethod
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, final

from framework.base.errors import LeakageError
from framework.declare.gold import Days
from framework.declare.reading import DAY_NUMBER
from framework.declare.subclass_checks import check_subclass
from framework.features.sliding import check_windows
from framework.features.windows import DAY, apply_rows, daily_measures, dense_days

if TYPE_CHECKING:
    from collections.abc import Collection

    import pandas as pd
    import pyarrow as pa
    from pyspark.sql import DataFrame

    from framework.declare.model import TableSpec
    from framework.gold.runtime import Runtime
    from framework.gold.view import GoldView

SKETCH = "set `table = TableSpec(...)` and write `def events(self, gold): ...` (or `features(self, gold, days)`)"

FROM_GOLD = "; from gold: "
"""What stands in a column's comment before the gold columns that it rests on."""
NOTHING = "nothing"
"""What stands there where a column rests on its row's day alone, as a weekday does."""


@dataclasses.dataclass(frozen=True, slots=True)
class BuildResult:
    """What a build did.

    Args:
        table: Three-level name.
        days: Range of days whose rows were built.
        written: Rows inserted or changed.
        seconds: Wall time.
    """

    table: str
    days: Days
    written: int
    seconds: float


class FeatureBuilder(ABC):
    """Builds one feature table; subclasses declare the table and say what its rows are made of."""

    table: ClassVar[TableSpec]
    reach: ClassVar[int] = 0
    """Days that one event may span back before the day on which it counts."""

    def __init_subclass__(cls, *, abstract: bool = False, **kwargs: object) -> None:
        """Check the subclass once, when it is created."""
        super().__init_subclass__(**kwargs)
        needs = () if abstract else ("table",)
        check_subclass(cls, base=FeatureBuilder, final=("build", "plan", "audit"), needs=needs, sketch=SKETCH)

    @abstractmethod
    def features(self, gold: GoldView, days: Days) -> DataFrame:
        """Return the rows of ``days``: keys, time and every declared feature.

        Args:
            gold: Gold as known at the end of ``days.end``, from far enough back.
            days: Days whose rows are wanted.
        """

    @property
    def history(self) -> int:
        """Days of gold before the first wanted day that the formulas need."""
        return self.table.lookback + self.reach

    @final
    def plan(self, runtime: Runtime, as_of: date) -> Days:
        """Return the days to build: those that can still change, or all if formulas changed.

        Args:
            runtime: The runtime.
            as_of: Last day to build.
        """
        name = runtime.feature_table(self.table.name)
        stored = runtime.tables.schema(name)
        if stored is None or not _same_formulas(stored, self.table):
            return Days(None, as_of)
        newest = runtime.newest_day(self.table)
        if newest is None:
            return Days(None, as_of)
        first_changing = as_of - timedelta(days=runtime.settings.rebuild_days - 1)
        return Days(min(first_changing, newest + timedelta(days=1)), as_of)

    @final
    def build(self, runtime: Runtime, days: Days) -> BuildResult:
        """Build the rows of ``days`` and merge them into the feature table.

        Args:
            runtime: The runtime.
            days: Days to build; see :meth:`plan`.

        Returns:
            What was written; building the same days twice writes nothing the second time.
        """
        began = time.perf_counter()
        name = runtime.feature_table(self.table.name)
        frame = self._rows(runtime.gold(days.earlier(self.history)), days, unfilled(self.table, runtime))
        stored = runtime.tables.schema(name)
        if stored is None:
            runtime.store.create_table(
                name=name,
                primary_keys=list(self.table.primary_key),
                timeseries_column=self.table.time,
                schema=arrow_schema(self.table),
                description=self.table.description,
            )
        else:
            frame = _with_retired(frame, stored, self.table)
        written = runtime.store.write_table(name=name, df=frame, mode="merge")
        # Formulas are those of every row; where they are the same, a comment may still be another.
        if days.start is None or (stored is not None and _same_formulas(stored, self.table)):
            runtime.tables.annotate(name, arrow_schema(self.table))
        return BuildResult(name, days, written, time.perf_counter() - began)

    @final
    def audit(self, runtime: Runtime, day: date) -> None:
        """Check that a day's rows come out the same when gold ends on that day.

        Args:
            runtime: The runtime.
            day: A past day that the feature table holds.

        Raises:
            LeakageError: Naming the columns whose values need later gold, or differ from what is stored.
        """
        stored = runtime.collect(runtime.rows_of_day(self.table, day, columns=None)).to_pandas()
        cut = self._collect(runtime, day, day)
        differing = _differing(stored, cut, self.table)
        if not differing:
            return
        whole = self._collect(runtime, day, runtime.as_of)
        leaking = _differing(whole, cut, self.table)
        if leaking:
            raise LeakageError(
                what=f"values of {day} change when gold after that day is cut away: {', '.join(leaking)}",
                where=f"feature table {self.table.name}",
                fix="let the formula use only rows with known_at before the end of the row's day",
            )
        raise LeakageError(
            what=f"stored values of {day} are not what gold gives: {', '.join(differing)}",
            where=f"feature table {self.table.name}",
            fix=f"rows arrived late or dates are wrong: rebuild with `health-monitor features --from {day}`",
        )

    def _rows(self, gold: GoldView, days: Days, empty: Collection[str] = ()) -> DataFrame:
        """Return the hole's rows, restricted to keys that are set and to the declared columns and types.

        Columns named in ``empty`` are NULL, whatever their formulas make of gold that is not there.
        """
        table = self.table
        frame = self.features(gold, days).where(" AND ".join(f"{key} IS NOT NULL" for key in table.primary_key))
        typed = [f"CAST({key} AS string) AS {key}" for key in table.keys]
        typed.append(f"CAST({table.time} AS {table.time_type}) AS {table.time}")
        typed += [f"CAST({'NULL' if c.name in empty else c.name} AS {c.type}) AS {c.name}" for c in table.features]
        return frame.selectExpr(*typed)

    def _collect(self, runtime: Runtime, day: date, known: date) -> pd.DataFrame:
        """Return a day's rows as they come out of a build up to ``known``, later days' rows beside them."""
        days = Days(day, known)
        built = self._rows(runtime.gold(days.earlier(self.history)), days, unfilled(self.table, runtime))
        rows: pd.DataFrame = runtime.collect(_within(built, f"to_date({self.table.time})", Days(day, day))).to_pandas()
        return rows


class DailyFeatures(FeatureBuilder, abstract=True):
    """A feature table with one dense row per entity and calendar day."""

    idle_days: ClassVar[int] = 28
    """Silent days for which an entity keeps its row."""

    def __init_subclass__(cls, *, abstract: bool = False, **kwargs: object) -> None:
        """Check the formulas too: all that a row has is known when the class is created."""
        super().__init_subclass__(abstract=abstract, **kwargs)
        if not abstract:
            cls.table.check_columns((DAY, DAY_NUMBER))
            check_windows(cls.table)

    @abstractmethod
    def events(self, gold: GoldView) -> DataFrame:
        """Return one row per event: the table's keys, ``day`` (when it became known) and measures."""

    @property
    def history(self) -> int:
        """Days of gold before the first wanted day, silent days included."""
        return self.table.lookback + self.idle_days + self.reach

    def features(self, gold: GoldView, days: Days) -> DataFrame:
        """Return dense rows of ``days`` with every declared column."""
        return self._dense(gold, days, self.table)

    @final
    def facts(self, gold: GoldView, *names: str) -> DataFrame:
        """Return some columns as of every day, to compare a later event with: a deadline, a usual duration.

        Args:
            gold: Gold as known at the end of its last day.
            names: Columns of the table, hidden ones included.

        Returns:
            Keys, time and the columns, each computed from events up to its day.
        """
        rows = self._dense(gold, gold.days, self.table.only(names))
        return rows.select(*self.table.primary_key, *names)

    def _dense(self, gold: GoldView, days: Days, table: TableSpec) -> DataFrame:
        # What has no key belongs to no entity: it would be a peer of all, and have no row.
        known = " AND ".join(f"{key} IS NOT NULL" for key in table.keys)
        measures = daily_measures(self.events(gold).where(known), table)
        dense = dense_days(measures, table, days.end, self.idle_days)
        dense = dense.selectExpr("*", f"{DAY} AS {table.time}", f"unix_date({DAY}) AS day_number")
        settle = getattr(gold, "settle", None)
        rows = apply_rows(dense, table, entity=table.keys, order=DAY_NUMBER, over="days", settle=settle)
        return _within(rows, DAY, days)


class EventFeatures(FeatureBuilder, abstract=True):
    """A feature table with one row per event, described by what came before it."""

    @abstractmethod
    def events(self, gold: GoldView) -> DataFrame:
        """Return one row per event of the history: keys, time, and the columns that formulas use."""

    entity: ClassVar[tuple[str, ...]] = ()
    """Key columns whose events form one history."""
    keep: ClassVar[str] = "true"
    """SQL condition: which events get a row; the others are only history."""

    def features(self, gold: GoldView, days: Days) -> DataFrame:
        """Return the kept events of ``days`` with every declared column."""
        rows = apply_rows(self.events(gold), self.table, entity=self.entity, order=self.table.time, over="events")
        return _within(rows.where(self.keep), f"to_date({self.table.time})", days)


def unfilled(table: TableSpec, runtime: Runtime) -> set[str]:
    """Return the features that rest on a gold column which is absent or NULL throughout."""
    return {c.name for c in table.features if runtime.profiler.why_missing(table.inputs_of(c.name))}


def arrow_schema(table: TableSpec) -> pa.Schema:
    """Return the table's Arrow schema; comments with gold columns, and formula hashes, stand in the field metadata."""
    import pyarrow as pa

    kinds: dict[str, Any] = {"double": pa.float64(), "string": pa.string(), "date": pa.date32()}
    kinds["timestamp"] = pa.timestamp("us", tz="UTC")
    fields = [pa.field(k, pa.string(), nullable=False, metadata={"comment": "natural key"}) for k in table.keys]
    fields.append(pa.field(table.time, kinds[table.time_type], nullable=False, metadata={"comment": "time key"}))
    for column in table.features:
        comment = f"{column.description} [{column.unit}]" if column.unit else column.description
        comment += FROM_GOLD + (", ".join(table.inputs_of(column.name)) or NOTHING)
        metadata = {"comment": comment, "formula": table.formula_hash(column.name)}
        fields.append(pa.field(column.name, kinds[column.type], metadata=metadata))
    return pa.schema(fields)


def _same_formulas(stored: pa.Schema, table: TableSpec) -> bool:
    """Tell whether every declared column is stored with the formula that is declared now."""
    for column in table.features:
        at = stored.get_field_index(column.name)
        metadata = stored.field(at).metadata or {} if at >= 0 else {}
        if metadata.get(b"formula", b"").decode() != table.formula_hash(column.name):
            return False
    return True


def _with_retired(frame: DataFrame, stored: pa.Schema, table: TableSpec) -> DataFrame:
    """Add NULL for stored columns that are declared no more: older versions of a model may still look them up."""
    names = {"double": "double", "string": "string", "date32[day]": "date"}
    declared = {*table.primary_key, *(c.name for c in table.features)}
    retired = [field for field in stored if field.name not in declared]
    return frame.selectExpr("*", *(f"CAST(NULL AS {names.get(str(f.type), 'timestamp')}) AS {f.name}" for f in retired))


def _within(frame: DataFrame, day: str, days: Days) -> DataFrame:
    since = f" AND {day} >= DATE'{days.start}'" if days.start else ""
    return frame.where(f"{day} <= DATE'{days.end}'{since}")


def _differing(left: pd.DataFrame, right: pd.DataFrame, table: TableSpec) -> list[str]:
    """Return the columns in which two sets of rows differ; ``rows`` if they have other keys."""
    import numpy as np

    keys = list(table.primary_key)
    one = left.sort_values(keys).reset_index(drop=True)
    two = right.sort_values(keys).reset_index(drop=True)
    if len(one) != len(two) or not (one[keys].astype(str) == two[keys].astype(str)).all(axis=None):
        return ["rows"]
    return [
        c.name
        for c in table.features
        if not (
            np.allclose(one[c.name], two[c.name], rtol=1e-9, atol=1e-9, equal_nan=True)
            if c.type == "double"
            else (one[c.name].fillna("") == two[c.name].fillna("")).all()
        )
    ]

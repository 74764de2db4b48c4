"""The runtime: everything that a verb needs, made once at the edge and then passed."""

from __future__ import annotations

import dataclasses
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from framework.catalog_source import is_schema
from framework.clock import Clock, midnight
from framework.errors import ConfigError, RuntimeSetupError, nearest
from framework.gold import Days, GoldReader, GoldView
from framework.quarantine import Profiler
from framework.snapshots import SAYS, WithSnapshots

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

    from framework.config import DomainOptions, Settings
    from framework.plugins import Registry
    from framework.registry import ModelRegistry
    from framework.spec import TableSpec
    from framework.stores.port import FeatureStore, Frame, Tables


_SHARED = ("spark", "registry", "_opened")
"""What is opened once and hangs on no day."""


@dataclasses.dataclass(kw_only=True)
class Runtime:
    """Spark, stores, registry, clock, plugins and settings of one run.

    Args:
        settings: The settings.
        plugins: What the loaded domains offer.
        clock: The only source of "now".
        tables: Plain Delta tables.
        store: Feature store.
        open_registry: Makes the model registry on first use (it imports MLflow).
        open_spark: Makes the Spark session on first use.
        to_arrow: Brings a frame over as Arrow.
        stage: Brings a frame into the form that the store works on: Arrow embedded, Spark on Databricks.
        open_delta: Opens a Delta table by path as a Spark DataFrame.
        keep: Computes a frame once per run, by name, and returns what was kept.
        run_id: Identity of this run.
    """

    settings: Settings
    plugins: Registry
    clock: Clock
    tables: Tables
    store: FeatureStore
    open_registry: Callable[[], ModelRegistry]
    open_spark: Callable[[], SparkSession]
    to_arrow: Callable[[Frame], pa.Table]
    stage: Callable[[Frame], Frame]
    open_delta: Callable[[str], DataFrame]
    keep: Callable[[str, Callable[[], DataFrame]], DataFrame]
    run_id: str
    audited: dict[str, date] = dataclasses.field(default_factory=dict)
    """Feature tables whose as-of audit passed in this run."""
    labels: dict[tuple[str, date], Frame] = dataclasses.field(default_factory=dict)
    """Label frames of this run, by model and day."""
    events: dict[str, Any] = dataclasses.field(default_factory=dict)
    """Events that judge anomaly models, by model."""
    version_facts: dict[tuple[str, int], Any] = dataclasses.field(default_factory=dict)
    """Baseline and classes of versions whose outcomes were joined in this run."""
    counted: dict[tuple[str, date], dict[str, Any]] = dataclasses.field(default_factory=dict)
    """What drift counted in this run, by feature table and day."""
    later: Runtime | None = None
    """The runtime of a later day, whose labels are cut to this day instead of being computed anew; of a replay."""

    @cached_property
    def spark(self) -> SparkSession:
        """The Spark session, in UTC.

        Raises:
            RuntimeSetupError: If the session is in another time zone.
        """
        session = self.open_spark()
        zone = session.conf.get("spark.sql.session.timeZone")
        if zone != "UTC":
            raise RuntimeSetupError(
                what=f"the Spark session is in time zone {zone}",
                where="spark",
                fix="set spark.sql.session.timeZone to UTC",
            )
        return session

    @cached_property
    def registry(self) -> ModelRegistry:
        """The model registry."""
        return self.open_registry()

    @cached_property
    def _opened(self) -> tuple[GoldReader, int]:
        name, sources = self.settings.gold, self.plugins.sources
        kind = name
        if name not in sources:
            # A folder may be called like a schema: only a workspace has catalogs.
            kind = "catalog" if self.settings.platform == "databricks" and is_schema(name) else "folder"
        if kind not in sources:
            raise ConfigError(what=f"no gold source '{name}'", where="--gold", fix=nearest(name, sources))
        source = sources[kind].item
        own = {table: self.feature_table(table) for table in SAYS}
        return WithSnapshots(source.open(self, name), self.tables, own), source.incomplete_days

    @cached_property
    def incomplete_days(self) -> int:
        """Newest days that are neither trained on nor scored."""
        given = self.settings.incomplete_days
        return self._opened[1] if given is None else given

    @cached_property
    def as_of(self) -> date:
        """The newest complete day of this run: what features, labels and scores hang on."""
        asked = self.settings.as_of or self._opened[0].newest_day()
        return asked - timedelta(days=self.incomplete_days)

    def at(self, as_of: date, *, cut: bool = False) -> Runtime:
        """Return this runtime on another day: a run of that day, with the same session, stores and plugins.

        Args:
            as_of: The day whose rows the run is about.
            cut: Take the labels of this runtime's day as the other day knew them, instead of computing them anew.
        """
        asked = as_of + timedelta(days=self.incomplete_days)
        settings = self.settings.model_copy(update={"as_of": asked})
        other = dataclasses.replace(
            self,
            settings=settings,
            audited=self.audited if cut else {},
            labels={},
            events={},
            counted={},
            later=self if cut else None,
        )
        # The source is the same; only the day moves.
        shared = (*_SHARED, "profiler") if cut else _SHARED
        vars(other).update({name: vars(self)[name] for name in shared if name in vars(self)})
        return other

    def gold(self, days: Days | None = None) -> GoldView:
        """Return gold as known at the end of a range of days.

        Args:
            days: The range; ``None`` for all of history up to :attr:`as_of`.
        """
        _ = self.spark  # column functions need a session, before any table is read
        tables = self.plugins.gold_tables()
        return GoldView(
            self._opened[0], tables, days or Days(None, self.as_of), self.options, self.keep, self.settings.time_zone
        )

    @cached_property
    def profiler(self) -> Profiler:
        """Profiles of gold over all of history up to :attr:`as_of`, each table once."""
        return Profiler(self.gold())

    def options(self, kind: type[DomainOptions]) -> DomainOptions:
        """Return a domain's typed options, from the section named like ``kind.section``."""
        section = kind.section
        return kind.parse(self.settings.options.get(section, {}), f"options.{section}")

    def feature_table(self, table: str) -> str:
        """Return the three-level name of a feature table or any other table of ours."""
        return f"{self.settings.schema_path}.{table}"

    def newest_day(self, table: TableSpec) -> date | None:
        """Return the newest day that a feature table holds, or ``None`` if it is empty or absent."""
        import pyarrow.compute as pc

        name = self.feature_table(table.name)
        if not self.tables.exists(name):
            return None
        newest = pc.max(self.tables.read(name, columns=[table.time])[table.time]).as_py()
        return newest.date() if isinstance(newest, datetime) else newest

    def rows_of_day(
        self, table: TableSpec, day: date, *, columns: Sequence[str] | None, where: Sequence[Any] = ()
    ) -> Frame:
        """Return a feature table's rows of one day, in the store's own form.

        Args:
            table: The feature table.
            day: The day.
            columns: Columns to read; ``None`` for all.
            where: More conditions, as ``(column, op, value)``.
        """
        on_day: list[Any] = [(table.time, "=", day)]
        if table.time_type == "timestamp":
            on_day = [(table.time, ">=", midnight(day)), (table.time, "<", midnight(day + timedelta(days=1)))]
        return self.tables.frame(self.feature_table(table.name), columns=columns, where=[*on_day, *where])

    def collect(self, frame: Frame) -> pa.Table:
        """Bring a frame over as Arrow."""
        return self.to_arrow(frame)

"""The services of one run, made once at the edge and then passed: a small frozen handle."""

from __future__ import annotations

import dataclasses
import weakref
from datetime import date, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from framework.base.errors import RuntimeSetupError

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

    from framework.base.clock import Clock
    from framework.core.config import DomainOptions, Settings
    from framework.core.plugins import Registry
    from framework.core.ports import FeatureStore, Frame, Tables, TrainingObserver
    from framework.core.versions import Versions
    from framework.declare.table import TableSpec

T = TypeVar("T")


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Services:
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
        settle: Computes a frame once and reads it from then on; ``None`` where windows need no such thing.
        run_id: Identity of this run.
        observers: Who is told of each training while its MLflow run is active.
    """

    settings: Settings
    plugins: Registry
    clock: Clock
    tables: Tables
    store: FeatureStore
    open_registry: Callable[[], Versions]
    open_spark: Callable[[], SparkSession]
    to_arrow: Callable[[Frame], pa.Table]
    stage: Callable[[Frame], Frame]
    open_delta: Callable[[str], DataFrame]
    keep: Callable[[str, Callable[[], Frame]], DataFrame]
    run_id: str
    settle: Callable[[DataFrame], DataFrame] | None = None
    observers: tuple[TrainingObserver, ...] = ()

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
    def registry(self) -> Versions:
        """The model registry."""
        return self.open_registry()

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

    def collect(self, frame: Frame) -> pa.Table:
        """Bring a frame over as Arrow."""
        return self.to_arrow(frame)


class Memo(Generic[T]):
    """What a module remembers for as long as an object lives, such as a run or its stores; the module owns it.

    Args:
        make: Makes what is remembered, on first use.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._kept: weakref.WeakKeyDictionary[Any, T] = weakref.WeakKeyDictionary()

    def of(self, owner: Any) -> T:
        """Return what is remembered for an object."""
        if owner not in self._kept:
            self._kept[owner] = self._make()
        return self._kept[owner]

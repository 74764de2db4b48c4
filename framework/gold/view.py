"""Gold input: declared tables, sources, and the view of gold as of a day.

Everything that a builder, trainer or scorer sees comes through :class:`GoldView`: only rows that
were known at the end of the view's day, without the rows that quarantine holds.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from framework.base.errors import GoldError, MissingInputError, nearest
from framework.declare.gold import Days, GoldTable
from framework.declare.labels import KNOWN_AT
from framework.gold.validation import AS_FOUND, REASON, cut, end_of, flag, misfits, validate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import date

    from pyspark.sql import DataFrame

    from framework.core.services import Services


class GoldReader(ABC):
    """An opened gold layer."""

    @abstractmethod
    def read(self, table: GoldTable) -> DataFrame | None:
        """Return the raw table with whatever columns it has, or ``None`` if it is absent."""

    @abstractmethod
    def newest_day(self) -> date:
        """Return the newest day that the gold layer holds, when no day was asked for."""

    def state(self, table: GoldTable) -> str | None:
        """Return a text that changes whenever the table may have changed, without reading its rows.

        ``None`` where that cannot be told: what is made of the table is then made anew each time.
        """
        return None


class GoldSource(ABC):
    """A place where gold tables come from; offered through the ``gold_sources`` hook."""

    name: str
    tables: tuple[GoldTable, ...]
    incomplete_days: int = 1
    """Newest days that may still lack rows: neither trained on nor scored."""

    @abstractmethod
    def open(self, runtime: Services, where: str) -> GoldReader:
        """Open the source.

        Args:
            runtime: The runtime, for its Spark session, clock and settings.
            where: What the user gave as ``--gold``: a folder or the source's name.

        Returns:
            The reader.

        Raises:
            GoldError: If there is nothing to read at ``where``.
        """


class GoldView:
    """Gold tables as known at the end of a day, as attributes: ``gold.fact_usage``.

    Args:
        reader: The opened source.
        tables: All declared tables by name.
        days: Rows known outside this range are not seen (dimensions keep their past).
        options: Resolver of a domain's typed options.
        stage: Keeps a derived frame for the rest of the run, by name; see :meth:`staged`.
        time_zone: Zone of the workspaces' local time.
        truth: Whether truth tables may be read.
        settle: Computes a frame once, for windows of an engine that groups faster than it slides; ``None`` on others.
    """

    def __init__(
        self,
        reader: GoldReader,
        tables: Mapping[str, GoldTable],
        days: Days,
        options: Callable[[type[Any]], Any],
        stage: Callable[[str, Callable[[], DataFrame]], DataFrame],
        time_zone: str = "UTC",
        *,
        truth: bool = False,
        settle: Callable[[DataFrame], DataFrame] | None = None,
    ) -> None:
        self._reader = reader
        self._tables = tables
        self.days = days
        self._options = options
        self._stage = stage
        self._truth = truth
        self.settle = settle
        self.time_zone = time_zone
        self._cache: dict[str, DataFrame | None] = {}
        self._raws: dict[str, DataFrame | None] = {}

    def __getattr__(self, name: str) -> DataFrame:
        """Return the valid rows of a declared table, with a ``known_at`` column."""
        if name.startswith("_"):
            raise AttributeError(name)
        if self.declared(name).truth and not self._truth:
            raise GoldError(
                what="the truth is not for features, labels or populations",
                where=name,
                fix="read it in `events` of an anomaly trainer only",
            )
        frame = self.flagged(name)
        if frame is None:
            raise MissingInputError(
                what="the table is absent from the gold layer",
                where=name,
                fix=f"provide {name}, or leave its models out",
            )
        return frame.where(f"{REASON} IS NULL").drop(REASON, AS_FOUND)

    def has(self, name: str) -> bool:
        """Tell whether the gold layer holds a declared table."""
        return self.flagged(name) is not None

    def misfits(self, name: str) -> dict[str, str] | None:
        """Return why declared columns of a table cannot be read, by name; ``None`` if gold has no such table."""
        raw = self._raw(name)
        return None if raw is None else misfits(raw, self.declared(name))

    def options(self, kind: type[Any]) -> Any:
        """Return the domain's typed options of class ``kind``."""
        return self._options(kind)

    def staged(self, name: str, make: Callable[[], DataFrame]) -> DataFrame:
        """Return a frame derived from this view, computed once per run and range of days.

        Spark would compute a frame anew for each use, and serverless compute has no cache: what several
        features and labels share, such as runs folded from slices, is written out once.

        Args:
            name: What the frame is.
            make: Derives it.
        """
        return self._stage(f"{name}_{self.days.start}_{self.days.end}", make)

    def until(self, day: date) -> GoldView:
        """Return the same gold, cut at the end of an earlier (or the same) day."""
        return self.between(Days(self.days.start, min(day, self.days.end)))

    def between(self, days: Days) -> GoldView:
        """Return the same gold over another range of days."""
        return GoldView(
            self._reader,
            self._tables,
            days,
            self._options,
            self._stage,
            self.time_zone,
            truth=self._truth,
            settle=self.settle,
        )

    def declared(self, name: str) -> GoldTable:
        """Return a declaration by name.

        Raises:
            GoldError: If no source declares it, naming the nearest.
        """
        if name not in self._tables:
            raise GoldError(
                what=f"no source declares a gold table '{name}'", where="gold", fix=nearest(name, self._tables)
            )
        return self._tables[name]

    def flagged(self, name: str) -> DataFrame | None:
        """Return all rows known in the range, each with its quarantine reason or NULL."""
        if name not in self._cache:
            table, raw = self.declared(name), self._raw(name)
            self._cache[name] = None if raw is None else flag(cut(validate(raw, table), table, self.days), table)
        return self._cache[name]

    def arrived(self, name: str) -> tuple[int, int]:
        """Return how many rows a table has as it came, and how many of them became known after the range."""
        from pyspark.sql import functions as F

        table, raw = self.declared(name), self._raw(name)
        if raw is None:
            return 0, 0
        later = F.count_if(F.col(KNOWN_AT) >= end_of(self.days)).alias("later")
        row = validate(raw, table).agg(F.count(F.lit(1)).alias("rows"), later).collect()[0]
        return row["rows"], row["later"]

    def _raw(self, name: str) -> DataFrame | None:
        """Return a table as it came, opened once."""
        if name not in self._raws:
            self._raws[name] = self._reader.read(self.declared(name))
        return self._raws[name]

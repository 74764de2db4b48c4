"""The runtime: the services of a run with its gold opened, on one day."""

from __future__ import annotations

import dataclasses
from datetime import date, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from framework.base.clock import midnight
from framework.base.errors import ConfigError, nearest
from framework.core.services import Services
from framework.declare.gold import Days
from framework.declare.table import short_hash
from framework.gold.catalog import is_schema
from framework.gold.quarantine import Profiler
from framework.gold.snapshots import DESCRIPTIONS, WithSnapshots
from framework.gold.view import GoldReader, GoldView

if TYPE_CHECKING:
    from collections.abc import Sequence

    from framework.core.ports import Frame
    from framework.declare.table import TableSpec

_SHARED = ("spark", "registry", "_opened")
"""What is opened once and hangs on no day."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Runtime(Services):
    """The services of a run, and gold as known on its day.

    Args:
        later: The runtime of a later day, whose labels are cut to this day instead of being computed anew; of a
            replay.
    """

    later: Runtime | None = None

    @classmethod
    def over(cls, services: Services, **changes: Any) -> Runtime:
        """Return the runtime of some services.

        Args:
            services: What an adapter opened.
            changes: Fields that are other than theirs.
        """
        given = {field.name: getattr(services, field.name) for field in dataclasses.fields(Services)}
        return cls(**given | changes)

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
        own = {table: self.feature_table(table) for table in DESCRIPTIONS}
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
            later=self if cut else None,
        )
        # The source is the same; only the day moves.
        shared = (*_SHARED, "profiler") if cut else _SHARED
        vars(other).update({name: vars(self)[name] for name in shared if name in vars(self)})
        return other

    def gold(self, days: Days | None = None, *, truth: bool = False) -> GoldView:
        """Return gold as known at the end of a range of days.

        Args:
            days: The range; ``None`` for all of history up to :attr:`as_of`.
            truth: Whether truth tables may be read; for judging only, and no view can open them by itself.
        """
        _ = self.spark  # column functions need a session, before any table is read
        tables = self.plugins.gold_tables()
        return GoldView(
            self._opened[0],
            tables,
            days or Days(None, self.as_of),
            self.options,
            self.keep,
            self.settings.time_zone,
            truth=truth,
            settle=self.settle,
        )

    @cached_property
    def gold_state(self) -> str | None:
        """A hash that changes whenever any gold table may have changed; ``None`` where a source cannot tell."""
        reader = self._opened[0]
        states = {name: reader.state(table) for name, table in sorted(self.plugins.gold_tables().items())}
        return None if None in states.values() else short_hash([f"{name} {state}" for name, state in states.items()])

    @cached_property
    def profiler(self) -> Profiler:
        """Profiles of gold over all of history up to :attr:`as_of`, each table once."""
        return Profiler(self.gold())

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

"""Frozen declarations of feature tables and their columns."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from typing import TYPE_CHECKING, Literal

from framework.base.errors import SpecError, nearest
from framework.declare.reading import DAY_NUMBER, WINDOWS, canonical, read

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

NAME = re.compile(r"^[a-z][a-z0-9_]*$")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Feature:
    """One column of a feature table: its meaning, unit and formula side by side.

    Args:
        name: Column name, snake_case.
        sql: Spark SQL. On stage ``day`` an aggregate over the day's events; on stage ``row`` an expression over other
            columns, with the windows of :mod:`framework.declare.formulas`.
        description: The meaning, one sentence; becomes the column comment.
        unit: Unit of the values, for example ``seconds`` or ``share``.
        window: Trailing days that the formula looks at; 0 for none.
        stage: ``day`` (aggregate of events) or ``row`` (computed from other columns).
        empty: Value on a day without events (counts 0, rates ``None``); only for stage ``day``.
        needs: Gold columns (``table.column``) without which the value means nothing.
        hidden: A helper that other formulas use and the table does not hold.
        type: Spark type of the stored column.
        calendar: The row's date alone gives the value: it turns with the calendar, and its drift is not measured.
    """

    name: str
    sql: str
    description: str
    unit: str = ""
    window: int = 0
    stage: Literal["day", "row"] = "row"
    empty: float | None = None
    needs: tuple[str, ...] = ()
    hidden: bool = False
    type: str = "double"
    calendar: bool = False

    def refers_to(self, names: set[str]) -> set[str]:
        """Return those of ``names`` that the formula mentions; a daily aggregate mentions event columns only."""
        if self.stage == "day":
            return set()
        return set(read(self.sql).columns & names) - {self.name}


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class TableSpec:
    """A feature table: natural keys, time key and columns.

    Args:
        name: Table name without catalog and schema.
        description: What one row is.
        keys: Natural key columns, all STRING, NOT NULL.
        time: The time key (last part of the primary key).
        time_type: ``date`` for a day grain, ``timestamp`` for events.
        columns: The features, hidden helpers included.
        needs: Gold columns that every column of the table needs.
    """

    name: str
    description: str
    keys: tuple[str, ...]
    time: str
    columns: tuple[Feature, ...]
    time_type: Literal["date", "timestamp"] = "date"
    needs: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse names that are malformed or stand twice."""
        names = [*self.keys, self.time, *(c.name for c in self.columns)]
        for name in (self.name, *names):
            if not NAME.match(name):
                raise SpecError(what=f"'{name}' is not snake_case", where=self.name, fix="rename it")
            if name in (*WINDOWS, DAY_NUMBER):
                raise SpecError(what=f"'{name}' is a word of the formulas", where=self.name, fix="rename the column")
        for column in self.columns:
            for fault, fix in read(column.sql).faults:
                raise SpecError(what=fault, where=f"{self.name}.{column.name}", fix=fix)
        if twice := sorted({n for n in names if names.count(n) > 1}):
            raise SpecError(what=f"declared twice: {twice}", where=self.name, fix="keep one of them")
        tuple(self.layers())  # raises on a circle

    @property
    def primary_key(self) -> tuple[str, ...]:
        """Keys and time, in that order."""
        return (*self.keys, self.time)

    @property
    def features(self) -> tuple[Feature, ...]:
        """The columns that the table holds, without hidden helpers."""
        return tuple(c for c in self.columns if not c.hidden)

    @property
    def lookback(self) -> int:
        """Days of history that the formulas of one row can reach, chained windows included."""
        reach: dict[str, int] = {}
        for layer in self.layers():
            for column in layer:
                inner = column.refers_to(set(reach))
                reach[column.name] = column.window + max((reach[n] for n in inner), default=0)
        return max(reach.values(), default=0)

    def layers(self) -> Iterator[tuple[Feature, ...]]:
        """Yield columns so that each layer only refers to earlier ones; a circle is a SpecError."""
        left = list(self.columns)
        while left:
            open_names = {c.name for c in left}
            layer = tuple(c for c in left if c.stage == "day" or not c.refers_to(open_names))
            if not layer:
                what = f"columns refer to each other in a circle: {sorted(open_names)}"
                raise SpecError(what=what, where=self.name, fix="break the circle")
            yield layer
            left = [c for c in left if c not in layer]

    def feature(self, name: str) -> Feature:
        """Return a column by name.

        Raises:
            SpecError: If there is none, naming the nearest.
        """
        for column in self.columns:
            if column.name == name:
                return column
        raise SpecError(
            what=f"no feature '{name}'", where=self.name, fix=nearest(name, [c.name for c in self.features])
        )

    def check_columns(self, known: Iterable[str]) -> None:
        """Refuse a formula of a row that mentions a column which is not there.

        Args:
            known: Columns that a row has besides the declared ones.

        Raises:
            SpecError: Naming the column, and the nearest that there is.
        """
        there = {*self.primary_key, *known, *(c.name for c in self.columns)}
        for column in self.columns:
            if column.stage == "row" and (strange := sorted(read(column.sql).columns - there)):
                what, where = f"no column '{strange[0]}'", f"{self.name}.{column.name}"
                raise SpecError(what=what, where=where, fix=nearest(strange[0], there))

    def only(self, names: Iterable[str]) -> TableSpec:
        """Return the table reduced to some columns and what their formulas refer to."""
        declared = {c.name for c in self.columns}
        wanted, left = set(), [self.feature(n) for n in names]
        while left:
            column = left.pop()
            wanted.add(column.name)
            left += [self.feature(n) for n in column.refers_to(declared) - wanted]
        return dataclasses.replace(self, columns=tuple(c for c in self.columns if c.name in wanted))

    def inputs_of(self, name: str) -> tuple[str, ...]:
        """Return the gold columns that a feature rests on, those of its ingredients included."""
        column = self.feature(name)
        found = [*self.needs, *column.needs]
        for inner in sorted(column.refers_to({c.name for c in self.columns})):
            found += self.inputs_of(inner)
        return tuple(dict.fromkeys(found))

    def gold_tables(self) -> list[str]:
        """Return the gold tables that the table's columns rest on."""
        needs = [*self.needs, *(need for column in self.columns for need in column.needs)]
        return sorted({need.partition(".")[0] for need in needs})

    def formula_hash(self, name: str) -> str:
        """Return a short hash of a column's whole formula, ingredients included.

        It is stored with each feature table and version. So it stays as it was first made: over the earlier form of the
        windows, and over every name that the text mentions, be it a field of a struct.
        """
        column = self.feature(name)
        parts = [canonical(column.sql), str(column.window), column.stage, repr(column.empty), column.type]
        mentioned = set(re.findall(r"\b[a-z_][a-z0-9_]*\b", column.sql)) if column.stage == "row" else set()
        names = {c.name for c in self.columns} - {name}
        parts += [self.formula_hash(n) for n in sorted(mentioned & names)]
        return short_hash(parts)


def short_hash(parts: list[str]) -> str:
    """Return twelve hex digits that identify a list of strings."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]

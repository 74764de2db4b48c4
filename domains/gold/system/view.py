"""A gold table as a view over system tables: declared column by column, written out for what an account has."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING

from framework import errors

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from framework import GoldTable

    Known = Mapping[str, frozenset[str]]
    """Columns of the system tables that can be read, fields of structs with a dot, by ``schema.table``."""

_REFERENCE = re.compile(r"\b([a-z])\.([a-z_]+(?:\.[a-z_]+)*)")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Join:
    """What a view joins to its rows; left out where the account does not have it.

    Args:
        alias: One letter.
        table: The system table that it reads.
        needs: Columns of that table without which there is nothing to join.
        gives: Columns of the result.
        sql: The result, one row for each key; ``{table}`` stands for the table's name.
        on: The condition; rows of the view are ``s``.
        kind: ``LEFT`` keeps all rows of the view, ``LEFT SEMI`` those that have a partner.
    """

    alias: str
    table: str
    needs: tuple[str, ...]
    gives: tuple[str, ...]
    sql: str
    on: str
    kind: str = "LEFT"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class SystemView:
    """A gold table made of a system table.

    Args:
        name: The gold table.
        source: The system table whose rows become its rows, called ``s``.
        columns: SQL by gold column. Of several, the first whose columns the account has is taken; of none, NULL is.
        joins: What is joined.
        where: Condition on the rows, if any.
    """

    name: str
    source: str
    columns: Mapping[str, str | tuple[str, ...]]
    joins: tuple[Join, ...] = ()
    where: str = ""

    @property
    def reads(self) -> tuple[str, ...]:
        """The system tables, that of the rows first."""
        return tuple(dict.fromkeys((self.source, *(join.table for join in self.joins))))


@dataclasses.dataclass(frozen=True, slots=True)
class Written:
    """A view written out.

    Args:
        select: The query.
        without: Gold columns that are NULL throughout, because the account lacks what they are made of.
    """

    select: str
    without: tuple[str, ...]


def write(view: SystemView, table: GoldTable, known: Known, name_of: Callable[[str], str]) -> Written:
    """Write a view's query for what an account has.

    Args:
        view: The view.
        table: Its declaration in the contract.
        known: The columns of the account's readable system tables.
        name_of: Full name of a system table, as SQL.

    Returns:
        The query, whose columns have the names and types of the contract.

    Raises:
        MissingInputError: If the system table, or a column that rows are told apart or placed in time by, is not there.
        SpecError: If the view has other columns than the contract.
    """
    if set(view.columns) != set(table.names):
        odd = sorted(set(view.columns) ^ set(table.names))
        raise errors.SpecError(
            what=f"view and contract differ in {', '.join(odd)}", where=view.name, fix="declare both alike"
        )
    if view.source not in known:
        raise _missing(view, f"{view.source} cannot be read")
    joins = [j for j in view.joins if set(j.needs) <= known.get(j.table, frozenset())]
    joins = [j for j in joins if _found(j.on, {"s": known[view.source], j.alias: frozenset(j.gives)})]
    offered = {"s": known[view.source]} | {j.alias: frozenset(j.gives) for j in joins}
    if not _found(view.where, offered):
        raise _missing(view, f"{view.source} lacks a column of the condition {view.where}")
    chosen = {name: _first(view.columns[name], offered) for name in table.names}
    without = tuple(name for name, sql in chosen.items() if sql is None)
    if lost := [name for name in table.grain if name in without]:
        raise _missing(view, f"{view.source} has nothing that {', '.join(lost)} could be made of")
    times = [name for name in table.names if re.search(rf"\b{name}\b", table.known_at)]
    if times and set(times) <= set(without):
        raise _missing(view, f"{view.source} does not say when a row became known")
    lines = [f"CAST({chosen[c.name] or 'NULL'} AS {c.type}) AS {c.name}" for c in table.columns]
    select = "SELECT\n  " + ",\n  ".join(lines) + f"\nFROM {name_of(view.source)} AS s"
    for join in joins:
        inner = join.sql.replace("{table}", name_of(join.table))
        select += f"\n{join.kind} JOIN (\n{inner}\n) AS {join.alias} ON {join.on}"
    return Written(select + (f"\nWHERE {view.where}" if view.where else ""), without)


def _first(column: str | tuple[str, ...], offered: Mapping[str, frozenset[str]]) -> str | None:
    ways = (column,) if isinstance(column, str) else column
    return next((sql for sql in ways if _found(sql, offered)), None)


def _found(sql: str, offered: Mapping[str, frozenset[str]]) -> bool:
    """Tell whether all columns that a piece of SQL refers to are there."""
    return all(path in offered.get(alias, ()) for alias, path in _REFERENCE.findall(sql))


def _missing(view: SystemView, what: str) -> errors.MissingInputError:
    return errors.MissingInputError(what=what, where=view.name, fix="enable the system schema and grant SELECT on it")

"""What a table family hands over: columns, and when each row reached gold."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from domains.simulator.calendar import DAY, HOUR, MINUTE, Floats, Ints

if TYPE_CHECKING:
    from collections.abc import Mapping

    from domains.simulator.workspaces import Workspace
    from framework.declare.gold import GoldTable

ARROW = {
    "STRING": pa.string(),
    "DATE": pa.date32(),
    "TIMESTAMP": pa.timestamp("us", tz="UTC"),
    "BIGINT": pa.int64(),
    "INT": pa.int32(),
    "DOUBLE": pa.float64(),
    "BOOLEAN": pa.bool_(),
    "MAP<STRING,STRING>": pa.map_(pa.string(), pa.string()),
    "ARRAY<STRING>": pa.list_(pa.field("element", pa.string())),
}
P_LATE, P_LATE_ON_LATE_DAY = 0.003, 0.4


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Rows of one table over the whole life of the world.

    Args:
        columns: Arrow arrays, or what Arrow takes for one, by column name.
        arrival: World second at which each row reached gold; the cut-off is applied to it.
        time: World second by which the wanted days are chosen; ``None`` keeps all that arrived.
    """

    columns: Mapping[str, Any]
    arrival: Ints
    time: Ints | None = None

    def table(self, declared: GoldTable, first: int, cutoff: int) -> pa.Table:
        """Return the rows that arrived before ``cutoff`` and happened from ``first`` on, in the declared types."""
        kept = self.arrival < cutoff
        if self.time is not None:
            kept &= self.time >= first
        table = pa.table(
            [pa.array(self.columns[column.name], type=arrow_type(column.type)) for column in declared.columns],
            names=list(declared.names),
        )
        return table.filter(pa.array(kept))


def arrow_type(kind: str) -> pa.DataType:
    """Return the Arrow type of a declared type, ``DECIMAL(p,s)`` included."""
    if kind.startswith("DECIMAL"):
        precision, places = kind[len("DECIMAL(") : -1].split(",")
        return pa.decimal128(int(precision), int(places))
    return ARROW[kind]


def arrivals(known: Ints, workspace: Workspace, draws: Floats) -> Ints:
    """Return when rows reach gold: within minutes, some 1-3 days late, on a workspace's bad days many of them.

    Args:
        known: World seconds at which the rows could be known.
        workspace: Whose rows they are.
        draws: Uniform draws, three for each row, from the family's own stream.

    Returns:
        World seconds.
    """
    bad_day = workspace.late_day[np.clip(known // DAY, 0, len(workspace.late_day) - 1)]
    late = draws[0] < np.where(bad_day, P_LATE_ON_LATE_DAY, P_LATE)
    soon = -np.log1p(-draws[1]) * 10 * MINUTE
    delay = np.where(late, (18 + 52 * draws[2]) * HOUR, soon)
    arrived: Ints = known + delay.astype(np.int64)
    return arrived

"""What is counted: one column, its buckets, and the rows that count."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from framework.monitoring.drift.histogram import Sketch

Where = tuple[tuple[str, str, Any], ...]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """One column to count.

    Args:
        key: Names the answer.
        column: Column of the frame.
        sketch: Its buckets.
        where: Rows that count; all others are as if they were not there.
        entry: Key of a map column whose values are counted.
    """

    key: str
    column: str
    sketch: Sketch
    where: Where = ()
    entry: str | None = None

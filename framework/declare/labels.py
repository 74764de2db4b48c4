"""What a label is made of, and the columns that say when a row of gold, or a label, became known."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyspark.sql import DataFrame

KNOWN_AT = "known_at"
"""Column of every gold frame: when a row became known."""
LABEL_KNOWN_AT = "label_known_at"
"""Column of every label frame: when the label was settled; NULL while it is not."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Label:
    """The label of a day ``t``: an aggregate of the events whose day lies in ``(t, t + horizon]``.

    Keys and time are those of the model's first lookup, and the horizon is that of its declaration. The label is
    known when all of the window's events are, and never before the window has ended and settled.

    Args:
        events: One row per event: keys, its day, ``known_at``, and what the label is made of.
        value: SQL aggregate over the window's events; one by label name for a model with several.
        day: Column with the event's day.
        pending: SQL condition of an event whose outcome is not known yet: its window has not settled.
        settle: How long after the window's end a late report of an event may still come.
        context: Facts as of ``t`` (keys, ``t``, columns) that ``value`` compares with; a ``t`` that it lacks has no
            label.
        otherwise: The label of a row of ``context`` whose window holds no event; without it there is none.
        where: SQL condition on keys and ``t``: which days to label at all.
    """

    events: DataFrame
    value: str | Mapping[str, str]
    day: str = "day"
    pending: str = "false"
    settle: timedelta = timedelta(0)
    context: DataFrame | None = None
    otherwise: float | None = None
    where: str = "true"

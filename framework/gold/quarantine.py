"""Profiles of gold tables, and the quarantine of rows that break the contract.

A bad row is never dropped silently: the view leaves it out, and it is written here with its reason.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from framework.base.logging import get_logger
from framework.declare.labels import KNOWN_AT
from framework.gold.validation import AS_FOUND, REASON

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pyspark.sql import Column

    from framework.core.services import Services
    from framework.declare.gold import GoldColumn
    from framework.gold.view import GoldView

QUARANTINE = "quarantine"
CLOCKS = 60
"""Seconds by which two clocks of one row may differ."""


@dataclasses.dataclass(frozen=True, slots=True)
class Profile:
    """What one pass over a gold table found.

    Args:
        table: Table name.
        present: False if the gold layer lacks the table.
        rows: Rows in the range.
        filled: Rows with a value, per column.
        bad: Rows per quarantine reason.
        unknown: Values outside a column's closed set, per column.
        misfits: Why a column cannot be read at all, per column.
        arrived: Rows of the table as it came.
        after: Rows of these that became known after the range.
        later: Rows whose time lies after their ``known_at``, per column; only columns that have such rows.
    """

    table: str
    present: bool
    rows: int = 0
    filled: Mapping[str, int] = dataclasses.field(default_factory=dict)
    bad: Mapping[str, int] = dataclasses.field(default_factory=dict)
    unknown: Mapping[str, Sequence[str]] = dataclasses.field(default_factory=dict)
    misfits: Mapping[str, str] = dataclasses.field(default_factory=dict)
    later: Mapping[str, int] = dataclasses.field(default_factory=dict)
    arrived: int = 0
    after: int = 0

    def counted(self) -> str:
        """Write down where the rows that arrived went, and return what does not add up; empty where all does.

        Each row is used, in quarantine, or of a later day. A table that is written to while it is read may differ.
        """
        counts = {"used": self.rows, "quarantined": sum(self.bad.values()), "after_the_day": self.after}
        get_logger().info("gold_rows", table=self.table, arrived=self.arrived, **counts)
        if sum(counts.values()) == self.arrived:
            return ""
        told = ", ".join(f"{rows} {name.replace('_', ' ')}" for name, rows in counts.items())
        return f"{self.table}: {self.arrived} rows arrived, but {told}: was it written to meanwhile?"

    def missing(self, column: str) -> str | None:
        """Return why a column cannot be used, or ``None`` if it can."""
        if not self.present:
            return f"gold table {self.table} is absent"
        if column in self.misfits:
            return f"{self.table}.{column} {self.misfits[column]}"
        if self.rows and not self.filled.get(column):
            return f"{self.table}.{column} is NULL throughout"
        return None


class Profiler:
    """Profiles gold tables, each once.

    Args:
        gold: The view to profile.
    """

    def __init__(self, gold: GoldView) -> None:
        self._gold = gold
        self._found: dict[str, Profile] = {}

    def profile(self, name: str) -> Profile:
        """Return the profile of a table; the first call costs one pass over it."""
        if name not in self._found:
            self._found[name] = _profile(self._gold, name)
        return self._found[name]

    def why_missing(self, needs: Sequence[str]) -> str | None:
        """Return the first reason why one of ``table.column`` needs is not there."""
        for need in needs:
            table, _, column = need.partition(".")
            reason = self.profile(table).missing(column)
            if reason:
                return reason
        return None


def _profile(gold: GoldView, name: str) -> Profile:
    table, frame = gold.declared(name), gold.flagged(name)
    if frame is None:
        return Profile(name, present=False)
    closed = [c for c in table.columns if c.values]
    times = [c.name for c in table.columns if c.type.lower() == "timestamp" and not c.planned]
    # A plain groupBy on the reason: one row per reason comes back, whatever the table's size.
    groups = frame.groupBy(REASON).agg(*_counts(table.names, times, closed)).collect()
    good = next((g for g in groups if g[REASON] is None), None)
    arrived, after = gold.arrived(name)
    return Profile(
        table=name,
        present=True,
        arrived=arrived,
        after=after,
        rows=good["rows"] if good else 0,
        filled={c: good[f"n_{c}"] for c in table.names} if good else {},
        bad={g[REASON]: g["rows"] for g in groups if g[REASON] is not None},
        misfits=gold.misfits(name) or {},
        later={c: good[f"l_{c}"] for c in times if good and good[f"l_{c}"]},
        unknown={c.name: sorted(good[f"u_{c.name}"]) for c in closed if good and good[f"u_{c.name}"]},
    )


def _counts(names: Sequence[str], times: Sequence[str], closed: Sequence[GoldColumn]) -> Iterator[Column]:
    """Yield what is counted: rows, values, times after ``known_at``, and values outside of a closed set."""
    from pyspark.sql import functions as F

    yield F.count(F.lit(1)).alias("rows")
    for name in names:
        yield F.count(name).alias(f"n_{name}")
    limit = F.col(KNOWN_AT) + F.expr(f"INTERVAL {CLOCKS} SECONDS")
    for name in times:
        yield F.count_if(F.col(name) > limit).alias(f"l_{name}")
    for column in closed:
        strange = ~F.col(column.name).isin(list(column.values))
        yield F.collect_set(F.when(strange, F.substring(column.name, 1, 60))).alias(f"u_{column.name}")


def quarantine(runtime: Services, gold: GoldView, profile: Profile) -> int:
    """Write a profiled table's bad rows to the quarantine table.

    Args:
        runtime: The runtime.
        gold: The view that was profiled.
        profile: Its profile; tables without bad rows cost nothing.

    Returns:
        Rows that are new in quarantine; the same rows again are not.
    """
    from pyspark.sql import functions as F

    if not profile.bad:
        return 0
    table = gold.declared(profile.table)
    frame = gold.flagged(profile.table)
    if frame is None:
        return 0
    # A value that could not be read stands there as it came.
    content = F.to_json(
        F.struct(
            *(F.coalesce(F.col(AS_FOUND)[c.name], F.col(c.name).cast("string")).alias(c.name) for c in table.columns)
        )
    )
    rows = (
        frame.where(f"{REASON} IS NOT NULL")
        .select(F.lit(profile.table).alias("table_name"), F.col(REASON).alias("reason"), content.alias("row"), KNOWN_AT)
        .withColumn("row_hash", F.sha2("row", 256))
        # Exact copies of a row are one entry with a count.
        .groupBy("table_name", "reason", "row_hash", "row")
        .agg(F.min(KNOWN_AT).alias(KNOWN_AT), F.count(F.lit(1)).alias("copies"))
    )
    return runtime.tables.merge(
        runtime.feature_table(QUARANTINE),
        runtime.collect(rows),
        keys=["table_name", "reason", "row_hash"],
        description="Gold rows that break the contract, with the reason; features and labels do not see them.",
    )

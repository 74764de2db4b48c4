"""The words in which this domain declares its columns, and the rule of what size suits a warehouse."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from domains.performance.clusters import SETTINGS
from domains.performance.statements import HISTORY
from framework import days
from framework import formulas as fx

if TYPE_CHECKING:
    from framework import Feature

WEEK, MONTH = days(7), days(28)
P95 = 0.95
QUEUED_SHARE, IDLE_SHARE, AT_LEAST = 0.1, 0.6, 0.95
"""Undersized: more of the time than this is queueing. Oversized: more than this idle, and this much at the minimum."""
UNDERSIZED, OVERSIZED, RIGHT_SIZED = range(3)
COMPARABLE = "statements BETWEEN 0.4 * statements_seen_usual AND 2.5 * statements_seen_usual AND statements >= 3"
"""A day whose volume is like that of the active days before: only such days tell slower statements from other ones."""
QUEUE, COLD, COMPILE, WORK, READ, SPILL, CACHE, READ_FILES, PRUNED, USERS, TEXT = (
    (f"{HISTORY}.{column}",)
    for column in (
        "waiting_at_capacity_duration_ms", "waiting_for_compute_duration_ms", "compilation_duration_ms",
        "execution_duration_ms", "read_bytes", "spilled_local_bytes", "from_result_cache", "read_files", "pruned_files",
        "executed_by", "statement_text",
    )
)  # fmt: skip


def rule(queued: str, whole: str, idle: str, running: str, least: str) -> str:
    """Return SQL for the class of a warehouse by sums over a window: 0 undersized, 1 oversized, 2 right-sized."""
    return (
        f"CASE WHEN {queued} > {QUEUED_SHARE} * {whole} THEN {UNDERSIZED} "
        f"WHEN {idle} > {IDLE_SHARE} * {running} AND {least} >= {AT_LEAST} * {running} THEN {OVERSIZED} "
        f"WHEN {whole} > 0 AND {running} > 0 THEN {RIGHT_SIZED} END"
    )


count, hidden = partial(fx.counted, unit="statements"), partial(fx.counted, hidden=True)


def held(name: str, *, description: str, unit: str, column: str) -> Feature:
    """Declare a setting as of the day's end, carried over silent days."""
    sql = f"last(day_{name}, true) OVER trailing"
    return fx.derived(name, sql, window=days(29), description=description, unit=unit, needs=(f"{SETTINGS}.{column}",))


def upward(name: str, of: str, *, description: str, needs: tuple[str, ...] = ()) -> Feature:
    """Declare how far a day's value lies above its usual, in logs; 0 below it, NULL on a day that does not compare.

    Args:
        name: Column name.
        of: A daily column; its median over the past 28 days is the usual.
        description: Meaning.
        needs: Gold columns.
    """
    known = f"{COMPARABLE} AND {of} > 0 AND {of}_usual > 0"
    sql = f"CASE WHEN {known} THEN greatest(ln({of} / {of}_usual), 0) END"
    return fx.derived(name, sql, description=description, unit="log ratio", needs=needs)


def usual(of: str, *, needs: tuple[str, ...] = ()) -> tuple[Feature, Feature]:
    """Declare the median of a daily column over the 28 days before, as two hidden columns."""
    past = fx.derived(
        f"{of}_past", f"sort_array(collect_list({of}) OVER earlier)", window=MONTH,
        description="values of the days before",
        hidden=True, type="array<double>", needs=needs,
    )  # fmt: skip
    middle = fx.quantile(f"{of}_usual", 0.5, f"{of}_past", description="median of the days before")
    return past, fx.derived(f"{of}_usual", middle.sql, description=middle.description, hidden=True)

"""Formulas of this domain: amounts that mean nothing where a source is silent, and how far a day stands out."""

from __future__ import annotations

from functools import partial

from framework import Feature, days
from framework import formulas as fx

MONTH, QUARTER = days(28), days(90)


count = partial(fx.counted, unit="events")


def amount(name: str, sql: str, *, description: str, unit: str, needs: tuple[str, ...]) -> tuple[Feature, ...]:
    """Declare an amount that is 0 on a silent day, but NULL where the user had none within 90 days.

    So a source that is absent, or says nothing of a user, gives NULL and not a row of zeros.
    """
    seen = fx.daily(f"{name}_seen", sql, description=description, needs=needs, hidden=True)
    known = f"CASE WHEN count({name}_seen) OVER trailing > 0 THEN coalesce({name}_seen, 0) END"
    return seen, fx.derived(name, known, window=QUARTER, description=description, unit=unit)


def excess(name: str, of: str, *, description: str) -> tuple[Feature, ...]:
    """Declare by how much a day's amount passes the user's own 28 days before, on a log scale; 0 if it does not.

    Deviations count in units of the usual spread, which never counts as less than a half. A user without a past
    is held against all users of the day.
    """
    size = fx.derived(f"{of}_log", f"ln(1 + {of})", description=f"log of {of}", hidden=True)
    usual = f"coalesce(avg({of}_log) OVER earlier, avg({of}_log) OVER peers)"
    spread = f"(0.5D + coalesce(stddev_samp({of}_log) OVER earlier, 0))"
    sql = f"CASE WHEN {of} IS NOT NULL THEN greatest(0, ({of}_log - {usual}) / {spread}) END"
    return size, fx.derived(name, sql, window=MONTH, description=description, unit="log units per spread")


def over_peers(name: str, of: str, *, description: str) -> Feature:
    """Declare by how much an amount passes the mean of all users who were active that day, on a log scale.

    Args:
        name: Column name.
        of: Column whose hidden ``{of}_log`` an :func:`excess` declares.
        description: Meaning.
    """
    usual = f"avg(CASE WHEN events > 0 THEN {of}_log END) OVER peers"
    return fx.derived(
        name,
        f"CASE WHEN {of} IS NOT NULL THEN greatest(0, {of}_log - {usual}) END",
        description=description,
        unit="log units",
    )


def days_with(name: str, sql: str, *, description: str) -> tuple[Feature, ...]:
    """Declare hidden sets: what stood in the day's events, and in those of each of the 28 days before."""
    day = fx.daily(f"{name}_set", f"collect_set({sql})", description=description, hidden=True, type="array<string>")
    past = f"flatten(collect_list({name}_set) OVER earlier)"
    return day, fx.derived(
        f"{name}_past", past, window=MONTH, description=description, hidden=True, type="array<string>"
    )


def surprise(name: str, of: str, *, description: str) -> Feature:
    """Declare how unusual the things of a day are for the user: minus the log of the share of past days with them.

    Args:
        name: Column name.
        of: Name given to :func:`days_with`.
        description: Meaning.
    """
    each = f"transform({of}_set, x -> -ln((size(filter({of}_past, y -> y = x)) + 0.5D) / (active_past + 1D)))"
    found = f"aggregate({each}, 0D, (s, x) -> s + x) / size({of}_set)"
    sql = f"CASE WHEN size({of}_set) > 0 AND active_past >= 3 THEN {found} END"
    return fx.derived(name, sql, description=description, unit="log units")

"""What feature columns are made of; each function returns a :class:`Feature`.

The SQL of a column names its window after ``OVER``:

- ``trailing``: the last ``window`` days, the row's own day included.
- ``earlier``: as many days, but up to the day before. A level uses the first; a comparison of today with the past uses
  the second, since a z-score whose past contains today can never fire.
- ``that_day``: the one day exactly ``window`` days before.
- ``peers``: all entities' rows of the row's own day; ``peers_within(workspace_id)`` those that share a key with it.

``day_number`` is the row's day as a whole number.
"""

from __future__ import annotations

from datetime import timedelta

from framework.declare.model import Feature


def daily(
    name: str,
    sql: str,
    *,
    description: str,
    unit: str = "",
    empty: float | None = None,
    needs: tuple[str, ...] = (),
    hidden: bool = False,
    type: str = "double",  # noqa: A002 - the word a table declaration uses
) -> Feature:
    """Declare an aggregate of one day's events, for example ``count(*)``.

    Args:
        name: Column name.
        sql: Spark SQL aggregate over the event columns.
        description: Meaning.
        unit: Unit.
        empty: Value on a day without events; counts use 0, means and rates ``None``.
        needs: Gold columns that the value rests on.
        hidden: True for a helper that the table does not hold.
        type: Spark type; helpers may be arrays.

    Returns:
        The declaration.
    """
    return Feature(
        name=name,
        sql=sql,
        description=description,
        unit=unit,
        stage="day",
        empty=empty,
        needs=needs,
        hidden=hidden,
        type=type,
    )


def counted(
    name: str, sql: str, *, description: str, unit: str = "", needs: tuple[str, ...] = (), hidden: bool = False
) -> Feature:
    """Declare a sum or count of one day's events that is 0 where there is none, and on a silent day."""
    return daily(name, f"coalesce({sql}, 0)", empty=0, description=description, unit=unit, needs=needs, hidden=hidden)


def total(
    name: str, of: str, *, window: timedelta, description: str, unit: str = "", digits: int | None = None
) -> Feature:
    """Declare the sum of a daily column over trailing days.

    Args:
        name: Column name.
        of: What to add up.
        window: The trailing days.
        description: Meaning.
        unit: Unit.
        digits: Decimals to which the sum is rounded, for amounts that may cancel: a charge and its correction are then
            0, and not what rounding left of them.
    """
    sql = f"sum({of}) OVER trailing"
    return _over(name, sql if digits is None else f"round({sql}, {digits})", window, description, unit)


def mean(name: str, of: str, *, window: timedelta, description: str, unit: str = "") -> Feature:
    """Declare the mean of a daily column over trailing days; NULL days do not count."""
    return _over(name, f"avg({of}) OVER trailing", window, description, unit)


def rate(name: str, part: str, whole: str, *, window: timedelta, description: str, unit: str = "share") -> Feature:
    """Declare a ratio of two trailing sums; NULL where the whole is 0."""
    return _over(name, f"sum({part}) OVER trailing / nullif(sum({whole}) OVER trailing, 0)", window, description, unit)


def smoothed_rate(
    name: str, part: str, whole: str, *, window: timedelta, description: str, unit: str = "share"
) -> Feature:
    """Declare an add-one smoothed ratio of two trailing sums; 0.5 where nothing was seen."""
    return _over(name, f"(sum({part}) OVER trailing + 1) / (sum({whole}) OVER trailing + 2)", window, description, unit)


def values(name: str, sql: str, *, needs: tuple[str, ...] = ()) -> Feature:
    """Declare a hidden daily array of event values, the raw material of quantiles."""
    return daily(
        name, f"collect_list({sql})", description="values of the day", needs=needs, hidden=True, type="array<double>"
    )


def sorted_values(name: str, of: str, *, window: timedelta) -> Feature:
    """Declare a hidden array of all values in trailing days, in ascending order; sorted once for all quantiles."""
    sql = f"sort_array(flatten(collect_list({of}) OVER trailing))"
    return derived(name, sql, window=window, description="values of the window", hidden=True, type="array<double>")


def quantile(name: str, q: float, of: str, *, description: str, unit: str = "") -> Feature:
    """Declare the nearest-rank quantile of a sorted array.

    Args:
        name: Column name.
        q: The quantile, in (0, 1].
        of: A hidden column of sorted values (see :func:`sorted_values`).
        description: Meaning.
        unit: Unit.

    Returns:
        The declaration; NULL where there is no value.
    """
    return derived(name, nearest_rank(of, q), description=description, unit=unit)


def zscore(name: str, of: str, *, window: timedelta, description: str) -> Feature:
    """Declare today's value against mean and deviation of the days before it.

    NULL where fewer than three past days have a value, or they do not vary.
    """
    sql = (
        f"CASE WHEN count({of}) OVER earlier >= 3 THEN "
        f"({of} - avg({of}) OVER earlier) / nullif(stddev_samp({of}) OVER earlier, 0) END"
    )
    return _over(name, sql, window, description, "standard deviations")


def days_since(name: str, flag: str, *, window: timedelta, description: str) -> Feature:
    """Declare the days since a daily column was last above 0; NULL if not within the window."""
    last = f"max(CASE WHEN {flag} > 0 THEN day_number END) OVER trailing"
    return _over(name, f"day_number - {last}", window, description, "days")


def lagged(name: str, of: str, *, by: timedelta, description: str, unit: str = "", hidden: bool = False) -> Feature:
    """Declare a column's value exactly some days ago; NULL if the entity had no row then."""
    return Feature(
        name=name, sql=f"max({of}) OVER that_day", description=description, unit=unit, window=by.days, hidden=hidden
    )


def recent(sql: str, of: str) -> str:
    """Return SQL for an aggregate over the events before the row, within its window.

    The window's ends are two growing histories and their difference, so the cost is linear in the events;
    exact for whole numbers.

    Args:
        sql: ``sum`` or ``count``.
        of: What to aggregate.
    """
    return f"(coalesce({sql}({of}) OVER earlier, 0) - coalesce({sql}({of}) OVER that_day, 0))"


def derived(
    name: str,
    sql: str,
    *,
    description: str,
    unit: str = "",
    window: timedelta = timedelta(0),
    needs: tuple[str, ...] = (),
    hidden: bool = False,
    type: str = "double",  # noqa: A002 - the word a table declaration uses
) -> Feature:
    """Declare a column computed from other columns and windows over them."""
    return Feature(
        name=name,
        sql=sql,
        description=description,
        unit=unit,
        window=window.days,
        needs=needs,
        hidden=hidden,
        type=type,
    )


def of_date(name: str, sql: str, *, description: str, unit: str = "") -> Feature:
    """Declare a column that the row's date alone gives."""
    return Feature(name=name, sql=sql, description=description, unit=unit, calendar=True)


def calendar(time: str) -> tuple[Feature, ...]:
    """Declare the weekday of the row's day as two smooth columns and a weekend flag."""
    weekday = weekday_of(time)
    angle = f"2 * pi() * {weekday} / 7"
    weekend = f"CASE WHEN {weekday} >= 5 THEN 1 ELSE 0 END"
    return (
        of_date("weekday_sin", f"sin({angle})", description="weekday on a circle, sine (Monday = 0)"),
        of_date("weekday_cos", f"cos({angle})", description="weekday on a circle, cosine (Monday = 1)"),
        of_date("is_weekend", weekend, description="1 on Saturday and Sunday", unit="0/1"),
    )


def weekday_of(day: str) -> str:
    """Return SQL for the weekday of a date or moment, Monday = 0; engines disagree about ``weekday`` of a Sunday."""
    return f"((dayofweek({day}) + 5) % 7)"


def nearest_rank(array: str, q: float) -> str:
    """Return SQL for the nearest-rank quantile ``q`` of an ascending array; NULL if it is empty."""
    return f"try_element_at({array}, cast(greatest(ceil({q} * size({array})), 1) AS int))"


def last_of(array: str, number: int) -> str:
    """Return SQL for the last elements of an array, at most ``number`` of them."""
    return f"slice({array}, greatest(size({array}) - {number - 1}, 1), {number})"


def _over(name: str, sql: str, window: timedelta, description: str, unit: str) -> Feature:
    return Feature(name=name, sql=sql, description=description, unit=unit, window=window.days)

"""How each table has been doing, by day: its volume, its columns, its writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from domains.gold.contract.snapshots import TABLE
from domains.quality.changes import MAX_GAP, SEEN, SHAPE, WRITES, column_changes, seen_tables, writes
from framework import DailyFeatures, Feature, TableSpec, days, stack
from framework import formulas as fx

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from framework import GoldView

DAY, WEEK, MONTH, QUARTER = days(1), days(7), days(28), days(90)
CAP_HOURS = 14 * 24
"""A table that is not written within two weeks is late, however late."""
GAPS = 5
WIDEN = 0.5
"""A table's usual interval is its trailing range, widened by half of itself: appended tables grow beyond it daily."""
LEAST = 0.01
"""And by one percent, since a constant table has no range."""
ROWS, SIZE = (*SEEN, "table_snapshots.row_count"), (*SEEN, "table_snapshots.size_bytes")
DAY_END = "(day_number + 1) * 86400D"


def log_change(name: str, of: str, *, since: str, description: str) -> Feature:
    """Declare the log of a positive column's ratio to an earlier value; -10 where everything is gone."""
    return fx.derived(
        name,
        f"CASE WHEN {since} > 0 AND {of} >= 0 THEN greatest(ln({of} / {since}), -10) END",
        description=description,
        unit="log",
    )


def usual(name: str, of: str, *, description: str, unit: str) -> tuple[Feature, ...]:
    """Declare a column's usual interval (hidden), and how far today's value lies outside of it."""
    low, high = f"min({of}) OVER earlier", f"max({of}) OVER earlier"
    margin = f"{WIDEN} * ({high} - {low}) + {LEAST} * {high}"
    ends = {"low": f"{low} - ({margin})", "high": f"{high} + {margin}"}
    return (
        *(
            fx.derived(
                f"{name}_{end}_28d", sql, window=MONTH, description=f"{end} end of the usual {description}", hidden=True
            )
            for end, sql in ends.items()
        ),
        fx.derived(
            f"{name}_outside_28d",
            # `greatest` passes over NULL: the difference decides whether there is anything to compare.
            f"10 * CASE WHEN {of} - {name}_high_28d IS NOT NULL THEN"
            f" greatest({of} - {name}_high_28d, {name}_low_28d - {of}, 0) END"
            f" / (1 + {name}_high_28d - {name}_low_28d)",
            description=f"how far the {description} lie outside the usual interval, in tenths of its width",
            unit=unit,
        ),
    )


def changed(name: str, *, description: str) -> Feature:
    """Declare a day's count of column changes, 0 on a day without a snapshot."""
    return fx.counted(name, f"sum({name})", description=description, unit="columns", needs=SHAPE)


DAILY = (
    fx.daily("seen", "count(row_seen)", empty=0, description="1 if the table was seen", unit="0/1", needs=SEEN),
    fx.daily("row_count", "max(row_count)", description="rows at the end of the day", unit="rows", needs=ROWS),
    fx.daily("size_bytes", "max(size_bytes)", description="size at the end of the day", unit="bytes", needs=SIZE),
    fx.daily("column_count", "max(column_count)", description="columns", unit="columns", needs=SHAPE),
    changed("added", description="columns added since the snapshot before"),
    changed("dropped", description="columns dropped since the snapshot before"),
    changed("retyped", description="columns whose type changed since the snapshot before"),
    fx.daily("writes", "count(write_time)", empty=0, description="writes", unit="writes", needs=WRITES),
    fx.daily(
        "write_times",
        fx.last_of("sort_array(collect_list(cast(unix_timestamp(write_time) AS double)))", GAPS + 1),
        description="the day's last writes, in time",
        needs=WRITES,
        hidden=True,
        type="array<double>",
    ),
)

VOLUME = (
    fx.lagged("rows_1d_ago", "row_count", by=DAY, description="rows a day ago", hidden=True),
    fx.lagged("rows_7d_ago", "row_count", by=WEEK, description="rows a week ago", hidden=True),
    fx.lagged("size_1d_ago", "size_bytes", by=DAY, description="size a day ago", hidden=True),
    fx.lagged("columns_1d_ago", "column_count", by=DAY, description="columns a day ago", hidden=True),
    log_change(
        "rows_change_1d", "row_count", since="rows_1d_ago", description="log change of rows since the day before"
    ),
    log_change("rows_change_7d", "row_count", since="rows_7d_ago", description="log change of rows since a week ago"),
    log_change(
        "size_change_1d", "size_bytes", since="size_1d_ago", description="log change of size since the day before"
    ),
    fx.derived(
        "columns_change_1d",
        "column_count - columns_1d_ago",
        description="columns more than the day before",
        unit="columns",
    ),
    *usual("rows", "row_count", description="rows", unit="tenths of the interval"),
    *usual("size", "size_bytes", description="bytes", unit="tenths of the interval"),
    fx.derived(
        "rows_z_28d",
        "CASE WHEN count(row_count) OVER earlier >= 3 THEN abs(row_count - avg(row_count) OVER earlier)"
        " / (stddev_samp(row_count) OVER earlier + 0.001 * avg(row_count) OVER earlier + 1) END",
        window=MONTH,
        description="rows against mean and deviation of the 28 days before, either way",
        unit="standard deviations",
    ),
    fx.zscore(
        "change_z_28d", "rows_change_1d", window=MONTH, description="the day's change of rows against those before"
    ),
    fx.mean(
        "change_mean_28d",
        "rows_change_1d",
        window=MONTH,
        description="mean daily log change of rows, 28 days",
        unit="log",
    ),
    fx.derived(
        "bytes_per_row_change",
        "size_change_1d - rows_change_1d",
        description="log change of bytes per row since the day before",
        unit="log",
    ),
)

FRESHNESS = (
    fx.total("writes_7d", "writes", window=WEEK, description="writes, last 7 days", unit="writes"),
    fx.total("writes_28d", "writes", window=MONTH, description="writes, last 28 days", unit="writes"),
    fx.zscore("writes_z_28d", "writes", window=MONTH, description="the day's writes against the 28 days before"),
    fx.derived(
        "last_writes",
        fx.last_of("flatten(collect_list(write_times) OVER trailing)", GAPS + 1),
        window=QUARTER,
        description="the last writes of a quarter",
        hidden=True,
        type="array<double>",
    ),
    *(
        fx.derived(
            name,
            f"slice(last_writes, {first}, greatest(size(last_writes) - 1, 0))",
            description=f"the last writes without the {without}",
            hidden=True,
            type="array<double>",
        )
        for name, first, without in (("writes_from", 1, "newest"), ("writes_to", 2, "oldest"))
    ),
    fx.derived(
        "gaps",
        "sort_array(transform(arrays_zip(writes_from, writes_to), gap -> (gap.writes_to - gap.writes_from) / 3600))",
        description="hours between the last writes, ascending",
        hidden=True,
        type="array<double>",
    ),
    fx.derived(
        "hours_since_write",
        f"({DAY_END} - try_element_at(last_writes, -1)) / 3600",
        description="hours from the last write to the end of the day",
        unit="hours",
    ),
    fx.derived(
        "median_gap_hours",
        "(try_element_at(gaps, greatest(cast(ceil(size(gaps) / 2) AS int), 1))"
        " + try_element_at(gaps, cast(floor(size(gaps) / 2) AS int) + 1)) / 2",
        description="median of the last five gaps between writes",
        unit="hours",
    ),
    fx.derived(
        "longest_gap_hours", "try_element_at(gaps, -1)", description="longest of the last five gaps", unit="hours"
    ),
    fx.derived(
        "expected_hours",
        "CASE WHEN median_gap_hours >= 0 THEN"
        f" least(greatest(median_gap_hours - hours_since_write, 0), {CAP_HOURS}) END",
        description="hours until the next write, if the gap is the usual one",
        unit="hours",
    ),
    fx.derived(
        "write_hour",
        "(try_element_at(last_writes, -1) % 86400) / 3600",
        description="hour of the last write",
        unit="UTC",
    ),
    *(
        fx.lagged(f"writes_{n}_days_ago", "writes", by=days(n), description=f"writes {n} days ago", hidden=True)
        for n in (5, 6, 12, 13, 19, 20, 26, 27)
    ),
    *(
        fx.derived(
            f"writes_{description}_28d",
            " + ".join(f"coalesce(writes_{n}_days_ago, 0)" for n in (back, back + 7, back + 14, back + 21)),
            description=f"writes on the weekday {ahead}, last four weeks",
            unit="writes",
        )
        for description, back, ahead in (("tomorrow", 6, "of tomorrow"), ("day_after", 5, "of the day after tomorrow"))
    ),
    *fx.calendar("snapshot_date"),
)

SCHEMA = (
    fx.derived("changed_day", "CASE WHEN added + dropped + retyped > 0 THEN 1 ELSE 0 END",
               description="1 if a column changed",
               hidden=True),
    fx.total("changed_days_7d", "changed_day", window=WEEK, description="days with a column change, last 7 days",
             unit="days"),
    fx.total("changed_days_28d", "changed_day", window=MONTH, description="days with a column change, last 28 days",
             unit="days"),
    fx.total("changed_days_90d", "changed_day", window=QUARTER, description="days with a column change, 90 days",
             unit="days"),
    fx.total("added_28d", "added", window=MONTH, description="columns added, last 28 days", unit="columns"),
    fx.total("dropped_28d", "dropped", window=MONTH, description="columns dropped, last 28 days", unit="columns"),
    fx.days_since("days_since_change", "changed_day", window=QUARTER, description="days since a column changed"),
    fx.derived(
        "known_days_90d",
        "count(row_count) OVER trailing",
        window=QUARTER,
        description="days on which the table was seen, 90 days",
        hidden=True,
    ),
    fx.derived(
        "change_rate_90d",
        "1 - pow(1 - least((changed_days_90d + 0.5) / (greatest(known_days_90d, changed_days_90d) + 1), 1), 7)",
        description="chance of a change within a week at the daily rate of the last 90 days",
        unit="share",
    ),
    fx.derived(
        "schema_changes_28d",
        "sum(changed_days_28d) OVER peers_within(table_catalog, table_schema) - changed_days_28d",
        description="days with a column change of the schema's other tables, last 28 days",
        unit="days",
    ),
    fx.derived(
        "catalog_changes_7d",
        "sum(changed_days_7d) OVER peers_within(table_catalog) - changed_days_7d",
        description="days with a column change of the catalog's other tables, last 7 days",
        unit="days",
    ),
)  # fmt: skip


class QualityFeatures(DailyFeatures):
    """One row per table and day."""

    reach = MAX_GAP
    table = TableSpec(
        name="quality_features",
        description="One row per table and day, from when it was first seen or written until 28 days "
        "after the last time.",
        keys=TABLE,
        time="snapshot_date",
        columns=(*DAILY, *VOLUME, *FRESHNESS, *SCHEMA),
    )

    def events(self, gold: GoldView) -> DataFrame:
        """Return what was seen of tables, how their columns changed, and when they were written."""
        from pyspark.sql import functions as F

        parts = []
        if gold.has("information_schema_columns"):
            parts.append(column_changes(gold))
        if gold.has("fact_table_lineage"):
            parts.append(writes(gold))
        if gold.has("table_snapshots") or not parts:
            parts.append(seen_tables(gold).withColumn("row_seen", F.lit(1)))
        events = parts[0]
        for more in parts[1:]:
            events = stack(events, more)
        measures = ("row_seen", "row_count", "size_bytes", "column_count", "added", "dropped", "retyped", "write_time")
        absent = [name for name in measures if name not in events.columns]
        kinds = {name: "timestamp" if name == "write_time" else "bigint" for name in absent}
        return events.select("*", *(F.lit(None).cast(kind).alias(name) for name, kind in kinds.items()))

"""One suite for both adapters: the same calls give the same rows, the same artefacts and the same refusals."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pytest

from framework.base.errors import FeatureStoreError, TableError
from framework.core.keys import metadata_of, primary_key, timeseries_column
from framework.core.ports import FeatureLookup
from framework.stores.arrow import to_arrow

if TYPE_CHECKING:
    from tests.contract.conftest import Side

JOBS, DAYS, OWNERS = "main.ml.jobs", "main.ml.days", "main.ml.owners"
DAY = date(2026, 10, 1)


def day(number: int) -> date:
    return DAY + timedelta(days=number)


def rows_of(frame: Any, *order: str) -> list[dict[str, Any]]:
    """Return a frame's rows in key order, as plain values."""
    return sorted(to_arrow(frame).to_pylist(), key=lambda row: tuple(str(row[name]) for name in order))


@pytest.fixture
def jobs(side: Side) -> Side:
    """A side with a plain feature table of jobs."""
    rows = pa.table({"job": ["a", "b"], "cost": [1.0, 2.0], "runs": pa.array([3, 4], pa.int64())})
    side.store.create_table(name=JOBS, primary_keys=["job"], df=rows, description="Jobs.")
    return side


@pytest.fixture
def days(side: Side) -> Side:
    """A side with a time-series table: job a on days 0, 1 and 4, job b on day 1 without a rate."""
    rows = pa.table(
        {
            "job": ["a", "a", "a", "b"],
            "day": pa.array([day(0), day(1), day(4), day(1)], pa.date32()),
            "rate": [0.1, 0.2, 0.4, None],
        }
    )
    side.store.create_table(name=DAYS, primary_keys=["job", "day"], timeseries_column="day", df=rows)
    return side


# ---------------------------------------------------------------- tables


def test_a_new_table_has_keys_comments_and_time(side: Side) -> None:
    schema = pa.schema(
        [
            pa.field("job", pa.string(), nullable=False, metadata={"comment": "the job's key"}),
            pa.field("day", pa.date32(), nullable=False),
            pa.field("rate", pa.float64(), metadata={"comment": "share of today's runs", "formula": "0123abcd"}),
        ]
    )
    side.store.create_table(
        name=DAYS, primary_keys=["job", "day"], timeseries_column="day", schema=schema, description="It's by day."
    )
    stored = side.tables.schema(DAYS)
    assert stored is not None
    assert primary_key(stored) == ["job", "day"]
    assert timeseries_column(stored) == "day"
    assert [field.nullable for field in stored] == [False, False, True]
    assert [str(field.type) for field in stored] == ["string", "date32[day]", "double"]
    assert metadata_of(stored.field("job"))["comment"] == "the job's key"
    assert metadata_of(stored.field("rate"))["comment"] == "share of today's runs"
    side.tables.annotate(DAYS, schema)
    annotated = side.tables.schema(DAYS)
    assert annotated is not None
    assert metadata_of(annotated.field("rate"))["formula"] == "0123abcd"
    assert side.tables.count(DAYS) == 0


def test_merge_inserts_and_updates_and_counts_what_changed(jobs: Side) -> None:
    rows = pa.table({"job": ["b", "c"], "cost": [9.0, 5.0], "runs": pa.array([4, 6], pa.int64())})
    assert jobs.store.write_table(name=JOBS, df=rows) == 2
    assert rows_of(jobs.tables.read(JOBS), "job") == [
        {"job": "a", "cost": 1.0, "runs": 3},
        {"job": "b", "cost": 9.0, "runs": 4},
        {"job": "c", "cost": 5.0, "runs": 6},
    ]


def test_the_same_rows_again_change_nothing(jobs: Side) -> None:
    before = jobs.tables.version(JOBS)
    rows = pa.table({"job": ["a", "b"], "cost": [1.0, 2.0], "runs": pa.array([3, 4], pa.int64())})
    assert jobs.store.write_table(name=JOBS, df=rows) == 0
    assert jobs.tables.version(JOBS) == before


def test_a_null_replaces_a_value_and_counts_as_a_change(jobs: Side) -> None:
    rows = pa.table({"job": ["a"], "cost": pa.array([None], pa.float64()), "runs": pa.array([3], pa.int64())})
    assert jobs.store.write_table(name=JOBS, df=rows) == 1
    assert rows_of(jobs.tables.read(JOBS), "job")[0] == {"job": "a", "cost": None, "runs": 3}


def test_a_new_column_widens_the_table(days: Side) -> None:
    rows = pa.table(
        {"job": ["a"], "day": pa.array([day(5)], pa.date32()), "rate": [0.5], "late": pa.array([7], pa.int64())}
    )
    assert days.store.write_table(name=DAYS, df=rows) == 1
    found = rows_of(days.tables.read(DAYS), "job", "day")
    assert [row["late"] for row in found] == [None, None, None, 7, None]


def test_columns_of_every_type_come_back_as_they_were(side: Side) -> None:
    moment = datetime(2026, 10, 1, 12, 30, 0, 123456, tzinfo=UTC)
    rows = pa.table(
        {
            "k": ["ü", "b"],
            "i": pa.array([1, None], pa.int32()),
            "t": pa.array([moment, None], pa.timestamp("us", tz="UTC")),
            "d": pa.array([DAY, None], pa.date32()),
            "f": pa.array([True, None], pa.bool_()),
            "l": pa.array([["x"], []], pa.list_(pa.field("element", pa.string()))),
            "m": pa.array([[("a", 0.5)], None], pa.map_(pa.string(), pa.float64())),
        }
    )
    assert side.tables.merge("main.ml.types", rows, keys=["k"]) == 2
    assert side.tables.merge("main.ml.types", rows, keys=["k"]) == 0
    found = rows_of(side.tables.read("main.ml.types"), "k")
    assert found == sorted(rows.to_pylist(), key=lambda row: row["k"])


@pytest.mark.parametrize(
    ("what", "rows"),
    [
        ("a NULL key", {"job": ["a", None], "cost": [1.0, 2.0], "runs": [1, 2]}),
        ("a duplicate key", {"job": ["a", "a"], "cost": [1.0, 2.0], "runs": [1, 2]}),
        ("no key", {"cost": [1.0], "runs": [1]}),
        ("another type", {"job": ["a"], "cost": ["one"], "runs": [1]}),
    ],
)
def test_rows_that_break_the_table_are_refused_and_leave_it_alone(jobs: Side, what: str, rows: dict[str, Any]) -> None:
    before = rows_of(jobs.tables.read(JOBS), "job")
    with pytest.raises(FeatureStoreError):
        jobs.store.write_table(name=JOBS, df=pa.table(rows))
    assert rows_of(jobs.tables.read(JOBS), "job") == before, what


def test_a_time_series_takes_whole_rows(days: Side) -> None:
    rows = pa.table({"job": ["a"], "day": pa.array([day(9)], pa.date32())})
    with pytest.raises(FeatureStoreError):
        days.store.write_table(name=DAYS, df=rows)


def test_other_modes_two_levels_and_second_creations_are_refused(jobs: Side) -> None:
    rows = pa.table({"job": ["a"], "cost": [1.0], "runs": pa.array([3], pa.int64())})
    with pytest.raises(FeatureStoreError, match="overwrite"):
        jobs.store.write_table(name=JOBS, df=rows, mode="overwrite")  # type: ignore[arg-type]
    for name in ("ml.jobs", "jobs", "hive_metastore.ml.jobs"):
        with pytest.raises(FeatureStoreError):
            jobs.store.create_table(name=name, primary_keys=["job"], df=rows)
    with pytest.raises(FeatureStoreError, match="exists"):
        jobs.store.create_table(name=JOBS, primary_keys=["job"], df=rows)
    with pytest.raises(FeatureStoreError, match="primary"):
        jobs.store.create_table(name=OWNERS, primary_keys=["job"], timeseries_column="cost", df=rows)
    with pytest.raises(FeatureStoreError):
        jobs.store.write_table(name="main.ml.absent", df=rows)


# ---------------------------------------------------------------- plain tables


def test_plain_tables_merge_append_filter_and_tell(side: Side) -> None:
    name = "main.ml.plain"
    assert not side.tables.exists(name)
    assert side.tables.version(name) == -1
    assert side.tables.count(name) == 0
    rows = pa.table({"k": ["a", "b"], "n": pa.array([1, 2], pa.int64()), "at": ["x", "y"]})
    assert side.tables.merge(name, rows, keys=["k"], description="It's plain.") == 2
    again = pa.table({"k": ["a", "b"], "n": pa.array([1, 3], pa.int64()), "at": ["later", "later"]})
    assert side.tables.merge(name, again, keys=["k"], unimportant=["at"]) == 1
    assert rows_of(side.tables.read(name), "k") == [{"k": "a", "n": 1, "at": "x"}, {"k": "b", "n": 3, "at": "later"}]
    assert side.tables.read(name, columns=["k"], where=[("n", ">=", 2)]).to_pylist() == [{"k": "b"}]
    assert side.tables.read(name, columns=["k"], where=[("k", "in", ["a", "z"])]).to_pylist() == [{"k": "a"}]
    side.tables.append(name, pa.table({"k": ["c"], "n": pa.array([9], pa.int64()), "at": ["z"]}))
    assert side.tables.count(name) == 3
    assert side.tables.names("main.ml") == ["plain"]
    side.tables.append(name, pa.table({"k": ["d"], "n": pa.array([1], pa.int64()), "at": ["z"], "new": [0.5]}))
    assert [row["new"] for row in rows_of(side.tables.read(name), "k")] == [None, None, None, 0.5]
    details = side.tables.details(name)
    assert details["row_count"] == 4
    assert details["size_bytes"] > 0
    for wrong in ({"columns": ["absent"]}, {"where": [("absent", "=", 1)]}, {"where": [("n", "~", 1)]}):
        with pytest.raises(TableError):
            side.tables.read(name, **wrong)
    with pytest.raises(TableError, match="no such table"):
        side.tables.read("main.ml.plane")
    side.tables.delete(name, column="k", values=[])
    side.tables.delete(name, column="k", values=["b", "it's", "d"])
    assert [row["k"] for row in rows_of(side.tables.read(name), "k")] == ["a", "c"]


# ---------------------------------------------------------------- training sets


def labels(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame({"job": ["a", "b", "c"], "y": [0.0, 1.0, 0.0]} | columns)


def training(side: Side, frame: pd.DataFrame, *lookups: FeatureLookup, **more: Any) -> pd.DataFrame:
    made = side.store.create_training_set(df=frame, feature_lookups=lookups, label="y", **more)
    found = made.to_pandas()
    return found.sort_values(list(found.columns[:1])).reset_index(drop=True)


def test_a_plain_lookup_joins_by_key_and_leaves_the_unknown_empty(jobs: Side) -> None:
    found = training(jobs, labels(), FeatureLookup(table_name=JOBS, lookup_key=["job"]))
    assert list(found.columns) == ["job", "cost", "runs", "y"]
    assert found["cost"].tolist()[:2] == [1.0, 2.0]
    assert found["cost"].isna().tolist() == [False, False, True]


def test_a_point_in_time_lookup_takes_the_newest_row_not_after_the_day(days: Side) -> None:
    frame = pd.DataFrame({"job": ["a"] * 4, "day": [day(0), day(3), day(4), day(9)], "y": [0.0] * 4})
    made = days.store.create_training_set(
        df=frame,
        feature_lookups=[FeatureLookup(table_name=DAYS, lookup_key=["job"], timestamp_lookup_key="day")],
        label="y",
    ).to_pandas()
    assert made.sort_values("day")["rate"].tolist() == [0.1, 0.2, 0.4, 0.4]
    assert all(isinstance(value, date) and not isinstance(value, datetime) for value in made["day"])


@pytest.mark.parametrize(
    ("window", "expected"), [(timedelta(0), [0.2, None, None]), (timedelta(days=2), [0.2, 0.2, None])]
)
def test_a_lookback_window_bounds_the_age(days: Side, window: timedelta, expected: list[Any]) -> None:
    frame = pd.DataFrame({"job": ["a"] * 3, "day": [day(1), day(3), day(9)], "y": [0.0] * 3})
    lookup = FeatureLookup(
        table_name=DAYS, lookup_key=["job"], timestamp_lookup_key="day", lookback_window=window, feature_names=["rate"]
    )
    made = days.store.create_training_set(df=frame, feature_lookups=[lookup], label="y").to_pandas()
    found = made.sort_values("day")["rate"]
    assert [None if pd.isna(value) else value for value in found] == expected


def test_several_tables_renames_and_defaults(jobs: Side) -> None:
    owners = pa.table({"owner": ["x"], "team": ["core"], "cost": [7.0]})
    jobs.store.create_table(name=OWNERS, primary_keys=["owner"], df=owners)
    found = training(
        jobs,
        labels(owner=["x", "x", "z"]),
        FeatureLookup(table_name=JOBS, lookup_key=["job"], feature_names=["runs", "cost"], default_values={"runs": 0}),
        FeatureLookup(table_name=OWNERS, lookup_key=["owner"], rename_outputs={"cost": "owner_cost"}),
    )
    assert list(found.columns) == ["job", "owner", "runs", "cost", "owner_cost", "team", "y"]
    assert found["runs"].tolist() == [3, 4, 0]
    assert found["team"].tolist()[:2] == ["core", "core"]
    assert found["owner_cost"].isna().tolist() == [False, False, True]


def test_excluded_columns_are_in_neither_set_nor_model(jobs: Side) -> None:
    lookup = FeatureLookup(table_name=JOBS, lookup_key=["job"])
    found = training(jobs, labels(seen=[1, 2, 3]), lookup, exclude_columns=["job", "seen", "runs"])
    assert list(found.columns) == ["cost", "y"]


@pytest.mark.parametrize(
    "lookup",
    [
        FeatureLookup(table_name="main.ml.absent", lookup_key=["job"]),
        FeatureLookup(table_name=JOBS, lookup_key=["job"], feature_names=["absent"]),
        FeatureLookup(table_name=JOBS, lookup_key=["absent"]),
        FeatureLookup(table_name=JOBS, lookup_key=["job", "y"]),
        FeatureLookup(table_name=JOBS, lookup_key=["job"], rename_outputs={"cost": "y"}),
    ],
    ids=["unknown table", "unknown feature", "unknown key", "too many keys", "output is taken"],
)
def test_lookups_that_cannot_work_are_refused(jobs: Side, lookup: FeatureLookup) -> None:
    with pytest.raises(FeatureStoreError):
        training(jobs, labels(), lookup)

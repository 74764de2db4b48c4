from __future__ import annotations

import shutil
import threading
from datetime import UTC, date, datetime

import pandas as pd
import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from hypothesis import given, settings
from hypothesis import strategies as st

from framework.base.errors import TableError
from framework.core.keys import metadata_of, primary_key
from framework.stores.arrow import to_arrow, to_pandas
from framework.stores.local.delta import live_files
from framework.stores.local.tables import LocalTables

NAME = "main.health.runs"


@pytest.fixture
def tables(tmp_path):
    # A space in the path: delta-rs reports files percent-encoded.
    return LocalTables(tmp_path / "the tables", no_spark)


def no_spark():
    raise AssertionError("no Spark is needed here")


def day(number):
    return date(2025, 1, number)


def runs(**changes):
    columns = {
        "day": [day(1), day(1), day(2)],
        "job": ["a", "b", "a"],
        "cost": [1.0, None, 3.0],
        "at": [datetime(2025, 1, 1, 12, tzinfo=UTC)] * 3,
    }
    return pd.DataFrame(columns | changes)


def by_key(table):
    return {(row["day"], row["job"]): row for row in table.to_pylist()}


def test_a_table_that_is_not_there(tables):
    assert not tables.exists(NAME)
    assert tables.schema(NAME) is None
    assert tables.version(NAME) == -1
    assert tables.names("main.health") == []
    with pytest.raises(TableError, match="no such table"):
        tables.read(NAME)


def test_the_first_merge_creates_table_rows_and_comment_in_one_commit(tables):
    assert tables.merge(NAME, runs(), keys=["day", "job"], description="Runs by day") == 3
    assert tables.version(NAME) == 0
    assert tables.names("main.health") == ["runs"]
    assert DeltaTable(str(tables.path(NAME))).metadata().description == "Runs by day"
    schema = tables.schema(NAME)
    assert primary_key(schema) == ["day", "job"]
    assert not schema.field("day").nullable
    assert schema.field("at").type == pa.timestamp("us", tz="UTC")
    assert schema.field("day").type == pa.date32()


def test_the_same_rows_again_commit_nothing(tables):
    tables.merge(NAME, runs(), keys=["day", "job"])
    assert tables.merge(NAME, runs(), keys=["day", "job"]) == 0
    assert tables.version(NAME) == 0


def test_only_changed_and_new_rows_count(tables):
    tables.merge(NAME, runs(), keys=["day", "job"])
    more = pd.concat([runs(cost=[1.0, 5.0, None]), runs(job=["c"] * 3, day=[day(3), day(4), day(5)])])
    assert tables.merge(NAME, more[["cost", "job", "at", "day"]], keys=["day", "job"]) == 5
    found = by_key(tables.read(NAME))
    assert found[day(1), "b"]["cost"] == 5.0
    assert found[day(2), "a"]["cost"] is None
    assert len(found) == 6


def test_a_difference_in_an_unimportant_column_alone_is_none(tables):
    tables.merge(NAME, runs(), keys=["day", "job"])
    later = runs(at=[datetime(2025, 2, 1, tzinfo=UTC)] * 3)
    assert tables.merge(NAME, later, keys=["day", "job"], unimportant=["at"]) == 0
    assert tables.merge(NAME, later.assign(cost=9.0), keys=["day", "job"], unimportant=["at"]) == 3
    assert {row["at"] for row in tables.read(NAME).to_pylist()} == {datetime(2025, 2, 1, tzinfo=UTC)}


NESTED = pa.schema(
    [
        ("key", pa.int64()),
        ("list", pa.list_(pa.struct([("name", pa.string()), ("share", pa.float64())]))),
        ("map", pa.map_(pa.string(), pa.float64())),
        ("flag", pa.bool_()),
    ]
)


def nested(share=0.5, value=1.0, flag=True):
    row = {"key": 1, "list": [{"name": "x", "share": share}, None], "map": [("m", value)], "flag": flag}
    return pa.Table.from_pylist([row, {"key": 2}], schema=NESTED)


@pytest.mark.parametrize("change", [{"share": 0.7}, {"share": None}, {"value": 2.0}, {"flag": False}, {"flag": None}])
def test_nested_columns_are_compared_by_value(tables, change):
    tables.merge(NAME, nested(), keys=["key"])
    assert tables.merge(NAME, nested(), keys=["key"]) == 0
    assert tables.merge(NAME, nested(**change), keys=["key"]) == 1
    assert tables.merge(NAME, nested(**change), keys=["key"]) == 0


def test_a_new_column_widens_the_table_and_keeps_its_comment(tables):
    tables.merge(NAME, runs(), keys=["day", "job"])
    wide = to_arrow(runs()).append_column(
        pa.field("owner", pa.string(), metadata={"comment": "who pays"}), [["x", None, "y"]]
    )
    assert tables.merge(NAME, wide, keys=["day", "job"]) == 2
    assert metadata_of(tables.schema(NAME).field("owner")) == {"comment": "who pays"}
    assert by_key(tables.read(NAME))[day(1), "b"]["owner"] is None
    assert tables.merge(NAME, wide, keys=["day", "job"]) == 0
    assert tables.merge(NAME, runs(), keys=["day", "job"]) == 0


def test_a_changed_type_names_the_column(tables):
    tables.merge(NAME, runs(), keys=["day", "job"])
    with pytest.raises(TableError, match=r"'cost' is double in the table and string"):
        tables.merge(NAME, runs(cost=["1", "2", "3"]), keys=["day", "job"])
    assert tables.merge(NAME, runs(cost=[None] * 3), keys=["day", "job"]) == 2


def test_broken_keys_are_counted_and_shown(tables):
    with pytest.raises(TableError, match=r"key 'job' is NULL in 2 of 3 rows.*2025, 1, 1"):
        tables.merge(NAME, runs(job=[None, None, "a"]), keys=["day", "job"])
    with pytest.raises(TableError, match=r"1 of 3 rows repeat the key.*'job': 'a'"):
        tables.merge(NAME, runs(job=["a", "a", "a"]), keys=["day", "job"])
    with pytest.raises(TableError, match=r"no key column 'jobs'.*did you mean 'job'"):
        tables.merge(NAME, runs(), keys=["day", "jobs"])
    assert not tables.exists(NAME)


def test_a_column_without_a_type_cannot_start_a_table(tables):
    with pytest.raises(TableError, match="'cost' holds only NULL"):
        tables.merge(NAME, runs(cost=[None] * 3), keys=["day", "job"])


@pytest.mark.parametrize(
    "name", ["runs", "health.runs", "main.health.runs.x", "main.health.", "main..runs", "../main.a.b"]
)
def test_names_have_three_levels(tables, name):
    with pytest.raises(TableError, match=r"catalog\.schema\.table"):
        tables.exists(name)


def test_reading_some_columns_and_rows(tables):
    tables.merge(NAME, runs(), keys=["day", "job"])
    tables.merge(NAME, runs(day=[day(3), day(4), day(5)]), keys=["day", "job"])
    got = tables.read(NAME, columns=["cost"], where=[("day", ">=", day(1)), ("day", "<", day(4)), ("job", "=", "a")])
    assert sorted(got["cost"].to_pylist()) == [1.0, 1.0, 3.0]
    assert tables.read(NAME, where=[("job", "in", ["b"])]).num_rows == 2
    assert tables.read(NAME, where=[("at", ">", datetime(2025, 1, 1, 12, tzinfo=UTC))]).num_rows == 0
    assert tables.read(NAME).schema.equals(tables.schema(NAME), check_metadata=True)


def test_unknown_columns_and_operators_name_the_nearest(tables):
    tables.merge(NAME, runs(), keys=["day", "job"])
    with pytest.raises(TableError, match=r"no column 'costs'.*did you mean 'cost'"):
        tables.read(NAME, columns=["costs"])
    with pytest.raises(TableError, match="unknown operator"):
        tables.read(NAME, where=[("cost", "~", 1.0)])


def test_append_keeps_equal_rows(tables):
    tables.append(NAME, runs())
    tables.append(NAME, runs())
    tables.append(NAME, runs().assign(note="n"))
    tables.append(NAME, runs())
    assert tables.read(NAME).num_rows == 12
    assert tables.read(NAME)["note"].null_count == 9
    assert tables.version(NAME) == 3


def test_writers_at_the_same_time_all_get_through(tables):
    problems = []

    def write(number):
        try:
            tables.merge(NAME, runs(job=[f"j{number}"] * 3, day=[day(1), day(2), day(3)]), keys=["day", "job"])
        except TableError as problem:
            problems.append(problem)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert len(by_key(tables.read(NAME))) == tables.read(NAME).num_rows == 15


def test_what_another_process_commits_is_seen_by_a_table_that_was_open(tables, tmp_path):
    tables.append(NAME, runs())
    assert tables.count(NAME) == 3
    other = LocalTables(tmp_path / "the tables", no_spark)
    other.append(NAME, runs().assign(note="n"))
    assert (tables.count(NAME), tables.version(NAME)) == (6, 1)
    assert "note" in tables.schema(NAME).names
    tables.append(NAME, runs().assign(note="m"))
    assert (other.count(NAME), other.version(NAME)) == (9, 2)


def test_another_table_at_the_same_place_is_opened_anew(tables):
    for _ in range(3):
        tables.append(NAME, runs())
    assert tables.count(NAME) == 9
    shutil.rmtree(tables.path(NAME))
    assert not tables.exists(NAME)
    tables.append(NAME, runs(cost=[5.0] * 3))
    assert (tables.count(NAME), tables.version(NAME)) == (3, 0)
    assert tables.read(NAME)["cost"].to_pylist() == [5.0] * 3


def test_a_merge_reads_no_file_of_other_days(tables):
    for number in range(1, 6):
        tables.merge(NAME, runs(day=[day(number)] * 3, job=["a", "b", "c"]), keys=["day", "job"])
    tables.merge(NAME, runs(day=[day(3)] * 3, job=["a", "b", "c"], cost=[7.0] * 3), keys=["day", "job"])
    metrics = DeltaTable(str(tables.path(NAME))).history(1)[0]["operationMetrics"]
    assert int(metrics["num_target_files_scanned"]) == 1


def test_partitioned_tables_are_refused(tmp_path):
    write_deltalake(str(tmp_path / "t"), to_arrow(runs()), partition_by=["job"])
    with pytest.raises(TableError, match=r"partition columns \(job\)"):
        live_files(DeltaTable(str(tmp_path / "t")), "t")


def test_deletion_vectors_are_refused(tmp_path):
    write_deltalake(str(tmp_path / "t"), to_arrow(runs()), configuration={"delta.enableDeletionVectors": "true"})
    with pytest.raises(TableError, match="deletionVectors"):
        live_files(DeltaTable(str(tmp_path / "t")), "t")


def test_naive_times_are_utc_and_leave_as_spark_would_return_them():
    frame = pd.DataFrame({"at": pd.to_datetime(["2025-01-01 12:00"]), "day": [day(1)], "flag": [True]})
    table = to_arrow(frame)
    assert table["at"].to_pylist() == [datetime(2025, 1, 1, 12, tzinfo=UTC)]
    back = to_pandas(table)
    assert str(back["at"].dtype) == "datetime64[ns]"
    assert back["day"].tolist() == [day(1)]
    assert back["flag"].dtype == bool


def test_flags_with_gaps_become_numbers():
    back = to_pandas(pa.table({"flag": [True, None, False]}))
    assert back["flag"].dtype == float
    assert back["flag"].fillna(-1).tolist() == [1.0, -1.0, 0.0]


values = st.one_of(st.none(), st.sampled_from([0.0, 1.5, float("nan"), -2.0]))
batches = st.lists(st.dictionaries(st.tuples(st.integers(1, 4), st.sampled_from("ab")), values, max_size=5), max_size=4)
SCHEMA = pa.schema([("day", pa.date32()), ("job", pa.string()), ("cost", pa.float64())])


@settings(max_examples=15, deadline=None)
@given(batches=batches)
def test_merges_do_what_a_dictionary_does(batches, tmp_path_factory):
    tables, twin = LocalTables(tmp_path_factory.mktemp("twin"), no_spark), {}
    for batch in batches:
        rows = [{"day": day(number), "job": job, "cost": cost} for (number, job), cost in batch.items()]
        changed = sum(1 for key, cost in batch.items() if key not in twin or repr(twin[key]) != repr(cost))
        before = tables.version(NAME)
        assert tables.merge(NAME, pa.Table.from_pylist(rows, schema=SCHEMA), keys=["day", "job"]) == changed
        assert tables.version(NAME) == (0 if before < 0 else before + bool(changed))
        twin |= batch
    found = by_key(tables.read(NAME)) if tables.exists(NAME) else {}
    assert {key: repr(row["cost"]) for key, row in found.items()} == {
        (day(number), job): repr(cost) for (number, job), cost in twin.items()
    }


def test_many_small_commits_leave_few_files_and_every_row(tables):
    from framework.stores.local.delta import TIDY_EVERY

    for number in range(2 * TIDY_EVERY + 3):
        tables.merge(NAME, pa.table({"k": [str(number)], "v": [float(number)]}), keys=["k"])
        tables.append(f"{NAME}_log", pa.table({"v": [number]}))
    for name in (NAME, f"{NAME}_log"):
        assert sorted(tables.read(name)["v"].to_pylist()) == list(range(2 * TIDY_EVERY + 3))
        assert len(DeltaTable(str(tables.path(name))).file_uris()) < TIDY_EVERY
    version = tables.version(NAME)
    assert tables.merge(NAME, pa.table({"k": ["1"], "v": [1.0]}), keys=["k"]) == 0
    assert tables.version(NAME) == version

"""Input as it comes: values are read as what they mean, or named; nothing is lost, zeroed or refused as a whole."""

from __future__ import annotations

import json
import math
import shutil
from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake
from structlog.testing import capture_logs

from framework.base.errors import GoldError
from framework.gold.casting import cast_of
from framework.gold.quarantine import quarantine

USAGE, RUNS = "fact_usage", "fact_job_run_timeline"
MOMENT = datetime(2026, 9, 1, 2, 30, tzinfo=UTC)
MILLIS = int(MOMENT.timestamp() * 1000)


def read(spark, values, found, declared, *, identifies=False):
    """Return each value as it is read, and whether it is odd."""
    frame = spark.createDataFrame([(value,) for value in values], f"found {found}")
    cast = cast_of("found", dict(frame.dtypes)["found"], declared, identifies=identifies)
    rows = frame.selectExpr(f"{cast.value} AS value", f"{cast.odd or 'false'} AS odd").collect()
    return [("odd" if row.odd else row.value) for row in rows]


@pytest.mark.parametrize(
    ("found", "declared", "values", "expected"),
    [
        ("double", "BIGINT", [1.0, math.nan, math.inf, 1e20, 2.5, None], [1, "odd", "odd", "odd", "odd", None]),
        ("double", "DOUBLE", [1.5, math.nan, -math.inf, None], [1.5, "odd", "odd", None]),
        ("double", "DECIMAL(18,6)", [2.5, math.nan, math.inf, 1e15, None], [Decimal("2.5"), "odd", "odd", "odd", None]),
        ("bigint", "INT", [7, 2**40, None], [7, "odd", None]),
        ("decimal(38,2)", "BIGINT", [Decimal(7), Decimal("7.5"), None], [7, "odd", None]),
        ("string", "BIGINT", ["3600.0", "7", "an hour", "1e20", "nan", None], [3600, 7, "odd", "odd", "odd", None]),
        ("string", "DOUBLE", ["2.5", "nan", "inf", "x", None], [2.5, "odd", "odd", "odd", None]),
        ("string", "TIMESTAMP", ["02:00", "2026", "01/09/2026 02:00", None], ["odd", "odd", "odd", None]),
        ("string", "DATE", ["2026-09-01", "12:30", "20260901", None], [date(2026, 9, 1), "odd", "odd", None]),
        ("bigint", "DATE", [20260901, 19, 20261345, None], [date(2026, 9, 1), "odd", "odd", None]),
        ("bigint", "TIMESTAMP", [20261345, None], ["odd", None]),
        ("string", "BIGINT", ["5.0000001", "5.000"], ["odd", 5]),
        ("decimal(38,6)", "BIGINT", [Decimal("0.000001"), Decimal(7)], ["odd", 7]),
        ("bigint", "BOOLEAN", [0, 1, 2, None], [False, True, "odd", None]),
        ("double", "BOOLEAN", [0.0, 1.0, 0.5, math.nan], [False, True, "odd", None]),
        ("string", "BOOLEAN", ["True", "no", "1.0", "perhaps", ""], [True, False, True, "odd", None]),
    ],
)  # fmt: skip
def test_numbers_and_times_are_read_or_odd(spark, found, declared, values, expected):
    assert read(spark, values, found, declared) == expected


@pytest.mark.parametrize("factor", [0.001, 1, 1_000, 1_000_000])
@pytest.mark.parametrize("found", ["bigint", "double"])
def test_epochs_are_told_by_their_size(spark, factor, found):
    number = MILLIS * factor
    (value,) = read(spark, [float(number) if found == "double" else int(number)], found, "TIMESTAMP")
    assert value.astimezone(UTC) == MOMENT


@pytest.mark.parametrize(
    ("found", "values", "expected"),
    [
        ("double", [7001.0, 912345678907001.0, math.nan, None, 7.5], ["7001", "912345678907001", None, None, "odd"]),
        ("decimal(20,2)", [Decimal(7001), Decimal("7.5"), None], ["7001", "odd", None]),
        ("string", ["9.12345678907001E14", "9.12E2", "1.5E0"], ["912345678907001", "912", "1.5E0"]),
        ("string", ["7001.0", "7001", "nan", "0101", "1e2", None], ["7001", "7001", None, "0101", "1e2", None]),
        ("bigint", [7001, None], ["7001", None]),
    ],
)  # fmt: skip
def test_identifiers_that_became_numbers_are_whole_again(spark, found, values, expected):
    assert read(spark, values, found, "STRING", identifies=True) == expected
    assert read(spark, ["15.0", "nan"], "string", "STRING") == ["15.0", "nan"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"cost_center": "alpha"}', {"cost_center": "alpha"}),
        ("{'cost_center': 'alpha'}", {"cost_center": "alpha"}),
        ("[('cost_center', 'alpha'), ('team', 'b')]", {"cost_center": "alpha", "team": "b"}),
        ("{'cost_center': None}", {"cost_center": None}),
        ("cost_center=alpha", "odd"),
        ("[('a', 'x[1]')]", "odd"),
        ("[('a', 'f(x), y'), ('b', None)]", {"a": "f(x), y", "b": None}),
        ("{'a': \"it's\"}", {"a": "it's"}),
        ('{"a": "it\'s [1]"}', {"a": "it's [1]"}),
        ("None", None),
        ("", None),
        (None, None),
    ],
)
def test_maps_that_came_as_text(spark, text, expected):
    assert read(spark, [text], "string", "MAP<STRING,STRING>") == [expected]


def test_lists_that_came_as_text(spark):
    values = ['["a", "b"]', "['a']", "['a', 'b']", "a, b", "['it\\'s']", None]
    assert read(spark, values, "string", "ARRAY<STRING>") == [["a", "b"], ["a"], ["a", "b"], "odd", ["it's"], None]
    assert read(spark, [["1", "2"], ["x"], None], "array<string>", "ARRAY<INT>") == [[1, 2], "odd", None]


def test_structs_and_pairs_are_maps(spark):
    frame = spark.sql("SELECT struct('alpha' AS cost_center, CAST(NULL AS STRING) AS team) AS tags, "
                      "array(struct('a' AS key, 'b' AS value)) AS pairs, array(1) AS list")  # fmt: skip
    kinds = dict(frame.dtypes)
    tags, pairs, listed = (cast_of(name, kinds[name], "MAP<STRING,STRING>") for name in ("tags", "pairs", "list"))
    row = frame.selectExpr(f"{tags.value} AS tags", f"{pairs.value} AS pairs", f"{listed.value} AS list").collect()[0]
    assert (row.tags, row.pairs, row.list) == ({"cost_center": "alpha"}, {"a": "b"}, None)
    assert (tags.unfit, pairs.unfit, listed.unfit) == (False, False, True)


@pytest.mark.parametrize(
    ("found", "declared"),
    [
        ("boolean", "BIGINT"), ("date", "DOUBLE"), ("boolean", "TIMESTAMP"), ("struct<a:string>", "STRING"),
        ("map<string,string>", "STRING"), ("binary", "STRING"), ("array<struct<a:string>>", "MAP<STRING,STRING>"),
        ("array<struct<a:string,b:string,c:string>>", "MAP<STRING,STRING>"), ("struct<a:string>", "ARRAY<STRING>"),
    ],
)  # fmt: skip
def test_a_type_that_no_value_fits_is_known_before_any_row_is_read(found, declared):
    assert cast_of("c", found, declared).unfit


def test_pairs_that_repeat_a_key_or_lack_one_are_odd(spark):
    kind = "array<struct<k:string,v:string>>"
    values = [[("a", "1")], [("a", "1"), ("a", "2")], [(None, "1")], [], None]
    assert read(spark, values, kind, "MAP<STRING,STRING>") == [{"a": "1"}, "odd", "odd", {}, None]


def test_a_number_like_a_day_is_no_moment_of_1970(spark):
    (value,) = read(spark, [20260901], "bigint", "TIMESTAMP")
    assert value.astimezone(UTC) == datetime(2026, 9, 1, tzinfo=UTC)


# ---------------------------------------------------------------- whole tables


def runs(count=40):
    first = pd.Timestamp("2026-09-01T02:00Z")
    start = [first + pd.Timedelta(days=n // 4) for n in range(count)]
    return pd.DataFrame(
        {
            "workspace_id": ["101"] * count,
            "job_id": [str(7001 + n % 4) for n in range(count)],
            "run_id": [str(n) for n in range(count)],
            "period_start_time": start,
            "period_end_time": [moment + pd.Timedelta(minutes=20) for moment in start],
            "run_date": [moment.date() for moment in start],
            "run_duration_seconds": [1200] * count,
            "result_state": ["SUCCEEDED"] * count,
        }
    )


@pytest.fixture
def profile(make_runtime, tmp_path):
    """Write runs as parquet, and return how many rows are used, those in quarantine by reason, and the view."""

    def make(frame):
        folder = tmp_path / "gold"
        folder.mkdir()
        table = frame if isinstance(frame, pa.Table) else pa.Table.from_pandas(frame, preserve_index=False)
        pq.write_table(table, folder / f"{RUNS}.parquet", version="2.6")
        runtime = make_runtime(folder, as_of=date(2026, 9, 30))
        found = runtime.profiler.profile(RUNS)
        return found.rows, found.bad, runtime.gold()

    return make


def test_names_in_capitals_and_with_blanks_are_the_columns(profile):
    frame = runs()
    frame.columns = [f" {name.upper()} " for name in frame.columns]
    rows, bad, _ = profile(frame)
    assert (rows, bad) == (40, {})


def test_nanoseconds_are_read(profile):
    frame = runs()
    for name in ("period_start_time", "period_end_time"):
        frame[name] = frame[name].astype("datetime64[ns, UTC]")
    rows, bad, gold = profile(pa.Table.from_pandas(frame, preserve_index=False))
    assert (rows, bad) == (40, {})
    assert gold.fact_job_run_timeline.selectExpr("min(period_start_time) AS m").collect()[0].m.day == 1


def test_broken_values_cost_their_row_and_are_kept_as_they_came(profile):
    frame = runs()
    frame["run_duration_seconds"] = frame["run_duration_seconds"].astype(float)
    frame.loc[0, "run_duration_seconds"] = 1e20
    frame.loc[1, "run_duration_seconds"] = -5
    frame.loc[2, "run_duration_seconds"] = np.inf
    rows, bad, gold = profile(frame)
    assert rows == 37
    assert bad == {"run_duration_seconds is no BIGINT": 2, "run_duration_seconds is below 0": 1}
    kept = gold.flagged(RUNS).where("_reason IS NOT NULL").select("_as_found").collect()
    assert sorted(float(row._as_found["run_duration_seconds"]) for row in kept) == [-5, 1e20, math.inf]


def test_why_a_column_cannot_be_read_is_said_by_run_and_doctor_alike(make_runtime, tmp_path):
    table = pa.Table.from_pandas(runs().drop(columns="run_date"), preserve_index=False)
    table = table.append_column("compute_ids", pa.nulls(40)).append_column("run_type", pa.array([{"a": 1}] * 40))
    pq.write_table(table, tmp_path / f"{RUNS}.parquet")
    runtime = make_runtime(tmp_path, as_of=date(2026, 9, 30))
    found = runtime.profiler.profile(RUNS)
    assert (found.rows, found.bad) == (40, {})
    assert found.missing("run_date") == f"{RUNS}.run_date is absent"
    assert found.missing("run_type") == f"{RUNS}.run_type is struct<a:bigint>, not STRING"
    assert found.missing("compute_ids") == f"{RUNS}.compute_ids is NULL throughout"
    assert {"run_date", "run_type"} <= set(runtime.gold().misfits(RUNS))
    assert "workspace_id" not in runtime.gold().misfits(RUNS)


# ---------------------------------------------------------------- layouts


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "gold [2026]{a}"
    made.mkdir()
    return made


def rows_of(make_runtime, folder):
    return make_runtime(folder, as_of=date(2026, 9, 30)).profiler.profile(RUNS).rows


def test_a_folder_is_no_pattern_and_partitions_keep_their_zeros(make_runtime, folder):
    frame = runs()
    frame["workspace_id"] = ["0101", "1e2"] * 20
    pq.write_to_dataset(
        pa.Table.from_pandas(frame, preserve_index=False), folder / f"{RUNS}.parquet", partition_cols=["workspace_id"]
    )
    gold = make_runtime(folder, as_of=date(2026, 9, 30)).gold()
    found = gold.fact_job_run_timeline.select("workspace_id").distinct().collect()
    assert sorted(row.workspace_id for row in found) == ["0101", "1e2"]


def test_a_delta_table_is_one_whatever_it_is_called_and_a_plain_folder_is_read(make_runtime, tmp_path):
    folder = tmp_path / "gold"
    folder.mkdir()
    wrong = runs()
    wrong["run_duration_seconds"] = 99
    for frame in (wrong, runs()):
        write_deltalake(str(folder / f"{RUNS}.parquet"), pa.Table.from_pandas(frame), mode="overwrite")
    gold = make_runtime(folder, as_of=date(2026, 9, 30)).gold()
    assert gold.fact_job_run_timeline.selectExpr("max(run_duration_seconds) AS m").collect()[0].m == 1200
    plain = tmp_path / "plain"
    (plain / RUNS).mkdir(parents=True)
    runs().to_parquet(plain / RUNS / "part-0.parquet")
    assert rows_of(make_runtime, plain) == 40


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "has 0 bytes"),
        (b"version https://git-lfs.github.com/spec/v1\n", "is a pointer of Git LFS"),
        (b"PK\x03\x04 a spreadsheet", "is no whole parquet file"),
        (b"PAR1 cut off on the way", "is no whole parquet file"),
    ],
)
def test_a_file_that_is_something_else_is_named(make_runtime, folder, content, what):
    (folder / f"{RUNS}.parquet").write_bytes(content)
    runtime = make_runtime(folder, as_of=date(2026, 9, 30))
    with pytest.raises(GoldError, match=what):
        runtime.profiler.profile(RUNS)
    with pytest.raises(GoldError, match="no fact table has a row"):
        _ = make_runtime(folder, home="other").as_of


def test_two_forms_of_a_table_are_refused_and_an_empty_folder_is_no_table(make_runtime, folder):
    runs().to_parquet(folder / f"{RUNS}.parquet")
    (folder / f"{RUNS}.csv").write_text("job_id\n")
    with pytest.raises(GoldError, match=r"stands there twice, as fact_job_run_timeline\.parquet and .*csv"):
        rows_of(make_runtime, folder)
    (folder / f"{RUNS}.csv").unlink()
    (folder / f"{USAGE}.parquet").mkdir()
    assert not make_runtime(folder, home="third", as_of=date(2026, 9, 30)).profiler.profile(USAGE).present


def test_text_that_is_no_time_is_kept_in_the_quarantine(make_runtime, folder):
    frame = runs(4)
    frame["period_start_time"] = ["01/09/2026 02:00", "02:00", "2026-09-01T02:00:00Z", "2026-09-01T02:00:00Z"]
    frame.to_csv(folder / f"{RUNS}.csv", index=False)
    runtime = make_runtime(folder, as_of=date(2026, 9, 30))
    profile = runtime.profiler.profile(RUNS)
    assert (profile.rows, profile.bad) == (2, {"period_start_time is no TIMESTAMP": 2})
    quarantine(runtime, runtime.gold(), profile)
    kept = runtime.tables.read(runtime.feature_table("quarantine")).to_pylist()
    assert sorted(json.loads(row["row"])["period_start_time"] for row in kept) == ["01/09/2026 02:00", "02:00"]


@pytest.mark.parametrize(
    ("separator", "encoding"), [(";", "utf-8"), ("\t", "utf-8-sig"), (",", "utf-16"), (";", "utf-16")]
)
def test_a_csv_of_a_spreadsheet_is_read(make_runtime, folder, separator, encoding):
    frame = runs().rename(columns={"job_id": " Job_ID "})
    frame.to_csv(folder / f"{RUNS}.csv", index=False, sep=separator, encoding=encoding)
    assert rows_of(make_runtime, folder) == 40


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"job_id,Job_Id\n1,2\n", "stand twice: job_id,Job_Id"),
        ("job_id,gr\u00f6\u00dfe\n".encode("latin-1"), "is neither UTF-8 nor UTF-16"),
        (b"", "has 0 bytes"),
        (b"version https://git-lfs.github.com/spec/v1\n", "is a pointer of Git LFS"),
        (b"a,,b\n", "names that are empty"),
    ],
)
def test_a_csv_whose_header_says_nothing_is_named(make_runtime, folder, content, what):
    (folder / f"{RUNS}.csv").write_bytes(content)
    with pytest.raises(GoldError, match=what):
        rows_of(make_runtime, folder)


def test_parts_that_differ_are_named_with_the_part(make_runtime, folder):
    parts = folder / f"{RUNS}.parquet"
    parts.mkdir()
    runs().to_parquet(parts / "a.parquet")
    runs().assign(job_id=7).to_parquet(parts / "b.parquet")
    with pytest.raises(GoldError, match=r"column job_id is string in a\.parquet and int64 in b\.parquet"):
        rows_of(make_runtime, folder)
    shutil.rmtree(parts)
    (folder / f"{RUNS}.csv").mkdir()
    runs(4).to_csv(folder / f"{RUNS}.csv" / "a.csv", index=False)
    runs(4)[["job_id", "run_id"]].to_csv(folder / f"{RUNS}.csv" / "b.csv", index=False)
    with pytest.raises(GoldError, match=r"b\.csv has another header, separator or encoding than a\.csv"):
        rows_of(make_runtime, folder)
    runs(4).to_csv(folder / f"{RUNS}.csv" / "b.csv", index=False)
    assert rows_of(make_runtime, folder) == 4  # the same four twice


def test_a_clock_that_was_wrong_does_not_move_the_day(make_runtime, folder):
    frame = runs()
    wrong = frame.iloc[:1].assign(run_id="wrong")
    for name in ("period_start_time", "period_end_time"):
        wrong[name] = pd.Timestamp("2099-01-01T00:00Z")
    pd.concat([frame, wrong]).to_parquet(folder / f"{RUNS}.parquet")
    with capture_logs() as logs:
        assert make_runtime(folder).as_of == date(2026, 9, 10)
    (said,) = [line for line in logs if line["event"] == "gold_rows_after_today"]
    assert (said["table"], said["rows"], said["newest"]) == (RUNS, 1, "2099-01-01")

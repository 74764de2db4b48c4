"""The view of gold: declared types whatever the file, the cut at the day, quarantine, profiles."""

from __future__ import annotations

import csv
import dataclasses
import json
from datetime import UTC, date, datetime, timedelta

import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake

from domains.gold.contract import DIM_JOB, FACT_JOB_RUN_TIMELINE, INCIDENT_TRUTH
from framework.base.errors import GoldError, MissingInputError
from framework.declare.gold import Days, GoldColumn
from framework.gold.quarantine import QUARANTINE, Profiler, quarantine
from framework.gold.validation import validate
from framework.stores.arrow import to_arrow

TIMELINE = "fact_job_run_timeline"
DAY = date(2026, 5, 6)
NOON = datetime(2026, 5, 6, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def one_slice(run="1", start=NOON, end=NOON + HOUR, **more):
    keys = {"workspace_id": "w1", "job_id": "1", "run_id": run}
    return keys | {"period_start_time": start, "period_end_time": end, "result_state": "SUCCEEDED"} | more


BAD = [
    one_slice("good"),
    *(one_slice(f"no {key}") | {key: None} for key in ("workspace_id", "job_id", "run_id", "period_start_time")),
    one_slice("no end", end=None),
    one_slice("turned", end=NOON - HOUR),
    one_slice("copied"),
    one_slice("copied"),
    one_slice("copied", end=NOON + 2 * HOUR, result_state="FAILED"),
]
REASONS = {
    "workspace_id is NULL": 1,
    "job_id is NULL": 1,
    "run_id is NULL": 1,
    "period_start_time is NULL": 1,
    "no time": 1,
    "ends before it starts": 1,
    "duplicate key": 2,
}


def runs_of(frame):
    return sorted(row["run_id"] for row in frame.collect())


# ---------------------------------------------------------------- types


def test_absent_columns_are_null_and_others_take_the_declared_type(spark):
    raw = spark.sql(
        "SELECT 7 AS workspace_id, 8L AS job_id, '9' AS run_id, '2026-05-06 12:00:00' AS period_start_time, "
        "TIMESTAMP_NTZ'2026-05-06 13:00:00' AS period_end_time, '61' AS run_duration_seconds, "
        "'[\"c1\",\"c2\"]' AS compute_ids, 'x' AS a_stranger"
    )
    found = validate(raw, FACT_JOB_RUN_TIMELINE)
    assert found.columns == [*FACT_JOB_RUN_TIMELINE.names, "_unreadable", "_as_found", "known_at"]
    declared = {c.name: c.type.lower() for c in FACT_JOB_RUN_TIMELINE.columns}
    assert dict(found.dtypes) == declared | {
        "_unreadable": "string",
        "_as_found": "map<string,string>",
        "known_at": "timestamp",
    }
    assert found.where("_unreadable IS NOT NULL").count() == 0
    assert found.where("known_at = period_end_time").count() == 1
    row = found.selectExpr("*", "unix_timestamp(period_start_time) AS start").collect()[0]
    assert (row["workspace_id"], row["job_id"], row["run_duration_seconds"]) == ("7", "8", 61)
    assert (row["compute_ids"], row["result_state"]) == (["c1", "c2"], None)
    assert row["start"] == NOON.timestamp()


def test_a_map_comes_from_text_and_a_gold_name_is_translated(spark):
    renamed = tuple(dataclasses.replace(c, gold_name="what") if c.name == "kind" else c for c in INCIDENT_TRUTH.columns)
    table = dataclasses.replace(INCIDENT_TRUTH, columns=renamed)
    raw = spark.sql("SELECT 'i1' AS incident_id, 'outage' AS what, 'not this' AS kind, '{\"job\":\"7\"}' AS entity")
    row = validate(raw, table).collect()[0]
    assert (row["kind"], row["entity"]) == ("outage", {"job": "7"})


def test_a_decimal_keeps_its_places(spark):
    table = dataclasses.replace(DIM_JOB, columns=(GoldColumn(name="cost", type="DECIMAL(18,6)"),), known_at="NULL")
    assert [str(r["cost"]) for r in validate(spark.sql("SELECT '0.100001' AS cost"), table).collect()] == ["0.100001"]


# ---------------------------------------------------------------- the cut


def test_only_what_was_known_by_the_end_of_the_day_is_seen(gold_view):
    midnight = datetime(2026, 5, 7, tzinfo=UTC)
    rows = [
        one_slice("in time", end=midnight - timedelta(microseconds=1)),
        one_slice("at midnight", end=midnight),
        one_slice("running over", start=midnight - HOUR, end=midnight + HOUR),
    ]
    gold = gold_view({TIMELINE: rows}, DAY)
    assert runs_of(gold.fact_job_run_timeline) == ["in time"]
    next_day = gold.between(Days(None, DAY + timedelta(1)))
    assert runs_of(next_day.fact_job_run_timeline) == ["at midnight", "in time", "running over"]
    assert runs_of(next_day.until(DAY).fact_job_run_timeline) == ["in time"]
    assert gold.until(DAY + timedelta(9)).days.end == DAY


def test_a_range_cuts_facts_on_both_sides_and_dimensions_on_one(gold_view):
    days = [datetime(2026, 5, day, tzinfo=UTC) for day in (5, 6, 7)]
    rows = [one_slice(str(day.day), start=day - HOUR, end=day) for day in days]
    jobs = [{"workspace_id": "w1", "job_id": "1", "name": str(day.day), "change_time": day} for day in days]
    gold = gold_view({TIMELINE: rows, "dim_job": jobs}, DAY, start=DAY)
    assert runs_of(gold.fact_job_run_timeline) == ["6"]
    assert sorted(row["name"] for row in gold.dim_job.collect()) == ["5", "6"]


# ---------------------------------------------------------------- bad rows


def test_every_kind_of_bad_row_is_counted_by_its_reason(gold_view):
    gold = gold_view({TIMELINE: BAD}, DAY)
    profile = Profiler(gold).profile(TIMELINE)
    assert profile.bad == REASONS
    assert profile.rows == 2
    good = gold.fact_job_run_timeline
    assert "_reason" not in good.columns
    # Of the copies the one known first stays: its state, not the later one's.
    assert sorted((r["run_id"], r["result_state"]) for r in good.collect()) == [
        ("copied", "SUCCEEDED"),
        ("good", "SUCCEEDED"),
    ]


@pytest.mark.parametrize("back", [0, 1, 2])
def test_each_row_is_used_in_quarantine_or_of_a_later_day(gold_view, back):
    later = [one_slice(run=f"later{i}", start=NOON - HOUR, end=NOON + (i - 15) * 4 * HOUR) for i in range(30)]
    profile = Profiler(gold_view({TIMELINE: [*BAD, *later]}, DAY - timedelta(days=back))).profile(TIMELINE)
    assert profile.arrived == len(BAD) + len(later)
    assert profile.arrived == profile.rows + sum(profile.bad.values()) + profile.after
    assert profile.after > 0
    assert profile.counted() == ""
    assert "2 rows arrived" in dataclasses.replace(profile, arrived=2).counted()


def test_a_time_after_known_at_is_counted_unless_it_is_planned(gold_view):
    rows = [one_slice("1"), one_slice("2", end=NOON), one_slice("3", end=None), one_slice("4", end=NOON + HOUR / 120)]
    early = dataclasses.replace(FACT_JOB_RUN_TIMELINE, known_at="period_start_time")
    planned = tuple(dataclasses.replace(column, planned=True) for column in early.columns)
    found = [
        Profiler(gold_view({TIMELINE: rows}, DAY, declared={TIMELINE: table})).profile(TIMELINE).later
        for table in (FACT_JOB_RUN_TIMELINE, early, dataclasses.replace(early, columns=planned))
    ]
    assert found == [{}, {"period_end_time": 1}, {}]


def test_the_same_key_in_another_workspace_job_or_hour_is_no_copy(gold_view):
    rows = [one_slice(), one_slice() | {"workspace_id": "w2"}, one_slice() | {"job_id": "2"}]
    rows.append(one_slice(start=NOON + HOUR, end=NOON + 2 * HOUR))
    assert Profiler(gold_view({TIMELINE: rows}, DAY)).profile(TIMELINE).bad == {}


@pytest.mark.parametrize("broken", [NOON - HOUR, None])
def test_a_broken_copy_does_not_push_the_good_one_out(gold_view, broken):
    gold = gold_view({TIMELINE: [one_slice(end=broken), one_slice()]}, DAY)
    assert [row["period_end_time"] is not None for row in gold.fact_job_run_timeline.collect()] == [True]
    assert sum(Profiler(gold).profile(TIMELINE).bad.values()) == 1


def test_bad_rows_are_kept_once_with_their_reason_and_their_content(make_runtime, write_gold, tmp_path):
    folder = write_gold(tmp_path / "gold", {TIMELINE: BAD})
    runtime = make_runtime(folder, as_of=DAY)
    name = runtime.feature_table(QUARANTINE)

    def hold():
        gold = runtime.gold()
        return quarantine(runtime, gold, Profiler(gold).profile(TIMELINE))

    assert hold() == sum(REASONS.values())
    version = runtime.tables.version(name)
    assert hold() == 0
    assert runtime.tables.version(name) == version

    held = runtime.tables.read(name).to_pylist()
    counts = {reason: sum(r["copies"] for r in held if r["reason"] == reason) for reason in REASONS}
    assert counts == REASONS
    assert {r["table_name"] for r in held} == {TIMELINE}
    turned = next(json.loads(r["row"]) for r in held if r["reason"] == "ends before it starts")
    assert (turned["run_id"], turned["period_end_time"]) == ("turned", "2026-05-06 11:00:00")


def test_a_new_bad_row_joins_those_that_are_held(make_runtime, write_gold, tmp_path):
    first, second = one_slice("a", end=NOON - HOUR), one_slice("b", end=NOON - HOUR)
    found = []
    for rows in ([one_slice(), first], [one_slice(), first, second], [one_slice()]):
        folder = write_gold(tmp_path / "gold", {TIMELINE: rows})
        runtime = make_runtime(folder, as_of=DAY)
        gold = runtime.gold()
        found.append(quarantine(runtime, gold, Profiler(gold).profile(TIMELINE)))
    assert found == [1, 1, 0]
    assert runtime.tables.count(runtime.feature_table(QUARANTINE)) == 2


# ---------------------------------------------------------------- profiles


def test_values_outside_the_closed_set_are_named_and_stay(gold_view):
    rows = [one_slice("1", result_state="PUZZLED"), one_slice("2", result_state="LOST"), one_slice("3")]
    rows += [one_slice("4", result_state=None, run_type="JOB_RUN"), one_slice("5", result_state="PUZZLED")]
    gold = gold_view({TIMELINE: rows}, DAY)
    profile = Profiler(gold).profile(TIMELINE)
    assert profile.unknown == {"result_state": ["LOST", "PUZZLED"]}
    assert (profile.rows, profile.filled["result_state"], profile.filled["run_type"]) == (5, 4, 1)
    assert len(runs_of(gold.fact_job_run_timeline)) == 5


def test_an_absent_table_is_named(gold_view):
    gold = gold_view({TIMELINE: [one_slice()]}, DAY)
    assert not gold.has("dim_job")
    with pytest.raises(MissingInputError, match="in dim_job"):
        gold.dim_job.count()
    with pytest.raises(GoldError, match=r"fact_job_runs.*'fact_job_run_timeline'"):
        gold.fact_job_runs.count()


def test_why_missing_tells_absent_tables_from_empty_columns(gold_view):
    gold = gold_view({TIMELINE: [one_slice(), one_slice("2", result_state=None)]}, DAY)
    why = Profiler(gold).why_missing
    assert why([f"{TIMELINE}.result_state"]) is None
    assert (
        why([f"{TIMELINE}.result_state", f"{TIMELINE}.trigger_type"]) == f"{TIMELINE}.trigger_type is NULL throughout"
    )
    assert why(["dim_job.name"]) == "gold table dim_job is absent"


def test_only_good_rows_fill_a_column(gold_view):
    rows = [one_slice(), one_slice("2", end=NOON - HOUR, trigger_type="CRON")]
    why = Profiler(gold_view({TIMELINE: rows}, DAY)).why_missing
    assert why([f"{TIMELINE}.trigger_type"]) == f"{TIMELINE}.trigger_type is NULL throughout"


# ---------------------------------------------------------------- folders

PLENTY = [
    one_slice(str(n), start=NOON + n * HOUR / 7, end=NOON + n * HOUR, compute_ids=["c,1", 'c"2'], termination_code=code)
    | {"run_date": DAY, "run_duration_seconds": 3600 * n, "result_state": None if n % 3 else "FAILED"}
    for n, code in enumerate([None, "OK", "two words", "a\\b,c", 'say "no"', "zwei\nZeilen, é"])
]


def as_csv(folder, arrow):
    with (folder / f"{TIMELINE}.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*reversed(arrow.column_names), "stranger"])
        for row in arrow.to_pylist():
            texts = [as_text(row[name]) for name in reversed(arrow.column_names)]
            writer.writerow([*texts, "x"])


def as_text(value):
    if isinstance(value, list):
        return json.dumps(value)
    return value.isoformat() if isinstance(value, date) else value


def as_file(folder, arrow):
    pq.write_table(arrow, folder / f"{TIMELINE}.parquet")


def as_directory(folder, arrow):
    parts = folder / f"{TIMELINE}.parquet"
    parts.mkdir()
    pq.write_table(arrow.slice(0, 2), parts / "part-0.parquet")
    pq.write_table(arrow.slice(2), parts / "part-1.parquet")


def as_delta(folder, arrow):
    write_deltalake(str(folder / TIMELINE), arrow.slice(0, 3))
    write_deltalake(str(folder / TIMELINE), arrow.slice(3), mode="append")


@pytest.mark.parametrize("store", [as_csv, as_file, as_directory, as_delta])
def test_a_folder_reads_the_same_in_every_format(make_runtime, frame_of, tmp_path, store):
    expected = to_arrow(frame_of(PLENTY, TIMELINE))
    store(tmp_path, expected)
    runtime = make_runtime(tmp_path)
    assert runtime.as_of == DAY
    found = to_arrow(runtime.gold().fact_job_run_timeline.drop("known_at").orderBy("run_id"))
    assert found.to_pylist() == expected.to_pylist()


def test_text_that_is_no_number_or_time_costs_its_row_and_names_the_column(make_runtime, frame_of, tmp_path):
    as_csv(tmp_path, to_arrow(frame_of(PLENTY, TIMELINE)))
    file = tmp_path / f"{TIMELINE}.csv"
    with file.open(newline="") as source:
        rows = list(csv.DictReader(source))
    rows[1]["run_duration_seconds"] = "3600.0"  # what pandas writes for whole numbers beside missing ones
    rows[2]["run_duration_seconds"] = "an hour"
    rows[3]["period_end_time"] = "noon"
    with file.open("w", newline="") as target:
        writer = csv.DictWriter(target, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    runtime = make_runtime(tmp_path, as_of=DAY)
    assert runtime.profiler.profile(TIMELINE).bad == {
        "run_duration_seconds is no BIGINT": 1,
        "period_end_time is no TIMESTAMP": 1,
    }
    kept = {row.run_id: row.run_duration_seconds for row in runtime.gold().fact_job_run_timeline.collect()}
    assert set(kept) == {"0", "1", "4", "5"}
    assert kept["1"] == 3600


def test_a_folder_without_rows_or_tables_is_refused(make_runtime, write_gold, tmp_path):
    with pytest.raises(GoldError, match="no such folder"):
        make_runtime(tmp_path / "nowhere").gold()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "fact_weather.csv").write_text("day\n")
    with pytest.raises(GoldError, match=TIMELINE):
        make_runtime(tmp_path / "other").gold(Days(None, DAY))
    with pytest.raises(GoldError, match="--as-of"):
        _ = make_runtime(write_gold(tmp_path / "empty", {TIMELINE: []})).as_of

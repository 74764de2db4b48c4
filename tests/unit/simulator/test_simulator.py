"""The gold simulator: same arguments, same world; a later day only adds rows; dirt where it is promised."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domains.gold.contract import TABLES
from domains.gold.contract.jobs import RESULT_STATES
from domains.simulator.calendar import Calendar
from domains.simulator.job_runs import all_runs
from domains.simulator.slices import cut_runs
from domains.simulator.world import build_world
from domains.simulator.write import FAMILIES, simulate
from framework.base.errors import ConfigError

LAST_DAY = date(2026, 10, 28)
FIRST_DAY = date(2025, 10, 29)
HELD_BACK = datetime(2026, 9, 17, tzinfo=UTC)
DECLARED = {table.name: table for table in TABLES}
TIMELINE = "fact_job_run_timeline"
FAILED = ("FAILED", "ERROR", "TIMED_OUT")
KEYS = ("workspace_id", "job_id", "run_id", "period_start_time")


@pytest.fixture(scope="module")
def gold(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gold")
    rows = simulate(folder)
    tables = {name: pq.read_table(folder / f"{name}.parquet") for name in rows}
    assert rows == {name: table.num_rows for name, table in tables.items()}
    return tables


@pytest.fixture(scope="module")
def runs(gold):
    """Slices by run, without copies and broken rows, in order of time."""
    table = gold[TIMELINE].to_pylist()
    valid = {
        tuple(row[key] for key in KEYS): row
        for row in table
        if all(row[key] is not None for key in KEYS) and row["period_end_time"] >= row["period_start_time"]
    }
    found = {}
    for key in sorted(valid):
        found.setdefault(key[:3], []).append(valid[key])
    return found


def settled(runs):
    """Runs whose slices have all arrived and which began inside of the window."""
    first = datetime.combine(FIRST_DAY + timedelta(days=1), datetime.min.time(), UTC)
    last = datetime.combine(LAST_DAY - timedelta(days=12), datetime.min.time(), UTC)
    return [parts for parts in runs.values() if first + timedelta(days=7) <= parts[0]["period_start_time"] <= last]


def bag(table):
    """Rows with their counts; as text, because that is quick and a NULL equals a NULL."""
    return Counter(pc.binary_join_element_wise(*map(text, table.columns), "|").to_pylist())


def text(column):
    if pa.types.is_map(column.type):
        return pa.array([repr(value) for value in column.to_pylist()])
    if pa.types.is_list(column.type):
        column = pc.binary_join(column, ",")
    return pc.fill_null(pc.cast(column, pa.string()), "NULL")


def read(folder, name=TIMELINE):
    return pq.read_table(folder / f"{name}.parquet")


def test_same_arguments_write_the_same_bytes(tmp_path):
    simulate(tmp_path / "a", seed=3)
    simulate(tmp_path / "b", seed=3)
    simulate(tmp_path / "c", seed=4)
    for name in FAMILIES:
        one, two, other = ((tmp_path / folder / f"{name}.parquet").read_bytes() for folder in "abc")
        assert one == two
        assert one != other or name == "fact_list_prices"  # the price list is the same in every world


def test_a_table_written_alone_is_the_same(tmp_path, gold):
    assert list(simulate(tmp_path, tables=["dim_job"])) == ["dim_job"]
    assert [path.name for path in tmp_path.iterdir()] == ["dim_job.parquet"]
    assert read(tmp_path, "dim_job").equals(gold["dim_job"])


@pytest.mark.parametrize("days_later", [1, 2, 9])
def test_gold_of_a_day_is_contained_in_gold_of_a_later_day(tmp_path, gold, days_later):
    earlier = LAST_DAY - timedelta(days=days_later)
    simulate(tmp_path, last_day=earlier, days=365 - days_later)
    for name, table in gold.items():
        assert not bag(read(tmp_path, name)) - bag(table)
        assert read(tmp_path, name).num_rows <= table.num_rows


def test_some_rows_arrive_days_late_and_none_later_than_three(tmp_path, gold):
    earlier = LAST_DAY - timedelta(days=10)
    simulate(tmp_path, last_day=earlier, days=355, tables=[TIMELINE])
    missing = (bag(gold[TIMELINE]) - bag(read(tmp_path))).total()
    assert missing
    late = gold[TIMELINE].filter(pc.less(gold[TIMELINE]["period_end_time"], midnight(earlier)))
    older = gold[TIMELINE].filter(pc.less(gold[TIMELINE]["period_end_time"], midnight(earlier - timedelta(days=2))))
    assert bag(late) - bag(read(tmp_path))
    assert not bag(older) - bag(read(tmp_path))


def midnight(day):
    return pa.scalar(datetime.combine(day, datetime.min.time(), UTC), type=pa.timestamp("us", tz="UTC"))


def test_nothing_is_known_after_the_last_day(gold):
    cutoff = midnight(LAST_DAY + timedelta(days=1)).as_py()
    assert pc.max(gold[TIMELINE]["period_end_time"]).as_py() <= cutoff
    for name in ("dim_job", "dim_cluster"):
        assert pc.max(gold[name]["change_time"]).as_py() < cutoff


def test_every_day_and_every_workspace_is_there(gold):
    days = set(gold[TIMELINE]["run_date"].to_pylist())
    assert days == {FIRST_DAY + timedelta(days=number) for number in range(365)}
    assert len(set(gold[TIMELINE]["workspace_id"].to_pylist()) - {None}) == 24
    assert len(set(gold["dim_job"]["workspace_id"].to_pylist())) == 24


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**5)), max_size=8))
def test_runs_are_cut_as_by_a_plain_loop(spans):
    expected = []
    for number, (start, seconds) in enumerate(spans):
        begin, end = start, start + seconds
        while end - begin > 3600:
            expected.append((number, begin, begin + 3600, 0))
            begin += 3600
        expected.append((number, begin, end, 1))
    start = np.array([s for s, _ in spans], dtype=np.int64)
    got = cut_runs(start, start + np.array([d for _, d in spans], dtype=np.int64))
    assert list(zip(*(column.tolist() for column in got), strict=True)) == expected


def test_slices_of_a_run_join_without_gaps_and_last_an_hour(runs):
    hour = timedelta(hours=1)
    checked = settled(runs)
    assert max(len(parts) for parts in checked) > 24  # runs of days
    assert any(parts[0]["run_date"] != parts[-1]["run_date"] for parts in checked)
    for parts in checked:
        for one, two in pairwise(parts):
            assert one["period_end_time"] == two["period_start_time"]
            assert one["period_end_time"] - one["period_start_time"] == hour
        assert parts[-1]["period_end_time"] - parts[-1]["period_start_time"] <= hour
        assert all(part["run_date"] == part["period_start_time"].date() for part in parts)


def test_outcome_stands_on_the_last_slice_only(runs):
    for parts in settled(runs):
        last = parts[-1]
        assert last["result_state"] is not None
        if last["run_duration_seconds"] is not None:
            span = last["period_end_time"] - parts[0]["period_start_time"]
            assert last["run_duration_seconds"] == span.total_seconds()
        for part in parts[:-1]:
            assert (part["result_state"], part["run_duration_seconds"], part["termination_code"]) == (None, None, None)


def test_runs_still_going_at_the_end_have_whole_slices_and_no_result(tmp_path):
    simulate(tmp_path, scale=0.25, tables=[TIMELINE])
    table = read(tmp_path)
    outcome = table.filter(pc.is_valid(table["result_state"]))
    ended = set(zip(*(outcome[key].to_pylist() for key in KEYS[:3]), strict=True))
    recent = table.filter(pc.greater_equal(table["period_end_time"], midnight(LAST_DAY)))
    still_open = [row for row in recent.to_pylist() if tuple(row[key] for key in KEYS[:3]) not in ended]
    assert still_open
    whole = [r for r in still_open if r["period_end_time"] - r["period_start_time"] == timedelta(hours=1)]
    broken = [r for r in still_open if None in (r["workspace_id"], r["job_id"], r["run_id"], r["period_start_time"])]
    assert len(whole) + len(broken) >= len(still_open)


def test_truth_has_incidents_before_and_inside_the_held_back_days(gold):
    truth = gold["incident_truth"].to_pylist()
    assert len({row["incident_id"] for row in truth}) == len(truth)
    assert {row["source"] for row in truth} == {"simulated"}
    assert all(row["start_time"] < row["end_time"] for row in truth)
    kinds = {"bad_deployment", "runtime_upgrade", "platform_outage", "slow_drift", "duration_regression"}
    for held_back in (False, True):
        there = {row["kind"] for row in truth if (row["start_time"] >= HELD_BACK) == held_back}
        assert len(kinds & there) >= (3 if held_back else 5)
    assert {len({row["start_time"].month for row in truth if row["kind"] == "platform_outage"})} == {12}


def test_bad_deployments_show_in_the_runs_of_their_job():
    world = build_world(7, 0.25, Calendar())
    before, during = [], []
    for job, runs in all_runs(world).items():
        for incident in world.job_incidents[job]:
            if incident.kind == "bad_deployment":
                span = incident.end - incident.start
                during += runs.failed[(runs.start >= incident.start) & (runs.start < incident.end)].tolist()
                before += runs.failed[(runs.start >= incident.start - span) & (runs.start < incident.start)].tolist()
    assert np.mean(during) > 2 * np.mean(before)
    assert np.mean(during) < 0.95


def test_a_larger_world_contains_the_smaller_one_and_grows_with_scale(tmp_path, gold):
    rows = simulate(tmp_path, scale=0.25)
    assert not bag(gold[TIMELINE]) - bag(read(tmp_path))
    assert not bag(gold["dim_job"]) - bag(read(tmp_path, "dim_job"))
    assert 0.7 < rows[TIMELINE] / gold[TIMELINE].num_rows / 5 < 1.4
    jobs = [len(build_world(7, scale, Calendar()).jobs) for scale in (0.05, 0.25, 1.0)]
    assert jobs[0] / 36 == pytest.approx(1, abs=0.15)
    assert jobs[1] / 180 == pytest.approx(1, abs=0.05)
    assert jobs[2] / 720 == pytest.approx(1, abs=0.05)


def test_copies_broken_rows_and_gaps_exist(gold):
    table = gold[TIMELINE]
    copies = sum(count - 1 for count in bag(table).values())
    assert 0.0003 < copies / table.num_rows < 0.003
    no_key = pc.sum(pc.cast(pc.is_null(table["job_id"]), pa.int64())).as_py()
    no_key += sum(table[key].null_count for key in KEYS if key != "job_id")
    turned = pc.sum(pc.cast(pc.less(table["period_end_time"], table["period_start_time"]), pa.int64())).as_py()
    assert 0 < no_key < 60
    assert 0 < turned < 60
    ended = table.filter(pc.is_valid(table["result_state"]))
    assert 0 < ended["run_duration_seconds"].null_count < 0.01 * len(ended)
    assert 0 < ended["termination_code"].null_count < 0.06 * len(ended)
    states = set(ended["result_state"].to_pylist())
    assert states > set(RESULT_STATES) - {"SKIPPED"}
    assert "EVICTED" in states
    assert 0 < gold["dim_job"]["name"].null_count < 0.1 * len(gold["dim_job"])


def test_jobs_and_clusters_have_versions(gold):
    for name, key in (("dim_job", "job_id"), ("dim_cluster", "cluster_id")):
        versions = Counter(zip(gold[name]["workspace_id"].to_pylist(), gold[name][key].to_pylist(), strict=True))
        assert max(versions.values()) > 2
        grain = Counter(repr([row[column] for column in DECLARED[name].grain]) for row in gold[name].to_pylist())
        assert max(grain.values()) == 1
    majors = {version.split(".")[0] for version in gold["dim_cluster"]["dbr_version"].to_pylist()}
    assert majors == {"13", "14", "15", "16"}
    used = {i for ids in gold[TIMELINE]["compute_ids"].to_pylist() for i in ids or () if not i.startswith("wh")}
    assert used <= set(gold["dim_cluster"]["cluster_id"].to_pylist())


def test_a_share_of_runs_fails_and_retries_help_sometimes(runs):
    states = Counter(parts[-1]["result_state"] for parts in runs.values())
    rate = sum(states[state] for state in FAILED) / states.total()
    assert 0.03 < rate < 0.25
    retries = [parts[-1]["result_state"] for parts in runs.values() if parts[0]["trigger_type"] == "RETRY"]
    assert 0.2 < retries.count("SUCCEEDED") / len(retries) < 0.7


def arrow(kind):
    """The Arrow type of a Spark type, written down a second time on purpose."""
    if kind.startswith("ARRAY<"):
        return pa.list_(arrow(kind[6:-1]))
    if kind.startswith("DECIMAL("):
        return pa.decimal128(*map(int, kind[8:-1].split(",")))
    if kind.startswith("MAP<"):
        key, value = kind[4:-1].split(",")
        return pa.map_(arrow(key), arrow(value))
    return {
        "STRING": pa.string(),
        "DATE": pa.date32(),
        "TIMESTAMP": pa.timestamp("us", tz="UTC"),
        "BIGINT": pa.int64(),
        "INT": pa.int32(),
        "BOOLEAN": pa.bool_(),
    }[kind]


@pytest.mark.parametrize("name", list(FAMILIES))
def test_columns_and_types_are_the_declared_ones(gold, name):
    assert gold[name].column_names == list(DECLARED[name].names)
    for column in DECLARED[name].columns:
        got, want = gold[name].schema.field(column.name).type, arrow(column.type)
        if pa.types.is_list(want):
            assert pa.types.is_list(got)
            got, want = got.value_type, want.value_type
        assert got.equals(want), column.name
        assert gold[name][column.name].null_count < len(gold[name]), column.name


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"tables": ["fact_moon"]}, "fact_moon"),
        ({"scale": 0}, "scale"),
        ({"days": 0}, "days"),
    ],
)
def test_wrong_arguments_are_named(tmp_path, wrong, named):
    with pytest.raises(ValueError, match=named):
        simulate(tmp_path, **wrong)


def test_a_day_outside_of_the_world_is_a_mistake_of_the_settings(tmp_path):
    description = (
        r"spans 2025-10-01 to 2026-12-30, and 2020-01-01 is outside of it \(in as_of\). Fix: choose a day within"
    )
    with pytest.raises(ConfigError, match=description):
        simulate(tmp_path, last_day=date(2020, 1, 1))


def test_epoch_moves_the_world(tmp_path):
    rows = simulate(tmp_path, epoch=date(2024, 10, 1), last_day=date(2025, 10, 28), tables=["dim_job"])
    assert rows["dim_job"]
    assert pc.max(read(tmp_path, "dim_job")["change_time"]).as_py() < datetime(2025, 10, 29, tzinfo=UTC)


def test_import_loads_no_engine():
    code = "import sys, domains.simulator; print([m for m in ('pyspark', 'pandas', 'mlflow') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

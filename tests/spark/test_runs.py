"""Runs folded from slices, first runs and their deadlines, what followed a failure: each against a plain twin."""

from __future__ import annotations

import math
from collections import defaultdict
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from domains.gold.runs import fold, with_runtime
from domains.reliability.runs import first_runs, followers, retries, with_breach

# Shrinking would ask Spark for minutes; the examples are small enough to read.
AS_DRAWN = (Phase.explicit, Phase.reuse, Phase.generate)
FIRST = date(2026, 3, 2)
DAYS = 6
AS_OF = FIRST + timedelta(DAYS - 1)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
TIMELINE = "fact_job_run_timeline"
KEYS = ("workspace_id", "job_id", "run_id")
GRAIN = (*KEYS, "period_start_time")
FAILED = ("FAILED", "ERROR", "TIMED_OUT")
STATES = ("SUCCEEDED", "SUCCEEDED", *FAILED, "CANCELLED", "SKIPPED", "BLOCKED", "NEVER_HEARD_OF")

RUNS = (
    ("workspace_id", "string"),
    ("job_id", "string"),
    ("run_id", "string"),
    ("start_time", "timestamp"),
    ("end_time", "timestamp"),
    ("start_day", "date"),
    ("end_day", "date"),
    ("seen_day", "date"),
    ("seconds", "double"),
    ("state", "string"),
    ("succeeded", "int"),
    ("failed", "int"),
    ("decided", "int"),
    ("pending", "boolean"),
    ("trigger_type", "string"),
    ("termination_code", "string"),
    ("compute_ids", "array<string>"),
    ("known_at", "timestamp"),
)


def midnight(day):
    return datetime.combine(day, time.min, UTC)


CUT = midnight(AS_OF + DAY)


# ---------------------------------------------------------------- made-up runs


@st.composite
def run_plans(draw, most=30):
    """Runs of two workspaces that share job and run ids; starts on a grid of 20 minutes, so that they tie."""
    plans = []
    ids = st.tuples(st.sampled_from(["w1", "w2"]), st.sampled_from(["1", "2"]), st.integers(1, 25))
    for workspace, job, run in draw(st.lists(ids, unique=True, min_size=5, max_size=most)):
        minutes = draw(st.sampled_from([0, 1, 20, 40, 59, 60, 61, 180, 24 * 60, 50 * 60]))
        plans.append(
            {
                "keys": (workspace, job, str(run)),
                "start": midnight(FIRST) + timedelta(minutes=20 * draw(st.integers(0, DAYS * 72 - 1))),
                "length": timedelta(minutes=minutes),
                "state": draw(st.sampled_from([*STATES, None])),
                "reported": draw(st.booleans()),
                "trigger": draw(st.sampled_from(["CRON", "RETRY", None])),
            }
        )
    return plans


def slices_of(plan):
    """Cut a run by the hour, counted from its start; only the last slice says how it ended."""
    start, end = plan["start"], plan["start"] + plan["length"]
    count = max(1, math.ceil(plan["length"] / HOUR))
    found = []
    for number in range(count):
        begins, last = start + number * HOUR, number == count - 1
        ended = last and plan["state"] is not None
        found.append(
            dict(zip(KEYS, plan["keys"], strict=True))
            | {
                "period_start_time": begins,
                "period_end_time": end if last else begins + HOUR,
                "result_state": plan["state"] if last else None,
                "run_duration_seconds": int(plan["length"].total_seconds()) if ended and plan["reported"] else None,
                "termination_code": "CODE" if ended else None,
                "trigger_type": plan["trigger"],
                "compute_ids": ["c1"],
            }
        )
    return found


@st.composite
def timelines(draw):
    """Slices with the dirt of a real source: shuffled, twice, without a key, turned around, the first ones lost."""
    slices = [
        one for plan in draw(run_plans()) for one in draw(st.sampled_from([slices_of(plan), slices_of(plan)[-2:]]))
    ]
    dirty = list(slices)
    dirty += [dict(one) for one in draw(st.lists(st.sampled_from(slices), max_size=5))]
    for one, key in draw(st.lists(st.tuples(st.sampled_from(slices), st.sampled_from(GRAIN)), max_size=5)):
        dirty.append(one | {key: None, "result_state": "FAILED"})
    for one in draw(st.lists(st.sampled_from(slices), max_size=3)):
        turned = {"period_start_time": one["period_end_time"] + timedelta(minutes=7), "result_state": "FAILED"}
        dirty.append(one | turned)
    # The same slice, told again otherwise: what was known first stays, unless it cannot be true.
    for one, minutes in draw(st.lists(st.tuples(st.sampled_from(slices), st.sampled_from([3, -9000])), max_size=4)):
        again = {"period_end_time": one["period_end_time"] + timedelta(minutes=minutes), "result_state": "ERROR"}
        dirty.append(one | again)
    return draw(st.permutations(dirty))


# ---------------------------------------------------------------- the twins


def valid_slices(rows):
    """The slices known in time, without those that break the contract; of several with one key the first known."""
    known = [r for r in rows if r["period_end_time"] < CUT and all(r[key] is not None for key in GRAIN)]
    kept = {}
    for row in sorted(known, key=lambda r: r["period_end_time"]):
        if row["period_end_time"] >= row["period_start_time"]:
            kept.setdefault(tuple(row[key] for key in GRAIN), row)
    return kept.values()


def twin_runs(rows):
    by_run = defaultdict(list)
    for row in valid_slices(rows):
        by_run[tuple(row[key] for key in KEYS)].append(row)
    return {keys: twin_run(keys, parts) for keys, parts in by_run.items()}


def twin_run(keys, parts):
    first, last = min(p["period_start_time"] for p in parts), max(p["period_end_time"] for p in parts)
    told = [p for p in parts if p["result_state"] is not None]
    final = max(told, key=lambda p: (p["period_end_time"], p["result_state"])) if told else {}
    end, state, seconds = (final.get(n) for n in ("period_end_time", "result_state", "run_duration_seconds"))
    start = min(first, end - timedelta(seconds=seconds)) if seconds is not None else first
    failed = {"SUCCEEDED": 0, **dict.fromkeys(FAILED, 1)}.get(state)
    if end is not None and seconds is None:
        seconds = round((end - first).total_seconds())
    return dict(zip(KEYS, keys, strict=True)) | {
        "start_time": start,
        "end_time": end,
        "start_day": start.date(),
        "end_day": end.date() if end else None,
        "seen_day": min(p["period_end_time"] for p in parts).date(),
        "seconds": None if seconds is None else float(seconds),
        "state": state,
        "succeeded": None if failed is None else 1 - failed,
        "failed": failed,
        "decided": int(failed is not None),
        "pending": not told and last >= CUT - 2 * DAY,
        "trigger_type": parts[0]["trigger_type"],
        "termination_code": final.get("termination_code"),
        "compute_ids": ["c1"],
        "known_at": last,
    }


def twin_first_runs(runs):
    by_day = defaultdict(list)
    for run in runs:
        by_day[run["workspace_id"], run["job_id"], run["start_day"]].append(run)
    return [min(own, key=lambda r: (r["start_time"], r["run_id"])) for own in by_day.values()]


def known_day(first):
    return None if first["end_day"] is None else max(first["end_day"], first["start_day"] + DAY)


def end_hours(first):
    return None if first["end_time"] is None else (first["end_time"] - midnight(first["start_day"])) / HOUR


def twin_deadline(first, others, window, share, slas):
    job = f"{first['workspace_id']}/{first['job_id']}"
    if job in slas:
        return slas[job]
    told = first["start_day"] - DAY
    past = sorted(
        end_hours(o)
        for o in others
        if f"{o['workspace_id']}/{o['job_id']}" == job
        and known_day(o) is not None
        and told - timedelta(window) < known_day(o) <= told
    )
    return past[max(math.ceil(share * len(past)), 1) - 1] if past else None


def twin_follower(failure, runs):
    after = [
        r
        for r in runs
        if (r["workspace_id"], r["job_id"]) == (failure["workspace_id"], failure["job_id"])
        and failure["end_time"] <= r["start_time"] <= failure["end_time"] + DAY
        # A failure without length follows nothing that ends with it, itself least of all.
        and not (r["failed"] == 1 and r["start_time"] == r["end_time"] == failure["end_time"])
    ]
    return min(after, key=lambda r: (r["start_time"], r["run_id"]), default=None)


# ---------------------------------------------------------------- Spark against the twins


def collected(frame, *keys):
    rows = [aware(row.asDict(recursive=True)) for row in frame.collect()]
    found = {tuple(row[key] for key in keys): row for row in rows}
    assert len(found) == len(rows)
    return found


def in_order(rows):
    return sorted(sorted(row.items()) for row in rows)


def aware(value):
    """Spark hands out naive times of the machine's zone; the moment is the same."""
    if isinstance(value, dict):
        return {key: aware(inner) for key, inner in value.items()}
    return value.astimezone(UTC) if isinstance(value, datetime) else value


@settings(max_examples=12, deadline=None, phases=AS_DRAWN)
@given(rows=timelines())
def test_folded_runs_are_the_twins(gold_view, rows):
    found = collected(fold(gold_view({TIMELINE: rows}, AS_OF)), *KEYS)
    expected = twin_runs(rows)
    assert sorted(found) == sorted(expected)
    for keys, run in expected.items():
        assert found[keys] == run


@settings(max_examples=10, deadline=None, phases=AS_DRAWN)
@given(plans=run_plans(), window=st.integers(1, 5), share=st.sampled_from([0.5, 0.95]), sla=st.integers(0, 30))
def test_first_runs_and_breaches_are_the_twins(gold_view, frame_of, plans, window, share, sla):
    runs = list(twin_runs([one for plan in plans for one in slices_of(plan)]).values())
    slas = {"w2/1": float(sla)}
    gold = gold_view({}, AS_OF, options={"slas": slas})
    found = collected(with_breach(first_runs(gold, frame_of(runs, RUNS)), window=window, share=share), *KEYS)
    expected = twin_first_runs(runs)
    assert len(found) == len(expected)
    for first in expected:
        row = found[tuple(first[key] for key in KEYS)]
        deadline = twin_deadline(first, expected, window, share, slas)
        judged = deadline is not None and first["end_time"] is not None
        assert row["known_day"] == known_day(first)
        assert row["end_hours"] == (None if first["end_time"] is None else pytest.approx(end_hours(first)))
        assert row["breached"] == (int(end_hours(first) > deadline) if judged else None)


@settings(max_examples=12, deadline=None, phases=AS_DRAWN)
@given(plans=run_plans())
def test_followers_and_retries_are_the_twins(frame_of, plans):
    runs = list(twin_runs([one for plan in plans for one in slices_of(plan)]).values())
    failures = followers(frame_of(runs, RUNS))
    found = collected(failures, *KEYS)
    expected = {tuple(r[key] for key in KEYS): twin_follower(r, runs) for r in runs if r["failed"] == 1}
    parts = ("run_id", "start_time", "end_time", "succeeded", "failed", "state", "pending")
    assert {keys: row["next"] for keys, row in found.items()} == {
        keys: {part: run and run[part] for part in parts} for keys, run in expected.items()
    }

    made = [aware(row.asDict()) for row in retries(failures).collect()]
    again = {tuple(r[key] for key in KEYS): r for r in expected.values() if r and r["decided"]}.values()
    wanted = [
        {
            "workspace_id": r["workspace_id"],
            "job_id": r["job_id"],
            "known_time": max(r["end_time"], r["start_time"] + HOUR),
            "retry_succeeded": r["succeeded"],
        }
        for r in again
    ]
    assert in_order(made) == in_order(wanted)


# ---------------------------------------------------------------- by hand


def run(start, end, **more):
    plan = {"keys": ("w1", "1", "1"), "start": start, "length": end - start, "state": "SUCCEEDED"}
    return slices_of(plan | {"reported": True, "trigger": None} | more)


def test_a_run_without_result_is_pending_until_it_is_lost(gold_view):
    plan = {"state": None}
    just = run(CUT - 2 * DAY - HOUR, CUT - 2 * DAY, **plan)
    lost = run(CUT - 2 * DAY - HOUR, CUT - 2 * DAY - timedelta(seconds=1), **plan, keys=("w1", "1", "2"))
    found = collected(fold(gold_view({TIMELINE: just + lost}, AS_OF)), "run_id")
    assert {key: row["pending"] for key, row in found.items()} == {("1",): True, ("2",): False}


def test_a_run_whose_first_slices_are_out_of_sight_starts_when_its_duration_says(gold_view):
    rows = run(midnight(FIRST), midnight(FIRST) + 30 * HOUR)
    found = collected(fold(gold_view({TIMELINE: rows}, AS_OF, start=FIRST + DAY)), "run_id")
    assert found["1",]["start_time"] == midnight(FIRST)
    assert found["1",]["seconds"] == 30 * 3600


@pytest.mark.parametrize("hour", [7, 14, 23])
@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Tokyo", "Asia/Kolkata"])
def test_deadlines_count_from_local_midnight_of_the_start(gold_view, zone, hour):
    # Early in Tokyo and late in New York it is another day in UTC.
    local = datetime(2026, 3, 4, hour, tzinfo=ZoneInfo(zone)).astimezone(UTC)
    gold = gold_view({TIMELINE: run(local, local + 2 * HOUR)}, AS_OF, time_zone=zone)
    assert [row["end_hours"] for row in first_runs(gold, fold(gold)).collect()] == [hour + 2.0]


def test_of_two_runs_that_start_together_the_smaller_id_follows(gold_view):
    """Which one ends first is known later than that they started: it must not change the answer."""
    noon = midnight(FIRST) + 12 * HOUR
    rows = run(noon - HOUR, noon, state="FAILED")
    rows += run(noon, noon + 9 * HOUR, keys=("w1", "1", "2")) + run(noon, noon + HOUR, keys=("w1", "1", "3"))
    found = followers(fold(gold_view({TIMELINE: rows}, AS_OF))).collect()
    assert [row["next"]["run_id"] for row in found] == ["2"]


def test_the_runtime_is_that_of_the_start_and_of_the_runs_own_workspace(gold_view):
    noon = midnight(FIRST) + 12 * HOUR
    rows = run(noon, noon + HOUR) + run(noon, noon + HOUR, keys=("w2", "1", "1"))
    versions = [
        {"workspace_id": w, "cluster_id": "c1", "dbr_version": version, "change_time": noon + after}
        for w, version, after in [
            ("w1", "14.3.x-scala2.12", -9 * DAY),
            ("w1", "15.4.x-scala2.12", timedelta(0)),
            ("w1", "16.1.x-scala2.12", timedelta(minutes=1)),
            ("w2", "custom:image", -DAY),
        ]
    ]
    gold = gold_view({TIMELINE: rows, "dim_cluster": versions}, AS_OF)
    found = collected(with_runtime(gold, fold(gold)), "workspace_id")
    assert {key: row["runtime_major"] for key, row in found.items()} == {("w1",): 15.0, ("w2",): None}
    bare = gold_view({TIMELINE: rows}, AS_OF)
    assert {row["runtime_major"] for row in with_runtime(bare, fold(bare)).collect()} == {None}


ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/St_Johns", "Asia/Kathmandu", "UTC")


@settings(max_examples=6, phases=AS_DRAWN, deadline=None)
@given(
    zone=st.sampled_from(ZONES),
    starts=st.lists(st.integers(0, 15 * 365 * 24 * 60), min_size=40, max_size=40),
    minutes=st.integers(1, 30 * 60),
)
def test_ends_are_times_on_the_clock_of_the_zone(gold_view, frame_of, zone, starts, minutes):
    changes = [day for day in (datetime(2026, 3, 1, tzinfo=UTC) + n * DAY for n in range(270)) if changing(day, zone)]
    starts = [datetime(2015, 1, 1, tzinfo=UTC) + timedelta(minutes=at) for at in starts]
    starts += [*(day + offset for day in changes for offset in (-3 * HOUR, HOUR, 4 * HOUR))]
    rows = [
        {"workspace_id": "w", "job_id": f"j{at}", "run_id": "1", "start_time": start, "start_day": start.date()}
        | {"end_time": start + timedelta(minutes=minutes), "end_day": (start + timedelta(minutes=minutes)).date()}
        for at, start in enumerate(starts)
    ]
    found = first_runs(gold_view({}, AS_OF, time_zone=zone), frame_of(rows, RUNS)).select("job_id", "end_hours")
    told = {row["job_id"]: row["end_hours"] for row in found.collect()}
    for row in rows:
        start, end = (row[name].astimezone(ZoneInfo(zone)).replace(tzinfo=None) for name in ("start_time", "end_time"))
        assert told[row["job_id"]] == pytest.approx((end - datetime.combine(start, time())) / HOUR), row


def changing(day: datetime, zone: str) -> bool:
    """Tell whether a zone's clock is put forward or back within a day."""
    return (day.astimezone(ZoneInfo(zone))).utcoffset() != ((day + DAY).astimezone(ZoneInfo(zone))).utcoffset()


@pytest.mark.parametrize("day", [date(2026, 3, 29), date(2026, 10, 25)])
def test_half_past_six_is_kept_on_the_days_of_23_and_25_hours(gold_view, frame_of, day):
    begin, end = (
        datetime.combine(day, clock, ZoneInfo("Europe/Berlin")).astimezone(UTC) for clock in (time(0, 20), time(6, 20))
    )
    gold = gold_view({}, day + DAY, time_zone="Europe/Berlin", options={"slas": {"w/1": 6.5}})
    row = {"workspace_id": "w", "job_id": "1", "run_id": "1", "start_time": begin, "start_day": begin.date()}
    row |= {"end_time": end, "end_day": day}
    (found,) = with_breach(first_runs(gold, frame_of([row], RUNS)), window=28, share=0.95).collect()
    assert (found["end_hours"], found["breached"]) == (pytest.approx(6 + 20 / 60), 0)

"""Labels look strictly ahead, are never known too early, and say what the five models' cards say."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from domains.reliability.trainers import (
    JobDurationForecaster,
    JobFailurePredictor,
    PipelineHealthScorer,
    RetrySuccessPredictor,
    SlaBreachPredictor,
)
from framework.base.errors import LabelError
from framework.core.plugins import discover
from framework.declare.labels import Label
from framework.testing import label_rows as rows_of
from framework.training.labels import label_rows

# Shrinking would ask Spark for minutes; the examples are small enough to read.
AS_DRAWN = (Phase.explicit, Phase.reuse, Phase.generate)
FIRST = date(2026, 4, 1)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
EVENT = (("key", "string"), ("on", "date"), ("known_at", "timestamp"), ("size", "int"), ("open", "boolean"))
CONTEXT = (("key", "string"), ("t", "date"), ("limit", "int"))


def midnight(day):
    return datetime.combine(day, time.min, UTC)


def aware(moment):
    """Spark hands out naive times of the machine's zone; the moment is the same."""
    return None if moment is None else moment.astimezone(UTC)


PLUGINS = discover(strict=True)


# ---------------------------------------------------------------- label_rows


@st.composite
def events(draw):
    """Events on 12 days; some become known days after they happen, some are still open."""
    found = []
    for _ in range(draw(st.integers(5, 40))):
        day = FIRST + timedelta(draw(st.integers(0, 11)))
        delay = draw(st.sampled_from([HOUR, 23 * HOUR, DAY, 30 * HOUR, 3 * DAY]))
        found.append(
            {
                "key": draw(st.sampled_from("abc")),
                "on": day,
                "known_at": midnight(day) + delay,
                "size": draw(st.sampled_from([None, 0, 1, 5])),
                "open": draw(st.sampled_from([False, False, False, True])),
            }
        )
    return found


def twin_labels(rows, horizon, settle, as_of, limits):
    """Every day t, looked at by itself: the events of the days after it, the sum of their sizes above the limit."""
    found = {}
    for key in {row["key"] for row in rows}:
        for day in (FIRST + timedelta(n) for n in range(-horizon, 12)):
            ahead = [r for r in rows if r["key"] == key and day < r["on"] <= day + timedelta(horizon)]
            limit = 0 if limits is None else limits.get((key, day))
            if not ahead or limit is None or day + timedelta(horizon) > as_of:
                continue
            sizes = [r["size"] for r in ahead if r["size"] is not None]
            pending = any(r["open"] for r in ahead)
            if sizes or pending:
                known = max(midnight(day + timedelta(horizon + 1)) + settle, *(r["known_at"] for r in ahead))
                settled = not pending and known <= midnight(as_of + DAY)
                found[key, day] = (sum(s > limit for s in sizes) if sizes else None, known if settled else None)
    return found


@settings(max_examples=18, deadline=None, phases=AS_DRAWN)
@given(
    rows=events(),
    horizon=st.sampled_from([1, 7]),
    settle=st.sampled_from([timedelta(0), HOUR]),
    as_of=st.integers(3, 13),
    limits=st.none() | st.dictionaries(st.tuples(st.sampled_from("abc"), st.integers(-7, 11)), st.integers(0, 4)),
)
def test_labels_are_the_twins(frame_of, rows, horizon, settle, as_of, limits):
    as_of = FIRST + timedelta(as_of)
    facts = limits and {(key, FIRST + timedelta(n)): limit for (key, n), limit in limits.items()}
    context = facts and frame_of([{"key": k, "t": t, "limit": limit} for (k, t), limit in facts.items()], CONTEXT)
    label = Label(
        events=frame_of(rows, EVENT),
        day="on",
        value=f"sum(CASE WHEN size > {'limit' if facts else 0} THEN 1 WHEN size IS NOT NULL THEN 0 END)",
        pending="open",
        settle=settle,
        context=context or None,
    )
    frame = label_rows(label, keys=["key"], time="t", horizon=timedelta(days=horizon), as_of=as_of)
    assert frame.columns == ["key", "t", "label", "label_known_at"]
    labels = [(row["key"], row["t"], row["label"], aware(row["label_known_at"])) for row in frame.collect()]
    found = {(key, t): rest for key, t, *rest in labels}
    assert len(found) == len(labels)
    expected = twin_labels(rows, horizon, settle, as_of, facts or None)
    assert found == {at: list(rest) for at, rest in expected.items()}
    for _, t, _, known in labels:
        assert t + timedelta(days=horizon) <= as_of
        assert known is None or midnight(t + timedelta(days=horizon + 1)) + settle <= known <= midnight(as_of + DAY)


@pytest.mark.parametrize(("settle", "known"), [(timedelta(0), True), (timedelta(seconds=1), False)])
def test_the_newest_window_is_known_only_if_nothing_has_to_settle(frame_of, settle, known):
    row = {"key": "a", "on": FIRST, "known_at": midnight(FIRST) + HOUR, "size": 1, "open": False}
    label = Label(events=frame_of([row], EVENT), day="on", value="max(size)", settle=settle)
    frame = label_rows(label, keys=["key"], time="t", horizon=DAY, as_of=FIRST, names=["answer"])
    found = [(r["t"], r["answer"], aware(r["label_known_at"])) for r in frame.collect()]
    assert found == [(FIRST - DAY, 1, midnight(FIRST + DAY) if known else None)]


def event(key, day, size, known=None):
    return {"key": key, "on": day, "known_at": known or midnight(day) + HOUR, "size": size, "open": False}


def test_rows_of_the_context_without_an_event_have_the_other_value(frame_of):
    rows = [{"key": key, "t": FIRST, "limit": 0} for key in "ab"]
    label = Label(
        events=frame_of([event("a", FIRST + DAY, 5), event("c", FIRST + DAY, 7)], EVENT), day="on", value="sum(size)",
        settle=DAY, context=frame_of(rows, CONTEXT), otherwise=0.0,
    )  # fmt: skip
    for days_later, known in ((1, None), (2, midnight(FIRST + 3 * DAY))):
        frame = label_rows(label, keys=["key"], time="t", horizon=DAY, as_of=FIRST + days_later * DAY)
        found = {(r["key"], r["t"]): (r["label"], aware(r["label_known_at"])) for r in frame.collect()}
        assert found == {("a", FIRST): (5, known), ("b", FIRST): (0, known)}


def test_shares_of_a_group_add_up_and_are_known_together(frame_of):
    late = midnight(FIRST + 9 * DAY)
    events = [event("a", FIRST + DAY, 1), event("b", FIRST + DAY, 3, known=late), event("a", FIRST + 2 * DAY, 0)]
    rows = [{"key": key, "t": FIRST + n * DAY, "limit": 0} for key in "ac" for n in (0, 1)]
    keys = "concat('w', '') AS workspace"
    label = Label(
        events=frame_of(events, EVENT).selectExpr(keys, "*"), day="on", value="sum(size)",
        context=frame_of(rows, CONTEXT).selectExpr(keys, "*"), otherwise=0.0,
    )  # fmt: skip
    for as_of, known in ((FIRST + 4 * DAY, None), (FIRST + 9 * DAY, late)):
        frame = label_rows(
            label, keys=["workspace", "key"], time="t", horizon=DAY, as_of=as_of, shares_of=["workspace"]
        )
        found = {(r["key"], r["t"]): (r["label"], aware(r["label_known_at"])) for r in frame.collect()}
        # The second day's sum is 0: nobody has a share. "b" has no row, and counts in the sum of the first.
        ended = midnight(FIRST + 2 * DAY)
        assert found == {("a", FIRST): (0.25, known), ("c", FIRST): (0.0, ended)}


def test_only_the_days_that_are_asked_for_are_labelled(frame_of):
    label = Label(
        events=frame_of([event("a", FIRST + n * DAY, 1) for n in range(6)], EVENT), day="on", value="count(*)",
        where=f"t <> DATE'{FIRST + DAY}'",
    )  # fmt: skip
    frame = label_rows(label, keys=["key"], time="t", horizon=DAY, as_of=FIRST + 4 * DAY)
    assert sorted((r["t"] - FIRST).days for r in frame.collect()) == [-1, 0, 2, 3]


def test_a_label_that_nobody_declared_is_named(frame_of):
    events = frame_of([event("a", FIRST, 1)], EVENT)
    asked = {"keys": ["key"], "time": "t", "horizon": DAY, "as_of": FIRST}
    with pytest.raises(LabelError, match="values for slow, but the labels are slow, stuck"):
        label_rows(Label(events=events, value={"slow": "max(size)"}), names=["slow", "stuck"], **asked)
    with pytest.raises(LabelError, match="which rows have a label where no event is"):
        label_rows(Label(events=events, value="max(size)", otherwise=0.0), **asked)
    context = frame_of([{"key": "a", "t": FIRST, "limit": 1}], CONTEXT).withColumnRenamed("limit", "size")
    with pytest.raises(LabelError, match="both have a column 'size'"):
        label_rows(Label(events=events, value="max(size)", context=context), **asked)


# ---------------------------------------------------------------- the five trainers, by hand


class Jobs:
    """Writes runs down: day after FIRST, hour of the start, seconds, outcome (None: still running)."""

    def __init__(self):
        self.rows = []

    def run(self, job, day, hour, seconds, state, workspace="w"):
        start = midnight(FIRST) + day * DAY + hour * HOUR
        pieces = max(1, -(-seconds // 3600))
        for piece in range(pieces):
            last = piece == pieces - 1
            begins = start + piece * HOUR
            self.rows.append(
                {
                    "workspace_id": workspace,
                    "job_id": job,
                    "run_id": f"{day}-{hour}",
                    "period_start_time": begins,
                    "period_end_time": start + timedelta(seconds=seconds) if last else begins + HOUR,
                    "result_state": state if last else None,
                    "run_duration_seconds": seconds if last and state else None,
                }
            )


@pytest.fixture
def jobs():
    return Jobs()


@pytest.fixture
def labels_of(gold_view, jobs):
    """Labels by entity, with the day as a number from FIRST on: (label, is it known?)."""

    def make(trainer, last_day, **options):
        as_of = FIRST + timedelta(last_day)
        gold = gold_view({"fact_job_run_timeline": jobs.rows}, as_of, options=options)
        found = defaultdict(dict)
        for row in rows_of(trainer(), PLUGINS, gold).collect():
            at = row["run_id"] if "run_id" in row else (row["run_date"] - FIRST).days
            assert at not in found[row["job_id"]]
            found[row["job_id"]][at] = (row["label"], row["label_known_at"] is not None)
        return dict(found)

    return make


def test_tomorrows_failure(jobs, labels_of):
    for state, job in [("FAILED", "f"), ("ERROR", "e"), ("TIMED_OUT", "t"), ("SUCCEEDED", "s")]:
        jobs.run(job, 2, 6, 60, state)
    for job, state in [("c", "CANCELLED"), ("k", "SKIPPED"), ("b", "BLOCKED"), ("u", "NEVER_HEARD_OF")]:
        jobs.run(job, 2, 6, 60, state)
    jobs.run("mixed", 2, 5, 60, "SUCCEEDED")
    jobs.run("mixed", 2, 6, 60, "FAILED")
    jobs.run("mixed", 2, 7, 60, "CANCELLED")
    jobs.run("mixed", 4, 7, 60, "SUCCEEDED")
    found = labels_of(JobFailurePredictor, 5)
    assert found == {
        "f": {1: (1, True)},
        "e": {1: (1, True)},
        "t": {1: (1, True)},
        "s": {1: (0, True)},
        "mixed": {1: (1, True), 3: (0, True)},
    }


def test_a_run_over_midnight_belongs_to_the_day_of_its_start(jobs, labels_of):
    jobs.run("j", 2, 22.5, 2 * 3600, "FAILED")
    assert labels_of(JobFailurePredictor, 2) == {"j": {1: (None, False)}}
    assert labels_of(JobFailurePredictor, 3) == {"j": {1: (1, True)}}


def test_a_day_with_a_running_run_has_no_known_label_yet(jobs, labels_of):
    jobs.run("j", 2, 5, 60, "FAILED")
    jobs.run("j", 2, 20, 6 * 3600, None)
    assert labels_of(JobFailurePredictor, 3) == {"j": {1: (1, False)}}
    # Two days without a word: it will not report any more.
    assert labels_of(JobFailurePredictor, 5) == {"j": {1: (1, True)}}


def test_yesterdays_label_waits_until_every_start_of_the_day_can_be_seen(jobs, labels_of):
    jobs.run("j", 2, 5, 60, "SUCCEEDED")
    assert labels_of(JobFailurePredictor, 2) == {"j": {1: (0, False)}}
    assert labels_of(JobFailurePredictor, 3) == {"j": {1: (0, True)}}
    assert labels_of(JobFailurePredictor, 1) == {}


def test_the_same_job_id_in_two_workspaces_is_two_jobs(jobs, labels_of, gold_view):
    jobs.run("j", 2, 5, 60, "FAILED", workspace="a")
    jobs.run("j", 2, 5, 60, "SUCCEEDED", workspace="b")
    as_of = FIRST + timedelta(4)
    rows = rows_of(JobFailurePredictor(), PLUGINS, gold_view({"fact_job_run_timeline": jobs.rows}, as_of)).collect()
    assert sorted((row["workspace_id"], row["label"]) for row in rows) == [("a", 1), ("b", 0)]


def test_the_weeks_median_duration_is_that_of_its_successes(jobs, labels_of):
    for day, seconds, state in [(3, 100, "SUCCEEDED"), (5, 300, "SUCCEEDED"), (5, 9, "FAILED"), (9, 500, "SUCCEEDED")]:
        jobs.run("j", day, 5 if state == "FAILED" else 6, seconds, state)
    jobs.run("only failed", 5, 6, 60, "FAILED")
    found = labels_of(JobDurationForecaster, 12)
    assert found.keys() == {"j"}
    week = {t: label for t, (label, _) in found["j"].items()}
    assert week == {-4: 100, -3: 100, **dict.fromkeys((-2, -1, 0, 1), 200), 2: 300, 3: 400, 4: 400, 5: 500}
    assert {t for t, (_, known) in found["j"].items() if not known} == {5}


def test_a_first_run_after_its_deadline_is_a_breach(jobs, labels_of):
    for day in range(12):
        late = day in (9, 11)
        for job in ("usual", "promised"):
            jobs.run(job, day, 2, 5 * 3600 if late else 3600, "SUCCEEDED")
            jobs.run(job, day, 12, 8 * 3600, "SUCCEEDED")  # not the first: no breach, however late
    found = labels_of(SlaBreachPredictor, 13, slas={"w/promised": 8.0})
    # Eight active days first; the deadline of the usual one is the P95 of its ends at 03:00, and 07:00 once seen.
    assert found["promised"] == dict.fromkeys((7, 8, 9, 10), (0, True))
    assert found["usual"] == {7: (0, True), 8: (1, True), 9: (0, True), 10: (0, True)}
    tight = labels_of(SlaBreachPredictor, 13, slas={"w/promised": 5.0})
    assert tight["promised"] == {7: (0, True), 8: (1, True), 9: (0, True), 10: (1, True)}


def test_a_failure_is_worth_a_retry_if_the_next_run_within_a_day_succeeds(jobs, labels_of):
    jobs.run("won", 1, 5, 60, "TIMED_OUT")
    jobs.run("won", 2, 5, 60, "SUCCEEDED")  # 24 h after the start, a minute less after the end
    jobs.run("late", 1, 5, 60, "FAILED")
    jobs.run("late", 2, 6, 60, "SUCCEEDED")
    jobs.run("twice", 1, 5, 60, "FAILED")
    jobs.run("twice", 1, 6, 60, "ERROR")
    jobs.run("twice", 1, 7, 60, "SUCCEEDED")
    jobs.run("stopped", 1, 5, 60, "FAILED")
    jobs.run("stopped", 1, 6, 60, "CANCELLED")
    jobs.run("stopped", 1, 7, 60, "SUCCEEDED")
    jobs.run("last", 1, 5, 60, "FAILED")
    found = labels_of(RetrySuccessPredictor, 4)
    assert found == {"won": {"1-5": (1, True)}, "twice": {"1-5": (0, True), "1-6": (1, True)}}
    # Another run may still turn up in the 24 hours, and an hour later be seen.
    assert labels_of(RetrySuccessPredictor, 1)["twice"] == {"1-5": (0, False), "1-6": (1, False)}


def test_a_retry_that_runs_has_no_known_label(jobs, labels_of):
    jobs.run("j", 1, 5, 60, "FAILED")
    jobs.run("j", 1, 20, 6 * 3600, None)
    assert labels_of(RetrySuccessPredictor, 2) == {"j": {"1-5": (None, False)}}


def test_health_counts_failed_runs_and_those_later_than_usual_as_of_the_day(jobs, labels_of):
    for day in range(4):
        jobs.run("j", day, 5, 100, "SUCCEEDED")
    jobs.run("j", 5, 5, 90, "SUCCEEDED")
    jobs.run("j", 6, 5, 200, "SUCCEEDED")
    jobs.run("j", 7, 5, 90, "FAILED")
    jobs.run("j", 8, 5, 90, "CANCELLED")
    jobs.run("j", 9, 5, 150, "SUCCEEDED")
    found = {t: label for t, (label, _) in labels_of(PipelineHealthScorer, 14)["j"].items()}
    # Until day 5 the usual is 100, so that 200 and 150 are late; as of day 6 it is 200, and 150 is not.
    assert found[2] == pytest.approx(100 * (1 - 3 / 5))
    assert found[3] == pytest.approx(100 * (1 - 3 / 4))
    assert found[6] == pytest.approx(100 * (1 - 1 / 2))
    assert found[7] == pytest.approx(100)
    # Before its first run a job has no usual duration, and no row to be scored either.
    assert min(found) == 0

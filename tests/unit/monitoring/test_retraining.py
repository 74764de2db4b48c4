"""Requests to train again: each reason, what makes it lapse, and what takes it."""

from __future__ import annotations

from datetime import timedelta

import pyarrow as pa
import pytest

from framework.core.versions import Served
from framework.monitoring.outcomes.retraining import open_requests, request, take
from framework.tables.declared import DECISIONS, OUTCOMES, REQUESTS
from tests.alerting import JOBS, day, runtime_in

FACTS = {"as_of": day(0).isoformat(), "retrain_after_days": "30"}
GOOD = {
    "model_version": 3, "skill": 0.3, "skill_low": 0.0, "skill_high": 0.4, "promised_skill": 0.3, "promised_low": None,
    "window_days": 20, "rows": 100, "first_day": day(0), "last_day": day(20),
}  # fmt: skip


def served(**changes):
    given = {
        "name": "m", "version": 3, "alias": "champion", "is_fallback": False, "training_run_id": "", "outputs": (),
        "classes": (), "facts": FACTS,
    }  # fmt: skip
    return Served(**given | changes)


def drifted(kind, count=1, **more):
    row = {"kind": kind, "level": "drift", "psi": 0.5, "says": f"{kind} moved"} | more
    return [row | {"name": f"{kind}_{n}"} for n in range(count)]


def ask(runtime, on=10, version=None, drift=(), performance=(GOOD,)):
    return request(runtime, JOBS, version or served(), day(on), drift=drift, performance=performance)


def test_nothing_is_asked_for_without_a_reason(tmp_path):
    runtime = runtime_in(tmp_path)
    assert ask(runtime) == []
    assert not runtime.tables.exists(runtime.feature_table("retrain_requests"))


@pytest.mark.parametrize(
    ("given", "reason", "urgency"),
    [
        ({"on": 31}, "age", "normal"),
        ({"performance": [GOOD | {"skill": 0.2, "skill_high": 0.29}]}, "skill", "high"),
        ({"performance": [GOOD | {"skill": 0.1, "skill_high": 0.19, "promised_low": 0.2}]}, "skill", "high"),
        ({"drift": drifted("feature", 3)}, "feature_drift", "normal"),
        ({"drift": drifted("prediction", shift=2.5)}, "prediction_drift", "normal"),
        ({"drift": drifted("prediction", shift=-2.5)}, "prediction_drift", "normal"),
        ({"drift": drifted("label", ks_p=0.01)}, "label_drift", "normal"),
    ],
)
def test_each_reason_is_asked_for_once(tmp_path, given, reason, urgency):
    runtime = runtime_in(tmp_path)
    (found,) = ask(runtime, **given)
    assert (found["reason"], found["urgency"], found["state"]) == (reason, urgency, "open")
    assert found["says"]
    version = runtime.tables.version(runtime.feature_table("retrain_requests"))
    ask(runtime, **given)
    assert runtime.tables.version(runtime.feature_table("retrain_requests")) == version


@pytest.mark.parametrize(
    "given",
    [
        {"on": 30},
        {"performance": [GOOD | {"skill": 0.25, "skill_high": 0.29}]},  # not more than 0.05 below
        {"performance": [GOOD | {"skill": 0.1, "skill_high": 0.31}]},  # the promise lies within the interval
        {"performance": [GOOD | {"skill": 0.1, "skill_high": 0.2, "promised_low": 0.2}]},  # both intervals meet
        {"performance": [GOOD | {"skill": 0.0, "skill_low": None, "skill_high": None}]},  # too few events for one
        {"performance": [GOOD | {"skill": 0.1, "skill_high": 0.2, "window_days": 6}]},
        {"performance": [GOOD | {"skill": 0.1, "skill_high": 0.2, "model_version": 2}]},
        {"performance": [GOOD | {"skill": None}]},
        {"drift": drifted("feature", 2)},
        {"drift": drifted("feature", 3, level="watch")},
        {"drift": drifted("prediction", shift=1.9)},
        {"drift": drifted("prediction", shift=3.0, level="watch")},
        {"drift": drifted("label", ks_p=0.06)},
    ],
)
def test_what_is_not_enough_is_not_asked_for(tmp_path, given):
    assert ask(runtime_in(tmp_path), **given) == []


def test_a_reason_keeps_its_first_day_and_lapses_when_it_is_gone(tmp_path):
    runtime = runtime_in(tmp_path)
    for on in (5, 6, 4):  # days may come in any order
        ask(runtime, on=on, drift=drifted("feature", 3))
    (row,) = open_requests(runtime)
    assert (row["requested_on"], row["last_seen_on"]) == (day(4), day(6))
    ask(runtime, on=7)
    assert open_requests(runtime) == []
    assert set(REQUESTS.read(runtime)["state"].to_pylist()) == {"lapsed"}


def test_what_is_asked_for_again_stands_beside_what_a_training_took(tmp_path):
    runtime = runtime_in(tmp_path)
    ask(runtime, on=10, drift=drifted("feature", 3))
    take(runtime, JOBS, 4, day(11))
    ask(runtime, on=20, drift=drifted("feature", 3))
    found = {row["requested_on"]: row["state"] for row in REQUESTS.read(runtime).to_pylist()}
    assert found == {day(10): "taken", day(20): "open"}


def test_a_training_takes_what_is_open_and_another_version_has_reasons_of_its_own(tmp_path):
    runtime = runtime_in(tmp_path)
    ask(runtime, drift=drifted("feature", 3))
    assert take(runtime, JOBS, 4, day(11)) == 1
    assert open_requests(runtime, JOBS) == []
    assert REQUESTS.read(runtime)["taken_by_version"].to_pylist() == [4]
    assert REQUESTS.read(runtime)["taken_on"].to_pylist() == [day(11)]
    assert ask(runtime, on=17, drift=drifted("feature", 3), version=served(version=4)) == []
    ask(runtime, on=18, drift=drifted("feature", 3), version=served(version=4))
    assert [row["model_version"] for row in open_requests(runtime, JOBS)] == [4]
    # What was asked of a version that serves no more lapses.
    ask(runtime, on=19, version=served(version=5))
    assert open_requests(runtime, JOBS) == []


SKILL_LOST = [GOOD | {"skill": 0.2, "skill_high": 0.29}]


def test_a_model_rests_for_a_week_after_a_training_that_was_asked_for(tmp_path):
    runtime = runtime_in(tmp_path)
    ask(runtime, on=10, drift=drifted("feature", 3))
    take(runtime, JOBS, 4, day(11))  # the gate refused version 4: version 3 still serves
    for on in (10, 11, 17):
        assert ask(runtime, on=on, drift=drifted("feature", 3), performance=SKILL_LOST) == []
    asked = ask(runtime, on=18, drift=drifted("feature", 3), performance=SKILL_LOST)
    assert [(row["reason"], row["requested_on"]) for row in asked] == [("skill", day(18)), ("feature_drift", day(18))]


def test_requests_that_were_written_before_they_had_a_day_of_training_count_from_when_they_were_seen(tmp_path):
    runtime = runtime_in(tmp_path)
    row = {"model_name": JOBS, "model_version": 3, "reason": "age", "requested_on": day(8), "last_seen_on": day(10)}
    old = pa.Table.from_pylist([row | {"state": "taken"}], schema=REQUESTS.schema()).drop_columns(["taken_on"])
    runtime.tables.merge(runtime.feature_table(REQUESTS.name), old, keys=REQUESTS.keys)
    assert REQUESTS.read(runtime)["taken_on"].to_pylist() == [None]
    assert ask(runtime, on=16, performance=SKILL_LOST) == []
    assert len(ask(runtime, on=17, performance=SKILL_LOST)) == 1


def test_a_model_rests_for_three_days_after_any_training(tmp_path):
    runtime = runtime_in(tmp_path)
    decision = {"model_name": JOBS, "model_version": 4, "decision": "refused", "reason": "weak", "decided_by": "gate"}
    DECISIONS.merge(runtime, [decision | {"as_of_date": day(10)}])
    person = decision | {"decided_by": "person", "decision": "promoted", "as_of_date": day(12)}
    DECISIONS.merge(runtime, [person, decision | {"model_name": "another_model", "as_of_date": day(12)}])
    for on in (10, 12):
        assert ask(runtime, on=on, performance=SKILL_LOST) == []
    assert len(ask(runtime, on=13, performance=SKILL_LOST)) == 1


@pytest.mark.parametrize(("failures", "asked"), [(10, True), (9, False), (0, False)])
def test_a_fallback_asks_when_the_outcomes_show_that_the_label_can_be_learnt(tmp_path, failures, asked):
    runtime = runtime_in(tmp_path)
    rows = [
        {"model_name": JOBS, "entity": str(n), "label_name": "label", "as_of_date": day(1), "model_version": 3,
         "outcome": float(n < failures)}
        for n in range(50)
    ]  # fmt: skip
    OUTCOMES.merge(runtime, rows)
    found = ask(runtime, version=served(is_fallback=True))
    assert bool(found) == asked
    if asked:
        assert found[0]["says"] == "a fallback serves, and 50 outcomes show that label can be learnt now"


def test_an_old_version_without_dates_asks_for_nothing(tmp_path):
    assert ask(runtime_in(tmp_path), on=100, version=served(facts={})) == []
    assert day(31) - day(0) == timedelta(days=31)

from __future__ import annotations

import dataclasses
from datetime import UTC, date, datetime, timedelta

import pytest

from framework.core.results import Ledger, Status, UnitResult
from framework.stores.local.tables import LocalTables

NAME = "main.health.run_ledger"
DAY = date(2025, 3, 1)
INPUTS = {"gold": "simulate", "seed": "7"}


def no_spark():
    raise AssertionError("no Spark is needed here")


@pytest.fixture
def tables(tmp_path):
    return LocalTables(tmp_path, no_spark)


def ledger(tables, run_id="one", as_of=DAY, inputs=INPUTS):
    return Ledger(tables, NAME, run_id=run_id, as_of=as_of, inputs=inputs)


def at(minute):
    return datetime(2025, 3, 2, tzinfo=UTC) + timedelta(minutes=minute)


def done(name="jobs", stage="features", **facts):
    return UnitResult(**{"stage": stage, "name": name, "status": Status.DONE} | facts)


def test_a_unit_is_its_stage_and_name():
    assert done().unit == "features:jobs"


def test_results_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        done().rows = 3


def test_nothing_is_finished_before_anything_ran(tables):
    assert ledger(tables).finished() == {}
    assert not tables.exists(NAME)


def test_a_recorded_result_comes_back_whole(tables):
    full = done(
        "the_model", "train", reason="unchanged", rows=120, metric="mae", value=1.5, baseline=2.0, skill=0.25,
        skill_low=0.1, skill_high=0.4, version=3, seconds=1.25,
    )  # fmt: skip
    ledger(tables).record(full, at(0))
    found = ledger(tables, "two").finished()
    assert found == {"train:the_model": full}
    assert isinstance(found["train:the_model"].status, Status)


@pytest.mark.parametrize("status", [Status.DONE, Status.FALLBACK, Status.SKIPPED])
def test_what_ended_without_failure_is_finished(tables, status):
    ledger(tables).record(done(status=status, reason="because"), at(0))
    assert ledger(tables, "two").finished()["features:jobs"].status is status


def test_a_failed_unit_is_tried_again(tables):
    first = ledger(tables)
    first.record(done(), at(0))
    first.record(done("runs", status=Status.FAILED, reason="it broke"), at(1))
    assert set(ledger(tables, "two").finished()) == {"features:jobs"}


def test_the_latest_result_of_a_unit_wins_whichever_was_written_first(tables):
    ledger(tables, "two").record(done(status=Status.FAILED), at(5))
    ledger(tables, "one").record(done(rows=1), at(1))
    assert ledger(tables).finished() == {}
    ledger(tables, "three").record(done(rows=3), at(9))
    ledger(tables, "between").record(done(rows=2), at(7))
    assert ledger(tables).finished()["features:jobs"].rows == 3


@pytest.mark.parametrize(
    "other",
    [
        {"as_of": DAY - timedelta(days=1)},
        {"inputs": INPUTS | {"seed": "8"}},
        {"inputs": {"gold": "simulate"}},
        {"inputs": {}},
    ],
)
def test_a_run_of_another_day_or_other_inputs_finished_nothing_of_this_one(tables, other):
    ledger(tables, **other).record(done(), at(0))
    assert ledger(tables).finished() == {}
    assert set(ledger(tables, **other).finished()) == {"features:jobs"}


def test_the_order_of_inputs_does_not_matter(tables):
    ledger(tables).record(done(), at(0))
    assert ledger(tables, inputs=dict(reversed(INPUTS.items()))).finished()


def test_the_ledger_grows_by_one_commit_per_result(tables):
    book = ledger(tables)
    for minute in range(3):
        book.record(done(), at(minute))
        assert tables.version(NAME) == minute
    rows = tables.read(NAME).to_pylist()
    assert len(rows) == 3
    assert {row["run_id"] for row in rows} == {"one"}
    assert {row["as_of_date"] for row in rows} == {DAY}
    assert {row["recorded_at"] for row in rows} == {at(0), at(1), at(2)}

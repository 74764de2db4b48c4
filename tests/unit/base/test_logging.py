"""What is logged while a unit runs goes to its line of the ledger, too."""

from __future__ import annotations

import pytest
import structlog

from framework.base.logging import KEPT_EVENTS, KEPT_LETTERS, collected, configure, get_logger


@pytest.fixture(autouse=True)
def configured():
    configure(console=False)
    yield
    structlog.reset_defaults()


def test_events_are_collected_with_their_context_and_still_logged(capsys):
    with structlog.contextvars.bound_contextvars(run_id="r1"), collected() as events:
        get_logger().bind(stage="train").info("unit_finished", rows=3)
    get_logger().info("outside")
    (event,) = events
    assert {**event, "timestamp": ""} == {
        "event": "unit_finished",
        "level": "info",
        "timestamp": "",
        "run_id": "r1",
        "stage": "train",
        "rows": 3,
    }
    assert capsys.readouterr().err.count("\n") == 2


def test_of_many_events_the_newest_stay_and_long_texts_are_cut():
    with collected() as events:
        for at in range(KEPT_EVENTS + 5):
            get_logger().info("tick", at=at, text="x" * (KEPT_LETTERS + 1))
    assert [event["at"] for event in events] == list(range(5, KEPT_EVENTS + 5))
    assert {len(event["text"]) for event in events} == {KEPT_LETTERS}


def test_collections_do_not_mix():
    with collected() as outer:
        with collected() as inner:
            get_logger().info("inner")
        get_logger().info("outer")
    assert [e["event"] for e in inner] == ["inner"]
    assert [e["event"] for e in outer] == ["outer"]

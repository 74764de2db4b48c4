"""The gate's decisions, from tags alone."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from framework.registry.gate import Decision, decide, objection

GOOD = {
    "judged": "true",
    "beats_baseline": "true",
    "promote_above": "0.02",
    "gate": json.dumps({"origins": 3, "skill": 0.2, "skill_low": 0.05}),
}
CHAMPION = SimpleNamespace(version=4, tags={"provisional": "false"})


def compared(**found):
    return GOOD | {"compared": json.dumps({"version": 4, "days": 7} | found)}


def gate(**found):
    return {"gate": json.dumps({"origins": 3, "skill": 0.2, "skill_low": 0.05} | found)}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"fallback": "true"}, "it is a fallback"),
        ({"judged": "false"}, "no event is known"),
        ({"judged": "false", "withheld": "too little history: 2 label windows"}, "too little history"),
        ({"beats_baseline": "false"}, "does not beat its baseline"),
        (gate(origins=2), "2 rolling origins could be judged, 3 are needed"),
        ({"gate": "{}"}, "0 rolling origins"),
        (gate(skill_low=0.02), r"over 3 rolling origins is \+0.020, not above 0.02"),
        (gate(skill_low=float("nan")), "not above"),
        (gate(skill_low=-0.1), r"-0.100, not above"),
        ({"withdrawn": "in favour of version 2"}, "it was taken back"),
    ],
)
def test_each_objection_is_named(change, reason):
    import re

    assert re.search(reason, objection(GOOD | change))
    found = decide(GOOD | change, CHAMPION, any_judged=True)
    assert (found.alias, found.decision) == ("challenger", "refused")


def test_good_figures_meet_no_objection():
    assert objection(GOOD) == ""


def test_without_a_champion_good_figures_are_enough():
    found = decide(GOOD, None, any_judged=True)
    assert (found.alias, found.decision) == ("champion", "promoted")
    assert "skill +0.200, at least +0.050" in found.reason


@pytest.mark.parametrize(
    ("found", "promoted", "reason"),
    [
        ({"champion_skill": 0.1, "challenger_skill": 0.1}, True, "+0.100 against +0.100 of version 4"),
        ({"champion_skill": 0.1, "challenger_skill": 0.0999}, False, "that of version 4, the champion, +0.100"),
        ({"champion_skill": None, "says": "2 days are judged"}, False, "2 days are judged"),
        ({"unusable": True, "says": "t.a has another formula now"}, True, "t.a has another formula now"),
        ({"version": 3, "champion_skill": 0.1, "challenger_skill": 0.9}, False, "never compared with version 4"),
    ],
)
def test_against_a_champion_it_must_not_be_worse_on_common_days(found, promoted, reason):
    decision = decide(compared(**found), CHAMPION, any_judged=True)
    assert decision.alias == ("champion" if promoted else "challenger")
    assert reason in decision.reason


def test_a_provisional_champion_gives_way_without_a_comparison():
    dummy = SimpleNamespace(version=1, tags={"provisional": "true"})
    assert decide(GOOD, dummy, any_judged=False).alias == "champion"


@pytest.mark.parametrize("champion", [None, CHAMPION])
@pytest.mark.parametrize("judged", [True, False])
def test_a_fallback_serves_only_where_nothing_was_ever_judged(champion, judged):
    tags = {"fallback": "true", "provisional": "true", "judged": "false"}
    found = decide(tags, champion, any_judged=judged)
    expected = ("champion", "provisional") if champion is None and not judged else ("challenger", "refused")
    assert (found.alias, found.decision) == expected


def test_a_copy_of_a_promoted_version_takes_the_place_of_the_copy_before_it():
    found = decide(GOOD, CHAMPION, any_judged=True, approved="models:/dev.s.m/7")
    assert found == Decision(
        "champion", "promoted", "skill +0.200, at least +0.050 at 90 %; it was promoted as models:/dev.s.m/7"
    )
    assert decide(GOOD | gate(skill_low=0.0), CHAMPION, any_judged=True, approved="x").alias == "challenger"

"""The simulated audit log: rhythms, habits, dirt, and what attacks, thefts and careless grants leave in it."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from domains.simulator.audit_activity import habits
from domains.simulator.audit_events import AGENTS
from domains.simulator.audit_grants import grants_of
from domains.simulator.calendar import DAY, Calendar
from domains.simulator.people import all_people, people_incidents, swapped_days
from domains.simulator.world import build_world
from domains.simulator.write import simulate

NAME = "fact_audit_logs"
LAST_DAY = date(2026, 10, 28)
START = datetime(2025, 10, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("gold")
    simulate(made, scale=0.1, tables=[NAME, "incident_truth"])
    return made


@pytest.fixture(scope="module")
def log(folder):
    return pq.read_table(folder / f"{NAME}.parquet")


@pytest.fixture(scope="module")
def world():
    return build_world(7, 0.1, Calendar())


def events(log):
    return log.select(["event_time", "user_identity_email", "action_name", "is_failed_action"]).to_pylist()


def test_every_column_is_filled_and_some_have_holes(log):
    for name in log.column_names:
        assert log[name].null_count < 0.05 * log.num_rows, name
    for name in ("user_identity_email", "source_ip_address", "user_agent", "response_status_code"):
        assert log[name].null_count > 0, name
    failed = log.filter(log["is_failed_action"])
    assert 0.005 * log.num_rows < failed.num_rows < 0.2 * log.num_rows
    assert set(pc.unique(failed["response_status_code"]).to_pylist()) == {401, 403, None}


def test_a_few_events_stand_twice_with_one_id(log):
    counts = Counter(log["event_id"].to_pylist())
    twice = sum(count == 2 for count in counts.values())
    assert max(counts.values()) == 2
    assert 0.0004 < twice / log.num_rows < 0.002


def test_all_days_and_workspaces_are_there(log):
    assert len(set(log["event_date"].to_pylist())) == 365
    assert len(set(log["workspace_id"].to_pylist())) == 24


def test_people_rest_on_weekends_and_work_by_their_local_day(log, world):
    days = Counter(day.weekday() for day in log["event_date"].to_pylist())
    assert max(days[5], days[6]) < 0.4 * min(days[n] for n in range(5))
    offset = {w.workspace_id: w.utc_offset for w in world.workspaces}
    local = Counter(
        (time.hour + offset[workspace]) % 24
        for time, workspace in zip(log["event_time"].to_pylist(), log["workspace_id"].to_pylist(), strict=True)
    )
    at_work = sum(local[hour] for hour in range(7, 20)) / log.num_rows
    assert 0.8 < at_work < 0.97


def test_a_larger_world_adds_people_and_keeps_what_the_others_did(tmp_path, log):
    simulate(tmp_path, scale=0.35, tables=[NAME])
    larger = pq.read_table(tmp_path / f"{NAME}.parquet")
    assert larger.num_rows > 1.2 * log.num_rows

    def done(table):
        # Reviewers have more to review; their own reviews are numbered after what they do themselves.
        names = ("event_time", "workspace_id", "action_name", "source_ip_address")
        rows = zip(*(table[name].to_pylist() for name in names), strict=True)
        return Counter(row for row in rows if row[2] not in ("updatePermissions", "removePrincipalFromGroup"))

    missing = (done(log) - done(larger)).total()
    assert missing < 0.01 * log.num_rows  # dirt and delays fall elsewhere where a reviewer has more rows


def test_attacks_show_in_failures_of_the_account_but_not_all_loudly(log, world):
    failures = defaultdict(int)
    for row in events(log):
        if row["is_failed_action"] and row["user_identity_email"]:
            failures[row["user_identity_email"].strip().lower(), row["event_time"].date()] += 1
    attacked = []
    for person, incidents in people_incidents(world).items():
        for incident in incidents:
            day = (START + timedelta(seconds=incident.start)).date()
            if incident.kind == "brute_force" and date(2025, 11, 1) < day < date(2026, 10, 20):
                attacked.append(failures[person.email, day])
    usual = np.mean([failures[p.email, date(2026, 5, n)] for p in all_people(world) for n in range(4, 29)])
    assert len(attacked) > 50
    assert np.median(attacked) > 20 * usual
    assert np.mean(np.array(attacked) <= 3) > 0.05


def test_swapped_days_stand_under_the_colleagues_name(log, world):
    shared = {person: day for person, day in swapped_days(world).items() if day}
    assert len(shared) > 20
    for person, swaps in shared.items():
        for day, other in swaps.items():
            assert swapped_days(world)[other][day] is person
            assert other.workspace is person.workspace
            assert not person.away[day]
    named = defaultdict(Counter)
    for row in log.select(["user_identity_email", "event_date", "user_agent"]).to_pylist():
        named[row["user_identity_email"], row["event_date"]][row["user_agent"]] += 1
    own = borrowed = 0
    for person, swaps in shared.items():
        for day, other in swaps.items():
            used = named[person.email, (START + timedelta(days=day)).date()]
            own += sum(used[AGENTS[agent]] for agent in habits(world, person).agents)
            borrowed += sum(used[AGENTS[agent]] for agent in habits(world, other).agents)
    assert borrowed > 1.5 * own > 0


def test_incidents_of_each_kind_are_there_early_and_late(folder):
    truth = pq.read_table(folder / "incident_truth.parquet").to_pylist()
    for late in (False, True):
        kinds = Counter(row["kind"] for row in truth if (row["start_time"].date() > date(2026, 8, 29)) == late)
        for kind in ("brute_force", "account_takeover", "bulk_read", "mass_export", "grant_abuse", "identity_swap"):
            assert kinds[kind] >= 5, kind


def test_journeys_are_innocent_and_frequent(world):
    people = all_people(world)
    assert np.mean([len(habits(world, person).journeys) for person in people]) == pytest.approx(2.2, abs=0.7)


def test_careless_and_powerful_grants_are_undone_more_often(world):
    grants = [grant for person in all_people(world) for grant in grants_of(world, person)]
    undone = np.array([grant.undone is not None for grant in grants])
    powerful = np.array([(grant.power or 0) >= 2 for grant in grants])
    assert 0.05 < undone.mean() < 0.3
    assert undone[powerful].mean() > 1.5 * undone[~powerful].mean()
    assert undone[powerful].mean() < 0.8
    delays = np.array([(g.undone - g.time) / DAY for g in grants if g.undone is not None])
    assert 0.02 < np.mean(delays > 14) < 0.3


def test_requests_name_what_the_vocabulary_expects(log):
    changed = log.filter(pc.is_in(log["action_name"], pa.array(["updatePermissions", "addPrincipalToGroup"])))
    assert changed.num_rows > 500
    directions = Counter()
    for action, pairs in zip(changed["action_name"].to_pylist(), changed["request_params"].to_pylist(), strict=True):
        params = dict(pairs)
        if action == "addPrincipalToGroup":
            assert params["targetUserName"]
            assert params["targetGroupName"]
        else:
            (change,) = json.loads(params["changes"])
            assert params["securable_full_name"]
            directions.update(set(change) - {"principal"})
    assert directions["add"] > directions["remove"] > 0

"""One user's days against a twin: what is counted, what is new, and how far a day stands out."""

from __future__ import annotations

import math
from collections import defaultdict
from datetime import UTC, date, datetime, time, timedelta

import numpy as np
import pytest

from domains.security.features import SecurityFeatures
from domains.security.trainers import HABITS, RIGHTS, THREATS, VOLUMES
from framework.declare.gold import Days

FIRST = date(2026, 3, 2)  # a Monday
LAST = FIRST + timedelta(days=49)
USERS = ("ana@a.org", "bo@a.org")


def at(day, hour):
    return datetime.combine(FIRST + timedelta(days=day), time(hour), UTC)


def audit():
    """Two users on most days, one of them odd on the last; names typed in several ways, some by nobody."""
    rng = np.random.default_rng(5)
    rows = [act(rng, day, user, n) for day in range(50) for user in USERS for n in range(int(rng.integers(0, 5)))]
    rows += [{"event_id": f"nobody{day}", "event_time": at(day, 3), "action_name": "login"} for day in range(50)]
    rows += [rows[0], rows[7]]  # the same record twice
    return rows


def act(rng, day, user, number):
    return {
        "event_id": f"{user}{day}-{number}",
        "event_time": at(day, int(rng.integers(5, 23))),
        "user_identity_email": user if number else f" {user.upper()}",
        "action_name": str(rng.choice(["login", "getTable", "downloadQueryResult"])),
        "user_agent": str(rng.choice(["chrome", "cli"], p=(0.8, 0.2))),
        "source_ip_address": f"10.0.{int(rng.choice([1, 2, 3 + day // 10]))}.7",
        "is_failed_action": bool(rng.random() < 0.2) if user == USERS[0] else None,
        "is_sensitive_action": bool(rng.random() < 0.3),
    }


def statements():
    # Each ends, and is known, on the day after.
    return [
        {
            "statement_id": str(day),
            "executed_by": "Ana@A.org",
            "start_time": at(day, 23).replace(minute=50),
            "end_time": at(day, 23).replace(minute=50) + timedelta(minutes=20),
            "read_bytes": 1_000 * (day + 1) if day != 4 else None,
            "produced_rows": 10,
        }
        for day in range(0, 50, 2)
    ]


def lineage():
    return [
        {
            "record_id": f"{day}-{table}",
            "created_by": USERS[0],
            "source_table_full_name": f"c.s.t{table}" if table else None,
            "event_time": at(day, 12),
        }
        for day in range(0, 50, 3)
        for table in {0, 1, day // 9}
    ]


NAMES = (
    "events", "failures", "off_hours", "networks", "new_networks", "exports", "events_excess", "failures_excess",
    "read_bytes", "read_bytes_z_28d", "read_bytes_excess", "statements", "tables", "new_tables", "client_surprise",
    "days_known",
)  # fmt: skip


@pytest.fixture(scope="module")
def found(gold_view):
    gold = gold_view(
        {"fact_audit_logs": audit(), "fact_query_history": statements(), "fact_table_lineage": lineage()},
        LAST,
        time_zone="Europe/Berlin",
    )
    rows = SecurityFeatures().facts(gold, *NAMES).collect()
    return {(row["user_id"], (row["event_date"] - FIRST).days): row.asDict() for row in rows}


@pytest.fixture
def by_day():
    """The twin's own count: valid audit rows by user and day."""
    rows = {row["event_id"]: row for row in audit() if row.get("user_identity_email")}
    days = defaultdict(list)
    for row in rows.values():
        days[row["user_identity_email"].strip().lower(), (row["event_time"].date() - FIRST).days].append(row)
    return days


def test_there_is_a_row_for_each_user_and_day_and_none_for_nobody(found, by_day):
    assert {user for user, _ in found} == set(USERS)
    for user in USERS:
        first = min(day for name, day in by_day if name == user)
        assert {day for name, day in found if name == user} == set(range(first if user == USERS[1] else 0, 50))


def test_days_are_counted_by_local_hours_and_without_copies(found, by_day):
    for (user, day), row in found.items():
        rows = by_day[user, day]
        assert row["events"] == len(rows)
        assert row["exports"] == sum(r["action_name"] == "downloadQueryResult" for r in rows)
        local = [r["event_time"].hour + (2 if FIRST + timedelta(days=day) >= date(2026, 3, 29) else 1) for r in rows]
        weekend = [(FIRST + timedelta(days=day) + timedelta(days=h // 24)).weekday() >= 5 for h in local]
        assert row["off_hours"] == sum(not 7 <= h % 24 < 20 or w for h, w in zip(local, weekend, strict=True))


def test_what_a_source_never_says_is_null_and_not_zero(found, by_day):
    for (user, day), row in found.items():
        said = [r["is_failed_action"] for name, at_day in by_day if name == user and at_day <= day
                for r in by_day[name, at_day] if r["is_failed_action"] is not None]  # fmt: skip
        failed = sum(bool(r["is_failed_action"]) for r in by_day[user, day])
        assert row["failures"] == (failed if said else None)
        if user == USERS[1]:
            for name in ("failures_excess", "read_bytes", "read_bytes_excess", "statements", "tables", "new_tables"):
                assert row[name] is None, name


def test_volume_counts_on_the_day_on_which_it_became_known(found):
    bytes_on = {s["end_time"].date(): s["read_bytes"] for s in statements()}
    seen = [bytes_on.get(FIRST + timedelta(days=day)) or 0 for day in range(50)]
    for day in range(1, 50):
        row = found[USERS[0], day]
        assert row["read_bytes"] == seen[day]
        assert row["statements"] == (FIRST + timedelta(days=day) in bytes_on)
        past = [s for n, s in enumerate(seen) if max(1, day - 28) <= n < day]
        if day > 4:
            assert row["read_bytes_z_28d"] == pytest.approx((seen[day] - np.mean(past)) / np.std(past, ddof=1))
            logs = np.log1p(past)
            excess = (math.log1p(seen[day]) - logs.mean()) / (0.5 + logs.std(ddof=1))
            assert row["read_bytes_excess"] == pytest.approx(max(0, excess))


def test_events_stand_out_against_the_days_before_only(found, by_day):
    for user in USERS:
        first = min(day for name, day in found if name == user)
        for day in range(first + 3, 50):
            logs = np.log1p([len(by_day[user, n]) for n in range(max(first, day - 28), day)])
            excess = (math.log1p(len(by_day[user, day])) - logs.mean()) / (0.5 + logs.std(ddof=1))
            assert found[user, day]["events_excess"] == pytest.approx(max(0, excess), abs=1e-9)


def test_networks_and_tables_are_new_to_those_only_who_have_been_there_a_week(found, by_day):
    reads = defaultdict(set)
    for row in lineage():
        if row["source_table_full_name"]:
            reads[(row["event_time"].date() - FIRST).days].add(row["source_table_full_name"])
    for user in USERS:
        networks, tables, first = set(), set(), None
        for day in range(50):
            today = {r["source_ip_address"].rpartition(".")[0] for r in by_day[user, day]}
            read = reads[day] if user == USERS[0] else set()
            first = day if first is None and (today or read) else first
            if (user, day) in found:
                row = found[user, day]
                settled = first is not None and day - first >= 7
                if first is not None:
                    assert row["days_known"] == day - first
                assert row["new_networks"] in (len(today - networks) if settled else 0, None)
                if user == USERS[0]:
                    assert row["tables"] == len(read)
                    assert row["new_tables"] == (len(read - tables) if settled else 0)
            networks |= today
            tables |= read
    assert sum(row["new_networks"] or 0 for row in found.values()) >= 4
    assert sum(row["new_tables"] or 0 for row in found.values()) >= 3


def test_a_client_surprises_by_the_share_of_days_without_it(found, by_day):
    checked = 0
    for (user, day), row in found.items():
        past = [by_day[user, n] for n in range(day - 28, day) if by_day.get((user, n))]
        today = {r["user_agent"] for r in by_day[user, day]}
        if not today or len(past) < 3:
            assert row["client_surprise"] is None
            continue
        each = [
            -math.log((sum(any(r["user_agent"] == c for r in d) for d in past) + 0.5) / (len(past) + 1)) for c in today
        ]
        assert row["client_surprise"] == pytest.approx(np.mean(each))
        checked += 1
    assert checked > 40


def test_outcomes_count_only_once_the_review_is_over(gold_view):
    grant = [("targetUserName", USERS[1]), ("targetGroupName", "g")]

    def row(number, day, action):
        return {
            "event_id": str(number), "event_time": at(day, 12), "user_identity_email": USERS[0],
            "action_name": action, "request_params": grant,
        }  # fmt: skip

    rows = [row(1, 0, "addPrincipalToGroup"), row(2, 3, "removePrincipalFromGroup"), row(3, 20, "addPrincipalToGroup")]
    gold = gold_view({"fact_audit_logs": rows}, LAST)
    names = ("undone_days_90d", "judged_days_90d", "undone_rate_90d", "grants", "revokes", "grant_or_admin")
    days = {(r["event_date"] - FIRST).days: r for r in SecurityFeatures().facts(gold, *names).collect()}
    assert [(d, days[d]["undone_days_90d"], days[d]["judged_days_90d"]) for d in (3, 13, 14, 16, 17, 33, 34)] == [
        (3, 0, 0), (13, 0, 0), (14, 1, 1), (16, 1, 1), (17, 1, 2), (33, 1, 2), (34, 1, 3),
    ]  # fmt: skip
    assert days[13]["undone_rate_90d"] == pytest.approx(0.1)
    assert days[34]["undone_rate_90d"] == pytest.approx((1 + 5 / 3) / (3 + 5))
    assert [(days[d]["grants"], days[d]["revokes"], days[d]["grant_or_admin"]) for d in (0, 3, 4)] == [
        (1, 0, 1), (0, 1, 1), (0, 0, 0),
    ]  # fmt: skip


def test_without_history_of_queries_and_lineage_only_their_features_are_null(gold_view):
    rows = SecurityFeatures().features(gold_view({"fact_audit_logs": audit()}, LAST), Days(LAST, LAST)).collect()
    (ana,) = (row.asDict() for row in rows if row["user_id"] == USERS[0])
    null = {name for name in (*THREATS, *VOLUMES, *RIGHTS) if ana[name] is None}
    volume = {name for name in VOLUMES if "exports" not in name}
    assert null - volume <= {"failure_share", "days_since_grant", "days_since_undone"}
    assert volume <= null
    assert set(HABITS) <= set(ana)
    assert all(value is not None for name, value in ana.items() if name in ("events", "failures", "grants"))


def test_nobody_at_all_gives_no_rows(gold_view):
    blank = [{"event_id": "1", "event_time": at(0, 1), "action_name": "login", "user_identity_email": " "}]
    assert SecurityFeatures().facts(gold_view({"fact_audit_logs": blank}, LAST), "events").isEmpty()

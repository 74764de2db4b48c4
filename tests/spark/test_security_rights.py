"""What becomes of grants, and what has been seen before, against twins that look at each day by itself."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import UTC, date, datetime, time, timedelta

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from domains.security.audit import audited, changes_of_rights, grant_days
from domains.security.trainers import PrivilegeEscalationDetector
from framework.core.plugins import discover
from framework.testing import label_rows

PLUGINS = discover(strict=True)
AS_DRAWN = (Phase.explicit, Phase.reuse, Phase.generate)
FIRST = date(2026, 3, 2)
PEOPLE = ("ana@a.org", "bo@a.org", "eve@b.org")
TABLES = ("c.s.one", "c.s.two")


def at(day, hour=10):
    return datetime.combine(FIRST + timedelta(days=day), time(hour), UTC)


def event(number, day, user, action, *, hour=10, failed=False, **params):
    return {
        "event_id": str(number),
        "event_time": at(day, hour),
        "user_identity_email": user,
        "action_name": action,
        "is_failed_action": failed,
        "is_sensitive_action": False,
        "source_ip_address": f"10.0.{params.pop('net', 0)}.{number % 200}",
        "request_params": list(params.items()) or None,
    }


def change(number, day, actor, principal, table, *, give, user_form=str, failed=False):
    changes = json.dumps([{"principal": user_form(principal), "add" if give else "remove": ["SELECT"]}])
    return event(number, day, actor, "updatePermissions", failed=failed, securable_full_name=table, changes=changes)


@st.composite
def history(draw):
    rows = []
    for number in range(draw(st.integers(25, 60))):
        day, actor = draw(st.integers(0, 60)), draw(st.sampled_from(PEOPLE))
        table, principal = draw(st.sampled_from(TABLES)), draw(st.sampled_from(PEOPLE))
        kind = draw(st.sampled_from(["give", "give", "take", "use", "join", "leave", "admin"]))
        failed = draw(st.sampled_from([False, False, False, True]))
        if kind in ("give", "take"):
            form = draw(st.sampled_from([str, str.upper]))
            row = change(number, day, actor, principal, table, give=kind == "give", user_form=form, failed=failed)
        elif kind in ("join", "leave"):
            action = "addPrincipalToGroup" if kind == "join" else "removePrincipalFromGroup"
            row = event(number, day, actor, action, failed=failed, targetUserName=principal, targetGroupName="admins")
        elif kind == "use":
            row = event(number, day, actor, "getTable", failed=failed, full_name_arg=table)
        else:
            row = event(number, day, actor, "workspaceConfEdit")
        rows.append(row | {"net": draw(st.integers(0, 3))})
    return [row | {"source_ip_address": f"10.0.{row.pop('net')}.{n}"} for n, row in enumerate(rows)]


def right(row):
    """Direction, principal and object of a change of rights, or None."""
    params = dict(row["request_params"] or ())
    if row["is_failed_action"]:
        return None
    if row["action_name"] == "updatePermissions":
        (one,) = json.loads(params["changes"])
        return "add" in one, one["principal"].lower(), params["securable_full_name"]
    if "targetGroupName" in params:
        return row["action_name"].startswith("add"), params["targetUserName"].lower(), params["targetGroupName"]
    return None


def twin_outcomes(rows):
    found = {}
    for row in rows:
        key = row["user_identity_email"], row["event_time"].date()
        changed = right(row)
        if changed or row["action_name"] == "workspaceConfEdit":
            found[key] = max(found.get(key, 0), int(bool(changed and changed[0] and misused(rows, *key, *changed[1:]))))
    return found


def misused(rows, actor, day, principal, thing):
    for row in rows:
        if not day < row["event_time"].date() <= day + timedelta(days=14):
            continue
        changed = right(row)
        if changed and changed == (False, principal, thing):
            return True
        used = dict(row["request_params"] or ()).get("full_name_arg") == thing and not row["is_failed_action"]
        if used and row["user_identity_email"] == actor == principal:
            return True
    return False


@settings(max_examples=3, deadline=None, phases=AS_DRAWN)
@given(rows=history())
def test_grant_days_are_the_twins(gold_view, rows):
    gold = gold_view({"fact_audit_logs": rows}, FIRST + timedelta(days=60))
    found = [(r["user_id"], r["day"], r["undone"]) for r in grant_days(gold).collect()]
    assert len({row[:2] for row in found}) == len(found)
    assert {row[:2]: row[2] for row in found} == twin_outcomes(rows)


@settings(max_examples=2, deadline=None, phases=AS_DRAWN)
@given(
    st.lists(
        st.tuples(st.sampled_from(PEOPLE[:2]), st.integers(0, 230), st.sampled_from([None, 1, 2])),
        min_size=20,
        max_size=50,
    )
)
def test_a_network_is_new_after_ninety_days_without_it(gold_view, visits):
    rows = [
        event(n, day, user, "login") | {"source_ip_address": net and f"10.0.{net}.{n}"}
        for n, (user, day, net) in enumerate(visits)
    ]
    gold = gold_view({"fact_audit_logs": rows}, FIRST + timedelta(days=231))
    seen = defaultdict(set)
    for user, day, net in visits:
        seen[user, net].add(day)
    found = [(r["user_id"], r["day"], r["network"], r["new_network"]) for r in audited(gold).collect()]
    expected = [
        (
            user,
            FIRST + timedelta(days=day),
            net and f"10.0.{net}",
            net and int(not any(day - 90 <= d < day for d in seen[user, net])),
        )
        for user, day, net in visits
    ]
    assert sorted(map(repr, found)) == sorted(map(repr, expected))


def test_labels_wait_for_the_end_of_the_review(gold_view):
    rows = [
        change(1, 0, PEOPLE[0], PEOPLE[1], TABLES[0], give=True),
        change(2, 3, PEOPLE[1], PEOPLE[1], TABLES[0], give=False),
        change(3, 6, PEOPLE[0], PEOPLE[2], TABLES[0], give=True),
        change(
            4, 6, PEOPLE[1], PEOPLE[2], TABLES[0], give=False
        ),  # taken back on the day itself: it counts for nothing
        change(5, 7, PEOPLE[0], PEOPLE[2], TABLES[1], give=True),
    ]
    as_of = FIRST + timedelta(days=20)
    labels = label_rows(PrivilegeEscalationDetector(), PLUGINS, gold_view({"fact_audit_logs": rows}, as_of))
    found = {
        (r["user_id"], r["event_date"]): (r["label"], r["label_known_at"].astimezone(UTC)) for r in labels.collect()
    }
    ana, bo = PEOPLE[:2]
    assert found == {
        (ana, FIRST): (1, at(15, 0)),
        (bo, FIRST + timedelta(days=3)): (0, at(18, 0)),
        (ana, FIRST + timedelta(days=6)): (0, at(21, 0)),
        (bo, FIRST + timedelta(days=6)): (0, at(21, 0)),
    }


def test_one_request_may_change_several_rights_and_broken_ones_change_none(gold_view):
    many = json.dumps([
        {"principal": "Bo@a.org ", "add": ["SELECT", "ALL PRIVILEGES"], "remove": ["MODIFY"]},
        {"principal": PEOPLE[0], "add": ["SELECT"], "remove": []},
        {"principal": PEOPLE[2], "add": ["SELECT"]},
    ])  # fmt: skip
    rows = [
        event(1, 0, PEOPLE[0], "updatePermissions", securable_full_name=TABLES[0], changes=many),
        event(2, 0, PEOPLE[0], "updatePermissions", securable_full_name=TABLES[0], changes="[{broken"),
        event(3, 0, PEOPLE[0], "updatePermissions", securable_full_name=TABLES[0]),
        event(4, 1, None, "addPrincipalToGroup", targetUserName=PEOPLE[0], targetGroupName="g"),
    ]
    found = changes_of_rights(gold_view({"fact_audit_logs": rows}, FIRST + timedelta(days=2)))
    names = ("given", "principal", "powerful", "outside", "to_self")
    assert sorted(tuple(r[n] for n in names) for r in found.collect()) == [
        (0, PEOPLE[1], 0, 0, 0),
        (1, PEOPLE[0], 0, 0, 1),
        (1, PEOPLE[1], 1, 0, 0),
        (1, PEOPLE[2], 0, 1, 0),
    ]


def test_the_vocabulary_is_an_option(gold_view):
    rows = [
        event(1, 0, "root", "usermod", account="bo", group="wheel"),
        event(2, 4, "root", "gpasswd", account="bo", group="wheel"),
    ]
    options = {
        "grants": {"usermod": "add", "gpasswd": "remove"},
        "principal_keys": ["account"],
        "object_keys": ["group"],
        "admin_actions": ["it's"],
    }
    gold = gold_view({"fact_audit_logs": rows}, FIRST + timedelta(days=30), options=options)
    assert {(r["day"], r["undone"]) for r in grant_days(gold).collect()} == {(FIRST, 1), (FIRST + timedelta(days=4), 0)}

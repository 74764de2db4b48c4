"""fact_audit_logs: all audited events as rows, with the dirt that a real source has."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from domains.simulator.audit_activity import ordinary_days, service_days
from domains.simulator.audit_events import ACTIONS, AGENTS, CODE, DENIED, Events, join_events
from domains.simulator.audit_grants import grant_events
from domains.simulator.audit_incidents import incident_events
from domains.simulator.calendar import DAY, HOUR, Floats
from domains.simulator.people import Person, all_people
from domains.simulator.rows import Rows, arrivals

if TYPE_CHECKING:
    from collections.abc import Sequence

    from domains.simulator.workspaces import Workspace
    from domains.simulator.world import World

P_TWICE, P_NO_ADDRESS, P_NO_STATUS, P_NO_USER, P_NO_AGENT = 0.001, 0.006, 0.02, 0.008, 0.01
SERVICES = 1
"""Service principals of a workspace."""
UNAUTHORISED = 401

Log = tuple[str, "Workspace", Events]


def fact_audit_logs(world: World) -> Rows:
    """Return the audit log of everybody."""
    logs: list[Log] = [(f"p{p.number}", p.workspace, _of_person(world, p)) for p in all_people(world)]
    for workspace in world.workspaces:
        logs += [(f"s{n}", workspace, service_days(world, workspace, n)) for n in range(SERVICES)]
    parts = [_rows(world, *log) for log in logs]
    columns = {name: pa.concat_arrays([part.columns[name] for part in parts]) for name in parts[0].columns}
    time = np.concatenate([part.time for part in parts if part.time is not None])
    return Rows(columns, arrival=np.concatenate([part.arrival for part in parts]), time=time)


def _of_person(world: World, person: Person) -> Events:
    every = join_events((ordinary_days(world, person), *incident_events(world, person), *grant_events(world, person)))
    kept = np.flatnonzero((every.time >= 0) & (every.time < world.calendar.end))
    return every.take(kept)


def _rows(world: World, who: str, workspace: Workspace, clean: Events) -> Rows:
    rng = world.stream("fact_audit_logs", "rows", workspace.index, who)
    draws = rng.random((9, len(clean.time)))
    twice = np.flatnonzero(draws[0] < P_TWICE)
    number = np.concatenate([np.arange(len(clean.time)), twice])
    draws, done = draws[:, number], clean.take(number)
    prefix = f"{workspace.index:03d}-{who}-"
    micros = world.calendar.micros(done.time)
    columns = {
        "event_id": pa.array([prefix + str(n) for n in number.tolist()]),
        "event_time": pa.array(micros, type=pa.timestamp("us", tz="UTC")),
        "event_date": pa.array((micros // (DAY * 1_000_000)).astype(np.int32)).cast(pa.date32()),
        "workspace_id": pa.array([workspace.workspace_id] * len(number), type=pa.string()),
        "user_identity_email": _holed(done.name.tolist(), draws[1] < P_NO_USER),
        "source_ip_address": _holed(done.address.tolist(), draws[2] < P_NO_ADDRESS),
        "session_id": pa.array([f"{prefix}{t}" for t in (done.time // (4 * HOUR)).tolist()], type=pa.string()),
        **_what(done, draws),
    }  # fmt: skip
    return Rows(columns, arrival=arrivals(done.time, workspace, draws[5:8]), time=done.time)


def _what(done: Events, draws: Floats) -> dict[str, pa.Array]:
    """Return what was done, with which outcome."""
    service, name, sensitive = (pa.array([action[at] for action in ACTIONS]) for at in range(3))
    at = pa.array(done.action)
    status = np.where(done.failed, np.where(done.action == CODE["login"], UNAUTHORISED, DENIED), 200)
    agents = pa.array(AGENTS)
    return {
        "service_name": service.take(at),
        "action_name": name.take(at),
        "user_agent": agents.take(pa.array(done.agent, mask=draws[4] < P_NO_AGENT)),
        "response_status_code": pa.array(status.astype(np.int32), mask=draws[3] < P_NO_STATUS),
        "is_failed_action": pa.array(done.failed),
        "is_sensitive_action": sensitive.take(at),
        "request_params": pa.array(_params(done), type=pa.map_(pa.string(), pa.string())),
    }


def _holed(values: Sequence[str], holes: np.ndarray) -> pa.Array:
    return pa.array(values, type=pa.string(), mask=holes, from_pandas=True)


def _params(done: Events) -> list[list[tuple[str, str]]]:
    """Return the parameters of each request, under the keys that its action uses."""
    found = []
    for code, target, principal, gives in zip(
        done.action.tolist(), done.target.tolist(), done.principal.tolist(), done.gives.tolist(), strict=True
    ):
        key = ACTIONS[code][3]
        params = [(key, target)] if key else []
        if gives is not None:
            change = {"principal": principal, ("add" if gives[0] == "+" else "remove"): [gives[1:]]}
            params += [("securable_type", "TABLE"), ("changes", json.dumps([change]))]
        elif principal is not None:
            params.append(("targetUserName", principal))
        found.append(params)
    return found

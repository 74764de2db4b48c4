"""What an audited event is, before it becomes a row: vocabulary, networks, and arrays of events."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from domains.simulator.calendar import Floats, Ints
    from domains.simulator.workspaces import Workspace

    Texts = npt.NDArray[np.object_]

ACTIONS = (  # service, action, sensitive, key of the parameter that names its object
    ("accounts", "login", False, ""),
    ("notebook", "runCommand", False, "notebookId"),
    ("notebook", "attachNotebook", False, "notebookId"),
    ("databrickssql", "commandSubmit", False, "warehouseId"),
    ("unityCatalog", "getTable", False, "full_name_arg"),
    ("unityCatalog", "createTable", False, "full_name_arg"),
    ("jobs", "runNow", False, "job_id"),
    ("jobs", "update", False, "job_id"),
    ("clusters", "start", False, "cluster_id"),
    ("clusters", "edit", False, "cluster_id"),
    ("dashboards", "getDashboard", False, "dashboard_id"),
    ("mlflowExperiment", "searchRuns", False, "experiment_id"),
    ("repos", "pull", False, "path"),
    ("secrets", "getSecret", True, "scope"),
    ("accounts", "generateDbToken", True, "tokenId"),
    ("databrickssql", "downloadQueryResult", True, "queryResultId"),
    ("notebook", "downloadLargeResults", True, "notebookId"),
    ("workspace", "workspaceExport", True, "path"),
    ("unityCatalog", "updatePermissions", True, "securable_full_name"),
    ("accounts", "addPrincipalToGroup", True, "targetGroupName"),
    ("accounts", "removePrincipalFromGroup", True, "targetGroupName"),
    ("workspace", "workspaceConfEdit", True, "workspaceConfKeys"),
    ("accounts", "createUser", True, ""),
)
CODE = {action: number for number, (_, action, _, _) in enumerate(ACTIONS)}
ORDINARY = 18
"""The first actions are what people do by themselves; the rest is administration."""
HABITS = {  # how often each role does each of the ordinary actions, logins aside
    "analyst": (0, 2, 1, 30, 9, 1, 0.4, 0.1, 1, 0.1, 14, 0.2, 0.3, 0.2, 0.2, 3, 0.6, 0.3),
    "engineer": (0, 14, 6, 5, 7, 5, 7, 5, 4, 2, 2, 0.5, 6, 2, 0.5, 0.4, 0.4, 0.8),
    "scientist": (0, 24, 9, 6, 6, 3, 2, 0.7, 4, 1, 1, 9, 3, 1, 0.4, 0.8, 1.6, 0.4),
    "admin": (0, 4, 2, 5, 7, 1, 3, 3, 4, 4, 4, 0.2, 1, 2.5, 1, 0.5, 0.2, 0.5),
}
AGENTS = (
    "Mozilla/5.0 (Windows NT 10.0) Chrome/139", "Mozilla/5.0 (Macintosh) Chrome/139", "Mozilla/5.0 (X11) Firefox/142",
    "Mozilla/5.0 (Macintosh) Safari/18", "databricks-cli/0.262", "databricks-sdk-py/0.61", "Tableau/2025.2",
    "PowerBI/2.145", "python-requests/2.32", "curl/8.5", "Go-http-client/1.1",
)  # fmt: skip
SCRIPTS = (8, 9, 10)
DENIED, NOT_FOUND = 403, 404


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Events:
    """Audited events of one actor in one workspace; their number is part of the event id.

    Args:
        time: World seconds.
        name: Who is named.
        action: Position in ``ACTIONS``.
        address: Where from; ``None`` if that is not recorded.
        agent: Position in ``AGENTS``.
        failed: Which of them failed.
        target: What they were done to.
        principal: To whom something was granted, or from whom it was taken; ``None`` elsewhere.
        gives: Privilege that a change of permissions adds (``+X``) or removes (``-X``); ``None`` elsewhere.
    """

    time: Ints
    name: Texts
    action: Ints
    address: Texts
    agent: Ints
    failed: npt.NDArray[np.bool_]
    target: Texts
    principal: Texts
    gives: Texts

    def take(self, which: Ints) -> Events:
        """Return some of the events."""
        return Events(*(getattr(self, field.name)[which] for field in dataclasses.fields(self)))


def events(
    time: Ints,
    name: str | Sequence[str],
    action: Ints,
    address: str | Sequence[str],
    agent: int | Ints,
    **more: object,
) -> Events:
    """Return events; one value stands for all of them, and what is not given is nothing.

    Args:
        time: World seconds.
        name: Who is named.
        action: Positions in ``ACTIONS``.
        address: Where from.
        agent: Positions in ``AGENTS``.
        **more: ``failed``, ``target``, ``principal``, ``gives``.
    """
    count = len(time)
    target = more.get("target", [f"{code}-{count % 7}" for code in action.tolist()])
    return Events(
        time=np.asarray(time, dtype=np.int64),
        name=texts(name, count),
        action=np.asarray(action, dtype=np.int64),
        address=texts(address, count),
        agent=np.broadcast_to(np.asarray(agent, dtype=np.int64), count),
        failed=np.broadcast_to(np.asarray(more.get("failed", False), dtype=np.bool_), count),
        target=texts(target, count),
        principal=texts(more.get("principal"), count),
        gives=texts(more.get("gives"), count),
    )


def texts(value: object, count: int) -> Texts:
    """Return one text for all events, or one each, as an array."""
    found = np.empty(count, dtype=object)
    found[:] = value
    return found


def join_events(parts: Sequence[Events]) -> Events:
    """Return several batches of events as one, one after the other."""
    return Events(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in dataclasses.fields(Events)))


def local(workspace: Workspace, day: Ints, hour: Floats) -> Ints:
    """Return the world seconds of a local hour of some days."""
    return np.asarray(day * 86_400 + (hour - workspace.utc_offset) * 3_600, dtype=np.int64)


def lake_table(workspace: Workspace, number: int) -> str:
    """Return the name of one of a team's tables."""
    return f"{workspace.team}.{('raw', 'core', 'mart')[number % 3]}.t{number:03d}"

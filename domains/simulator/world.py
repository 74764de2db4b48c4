"""The world that all table families describe: who exists, when they live, what happens to them.

A table family reads the world and its own random streams, nothing else: whatever goes wrong (:class:`Incident`) is
drawn here once, so that a bad deployment shows in runs, cost, queries and lineage alike.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from domains.simulator.calendar import Calendar, stream
from domains.simulator.clusters import SHARED, Cluster, shared_cluster
from domains.simulator.incidents import Incident, draw_job_incidents, draw_outages
from domains.simulator.jobs import Job, draw_job
from domains.simulator.workspaces import WORKSPACES, Workspace, draw_workspace

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

JOBS_PER_WORKSPACE = 30
"""At scale 1, in a workspace of mean size."""


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class World:
    """Everything that exists.

    Args:
        seed: Seed of all random streams.
        calendar: Its days.
        workspaces: Its workspaces.
        shared_clusters: All-purpose clusters by workspace, in the order of ``workspaces``.
        jobs: All jobs.
        outages: Incidents of whole workspaces, in the order of ``workspaces``.
        job_incidents: Incidents of single jobs, in the order of ``jobs``.
    """

    seed: int
    calendar: Calendar
    workspaces: Sequence[Workspace]
    shared_clusters: Sequence[tuple[Cluster, ...]]
    jobs: Sequence[Job]
    outages: Sequence[Sequence[Incident]]
    job_incidents: Mapping[Job, Sequence[Incident]]

    def stream(self, *path: str | int) -> np.random.Generator:
        """Return a random stream: begin the path with your table, then name the entity."""
        return stream(self.seed, *path)

    def incidents_of(self, job: Job) -> Sequence[Incident]:
        """Return all that touches a job: its own incidents and its workspace's outages."""
        return (*self.outages[job.workspace.index], *self.job_incidents[job])

    @property
    def clusters(self) -> Sequence[Cluster]:
        """All clusters, shared ones first."""
        shared = [cluster for group in self.shared_clusters for cluster in group]
        return [*shared, *(job.cluster for job in self.jobs if job.cluster and not job.cluster.shared)]

    @property
    def incidents(self) -> Sequence[Incident]:
        """All incidents, told or not."""
        return [i for group in (*self.outages, *self.job_incidents.values()) for i in group]


def build_world(seed: int, scale: float, calendar: Calendar) -> World:
    """Draw the world; a larger scale adds jobs and changes nothing of those that a smaller one has."""
    workspaces = [draw_workspace(seed, index, calendar) for index in range(WORKSPACES)]
    shared = [tuple(shared_cluster(seed, w, calendar, number) for number in range(SHARED)) for w in workspaces]
    jobs = [
        draw_job(seed, workspace, calendar, number, shared[workspace.index])
        for workspace in workspaces
        for number in range(max(1, round(scale * JOBS_PER_WORKSPACE * workspace.size)))
    ]
    outages: list[list[Incident]] = [[] for _ in workspaces]
    for outage in draw_outages(seed, workspaces, calendar):
        outages[outage.workspace.index].append(outage)
    incidents = {job: draw_job_incidents(seed, job, calendar) for job in jobs}
    return World(seed, calendar, workspaces, shared, jobs, outages, incidents)

"""dim_job, dim_cluster and incident_truth: versions of what exists, and what went wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from domains.simulator.calendar import Ints, chance
from domains.simulator.causes import all_incidents
from domains.simulator.clusters import RUNTIMES
from domains.simulator.jobs import STEPS, Job
from domains.simulator.rows import Rows

if TYPE_CHECKING:
    from domains.simulator.world import World

P_NAMELESS, P_RENAMED, P_NEW_IDENTITY = 0.03, 0.08, 0.08
P_CHANGED = 0.6
"""Share of deployments that change the job's settings too, and so make a version."""

Record = dict[str, Any]


def dim_job(world: World) -> Rows:
    """Return all versions of all jobs."""
    return _dimension(world, [version for job in world.jobs for version in _job_versions(world, job)])


def _job_versions(world: World, job: Job) -> list[Record]:
    rng = world.stream("dim_job", job.workspace.index, job.number)
    changes = job.deployments[rng.random(len(job.deployments)) < P_CHANGED].tolist()
    name, run_as = job.name, job.run_as
    versions: list[Record] = []
    for time in (job.born, *changes, *([] if job.deleted is None else [job.deleted])):
        if versions and chance(rng, P_RENAMED):
            name = f"{name.rsplit('_', 1)[0]}_{rng.choice(STEPS)}"
        if versions and chance(rng, P_NEW_IDENTITY):
            run_as = str(rng.choice(job.workspace.users))
        versions.append(
            {
                "workspace_id": job.workspace.workspace_id,
                "job_id": job.job_id,
                "name": None if chance(rng, P_NAMELESS) else name,
                "creator_id": job.creator,
                "run_as": run_as,
                "change_time": time,
                "delete_time": time if time == job.deleted else None,
            }
        )
    return versions


def dim_cluster(world: World) -> Rows:
    """Return all versions of all clusters."""
    return _dimension(
        world,
        [
            {
                "workspace_id": cluster.workspace.workspace_id,
                "cluster_id": cluster.cluster_id,
                "dbr_version": RUNTIMES[version.runtime] + cluster.flavour,
                "worker_count": version.workers,
                "min_autoscale_workers": version.bounds[0] if version.bounds else None,
                "max_autoscale_workers": version.bounds[1] if version.bounds else None,
                "change_time": version.time,
                "delete_time": version.deleted,
            }
            for cluster in world.clusters
            for version in cluster.versions
        ],
    )


def incident_truth(world: World) -> Rows:
    """Return the incidents that somebody wrote down: not all of them."""
    told = [incident for incident in all_incidents(world) if incident.told]
    return _dimension(
        world,
        [
            {
                "incident_id": f"{incident.workspace.index:03d}-{'-'.join(key for _, key in incident.entity)}"
                f"-{incident.kind}-{incident.start}",
                "kind": incident.kind,
                "workspace_id": incident.workspace.workspace_id,
                "entity": incident.entity,
                "start_time": incident.start,
                "end_time": incident.end,
                "source": "simulated",
            }
            for incident in told
        ],
    )


def _dimension(world: World, records: list[Record]) -> Rows:
    """Turn records into columns; a row arrives with its first time, and all times become timestamps."""
    columns = {name: [record[name] for record in records] for name in records[0]}
    arrival: Ints = np.array(columns.get("change_time") or columns["start_time"], dtype=np.int64)
    for name, values in columns.items():
        if name.endswith("_time"):
            moved = world.calendar.micros(np.array([value or 0 for value in values], dtype=np.int64)).tolist()
            columns[name] = [None if old is None else new for old, new in zip(values, moved, strict=True)]
    return Rows(columns, arrival=arrival)

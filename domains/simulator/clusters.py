"""Clusters and their versions: runtime upgrades come in waves, each cluster at its own time."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from domains.simulator.calendar import DAY, HOUR, Calendar, chance, stream

if TYPE_CHECKING:
    import numpy as np

    from domains.simulator.workspaces import Workspace

RUNTIMES = ("13.3.x", "14.3.x", "15.4.x", "16.4.x")
FLAVOURS = ("-scala2.12", "-photon-scala2.12", "-cpu-ml-scala2.12")
WAVES = (100, 215, 345)
"""Day of the world around which clusters move to the second, third and fourth runtime."""
WAVE_SPREAD = 35
LEAST_GAP = 30
SHARED = 2


@dataclasses.dataclass(frozen=True, slots=True)
class ClusterVersion:
    """A cluster's settings from a time on; a worker count or the bounds of autoscaling, not both."""

    time: int
    runtime: int
    workers: int | None
    bounds: tuple[int, int] | None
    deleted: int | None = None


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Cluster:
    """A cluster: shared (all-purpose) or of one job."""

    workspace: Workspace
    cluster_id: str
    shared: bool
    flavour: str
    versions: tuple[ClusterVersion, ...]

    def upgrades(self) -> list[tuple[int, int]]:
        """Return time and new runtime of each change of the major version."""
        pairs = zip(self.versions, self.versions[1:], strict=False)
        return [(new.time, new.runtime) for old, new in pairs if new.runtime != old.runtime]


def shared_cluster(seed: int, workspace: Workspace, calendar: Calendar, number: int) -> Cluster:
    """Draw an all-purpose cluster, older than the world."""
    rng = stream(seed, "shared_cluster", workspace.index, number)
    # No workspace in the identifier: clusters are unique only within one.
    name = f"0115-093{number:03d}-team{number:04d}"
    return _cluster(rng, workspace, name, (-int(rng.integers(30, 400)) * DAY, calendar.end), None)


def job_cluster(seed: int, workspace: Workspace, number: int, life: tuple[int, int], deleted: int | None) -> Cluster:
    """Draw the cluster of one job, as old as the job."""
    rng = stream(seed, "job_cluster", workspace.index, number)
    return dataclasses.replace(
        _cluster(rng, workspace, f"0401-{120_000 + number * 17:06d}-job{number:05d}", life, deleted), shared=False
    )


def _cluster(
    rng: np.random.Generator, workspace: Workspace, name: str, life: tuple[int, int], deleted: int | None
) -> Cluster:
    flavour = FLAVOURS[int(rng.choice(len(FLAVOURS), p=(0.6, 0.3, 0.1)))]
    return Cluster(workspace, name, True, flavour, tuple(_versions(rng, life, deleted)))


def _versions(rng: np.random.Generator, life: tuple[int, int], deleted: int | None) -> list[ClusterVersion]:
    born, end = life
    upgrades = _upgrade_times(rng, born, end)
    runtime = _first_runtime(rng, born)
    workers, bounds = _size(rng)
    versions = [ClusterVersion(born, runtime, workers, bounds)]
    resizes = [(int(time), 0) for time in rng.integers(born, end, size=int(rng.poisson(1.5)))]
    for time, newest in sorted(resizes + upgrades):
        if newest:
            if newest <= versions[-1].runtime:
                continue
            runtime = newest
        else:
            workers, bounds = _size(rng)
        versions.append(ClusterVersion(time, runtime, workers, bounds))
    if deleted is not None:
        versions.append(dataclasses.replace(versions[-1], time=deleted, deleted=deleted))
    return versions


def _first_runtime(rng: np.random.Generator, born: int) -> int:
    passed = sum(born > wave * DAY for wave in WAVES)
    # Some are ahead of the fleet, so that version pairs mix at any time.
    return min(passed + int(rng.choice(2, p=(0.75, 0.25))), len(RUNTIMES) - 1)


def _upgrade_times(rng: np.random.Generator, born: int, end: int) -> list[tuple[int, int]]:
    times: list[tuple[int, int]] = []
    for runtime, wave in enumerate(WAVES, start=1):
        drawn = int(rng.normal(wave, WAVE_SPREAD) * DAY) // DAY * DAY + int(rng.integers(6, 20)) * HOUR
        stays = chance(rng, 0.15)
        after = times[-1][0] + LEAST_GAP * DAY if times else born + 20 * DAY
        if not stays and after < drawn < end:
            times.append((drawn, runtime))
    return times


def _size(rng: np.random.Generator) -> tuple[int | None, tuple[int, int] | None]:
    least = int(rng.integers(1, 9))
    if chance(rng, 0.5):
        return None, (least, least * int(rng.integers(2, 5)))
    return least, None

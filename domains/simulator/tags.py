"""Cost centres, and who has tagged what since when: most of it late, some of it badly."""

from __future__ import annotations

import dataclasses
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from domains.simulator.calendar import DAY, Flags, chance
from domains.simulator.jobs import PIPELINES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from domains.simulator.jobs import Job
    from domains.simulator.workspaces import Workspace
    from domains.simulator.world import World

KEY = "cost_center"
MISSPELT = ("Cost_Center", " cost_center", "CostCenter")
GROUP_WIDE = {"ledger": "CC9100", "invoices": "CC9100", "kpi": "CC9200", "features": "CC9300"}
"""Projects that pay for their pipelines wherever they run, in about half of the workspaces."""
P_FROM_BIRTH, P_NEVER, P_EXCEPTION = 0.2, 0.12, 0.1
LOSSES = 1.2
"""How often, on average, a deployment drops a job's tags until somebody puts them back."""
P_MISSPELT, P_UNTIDY = 0.04, 0.04


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Tags:
    """The custom tags of one billed thing: what they are, and on which days its usage carries them."""

    carried: Mapping[str, str]
    days: Flags


@lru_cache(maxsize=1)
def centres(world: World) -> Mapping[Workspace, Mapping[str, str]]:
    """Return which cost centre each workspace's pipelines belong to."""
    return {workspace: _centres(world, workspace) for workspace in world.workspaces}


def _centres(world: World, workspace: Workspace) -> dict[str, str]:
    rng = world.stream("cost_centres", workspace.index)
    own = [f"CC{1000 + workspace.index * 10 + number}" for number in range(int(rng.integers(2, 4)))]
    member = chance(rng, 0.5)
    of_pipeline = {name: own[int(rng.choice(len(own)))] for name in PIPELINES}
    return of_pipeline | {name: centre for name, centre in GROUP_WIDE.items() if member}


def tags_of_job(world: World, job: Job) -> Tags:
    """Return a job's tags: by its pipeline mostly, from a clean-up of its workspace or some day of its own on."""
    rng = world.stream("tags", job.workspace.index, job.number)
    pipeline = job.name.split("_")[1]
    centre = centres(world)[job.workspace][pipeline]
    if chance(rng, P_EXCEPTION):
        centre = str(rng.choice(sorted(set(centres(world)[job.workspace].values()))))
    days = np.zeros(world.calendar.days, dtype=np.bool_)
    start = _tagged_from(world, job, rng)
    days[min(start, world.calendar.days) :] = True
    for lost in (start + rng.integers(20, 330, size=int(rng.poisson(LOSSES)))).tolist():
        days[lost : lost + int(rng.integers(20, 110))] = False
    return Tags(_carried(rng, centre, job.workspace.team), days)


def _tagged_from(world: World, job: Job, rng: np.random.Generator) -> int:
    drawn = float(rng.random())
    born = max(job.born, 0) // DAY
    if drawn < P_FROM_BIRTH:
        return born
    if drawn > 1 - P_NEVER:
        return world.calendar.days
    cleanups = world.stream("tag_cleanups", job.workspace.index).integers(0, world.calendar.days, size=4)
    later = cleanups[cleanups > born]
    own = born + int(rng.integers(5, 420))
    followed = chance(rng, 0.55)
    return min(own, int(later.min()) + int(rng.integers(0, 10))) if len(later) and followed else own


def tags_of(world: World, workspace: Workspace, *path: str | int, likely: float) -> Tags:
    """Return the tags of something that is no job: tagged all the time, or never."""
    rng = world.stream("tags", workspace.index, *path)
    centre = str(rng.choice(sorted(set(centres(world)[workspace].values()))))
    days = np.full(world.calendar.days, chance(rng, likely))
    return Tags(_carried(rng, centre, workspace.team), days)


def _carried(rng: np.random.Generator, centre: str, team: str) -> dict[str, str]:
    key = str(rng.choice(MISSPELT)) if chance(rng, P_MISSPELT) else KEY
    if chance(rng, P_UNTIDY):
        centre = str(rng.choice((f"{centre} ", f" {centre}", centre.lower(), " ")))
    return {key: centre, "team": team} | ({"env": str(rng.choice(("prod", "dev")))} if chance(rng, 0.5) else {})

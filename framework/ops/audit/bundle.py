"""The asset bundle as deployed: which task trains or scores what, and what starts it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

FILE = "databricks.yml"
STARTERS = ("schedule", "trigger", "continuous")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Bundle:
    """Tasks of a bundle's jobs.

    Args:
        jobs: By task key, the jobs that have the task.
        starters: By job, what starts it: a cron expression, a trigger; absent if only a hand does.
        problem: Why the bundle cannot be read; empty if it could.
    """

    jobs: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    starters: Mapping[str, str] = dataclasses.field(default_factory=dict)
    problem: str = ""

    def task(self, stage: str, *names: str) -> str:
        """Return the first task ``{stage}_{name}`` that a job has; empty if none has any."""
        return next((key for name in names if (key := f"{stage}_{name}") in self.jobs), "")

    def started(self, task: str) -> str:
        """Return what starts a task by itself; empty if nothing does."""
        return next((self.starters[job] for job in self.jobs.get(task, ()) if job in self.starters), "")


def read_bundle(folder: Path) -> Bundle:
    """Read the jobs of a bundle, its included files among them.

    Args:
        folder: Where ``databricks.yml`` lies.

    Returns:
        The bundle; a file that is absent or malformed is a problem, not an error.
    """
    root = folder / FILE
    if not root.is_file():
        return Bundle(problem=f"no {FILE} in {folder}: name its folder with --bundle")
    jobs: dict[str, tuple[str, ...]] = {}
    starters: dict[str, str] = {}
    for file in _files(root):
        try:
            content = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
        except (OSError, yaml.YAMLError) as error:
            first = str(error).splitlines()[0]
            return Bundle(problem=f"{file.relative_to(folder)} cannot be read: {first}")
        for name, job in _jobs(content):
            for task in job.get("tasks") or ():
                jobs[str(task.get("task_key"))] = (*jobs.get(str(task.get("task_key")), ()), name)
            if start := _start(job):
                starters[name] = start
    return Bundle(jobs=jobs, starters=starters)


def _files(root: Path) -> Iterator[Path]:
    yield root
    try:
        included = (yaml.safe_load(root.read_text(encoding="utf-8")) or {}).get("include") or ()
    except yaml.YAMLError:
        return  # the caller reads the same file next and says what is wrong with it
    for pattern in included:
        yield from sorted(root.parent.glob(str(pattern)))


def _jobs(content: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    resources = content.get("resources") if isinstance(content, dict) else None
    found = (resources or {}).get("jobs") or {}
    yield from ((str(name), job) for name, job in found.items() if isinstance(job, dict))


def _start(job: Mapping[str, Any]) -> str:
    """Return what starts a job; a start that is paused for good starts nothing."""
    for kind in STARTERS:
        found = job.get(kind)
        if isinstance(found, dict) and str(found.get("pause_status", "")).upper() != "PAUSED":
            return f"{kind} {found.get('quartz_cron_expression') or found.get('periodic') or ''}".strip()
    return ""

"""What must hold for the jobs of a bundle: nothing dangles, and nothing is left to a default that bites at night."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from framework.base.errors import ConfigError
from framework.ops.bundle.load import Document, walk
from framework.ops.jobs import parse_words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from framework.ops.bundle.load import Bundle

Job = dict[str, Any]
STAGES = {
    "build_features": "features",
    "train_models": "train",
    "score_batch": "score",
    "monitor_models": "monitor",
    "snapshot_tables": "snapshot",
    "promote_models": "promote",
}
MAX_INPUTS = 10_000
BRINGS_MLFLOW_3 = 5
_RETRIES = ("max_retries", "min_retry_interval_millis", "retry_on_timeout")
_PARAMETER = re.compile(r"\{\{\s*job\.parameters\.([\w-]+)\s*\}\}")
_DYNAMIC = re.compile(r"\{\{[^}]*\}\}|\$\{[^}]*\}")
_PIN = re.compile(r"[\w.-]+==\d+(\.\d+){0,2}")  # more than three numbers: older CLIs take it for a file
# MLflow too: the package index's own would replace the one that can register models with lookups.
_NEVER = ("pyspark", "databricks-connect", "mlflow", "mlflow-skinny")


def job_faults(bundle: Bundle) -> Iterator[str]:
    """Yield every fault of every job once, with file and job; each target has jobs of its own."""
    jobs = [
        (document, key, bundle.job(document, key, target))
        for document in bundle.documents
        for key in document.resources("jobs")
        for target in bundle.targets
    ]
    yield from dict.fromkeys(
        f"{document.name}: {key}: {fault}"
        for document, key, job in jobs
        for rule in JOB_RULES
        for fault in rule(document, job)
    )


def leaves(job: Job) -> Iterator[tuple[dict[str, Any], bool]]:
    """Yield each task that runs a script, and whether it stands inside a for_each task."""
    for task in job.get("tasks") or []:
        inner = (task.get("for_each_task") or {}).get("task")
        yield (inner, True) if inner else (task, False)


def task_order(_document: Document, job: Job) -> Iterator[str]:
    """A task waits for tasks that exist, and for no circle."""
    tasks = job.get("tasks") or []
    keys = [task.get("task_key") for task in tasks]
    for key in sorted({str(key) for key in keys if keys.count(key) > 1}):
        yield f"task '{key}' stands twice"
    waits = {task["task_key"]: {d["task_key"] for d in task.get("depends_on") or []} for task in tasks}
    for key, others in waits.items():
        for other in sorted(others - set(keys)):
            yield f"{key}: depends on '{other}', which is no task"
    while ready := [key for key, others in waits.items() if not others & set(waits)]:
        for key in ready:
            del waits[key]
    if waits:
        yield f"{', '.join(sorted(waits))}: wait for each other in a circle"


def task_kinds(_document: Document, job: Job) -> Iterator[str]:
    """Each task does one thing, and a repeated one is retried inside."""
    for task in job.get("tasks") or []:
        key = task.get("task_key")
        kinds = [name for name in task if name.endswith("_task")]
        if len(kinds) != 1:
            yield f"{key}: does {' and '.join(kinds) or 'nothing'}"
        loop = task.get("for_each_task")
        if not loop:
            continue
        for word in _RETRIES:
            if word in task:
                yield f"{key}: {word} belongs on the task inside for_each_task"
        if "for_each_task" in (loop.get("task") or {}):
            yield f"{key}: a for_each_task inside another"
        if len(str(loop.get("inputs", ""))) > MAX_INPUTS:
            yield f"{key}: inputs are longer than {MAX_INPUTS} characters"


def environments(document: Document, job: Job) -> Iterator[str]:
    """A script runs in an environment that the job declares, with our wheel and exact versions."""
    declared = {e["environment_key"]: e.get("spec") or {} for e in job.get("environments") or []}
    for task, _ in leaves(job):
        if "spark_python_task" not in task:
            continue
        used = task.get("environment_key")
        if used not in declared:
            yield f"{task.get('task_key')}: environment_key {used!r} is not declared"
    for key, spec in declared.items():
        for fault in _environment(document, spec):
            yield f"environment {key}: {fault}"


def _environment(document: Document, spec: dict[str, Any]) -> Iterator[str]:
    entries = [str(entry) for entry in spec.get("dependencies") or []]
    version = str(spec.get("environment_version", ""))
    if not version.isdigit():
        yield "environment_version is missing"
    if version.isdigit() and int(version) < BRINGS_MLFLOW_3:
        yield f"MLflow 3 is needed: version {version} brings MLflow 2"
    if not any(entry.endswith(".whl") and document.at(entry).parent == document.folder / "dist" for entry in entries):
        yield "our own wheel (dist/*.whl) is not among the dependencies"
    for entry in entries:
        if fault := _dependency(document, entry):
            yield fault


def _dependency(document: Document, entry: str) -> str:
    if re.split(r"[^\w-]", entry)[0] in _NEVER:
        return f"{entry}: the runtime brings its own"
    if entry.startswith("-r "):
        file = entry.removeprefix("-r ").strip()
        remote = file.startswith("/")
        return "" if remote or document.at(file).is_file() else f"{entry}: there is no such file"
    if entry.startswith("."):
        built = document.at(entry).parent == document.folder / "dist"
        return "" if built or document.at(entry).is_file() else f"{entry}: there is no such file, and none is built"
    exact = _PIN.fullmatch(entry) or entry.startswith("/")
    return "" if exact else f"{entry}: not pinned to one version (name==1.2.3)"


def scripts(document: Document, job: Job) -> Iterator[str]:
    """Each script is there, and knows the options that it is given."""
    for task, _ in leaves(job):
        script = task.get("spark_python_task")
        if script is None:
            continue
        file = str(script.get("python_file", ""))
        if not document.at(file).is_file():
            yield f"{task.get('task_key')}: there is no file {file}"
        words = [_DYNAMIC.sub("x", str(word)) for word in script.get("parameters") or []]
        if (stage := STAGES.get(Path(file).stem)) is None:
            continue
        try:
            parse_words(stage, words)
        except ConfigError as error:
            yield f"{task.get('task_key')}: {error}"


def parameters(_document: Document, job: Job) -> Iterator[str]:
    """A script is handed only the job parameters that it asks for: each is asked for, and each asked one exists."""
    declared = {parameter.get("name") for parameter in job.get("parameters") or []}
    asked = {name for _, value in walk(job.get("tasks") or []) for name in _PARAMETER.findall(str(value))}
    for name in sorted(asked - declared):
        yield f"asks for the job parameter '{name}', which is not declared"
    for name in sorted(str(name) for name in declared - asked):
        yield f"no task asks for the job parameter '{name}'"
    for task, inside in leaves(job):
        if not inside and "{{input}}" in str(task):
            yield f"{task.get('task_key')}: {{{{input}}}} has a value only inside for_each_task"


def guards(_document: Document, job: Job) -> Iterator[str]:
    """Every job says how long it may take, who hears of it, and that it runs once at a time."""
    if job.get("max_concurrent_runs") != 1:
        yield "max_concurrent_runs is not 1: development mode would allow four"
    if (job.get("queue") or {}).get("enabled") is not True:
        yield "queue is not enabled: a run that comes too early is dropped"
    rules = (job.get("health") or {}).get("rules") or []
    if not any(rule.get("metric") == "RUN_DURATION_SECONDS" for rule in rules):
        yield "no health rule for RUN_DURATION_SECONDS"
    for event in ("on_failure", "on_duration_warning_threshold_exceeded"):
        if event not in (job.get("email_notifications") or {}):
            yield f"email_notifications/{event} is missing"
    for word in ("timeout_seconds", "tags", "performance_target"):
        if not job.get(word):
            yield f"{word} is missing"


def task_guards(_document: Document, job: Job) -> Iterator[str]:
    """Every script says how long it may take, and how often it is tried."""
    for task, _ in leaves(job):
        for word in ("timeout_seconds", "max_retries", "min_retry_interval_millis"):
            if "spark_python_task" in task and not task.get(word):
                yield f"{task.get('task_key')}: {word} is missing"


def schedule(_document: Document, job: Job) -> Iterator[str]:
    """A schedule can be read, and is neither paused nor unpaused by hand: development mode pauses it only then."""
    found = job.get("schedule") or {}
    if not found:
        return
    if "pause_status" in found:
        yield "schedule/pause_status overrides the target's mode: leave it out"
    fields = str(found.get("quartz_cron_expression", "")).split()
    # Quartz: seconds first, and a question mark for the day of the month or for the day of the week.
    if len(fields) not in (6, 7) or [fields[3], fields[5]].count("?") != 1:
        yield f"schedule: '{' '.join(fields)}' is no Quartz expression"
    try:
        ZoneInfo(str(found.get("timezone_id", "")))
    except (KeyError, ValueError, OSError):
        yield f"schedule: no time zone {found.get('timezone_id')!r}"


def chain(_document: Document, job: Job) -> Iterator[str]:
    """Scoring follows features, never the clock alone; so does training, but for what monitoring asks for."""
    tasks = {task.get("task_key"): task for task in job.get("tasks") or []}
    for key, task in tasks.items():
        leaf = (task.get("for_each_task") or {}).get("task") or task
        if _stage(leaf) not in ("train", "score"):
            continue
        words = (leaf.get("spark_python_task") or {}).get("parameters") or []
        wanted = "monitor" if "--requested=true" in words else "features"
        before = [_stage(tasks.get(other["task_key"], {})) for other in task.get("depends_on") or []]
        if wanted not in before:
            yield f"{key}: depends on no task that {'monitors' if wanted == 'monitor' else 'builds features'}"
        if task.get("run_if", "ALL_SUCCESS") != "ALL_SUCCESS":
            yield f"{key}: would run though its {'monitoring' if wanted == 'monitor' else 'features'} failed"


def _stage(task: dict[str, Any]) -> str:
    return STAGES.get(Path(str((task.get("spark_python_task") or {}).get("python_file", ""))).stem, "")


JOB_RULES: tuple[Callable[[Document, Job], Iterator[str]], ...] = (
    *(task_order, task_kinds, environments, scripts, parameters, guards, task_guards, schedule, chain),
)

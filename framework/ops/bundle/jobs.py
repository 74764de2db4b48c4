"""The bundle's jobs as data, made from what the loaded domains offer.

One task per feature table and per model. A task more costs the start of one more serverless session, about a minute,
and they start side by side; the environment is built once and kept. For that, a failure stays with its model, a repair
runs just what failed and what waits for it, and the run page shows which model it was.

A model's tasks wait for the tables that its own lookups read, and for no others. So scoring never runs on the clock
alone, and a table that cannot be built costs only the models that read it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from framework.ops.bundle.environment import KEY, environments

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from framework.core.plugins import Registry

Task = dict[str, Any]
FAILURE_RETRIES = {"max_retries": 2, "min_retry_interval_millis": 120_000, "retry_on_timeout": False}
# What a script needs to know of the bundle. Values that differ by run are job parameters; a script is handed only what
# it asks for. "--option=" keeps an empty value in its own word.
COMMON = (
    "--platform=databricks",
    "--time-zone=${var.time_zone}",
    "--catalog={{job.parameters.catalog}}",
    "--schema-name={{job.parameters.feature_schema}}",
    "--gold={{job.parameters.gold}}",
    "--config={{job.parameters.config}}",
)
AS_OF = "--as-of={{job.parameters.as_of}}"
# Development mode renames schemas, so the schema's name is asked of the resource, never of the variable.
PARAMETERS = {
    "catalog": "${var.catalog}",
    "feature_schema": "${resources.schemas.features.name}",
    "gold": "${var.gold}",
    "config": "${var.config}",
}


def all_jobs(plugins: Registry, folder: Path) -> dict[str, dict[str, Any]]:
    """Return every job of the bundle by its key.

    Args:
        plugins: What the loaded domains offer.
        folder: Folder of ``pyproject.toml`` and ``requirements.lock``.

    Returns:
        The jobs, as the bundle's ``resources.jobs`` takes them.
    """
    models = plugins.select_models((), ())
    builds = [_build(table) for table in plugins.select_tables(models, ())]
    jobs = {
        "ml_feature_pipeline": _job("ML Feature Pipeline", builds, hours=2, as_of=""),
        "ml_training_pipeline": _job(
            "ML Training Pipeline", builds + _per_model(plugins, "train"), hours=6, schedule="training", as_of=""
        ),
        "ml_inference_pipeline": _job(
            "ML Inference Pipeline", builds + _per_model(plugins, "score"), hours=3, schedule="inference", as_of=""
        ),
        "ml_monitoring_pipeline": _monitoring(),
        "ml_table_snapshots": _snapshots(),
        "ml_promotion": _promotion(),
        "ml_backfill": _backfill(),
    }
    for job in jobs.values():
        job["environments"] = environments(folder)
    return jobs


def _build(table: str) -> Task:
    return _task(f"features_{table}", "build_features", ["--tables=" + table, AS_OF])


def _per_model(plugins: Registry, stage: str) -> list[Task]:
    """One task per model, after the tables that it looks up."""
    script = {"train": "train_models", "score": "score_batch"}[stage]
    found = []
    for model in plugins.select_models((), ()):
        tables = [f"features_{table}" for table in plugins.select_tables([model], ())]
        use_case = plugins.trainers[model].item.spec.use_case
        task = _task(f"{stage}_{use_case}", script, ["--models=" + model, AS_OF], after=tables)
        found.append(task)
    return found


def _monitoring() -> dict[str, Any]:
    """Look at all models, then train those for which a reason was found; the gate decides what serves tomorrow.

    One task each: on most days nothing is asked for, and a task per model would start a session to find that out.
    """
    look = _task("monitor_models", "monitor_models", [AS_OF])
    train = _task("train_requested", "train_models", ["--requested=true", AS_OF], after=["monitor_models"])
    return _job("ML Monitoring Pipeline", [look, train], hours=4, schedule="monitoring", as_of="")


def _snapshots() -> dict[str, Any]:
    """The platform shows tables only as they are, so their history is written down every evening."""
    task = _task("snapshot_tables", "snapshot_tables", ["--schemas={{job.parameters.schemas}}"])
    return _job("ML Table Snapshots", [task], hours=1, schedule="snapshot", schemas="${var.snapshot_schemas}")


def _promotion() -> dict[str, Any]:
    """Only inside the platform can models with feature lookups be registered; the source takes the catalog's place."""
    task = _task("promote_models", "promote_models", ["--to-catalog={{job.parameters.to_catalog}}"])
    source, target = "${var.promotion_source}", PARAMETERS["catalog"]
    return _job("ML Promotion", [task], hours=2, catalog=source, to_catalog=target)


def _backfill() -> dict[str, Any]:
    """Features in one build over the range, since windows need it whole; then each day scored, one after the other."""
    choice = "--models={{job.parameters.models}}"
    build = _task("features", "build_features", ["--from={{job.parameters.first_day}}", choice])
    inner = _task("score_day", "score_batch", ["--as-of={{input}}", choice])
    days: Task = {
        "task_key": "score_days",
        "depends_on": [{"task_key": "features"}],
        # Days share their prediction tables: side by side they would refuse each other's commits.
        "for_each_task": {"inputs": "{{job.parameters.days}}", "concurrency": 1, "task": inner},
    }
    today = '["{{job.start_time.iso_date}}"]'
    return _job("ML Backfill", [build, days], hours=12, first_day="", days=today, models="")


def _task(key: str, script: str, own: Iterable[str], *, after: Iterable[str] = ()) -> Task:
    waits = [{"task_key": other} for other in after]
    return {
        "task_key": key,
        **({"depends_on": waits} if waits else {}),
        "environment_key": KEY,
        "timeout_seconds": 2 * 3600,
        **FAILURE_RETRIES,
        "spark_python_task": {"python_file": f"../{script}.py", "parameters": [*own, *COMMON]},
    }


def _job(name: str, tasks: list[Task], *, hours: int, schedule: str = "", **parameters: str) -> dict[str, Any]:
    job: dict[str, Any] = {
        "name": "${var.job_prefix}" + name,
        "tags": {"project": "${bundle.name}", "target": "${bundle.target}"},
        # One run at a time: development mode would allow four. A run that comes too early waits.
        "max_concurrent_runs": 1,
        "queue": {"enabled": True},
        "performance_target": "${var.performance_target}",
        "timeout_seconds": hours * 3600,
        "health": {"rules": [{"metric": "RUN_DURATION_SECONDS", "op": "GREATER_THAN", "value": hours * 1800}]},
        "email_notifications": {
            "on_failure": "${var.alert_emails}",
            "on_duration_warning_threshold_exceeded": "${var.alert_emails}",
        },
        "notification_settings": {"no_alert_for_skipped_runs": True},
    }
    if schedule:
        job["schedule"] = _schedule(schedule)
    job["parameters"] = [{"name": key, "default": value} for key, value in (PARAMETERS | parameters).items()]
    return job | {"tasks": tasks}


def _schedule(which: str) -> Mapping[str, str]:
    """No pause status: the target's mode and presets decide, and a development copy stays quiet."""
    # A snapshot belongs to a day in UTC, whatever the local time is.
    zone = "UTC" if which == "snapshot" else "${var.time_zone}"
    return {"quartz_cron_expression": "${var." + which + "_schedule}", "timezone_id": zone}

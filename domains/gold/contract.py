"""The gold tables that the domains read, in the names and types of the gold layer."""

from __future__ import annotations

from framework.gold import GoldColumn, GoldTable

RESULT_STATES = ("SUCCEEDED", "FAILED", "ERROR", "TIMED_OUT", "CANCELLED", "SKIPPED", "BLOCKED")


def _column(name: str, kind: str, says: str, values: tuple[str, ...] = ()) -> GoldColumn:
    return GoldColumn(name=name, type=kind, says=says, values=values)


FACT_JOB_RUN_TIMELINE = GoldTable(
    name="fact_job_run_timeline",
    says="one slice of a job run; the source cuts runs into hourly slices",
    grain=("workspace_id", "job_id", "run_id", "period_start_time"),
    known_at="period_end_time",
    start="period_start_time",
    end="period_end_time",
    columns=(
        _column("workspace_id", "STRING", "workspace"),
        _column("job_id", "STRING", "job, unique within a workspace only"),
        _column("run_id", "STRING", "run, unique within a workspace only"),
        _column("period_start_time", "TIMESTAMP", "start of the slice, UTC"),
        _column("period_end_time", "TIMESTAMP", "end of the slice, UTC"),
        _column("run_date", "DATE", "day of the slice's start"),
        _column("run_duration_seconds", "BIGINT", "duration of the whole run, on its last slice"),
        _column("result_state", "STRING", "outcome of the run, on its last slice only", RESULT_STATES),
        _column("termination_code", "STRING", "why the run ended"),
        _column("trigger_type", "STRING", "what started the run"),
        _column("run_type", "STRING", "kind of run", ("JOB_RUN", "SUBMIT_RUN", "WORKFLOW_RUN")),
        _column("compute_ids", "ARRAY<STRING>", "clusters and warehouses that the run used"),
    ),
)

DIM_JOB = GoldTable(
    name="dim_job",
    says="one version of a job",
    grain=("workspace_id", "job_id", "change_time"),
    known_at="change_time",
    history=True,
    columns=(
        _column("workspace_id", "STRING", "workspace"),
        _column("job_id", "STRING", "job"),
        _column("name", "STRING", "job name"),
        _column("creator_id", "STRING", "who created it"),
        _column("run_as", "STRING", "identity that it runs as"),
        _column("change_time", "TIMESTAMP", "from when this version holds"),
        _column("delete_time", "TIMESTAMP", "when the job was deleted"),
    ),
)

DIM_CLUSTER = GoldTable(
    name="dim_cluster",
    says="one version of a cluster",
    grain=("workspace_id", "cluster_id", "change_time"),
    known_at="change_time",
    history=True,
    columns=(
        _column("workspace_id", "STRING", "workspace"),
        _column("cluster_id", "STRING", "cluster"),
        _column("dbr_version", "STRING", "runtime version, for example 15.4.x-scala2.12"),
        _column("worker_count", "INT", "workers of a fixed-size cluster"),
        _column("min_autoscale_workers", "INT", "lower bound of autoscaling"),
        _column("max_autoscale_workers", "INT", "upper bound of autoscaling"),
        _column("change_time", "TIMESTAMP", "from when this version holds"),
        _column("delete_time", "TIMESTAMP", "when the cluster was deleted"),
    ),
)

INCIDENT_TRUTH = GoldTable(
    name="incident_truth",
    says="one incident that was injected or that a person confirmed; no feature reads it",
    grain=("incident_id",),
    known_at="start_time",
    history=True,
    truth=True,
    columns=(
        _column("incident_id", "STRING", "identifier"),
        _column("kind", "STRING", "what happened"),
        _column("workspace_id", "STRING", "workspace"),
        _column("entity", "MAP<STRING,STRING>", "natural key of what was hit"),
        _column("start_time", "TIMESTAMP", "first moment"),
        _column("end_time", "TIMESTAMP", "last moment"),
        _column("source", "STRING", "where the row comes from", ("simulated", "verdict")),
    ),
)

TABLES = (FACT_JOB_RUN_TIMELINE, DIM_JOB, DIM_CLUSTER, INCIDENT_TRUTH)

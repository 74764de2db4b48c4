"""Jobs, their runs, and the clusters that they run on."""

from __future__ import annotations

from domains.gold.contract.columns import column
from framework import GoldTable

RESULT_STATES = ("SUCCEEDED", "FAILED", "ERROR", "TIMED_OUT", "CANCELLED", "SKIPPED", "BLOCKED")


FACT_JOB_RUN_TIMELINE = GoldTable(
    name="fact_job_run_timeline",
    description="one slice of a job run; the source cuts runs into hourly slices",
    grain=("workspace_id", "job_id", "run_id", "period_start_time"),
    known_at="period_end_time",
    start="period_start_time",
    end="period_end_time",
    columns=(
        column("workspace_id", "STRING", "workspace"),
        column("job_id", "STRING", "job, unique within a workspace only"),
        column("run_id", "STRING", "run, unique within a workspace only"),
        column("period_start_time", "TIMESTAMP", "start of the slice, UTC"),
        column("period_end_time", "TIMESTAMP", "end of the slice, UTC"),
        column("run_date", "DATE", "day of the slice's start"),
        column("run_duration_seconds", "BIGINT", "duration of the whole run, on its last slice"),
        column("result_state", "STRING", "outcome of the run, on its last slice only", RESULT_STATES),
        column("termination_code", "STRING", "why the run ended"),
        column("trigger_type", "STRING", "what started the run"),
        column("run_type", "STRING", "kind of run", ("JOB_RUN", "SUBMIT_RUN", "WORKFLOW_RUN")),
        column("compute_ids", "ARRAY<STRING>", "clusters and warehouses that the run used"),
    ),
)

DIM_JOB = GoldTable(
    name="dim_job",
    description="one version of a job",
    grain=("workspace_id", "job_id", "change_time"),
    known_at="change_time",
    history=True,
    columns=(
        column("workspace_id", "STRING", "workspace"),
        column("job_id", "STRING", "job"),
        column("name", "STRING", "job name"),
        column("creator_id", "STRING", "who created it"),
        column("run_as", "STRING", "identity that it runs as"),
        column("change_time", "TIMESTAMP", "from when this version holds"),
        column("delete_time", "TIMESTAMP", "when the job was deleted"),
    ),
)

DIM_CLUSTER = GoldTable(
    name="dim_cluster",
    description="one version of a cluster",
    grain=("workspace_id", "cluster_id", "change_time"),
    known_at="change_time",
    history=True,
    columns=(
        column("workspace_id", "STRING", "workspace"),
        column("cluster_id", "STRING", "cluster"),
        column("dbr_version", "STRING", "runtime version, for example 15.4.x-scala2.12"),
        column("worker_count", "INT", "workers of a fixed-size cluster"),
        column("min_autoscale_workers", "INT", "lower bound of autoscaling"),
        column("max_autoscale_workers", "INT", "upper bound of autoscaling"),
        column("change_time", "TIMESTAMP", "from when this version holds"),
        column("delete_time", "TIMESTAMP", "when the cluster was deleted"),
    ),
)

"""Jobs and their runs."""

from __future__ import annotations

from domains.gold.system.view import Join, SystemView

RUN_KEY = ("workspace_id", "job_id", "job_run_id")

TASKS = Join(
    alias="t",
    table="lakeflow.job_task_run_timeline",
    needs=(*RUN_KEY, "period_end_time", "compute_ids"),
    gives=(*RUN_KEY, "used"),
    sql="""  SELECT workspace_id, job_id, job_run_id, collect_list(named_struct('id', id, 'since', since)) AS used
  FROM (
    SELECT workspace_id, job_id, job_run_id, id, min(period_end_time) AS since
    FROM {table} LATERAL VIEW explode(compute_ids) AS id WHERE id IS NOT NULL
    GROUP BY workspace_id, job_id, job_run_id, id
  )
  GROUP BY workspace_id, job_id, job_run_id""",
    on="t.workspace_id = s.workspace_id AND t.job_id = s.job_id AND t.job_run_id = s.run_id",
)
"""What the tasks of a run used, each with the end of the first slice that names it: one row for each run."""

_OWN = "coalesce(s.compute_ids, array())"
# What a task uses later in the run is not known yet when a slice ends.
_OF_TASKS = "coalesce(transform(filter(t.used, one -> one.since <= s.period_end_time), one -> one.id), array())"

RUNS = SystemView(
    name="fact_job_run_timeline",
    source="lakeflow.job_run_timeline",
    joins=(TASKS,),
    columns={
        "workspace_id": "s.workspace_id",
        "job_id": "s.job_id",
        "run_id": "s.run_id",
        "period_start_time": "s.period_start_time",
        "period_end_time": "s.period_end_time",
        "run_date": "s.period_start_time",
        # 0 stands for a duration that is not reported, unless nothing ran. Where there is none, runs are measured by
        # their slices when they are folded: here it would take a second pass over the table.
        "run_duration_seconds": "CASE WHEN s.result_state IS NOT NULL AND (s.run_duration_seconds <> 0"
        " OR coalesce(s.period_end_time <= s.period_start_time, true)) THEN s.run_duration_seconds END",
        "result_state": "s.result_state",
        "termination_code": "s.termination_code",
        "trigger_type": "s.trigger_type",
        "run_type": "s.run_type",
        "compute_ids": (
            f"nullif(array_sort(array_union({_OWN}, {_OF_TASKS})), array())",
            f"nullif(array_sort(array_distinct({_OWN})), array())",
        ),
    },
)

JOBS = SystemView(
    name="dim_job",
    source="lakeflow.jobs",
    columns={
        "workspace_id": "s.workspace_id",
        "job_id": "s.job_id",
        "name": "s.name",
        "creator_id": "s.creator_id",
        "run_as": "s.run_as",
        "change_time": "s.change_time",
        "delete_time": "s.delete_time",
    },
)

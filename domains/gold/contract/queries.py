"""SQL statements, and the warehouses that ran them."""

from __future__ import annotations

from domains.gold.contract.columns import column
from framework import GoldTable

FACT_QUERY_HISTORY = GoldTable(
    name="fact_query_history",
    description="one SQL statement",
    grain=("statement_id",),
    known_at="end_time",
    start="start_time",
    end="end_time",
    columns=(
        column("statement_id", "STRING", "identifier"),
        column("workspace_id", "STRING", "workspace"),
        column("compute_warehouse_id", "STRING", "SQL warehouse, unique within a workspace only"),
        column("executed_by", "STRING", "who ran it"),
        column("start_time", "TIMESTAMP", "start, UTC"),
        column("end_time", "TIMESTAMP", "end, UTC"),
        column("execution_status", "STRING", "how it ended", ("FINISHED", "FAILED", "CANCELED")),
        column("statement_type", "STRING", "kind of statement"),
        column("statement_text", "STRING", "the statement"),
        column("total_duration_ms", "BIGINT", "whole duration, milliseconds"),
        column("execution_duration_ms", "BIGINT", "execution, milliseconds"),
        column("compilation_duration_ms", "BIGINT", "compilation, milliseconds"),
        column("waiting_at_capacity_duration_ms", "BIGINT", "queued because the warehouse was full, milliseconds"),
        column("waiting_for_compute_duration_ms", "BIGINT", "waited for compute to start, milliseconds"),
        column("read_bytes", "BIGINT", "bytes read"),
        column("written_bytes", "BIGINT", "bytes written"),
        column("spilled_local_bytes", "BIGINT", "bytes spilled to disk"),
        column("read_files", "BIGINT", "files read"),
        column("pruned_files", "BIGINT", "files skipped by pruning"),
        column("produced_rows", "BIGINT", "rows returned"),
        column("from_result_cache", "BOOLEAN", "answered from the result cache"),
        column("read_io_cache_percent", "INT", "share of bytes read from the disk cache, percent"),
    ),
)

FACT_WAREHOUSE_EVENTS = GoldTable(
    name="fact_warehouse_events",
    description="one change of state of a SQL warehouse",
    known_at="event_time",
    columns=(
        column("workspace_id", "STRING", "workspace"),
        column("warehouse_id", "STRING", "SQL warehouse"),
        column("event_time", "TIMESTAMP", "when, UTC"),
        column(
            "event_type",
            "STRING",
            "what changed",
            ("STARTING", "RUNNING", "SCALED_UP", "SCALED_DOWN", "STOPPING", "STOPPED"),
        ),
        column("cluster_count", "INT", "running clusters from then on"),
    ),
)

DIM_WAREHOUSE = GoldTable(
    name="dim_warehouse",
    description="one version of a SQL warehouse",
    grain=("workspace_id", "warehouse_id", "change_time"),
    known_at="change_time",
    history=True,
    columns=(
        column("workspace_id", "STRING", "workspace"),
        column("warehouse_id", "STRING", "SQL warehouse"),
        column("warehouse_size", "STRING", "size of one cluster, for example MEDIUM"),
        column("warehouse_type", "STRING", "CLASSIC, PRO or serverless"),
        column("min_clusters", "INT", "least clusters while running"),
        column("max_clusters", "INT", "most clusters"),
        column("auto_stop_minutes", "INT", "idle minutes after which it stops"),
        column("change_time", "TIMESTAMP", "from when this version holds"),
    ),
)

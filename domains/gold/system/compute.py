"""Clusters, SQL warehouses, and the statements that these run."""

from __future__ import annotations

from domains.gold.system.view import SystemView

CLUSTERS = SystemView(
    name="dim_cluster",
    source="compute.clusters",
    columns={
        "workspace_id": "s.workspace_id",
        "cluster_id": "s.cluster_id",
        "dbr_version": "s.dbr_version",
        "worker_count": "s.worker_count",
        "min_autoscale_workers": "s.min_autoscale_workers",
        "max_autoscale_workers": "s.max_autoscale_workers",
        "change_time": "s.change_time",
        "delete_time": "s.delete_time",
    },
)

WAREHOUSES = SystemView(
    name="dim_warehouse",
    source="compute.warehouses",
    columns={
        "workspace_id": "s.workspace_id",
        "warehouse_id": "s.warehouse_id",
        "warehouse_size": "s.warehouse_size",
        "warehouse_type": "s.warehouse_type",
        "min_clusters": "s.min_clusters",
        "max_clusters": "s.max_clusters",
        "auto_stop_minutes": "s.auto_stop_minutes",
        "change_time": "s.change_time",
    },
)

WAREHOUSE_EVENTS = SystemView(
    name="fact_warehouse_events",
    source="compute.warehouse_events",
    columns={
        "workspace_id": "s.workspace_id",
        "warehouse_id": "s.warehouse_id",
        "event_time": "s.event_time",
        "event_type": "s.event_type",
        "cluster_count": "s.cluster_count",
    },
)

STATEMENTS = SystemView(
    name="fact_query_history",
    source="query.history",
    columns={
        "statement_id": "s.statement_id",
        "workspace_id": "s.workspace_id",
        "compute_warehouse_id": "s.compute.warehouse_id",
        "executed_by": "s.executed_by",
        "start_time": "s.start_time",
        "end_time": "s.end_time",
        "execution_status": "s.execution_status",
        "statement_type": "s.statement_type",
        "statement_text": "s.statement_text",
        "total_duration_ms": "s.total_duration_ms",
        "execution_duration_ms": "s.execution_duration_ms",
        "compilation_duration_ms": "s.compilation_duration_ms",
        "waiting_at_capacity_duration_ms": "s.waiting_at_capacity_duration_ms",
        "waiting_for_compute_duration_ms": "s.waiting_for_compute_duration_ms",
        "read_bytes": "s.read_bytes",
        "written_bytes": "s.written_bytes",
        "spilled_local_bytes": "s.spilled_local_bytes",
        "read_files": "s.read_files",
        "pruned_files": "s.pruned_files",
        "produced_rows": "s.produced_rows",
        "from_result_cache": "s.from_result_cache",
        "read_io_cache_percent": "s.read_io_cache_percent",
    },
)

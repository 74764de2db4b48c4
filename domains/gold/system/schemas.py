"""The system tables as they are documented: what the views read, and enough beside it to look like the real thing.

Types are Spark's. Of wide structs only some fields are listed. Columns came over the years: an account may lack the
younger ones, and ``workspace_id`` of ``access`` was a BIGINT once. The views ask the account itself, not this page.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

BILLING: Mapping[str, Mapping[str, str]] = {
    "billing.usage": {
        "account_id": "string",
        "workspace_id": "string",
        "record_id": "string",
        "sku_name": "string",
        "cloud": "string",
        "usage_start_time": "timestamp",
        "usage_end_time": "timestamp",
        "usage_date": "date",
        "custom_tags": "map<string,string>",
        "usage_unit": "string",
        "usage_quantity": "decimal(38,18)",
        "usage_metadata": "struct<cluster_id:string,job_id:string,warehouse_id:string,instance_pool_id:string,"
        "node_type:string,job_run_id:string,notebook_id:string,dlt_pipeline_id:string,endpoint_name:string>",
        "identity_metadata": "struct<run_as:string,created_by:string,owned_by:string>",
        "record_type": "string",
        "ingestion_date": "date",
        "billing_origin_product": "string",
        "product_features": "struct<jobs_tier:string,sql_tier:string,is_serverless:boolean,is_photon:boolean>",
        "usage_type": "string",
    },
    "billing.list_prices": {
        "account_id": "string",
        "price_start_time": "timestamp",
        "price_end_time": "timestamp",
        "sku_name": "string",
        "cloud": "string",
        "currency_code": "string",
        "usage_unit": "string",
        "pricing": "struct<default:decimal(38,18),promotional:struct<default:decimal(38,18)>,"
        "effective_list:struct<default:decimal(38,18)>>",
    },
}

ACCESS: Mapping[str, Mapping[str, str]] = {
    "access.audit": {
        "account_id": "string",
        "workspace_id": "string",
        "version": "string",
        "event_time": "timestamp",
        "event_date": "date",
        "source_ip_address": "string",
        "user_agent": "string",
        "session_id": "string",
        "user_identity": "struct<email:string,subject_name:string>",
        "service_name": "string",
        "action_name": "string",
        "request_id": "string",
        "request_params": "map<string,string>",
        "response": "struct<status_code:int,error_message:string,result:string>",
        "audit_level": "string",
        "event_id": "string",
        "identity_metadata": "struct<run_by:string,run_as:string,acting_resource:string>",
    },
    "access.table_lineage": {
        "account_id": "string",
        "metastore_id": "string",
        "workspace_id": "string",
        "entity_type": "string",
        "entity_id": "string",
        "entity_run_id": "string",
        "source_table_full_name": "string",
        "source_table_catalog": "string",
        "source_table_schema": "string",
        "source_table_name": "string",
        "source_path": "string",
        "source_type": "string",
        "target_table_full_name": "string",
        "target_table_catalog": "string",
        "target_table_schema": "string",
        "target_table_name": "string",
        "target_path": "string",
        "target_type": "string",
        "created_by": "string",
        "event_time": "timestamp",
        "event_date": "date",
        "record_id": "string",
        "event_id": "string",
        "statement_id": "string",
        "entity_metadata": "struct<job_info:struct<job_id:string,job_run_id:string>,dashboard_id:string,"
        "notebook_id:string,sql_query_id:string>",
    },
}

QUERY: Mapping[str, Mapping[str, str]] = {
    "query.history": {
        "account_id": "string",
        "workspace_id": "string",
        "statement_id": "string",
        "executed_by": "string",
        "session_id": "string",
        "execution_status": "string",
        "compute": "struct<type:string,cluster_id:string,warehouse_id:string>",
        "executed_by_user_id": "string",
        "statement_text": "string",
        "statement_type": "string",
        "error_message": "string",
        "client_application": "string",
        "total_duration_ms": "bigint",
        "waiting_for_compute_duration_ms": "bigint",
        "waiting_at_capacity_duration_ms": "bigint",
        "execution_duration_ms": "bigint",
        "compilation_duration_ms": "bigint",
        "total_task_duration_ms": "bigint",
        "result_fetch_duration_ms": "bigint",
        "start_time": "timestamp",
        "end_time": "timestamp",
        "update_time": "timestamp",
        "read_partitions": "bigint",
        "pruned_files": "bigint",
        "read_files": "bigint",
        "read_rows": "bigint",
        "produced_rows": "bigint",
        "read_bytes": "bigint",
        "read_io_cache_percent": "tinyint",
        "from_result_cache": "boolean",
        "spilled_local_bytes": "bigint",
        "written_bytes": "bigint",
        "shuffle_read_bytes": "bigint",
    }
}

LAKEFLOW: Mapping[str, Mapping[str, str]] = {
    "lakeflow.jobs": {  # one row for each version; a deletion is a version
        "account_id": "string",
        "workspace_id": "string",
        "job_id": "string",
        "name": "string",
        "creator_id": "string",
        "tags": "map<string,string>",
        "run_as": "string",
        "change_time": "timestamp",
        "delete_time": "timestamp",
        "description": "string",
    },
    "lakeflow.job_run_timeline": {  # one row for each hour of a run; the last one has the outcome
        "account_id": "string",
        "workspace_id": "string",
        "job_id": "string",
        "run_id": "string",
        "period_start_time": "timestamp",
        "period_end_time": "timestamp",
        "trigger_type": "string",
        "result_state": "string",
        "run_type": "string",
        "run_name": "string",
        "compute_ids": "array<string>",  # filled for WORKFLOW_RUN; the others' compute stands at their tasks
        "termination_code": "string",
        "run_duration_seconds": "bigint",  # since late 2025; 0 where it is not reported
    },
    "lakeflow.job_task_run_timeline": {
        "account_id": "string",
        "workspace_id": "string",
        "job_id": "string",
        "run_id": "string",  # of the task; the job's run is job_run_id
        "job_run_id": "string",
        "parent_run_id": "string",
        "period_start_time": "timestamp",
        "period_end_time": "timestamp",
        "task_key": "string",
        "compute_ids": "array<string>",
        "result_state": "string",
        "termination_code": "string",
    },
}

COMPUTE: Mapping[str, Mapping[str, str]] = {
    "compute.clusters": {  # one row for each version
        "account_id": "string",
        "workspace_id": "string",
        "cluster_id": "string",
        "cluster_name": "string",
        "owned_by": "string",
        "create_time": "timestamp",
        "delete_time": "timestamp",
        "driver_node_type": "string",
        "worker_node_type": "string",
        "worker_count": "bigint",
        "min_autoscale_workers": "bigint",
        "max_autoscale_workers": "bigint",
        "auto_termination_minutes": "bigint",
        "tags": "map<string,string>",
        "cluster_source": "string",
        "dbr_version": "string",
        "change_time": "timestamp",
        "change_date": "date",
        "data_security_mode": "string",
    },
    "compute.warehouses": {  # one row for each version
        "account_id": "string",
        "workspace_id": "string",
        "warehouse_id": "string",
        "warehouse_name": "string",
        "warehouse_type": "string",
        "warehouse_channel": "string",
        "warehouse_size": "string",
        "min_clusters": "int",
        "max_clusters": "int",
        "auto_stop_minutes": "int",
        "tags": "map<string,string>",
        "change_time": "timestamp",
        "delete_time": "timestamp",
    },
    "compute.warehouse_events": {
        "account_id": "string",
        "workspace_id": "string",
        "warehouse_id": "string",
        "event_type": "string",
        "cluster_count": "int",
        "event_time": "timestamp",
    },
}

SYSTEM_TABLES: Mapping[str, Mapping[str, str]] = {**BILLING, **ACCESS, **QUERY, **LAKEFLOW, **COMPUTE}
"""Columns and types by ``schema.table``."""


def arrow_schema(table: str) -> pa.Schema:
    """Return a documented system table as an Arrow schema."""
    from framework.stores.ddl import arrow_type

    return pa.schema([(name, arrow_type(kind)) for name, kind in SYSTEM_TABLES[table].items()])


def documented(table: str) -> frozenset[str]:
    """Return the columns of a documented system table, fields of structs with a dot."""
    return frozenset(_paths("", arrow_schema(table)))


def _paths(above: str, fields: pa.Schema | pa.StructType) -> Iterator[str]:
    for field in fields:
        yield f"{above}{field.name}"
        if pa.types.is_struct(field.type):
            yield from _paths(f"{above}{field.name}.", field.type)

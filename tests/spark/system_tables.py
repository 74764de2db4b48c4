"""System tables for tests: simulated gold turned back into the platform's own shape, and a place to put them.

The way back is written by hand, row by row in Python. It knows nothing of the views.
"""

from __future__ import annotations

import contextlib
import itertools
from collections import Counter
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from domains.gold.system.schemas import arrow_schema

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from pyspark.sql import SparkSession

    Row = Mapping[str, Any]
    Rows = Sequence[Row]

CATALOG = "spark_catalog"
OURS = "monitor"
ACCOUNT = "6f0c1c7e-0000-4000-8000-000000000001"
USED, UNUSED, PRICELESS = "AZURE", "AWS", "GCP"
INFORMATION = {
    "information_schema.tables": {
        **dict.fromkeys(("table_catalog", "table_schema", "table_name", "table_type"), pa.string()),
        "last_altered": pa.timestamp("us", tz="UTC"),
    },
    "information_schema.columns": {
        **dict.fromkeys(("table_catalog", "table_schema", "table_name", "column_name"), pa.string()),
        **dict.fromkeys(("data_type", "full_data_type", "is_nullable"), pa.string()),
        "ordinal_position": pa.int32(),
    },
}


@contextlib.contextmanager
def hosted(
    spark: SparkSession, folder: Path, tables: Mapping[str, Rows], types: Mapping[str, Mapping[str, str]] | None = None
) -> Iterator[None]:
    """Hold system tables, and an empty schema of ours, in the session's own catalog.

    Args:
        spark: The session.
        folder: Where their files go.
        tables: Rows by ``schema.table``; a column that a row lacks is NULL.
        types: Changes of a table's documented columns: Arrow's type, or ``None`` where an account has no such column.
    """
    schemas = sorted({name.partition(".")[0] for name in tables} | {OURS})
    for schema in schemas:
        spark.sql(f"CREATE DATABASE {CATALOG}.{schema} LOCATION '{(folder / 'db' / schema).as_uri()}'")
    try:
        for name, rows in tables.items():
            file = folder / f"{name}.parquet"
            pq.write_table(_arrow(name, rows, (types or {}).get(name, {})), file)
            spark.sql(f"CREATE TABLE {CATALOG}.{name} USING parquet LOCATION '{file.as_uri()}'")
        yield
    finally:
        for schema in schemas:
            spark.sql(f"DROP DATABASE {CATALOG}.{schema} CASCADE")


def _arrow(name: str, rows: Rows, changed: Mapping[str, Any]) -> pa.Table:
    fields = INFORMATION.get(name) or {field.name: field.type for field in arrow_schema(name)}
    stray = {column for row in rows for column in row} - set(fields)
    assert not stray, f"{name} has no {stray}"
    fields = {column: kind for column, kind in ({**fields, **changed}).items() if kind is not None}
    return pa.Table.from_pylist([{c: row.get(c) for c in fields} for row in rows], schema=pa.schema(fields.items()))


def as_set(rows: Rows) -> Counter[Any]:
    """Return rows as a set that counts, for comparison."""
    return Counter(tuple(sorted((name, plain(value)) for name, value in row.items())) for row in rows)


def plain(value: Any) -> str:
    """Return a value so that equal ones are equal: maps and lists in one order."""
    return repr(sorted(value)) if isinstance(value, list) else repr(value)


def system_rows(gold: Mapping[str, Rows]) -> dict[str, Rows]:
    """Return the system tables of which a simulated gold layer could have been made."""
    return {
        "billing.usage": [_usage(row, gold["fact_list_prices"]) for row in gold["fact_usage"]],
        "billing.list_prices": list(_prices(gold["fact_list_prices"])),
        "access.audit": [_event(row) for row in gold["fact_audit_logs"]],
        "access.table_lineage": [_lineage(row) for row in gold["fact_table_lineage"]],
        "query.history": [_statement(row) for row in gold["fact_query_history"]],
        "lakeflow.jobs": [{**row, "account_id": ACCOUNT, "tags": [("team", "x")]} for row in gold["dim_job"]],
        "lakeflow.job_run_timeline": [_slice(row, at) for at, row in enumerate(gold["fact_job_run_timeline"])],
        "lakeflow.job_task_run_timeline": list(_tasks(gold["fact_job_run_timeline"])),
        "compute.clusters": [{**row, "account_id": ACCOUNT, "owned_by": "x"} for row in gold["dim_cluster"]],
        "compute.warehouses": [{**row, "warehouse_name": "x"} for row in gold["dim_warehouse"]],
        "compute.warehouse_events": [{**row, "account_id": ACCOUNT} for row in gold["fact_warehouse_events"]],
    }


def _usage(row: Row, prices: Rows) -> Row:
    priced = any(price["sku_name"] == row["sku_name"] for price in prices)
    job, warehouse, cluster = (row[f"usage_metadata_{kind}_id"] for kind in ("job", "warehouse", "cluster"))
    same = ("record_id", "workspace_id", "usage_date", "usage_start_time", "usage_end_time", "sku_name", "usage_unit")
    same += ("usage_quantity", "record_type", "billing_origin_product", "custom_tags", "ingestion_date")
    return {name: row[name] for name in same} | {
        "account_id": ACCOUNT,
        # What gold does not price is used in a cloud for which nothing is listed.
        "cloud": PRICELESS if priced and row["list_cost"] is None else USED,
        "usage_metadata": {"job_id": job, "warehouse_id": warehouse, "cluster_id": cluster, "node_type": "x"}
        if job or warehouse or cluster
        else None,
        "identity_metadata": {"run_as": row["identity_metadata_run_as"], "owned_by": "y"}
        if row["identity_metadata_run_as"]
        else None,
        "product_features": {"is_serverless": row["product_features_is_serverless"], "jobs_tier": "CLASSIC"},
    }


def _prices(prices: Rows) -> Iterator[Row]:
    """Beside the wanted prices there are those in another currency, and those of a cloud that nobody uses."""
    for price, (cloud, currency, factor) in itertools.product(
        prices, ((USED, "USD", 1), (USED, "EUR", 3), (UNUSED, "USD", 2))
    ):
        amount = price["pricing_default"] * factor
        yield {
            "account_id": ACCOUNT,
            "cloud": cloud,
            "currency_code": currency,
            "pricing": {"default": amount, "promotional": None, "effective_list": {"default": amount / 2}},
            **{name: price[name] for name in ("sku_name", "usage_unit", "price_start_time", "price_end_time")},
        }


def _event(row: Row) -> Row:
    status, failed = row["response_status_code"], row["is_failed_action"]
    same = ("event_id", "event_time", "event_date", "workspace_id", "service_name", "action_name", "source_ip_address")
    return {name: row[name] for name in (*same, "user_agent", "session_id", "request_params")} | {
        "account_id": ACCOUNT,
        "user_identity": row["user_identity_email"] and {"email": row["user_identity_email"], "subject_name": "x"},
        "response": {
            "status_code": status,
            "error_message": "refused" if failed and status is None else None,
            "result": "x",
        },
        "audit_level": "WORKSPACE_LEVEL",
    }


def _lineage(row: Row) -> Row:
    job = row["entity_metadata_job_id"]
    same = ("record_id", "source_table_full_name", "target_table_full_name", "event_time", "event_date", "created_by")
    return {name: row[name] for name in same} | {
        "entity_type": row["entity_type"],
        "entity_id": job or "x",
        "entity_metadata": job and {"job_info": {"job_id": job, "job_run_id": "x"}},
    }


def _statement(row: Row) -> Row:
    warehouse = row["compute_warehouse_id"]
    return {name: value for name, value in row.items() if name != "compute_warehouse_id"} | {
        "account_id": ACCOUNT,
        "compute": warehouse and {"type": "WAREHOUSE", "warehouse_id": warehouse},
        "total_task_duration_ms": 1,
    }


RUN = ("workspace_id", "job_id", "run_id")


def _at_tasks(row: Row) -> bool:
    """Tell whether a slice's compute stands at its tasks, as it does unless another run started it."""
    return row["run_type"] != "WORKFLOW_RUN" and all(row[key] is not None for key in RUN)


def _slice(row: Row, at: int) -> Row:
    started, ended = row["period_start_time"], row["period_end_time"]
    lasts = started is not None and ended > started
    nothing = [] if at % 2 else None  # both are seen
    seconds = row["run_duration_seconds"]
    return {name: value for name, value in row.items() if name != "run_date"} | {
        "account_id": ACCOUNT,
        "compute_ids": nothing if _at_tasks(row) else row["compute_ids"] or nothing,
        "run_duration_seconds": 0 if seconds is None and lasts else seconds,
    }


def _tasks(slices: Rows) -> Iterator[Row]:
    for row in slices:
        for at, compute in enumerate(row["compute_ids"] or ()):
            if _at_tasks(row):
                yield {
                    name: row[name] for name in ("workspace_id", "job_id", "period_start_time", "period_end_time")
                } | {
                    "job_run_id": row["run_id"],
                    "run_id": f"{row['run_id']}{at}",
                    "task_key": f"task {at}",
                    "compute_ids": [compute],
                }

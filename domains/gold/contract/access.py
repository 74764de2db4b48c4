"""Who did what, and which tables were read and written."""

from __future__ import annotations

from domains.gold.contract.columns import column
from framework import GoldTable

FACT_AUDIT_LOGS = GoldTable(
    name="fact_audit_logs",
    description="one audited action",
    grain=("event_id",),
    known_at="event_time",
    columns=(
        column("event_id", "STRING", "identifier"),
        column("event_time", "TIMESTAMP", "when, UTC"),
        column("event_date", "DATE", "day of the event"),
        column("workspace_id", "STRING", "workspace"),
        column("user_identity_email", "STRING", "who acted; in a failed login whatever was typed"),
        column("service_name", "STRING", "service"),
        column("action_name", "STRING", "action"),
        column("source_ip_address", "STRING", "network address that it came from"),
        column("user_agent", "STRING", "client"),
        column("session_id", "STRING", "session"),
        column("response_status_code", "INT", "HTTP status"),
        column("is_failed_action", "BOOLEAN", "it failed"),
        column("is_sensitive_action", "BOOLEAN", "it touches rights, secrets or data at large"),
        column("request_params", "MAP<STRING,STRING>", "parameters of the request"),
    ),
)

FACT_TABLE_LINEAGE = GoldTable(
    name="fact_table_lineage",
    description="one read or write of a table",
    grain=("record_id",),
    known_at="event_time",
    columns=(
        column("record_id", "STRING", "identifier"),
        column("source_table_full_name", "STRING", "table that was read; NULL in a plain write"),
        column("target_table_full_name", "STRING", "table that was written; NULL in a plain read"),
        column("event_time", "TIMESTAMP", "when, UTC"),
        column("event_date", "DATE", "day of the event"),
        column("entity_type", "STRING", "JOB, NOTEBOOK, DASHBOARD_V3, DBSQL_QUERY and the like"),
        column("entity_metadata_job_id", "STRING", "job, if one did it"),
        column("created_by", "STRING", "who did it"),
    ),
)

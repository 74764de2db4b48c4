"""The gold tables that the domains read, in the names and types of the gold layer."""

from __future__ import annotations

from domains.gold.contract.access import FACT_AUDIT_LOGS, FACT_TABLE_LINEAGE
from domains.gold.contract.jobs import DIM_CLUSTER, DIM_JOB, FACT_JOB_RUN_TIMELINE
from domains.gold.contract.queries import DIM_WAREHOUSE, FACT_QUERY_HISTORY, FACT_WAREHOUSE_EVENTS
from domains.gold.contract.snapshots import INFORMATION_SCHEMA_COLUMNS, TABLE_SNAPSHOTS
from domains.gold.contract.truth import INCIDENT_TRUTH
from domains.gold.contract.usage import FACT_LIST_PRICES, FACT_USAGE

TABLES = (
    FACT_JOB_RUN_TIMELINE,
    FACT_USAGE,
    FACT_QUERY_HISTORY,
    FACT_AUDIT_LOGS,
    FACT_TABLE_LINEAGE,
    FACT_WAREHOUSE_EVENTS,
    INFORMATION_SCHEMA_COLUMNS,
    TABLE_SNAPSHOTS,
    DIM_JOB,
    DIM_CLUSTER,
    DIM_WAREHOUSE,
    FACT_LIST_PRICES,
    INCIDENT_TRUTH,
)

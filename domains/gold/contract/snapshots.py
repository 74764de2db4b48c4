"""Daily snapshots of tables and columns, kept by the monitor itself: the platform shows only the present."""

from __future__ import annotations

from domains.gold.contract.columns import column, end_of
from framework import GoldTable

TABLE = ("table_catalog", "table_schema", "table_name")
_KEYS = (
    column("snapshot_date", "DATE", "day whose end the snapshot shows"),
    column("table_catalog", "STRING", "catalog"),
    column("table_schema", "STRING", "schema"),
    column("table_name", "STRING", "table"),
)

INFORMATION_SCHEMA_COLUMNS = GoldTable(
    name="information_schema_columns",
    description="one column of one table on a snapshot day; a snapshot day holds all columns of all tables",
    grain=("snapshot_date", *TABLE, "column_name"),
    known_at=end_of("snapshot_date"),
    columns=(
        *_KEYS,
        column("column_name", "STRING", "column"),
        column("ordinal_position", "INT", "its place, from 1"),
        column("data_type", "STRING", "its type"),
        column("is_nullable", "STRING", "YES or NO"),
    ),
)

TABLE_SNAPSHOTS = GoldTable(
    name="table_snapshots",
    description="one table on a snapshot day",
    grain=("snapshot_date", *TABLE),
    known_at=end_of("snapshot_date"),
    columns=(
        *_KEYS,
        column("row_count", "BIGINT", "rows"),
        column("size_bytes", "BIGINT", "bytes"),
        column("last_altered", "TIMESTAMP", "last change"),
    ),
)

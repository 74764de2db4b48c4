"""What really happened: for judging anomaly models only."""

from __future__ import annotations

from domains.gold.contract.columns import column
from framework import GoldTable

INCIDENT_TRUTH = GoldTable(
    name="incident_truth",
    description="one incident that was injected or that a person confirmed; no feature reads it",
    grain=("incident_id",),
    known_at="start_time",
    history=True,
    truth=True,
    columns=(
        column("incident_id", "STRING", "identifier"),
        column("kind", "STRING", "what happened"),
        column("workspace_id", "STRING", "workspace"),
        column("entity", "MAP<STRING,STRING>", "natural key of what was hit"),
        column("start_time", "TIMESTAMP", "first moment"),
        column("end_time", "TIMESTAMP", "last moment"),
        column("source", "STRING", "where the row comes from", ("simulated", "verdict")),
    ),
)

"""Who is scored where no condition on features says it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from domains.performance.upgrades import behind
from framework import BatchScorer

if TYPE_CHECKING:
    from datetime import date

    from pyspark.sql import DataFrame

    from framework import GoldView


class DbrMigrationScorer(BatchScorer):
    """Jobs on an older major version than the newest in use."""

    model = "dbr_migration_risk_scorer"

    def population(self, gold: GoldView, as_of: date) -> DataFrame | None:
        """Return the jobs that have an upgrade before them."""
        if not gold.has("dim_cluster"):
            return None
        return behind(gold).selectExpr("*", f"DATE'{as_of}' AS run_date")

"""What gold does not hold costs just what needs it, also where a model looks into another domain's table."""

from __future__ import annotations

from datetime import date

import pytest

from domains.simulator.write import simulate
from framework.core.results import Status
from framework.run.pipeline import Pipeline

AS_OF = date(2026, 10, 27)
MODEL = "dbr_migration_risk_scorer"

pytestmark = pytest.mark.slow


def test_without_billing_the_model_trains_on_the_rest_and_names_what_is_missing(make_runtime, tmp_path):
    simulate(tmp_path / "gold", scale=0.1, last_day=AS_OF, tables=["fact_job_run_timeline", "dim_cluster", "dim_job"])
    runtime = make_runtime(tmp_path / "gold", as_of=AS_OF.isoformat(), models=[MODEL])
    results = {result.unit: result for result in Pipeline(runtime).run()}
    assert results["features:cost_job_features"].status is Status.SKIPPED
    assert "fact_usage is absent" in results["features:cost_job_features"].reason
    trained = results[f"train:{MODEL}"]
    assert trained.status is Status.DONE, trained.reason
    assert "without cost_28d and 1 more: gold table fact_usage is absent" in trained.reason
    assert results[f"score:{MODEL}"].status is Status.DONE
    assert results[f"score:{MODEL}"].rows > 0

"""One domain from gold to predictions on Spark Connect, which is what serverless compute speaks."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pytest

from domains.simulator.write import simulate
from framework.core.plugins import discover
from framework.core.results import Status
from framework.run.pipeline import Pipeline
from tests.conftest import CONNECT

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyspark.sql import SparkSession

    from framework.gold.runtime import Runtime

LAST_DAY = date(2026, 10, 27)
DOMAIN = "quality"


@pytest.mark.skipif(not CONNECT, reason="needs a Connect session: `make connect` runs it")
def test_a_domain_is_built_trained_and_scored(
    spark: SparkSession, open_runtime: Callable[..., Runtime], tmp_path_factory: pytest.TempPathFactory
) -> None:
    assert type(spark).__module__.startswith("pyspark.sql.connect.")
    home = tmp_path_factory.mktemp("connect")
    simulate(home / "gold", scale=0.05, last_day=LAST_DAY)
    plugins = discover(strict=True)
    models = plugins.select_models((DOMAIN,), ())
    options = {"as_of": LAST_DAY.isoformat(), "domains": (DOMAIN,), "incomplete_days": 1}
    runtime = open_runtime(home / "gold", home / "home", plugins, **options)
    results = Pipeline(runtime).run()
    assert [r.reason for r in results if r.status is Status.FAILED] == []
    done = [r for r in results if r.status is Status.DONE]
    assert len([r for r in done if r.rows and r.stage in ("features", "train", "score")]) == 1 + 2 * len(models)
    assert len([r for r in done if r.stage == "monitor"]) == len(models)
    for model in models:
        use_case = plugins.trainers[model].item.spec.use_case
        assert runtime.tables.count(runtime.feature_table(f"{use_case}_predictions")) > 0
    again = Pipeline(runtime).run(["features", "score"])
    assert {r.rows for r in again if r.stage == "features"} == {0}

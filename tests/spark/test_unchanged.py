"""A second run of the same day does only what an input, a setting, or what is stored asks for."""

from __future__ import annotations

import shutil
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from domains.simulator.write import simulate
from framework.core.results import Status, UnitResult
from framework.run.pipeline import Pipeline
from framework.run.unchanged import UNCHANGED

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from framework.gold.runtime import Runtime

AS_OF = date(2026, 10, 27)
MODEL = "job_failure_predictor"
JOBS = "reliability_features"

pytestmark = pytest.mark.slow


def run(runtime: Runtime, *stages: str) -> dict[str, UnitResult]:
    return {result.name: result for result in Pipeline(runtime).run(stages)}


@pytest.fixture(scope="module")
def once(open_runtime: Callable[..., Runtime], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A first run of one model: its gold, its home, and its results."""
    gold, home = tmp_path_factory.mktemp("gold"), tmp_path_factory.mktemp("home")
    simulate(gold, scale=0.05, last_day=AS_OF, tables=["fact_job_run_timeline", "dim_cluster", "dim_job"])
    results = run(open_runtime(gold, home, as_of=AS_OF.isoformat(), models=[MODEL]), "features", "train")
    return gold, home, results


@pytest.fixture
def next_run(once: Any, open_runtime: Callable[..., Runtime], tmp_path: Path) -> Callable[..., Runtime]:
    """Open the runtime of a second run, over a copy of the home: whatever a test spoils is its own."""
    gold, home, _ = once

    def opened(**settings: Any) -> Runtime:
        shutil.copytree(home, tmp_path / "home", dirs_exist_ok=True)
        return open_runtime(gold, tmp_path / "home", as_of=AS_OF.isoformat(), models=[MODEL], **settings)

    return opened


def test_nothing_is_read_where_nothing_changed(once: Any, next_run: Callable[..., Runtime]) -> None:
    before, runtime = once[2], next_run()
    after = run(runtime, "features", "train")
    assert "spark" not in vars(runtime)  # nobody asked for the session
    assert before[JOBS].rows > 0
    assert before[JOBS].reason  # what is odd about gold is said each time
    for name, result in after.items():
        assert result.status is before[name].status is Status.DONE
        assert result.reason == (before[name].reason or UNCHANGED)
        assert result.version == before[name].version
    assert after[JOBS].rows == 0


def test_another_setting_builds_anew(next_run: Callable[..., Runtime]) -> None:
    runtime = next_run(seed=8)
    run(runtime, "features")
    assert "spark" in vars(runtime)


def test_a_table_that_somebody_wrote_to_is_built_anew(next_run: Callable[..., Runtime]) -> None:
    runtime = next_run()
    name = runtime.feature_table(JOBS)
    newest = runtime.tables.read(name, where=[("run_date", "=", AS_OF)])
    place = newest.schema.get_field_index("runs")
    spoilt = newest.set_column(place, newest.schema.field(place), [[-1.0] * newest.num_rows])
    assert runtime.store.write_table(name=name, df=spoilt, mode="merge") == newest.num_rows > 0
    assert run(runtime, "features")[JOBS].rows == newest.num_rows


def test_a_version_that_was_deleted_is_trained_anew(once: Any, next_run: Callable[..., Runtime]) -> None:
    runtime, deleted = next_run(), once[2][MODEL].version
    registry = runtime.registry
    registry.client.delete_model_version(registry.full_name(MODEL), str(deleted))
    trained = run(runtime, "train")[MODEL]
    assert trained.status is Status.DONE
    assert [int(found.version) for found in registry.versions(MODEL)] == [trained.version]

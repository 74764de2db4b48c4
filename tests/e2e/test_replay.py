"""Two months of real job runs, replayed day by day: outcomes fill up, and no day knows anything of a later one."""

from __future__ import annotations

import dataclasses
import shutil
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from domains.reliability.trainers import JobDurationForecaster, JobFailurePredictor
from framework.base.clock import midnight
from framework.core.config import Settings
from framework.core.plugins import discover, hookimpl
from framework.core.results import Status
from framework.declare.model import days
from framework.ops.report.page import write_report
from framework.run.opening import open_runtime
from framework.run.replay import replay
from framework.scoring.scorer import BatchScorer
from framework.tables.declared import BACKTESTS, DECISIONS, DRIFT, OUTCOMES, PERFORMANCE, REQUESTS, SERVING

if TYPE_CHECKING:
    from framework.gold.runtime import Runtime

REAL = Path(__file__).parents[3] / "shared" / "data" / "gold_real"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not REAL.exists(), reason="the real traces are not beside the project"),
]
FIRST, CUT, LAST = date(2026, 9, 25), date(2026, 10, 14), date(2026, 10, 27)
MODELS = ("failure_soon", "duration_soon")
DAYS = {"failure_soon": 14, "duration_soon": 7}
"""Days with outcomes at least: labels settle slowly here, and 20 days must be there before anything is trained."""
TABLES = ("fact_job_run_timeline", "dim_job")
IDENTITIES = ["training_run_id", "scoring_run_id", "scored_at", "decided_at", "fingerprint"]


# Four weeks of history are too few to hold back three: one week must do.
SOON = {"test": days(7), "calibrate": days(0)}


class FailureSoon(JobFailurePredictor):
    """The predictor of failures, judged on a week."""

    spec = dataclasses.replace(JobFailurePredictor.spec, name="failure_soon", use_case="failure_soon", **SOON)


class DurationSoon(JobDurationForecaster):
    """The forecaster of durations, judged on a week."""

    spec = dataclasses.replace(JobDurationForecaster.spec, name="duration_soon", use_case="duration_soon", **SOON)


class FailureSoonScorer(BatchScorer):
    """Every job."""

    model = "failure_soon"


class DurationSoonScorer(BatchScorer):
    """Every job."""

    model = "duration_soon"


class Soon:
    """Offers both."""

    @hookimpl
    def model_trainers(self):
        return [FailureSoon, DurationSoon]

    @hookimpl
    def batch_scorers(self):
        return [FailureSoonScorer, DurationSoonScorer]


def played(folder: Path, home: Path, last: date) -> Runtime:
    """Replay a gold folder up to a day; nothing may fail."""
    given = {"gold": str(folder), "home": home, "as_of": last, "models": MODELS}
    runtime = open_runtime(Settings.parse(given, "test"), discover(strict=True, extra={"soon": Soon()}))
    for _, results in replay(runtime, FIRST, last):
        assert [r.reason for r in results if r.status is Status.FAILED] == []
    return runtime


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Runtime:
    folder = tmp_path_factory.mktemp("gold")
    for name in TABLES:
        shutil.copy(REAL / f"{name}.parquet", folder)
    return played(folder, tmp_path_factory.mktemp("home"), LAST)


@pytest.fixture(scope="module")
def truncated(tmp_path_factory: pytest.TempPathFactory) -> Runtime:
    """The same, on a gold layer that ends on the cut: nothing later exists anywhere."""
    folder = tmp_path_factory.mktemp("gold")
    for name, known in zip(TABLES, ("period_end_time", "change_time"), strict=True):
        rows = pq.read_table(REAL / f"{name}.parquet")
        pq.write_table(rows.filter(pc.less(rows[known], midnight(CUT + timedelta(days=1)))), folder / f"{name}.parquet")
    return played(folder, tmp_path_factory.mktemp("home"), CUT)


def rows_until(runtime: Runtime, name: str, keys: tuple[str, ...], day: str) -> pd.DataFrame:
    """Return what stood in a table at the end of the cut."""
    full = runtime.feature_table(name)
    if not runtime.tables.exists(full):
        return pd.DataFrame()
    rows = runtime.tables.read(full).to_pandas()
    limit = pd.Timestamp(midnight(CUT + timedelta(days=1))) if day == "known_at" else CUT
    rows = rows[rows[day] <= limit].drop(columns=[c for c in IDENTITIES if c in rows])
    for column in rows.select_dtypes("object"):
        rows[column] = rows[column].map(str)
    return rows.sort_values([k for k in keys if k in rows], ignore_index=True)


PREDICTIONS = [(f"{use_case}_predictions", ("workspace_id", "job_id", "as_of_date", "model_version"), "as_of_date")
               for use_case in MODELS]  # fmt: skip
MONITORED = [(t.name, t.keys, "known_at" if t is OUTCOMES else "as_of_date")
             for t in (OUTCOMES, PERFORMANCE, DRIFT, DECISIONS, SERVING, BACKTESTS)]  # fmt: skip


@pytest.mark.parametrize(("name", "keys", "day"), [*PREDICTIONS, *MONITORED])
def test_no_step_uses_what_came_after_its_day(whole: Runtime, truncated: Runtime, name, keys, day) -> None:
    expected = rows_until(truncated, name, keys, day)
    assert len(expected)
    pd.testing.assert_frame_equal(rows_until(whole, name, keys, day), expected)


def test_outcomes_fill_up(whole: Runtime) -> None:
    outcomes = OUTCOMES.read(whole).to_pandas()
    for model in MODELS:
        use_case = whole.plugins.trainers[model].item.spec.use_case
        scored = whole.tables.read(whole.feature_table(f"{use_case}_predictions")).to_pandas()
        own = outcomes[outcomes["model_name"] == model]
        assert set(own["as_of_date"]) <= set(scored["as_of_date"])
        # Jobs rest at week-ends, and runs may end days later: not every day has an outcome.
        assert own["as_of_date"].nunique() >= DAYS[model]
        seen = [len(own[own["known_at"] <= pd.Timestamp(midnight(LAST - timedelta(days=n)))]) for n in (10, 5, 0)]
        assert seen == sorted(set(seen))
        assert (own["known_at"] > own["target_start"]).all()


def test_the_rolling_metric_stands_beside_the_baseline_and_is_drawn(whole: Runtime, tmp_path: Path) -> None:
    rows = PERFORMANCE.read(whole).to_pandas()
    for model in MODELS:
        own = rows[(rows["model_name"] == model) & rows["value"].notna()]
        assert own["as_of_date"].nunique() >= DAYS[model]
        assert own["baseline"].notna().all()
        assert (own["window_days"] <= 28).all()
    page = write_report(whole, tmp_path / "report.html").read_text(encoding="utf-8")
    for model in MODELS:
        card = page[page.index(f'id="m-{model}"') :] if f'id="m-{model}"' in page else ""
        assert "<svg" in card[:20_000]


def test_each_decision_has_its_reason_and_nothing_is_asked_twice(whole: Runtime) -> None:
    decided = DECISIONS.read(whole).to_pandas()
    assert set(decided["model_name"]) == set(MODELS)
    assert decided["reason"].str.len().min() > 0
    requests = REQUESTS.read(whole).to_pandas()
    assert not requests.duplicated(list(REQUESTS.keys)).any()

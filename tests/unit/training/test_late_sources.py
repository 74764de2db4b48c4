from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from framework.core.plugins import discover
from framework.declare.model import FromFeature, Lookup, ModelSpec, days
from framework.gold.quarantine import Profile
from framework.training.leakage.finding import Verdict
from framework.training.leakage.sources import late_sources

TABLE = "fact_job_run_timeline"


def found(rows: int, **changes: Any) -> list[Verdict]:
    """Return the verdicts where so many of a thousand runs end after they became known."""
    made = {TABLE: Profile(TABLE, present=True, rows=1000, later={"period_end_time": rows} if rows else {})}
    profiler = SimpleNamespace(profile=lambda name: made.get(name, Profile(name, present=True)))
    spec = ModelSpec(
        name="m", use_case="m", question="q", action="a", label_description="l", unit="u",
        lookups=(Lookup(table="reliability_features"),), horizon=days(1), baseline=FromFeature(columns=("runs_7d",)),
        **changes,
    )  # fmt: skip
    runtime: Any = SimpleNamespace(plugins=discover(strict=True), profiler=profiler)
    return [one.verdict for one in late_sources(spec, runtime)]


@pytest.mark.parametrize(("rows", "verdicts"), [(0, []), (10, []), (11, [Verdict.ASK]), (1000, [Verdict.ASK])])
def test_a_table_whose_rows_end_after_they_were_known_is_asked_about(rows: int, verdicts: list[Verdict]) -> None:
    assert found(rows) == verdicts


def test_the_declaration_may_answer_for_it() -> None:
    assert found(500, honest={f"{TABLE}.period_end_time": "set by the scheduler"}) == [Verdict.PASS]

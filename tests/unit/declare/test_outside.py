"""Doors: what a domain's class may neither override nor open by hand."""

from __future__ import annotations

import importlib.util
import sys
from typing import TYPE_CHECKING

import pytest

from framework.base.errors import SpecError

if TYPE_CHECKING:
    from pathlib import Path

HEAD = """
from framework import FeatureBuilder, RegressionTrainer, TableSpec

def helper(gold):
    return {helper}

def unused(path):
    return open(path)

class Visits(FeatureBuilder):
    table = TableSpec(name="visits", description="d", keys=("shop_id",), time="day", columns=())

    def features(self, gold, days):
        return {body}

class Takings(RegressionTrainer, abstract=True):
    def labels(self, gold, as_of):
        return gold.visits
{more}
"""


def load(folder: Path, body: str = "gold.visits", helper: str = "gold.visits", more: str = "") -> None:
    file = folder / "made_up_domain.py"
    file.write_text(HEAD.format(body=body, helper=helper, more=more))
    spec = importlib.util.spec_from_file_location("made_up_domain", file)
    module = importlib.util.module_from_spec(spec)
    sys.modules["made_up_domain"] = module
    try:
        spec.loader.exec_module(module)
    finally:
        del sys.modules["made_up_domain"]


@pytest.mark.parametrize("body", ["gold.visits", "helper(gold)", "gold.visits.where('read = 1')", "gold.table_sql"])
def test_gold_may_be_read(tmp_path: Path, body: str) -> None:
    load(tmp_path, body)


@pytest.mark.parametrize(
    ("read", "named"),
    [
        ("__import__('pandas').read_csv('late.csv')", "read_csv"),
        ("gold.visits.sparkSession.read.parquet('late')", "sparkSession.read"),
        ("gold.visits.sparkSession.sql('SELECT 1')", "sparkSession.sql"),
        ("gold.visits.sparkSession.table('late')", "sparkSession.table"),
        ("open('late')", "open"),
    ],
)
def test_what_no_day_can_be_cut_from_is_named_with_its_line(tmp_path: Path, read: str, named: str) -> None:
    with pytest.raises(SpecError, match=rf"{named}.* in line 14"):
        load(tmp_path, read)
    other = tmp_path / "other"
    other.mkdir()
    with pytest.raises(SpecError, match=rf"{named}.* in line 5"):
        load(other, "helper(gold)", read)


@pytest.mark.parametrize("step", ["label_frame", "fit", "evaluate_fit", "with_truth", "prepare", "train"])
def test_no_step_of_the_framework_is_overridden(tmp_path: Path, step: str) -> None:
    with pytest.raises(SpecError, match=f"'{step}'"):
        load(tmp_path, more=f"\n    def {step}(self, data, runtime):\n        return None\n")


def test_no_view_opens_the_truth_by_itself() -> None:
    from framework.gold.view import GoldView

    assert not [name for name in vars(GoldView) if "truth" in name]

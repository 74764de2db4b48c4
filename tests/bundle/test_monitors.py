"""Quality monitors: one per table, only where a model's type has a problem that they know, over columns that exist."""

from __future__ import annotations

from pathlib import Path

import pytest

from framework.core.plugins import Registry, discover
from framework.declare.model import Task
from framework.ops.bundle.load import read_bundle
from framework.ops.bundle.monitors import CLASSIFICATION, REGRESSION, SCHEMA, monitors
from framework.scoring.scorer import _columns
from framework.tables.declared import OUTCOMES

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def plugins() -> Registry:
    return discover(strict=True)


def test_each_type_is_judged_as_what_it_is_or_not_at_all(plugins: Registry) -> None:
    found = monitors(plugins)
    judged = set()
    for offer in plugins.trainers.values():
        trainer = offer.item
        name = f"{trainer.spec.use_case}_predictions"
        if trainer.task in (Task.ANOMALY, Task.MULTILABEL):
            assert name not in found
            continue
        log = found[name]["inference_log"]
        regression = trainer.task is Task.REGRESSION
        assert log["problem_type"] == (REGRESSION if regression else CLASSIFICATION)
        assert log["prediction_col"] == ("prediction" if regression else "predicted_class")
        judged.add(name)
    assert set(found) == judged | {OUTCOMES.name}
    assert {offer.item.task for offer in plugins.trainers.values()} == set(Task)


def test_the_columns_are_those_of_the_prediction_tables(plugins: Registry) -> None:
    tables = {OUTCOMES.name: {name for name, _, _ in OUTCOMES.columns}}
    for offer in plugins.trainers.values():
        spec = offer.item.spec
        columns = _columns(offer.item.task, spec, plugins.table(spec.lookups[0].table))
        tables[f"{spec.use_case}_predictions"] = set(columns)
    for name, monitor in monitors(plugins).items():
        log = monitor["inference_log"]
        named = {value for key, value in log.items() if key.endswith("_col")} | set(monitor["slicing_exprs"])
        assert named <= tables[name], name
        assert monitor["table_name"] == f"{SCHEMA}.{name}"


def test_outcomes_have_a_label_and_are_told_apart_by_model(plugins: Registry) -> None:
    log = monitors(plugins)[OUTCOMES.name]["inference_log"]
    assert (log["label_col"], log["model_id_col"]) == ("outcome", "model_name")


def test_none_is_part_of_the_bundle_before_it_is_included() -> None:
    """Their tables are made by the first runs, and a deployment without them would be refused."""
    bundle = read_bundle(ROOT)
    for target in bundle.targets:
        assert set(bundle.resolved(target)) == {"jobs", "schemas"}
        assert set(bundle.whole.resolved(target)) == {"jobs", "schemas", "dashboards", "quality_monitors"}

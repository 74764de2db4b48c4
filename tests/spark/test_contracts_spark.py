"""Every builder and every label on gold without a row; every feature table audited on simulated gold."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from domains.gold.contract import TABLES
from domains.simulator.write import simulate
from framework.core.plugins import discover
from framework.declare.gold import Days
from framework.testing import check_builder_on_empty_gold, check_labels_on_empty_gold
from framework.training import AnomalyTrainer

PLUGINS = discover(strict=True)
AS_OF = date(2026, 10, 27)
BUILDERS = [pytest.param(offer.item, id=name) for name, offer in PLUGINS.builders.items()]
LABELLED = [
    pytest.param(offer.item, id=name)
    for name, offer in PLUGINS.trainers.items()
    if not issubclass(offer.item, AnomalyTrainer)
]


@pytest.fixture(scope="module")
def empty(gold_view):
    return gold_view({table.name: [] for table in TABLES if not table.truth}, AS_OF)


@pytest.mark.parametrize("builder", BUILDERS)
def test_empty_gold_gives_an_empty_table(empty, builder):
    check_builder_on_empty_gold(builder, empty)


@pytest.mark.parametrize("trainer", LABELLED)
def test_empty_gold_gives_no_label(empty, trainer):
    check_labels_on_empty_gold(trainer, PLUGINS, empty)


@pytest.fixture(scope="module")
def runtime(open_runtime, tmp_path_factory):
    home = tmp_path_factory.mktemp("audited")
    simulate(home / "gold", scale=0.02, last_day=AS_OF, days=200)
    return open_runtime(home / "gold", home / "home", as_of=AS_OF.isoformat())


@pytest.mark.slow
@pytest.mark.parametrize("builder", BUILDERS)
def test_cutting_gold_at_a_day_changes_no_value_of_that_day(runtime, builder):
    day = AS_OF - timedelta(days=12)
    built = builder().build(runtime, Days(day, AS_OF))
    assert built.written > 0
    builder().audit(runtime, day)

"""Every model that the domains offer keeps the framework's promises, whatever rows it is given."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from framework.core.plugins import discover
from framework.testing import Kind, check_declaration, check_deterministic, check_learns, check_survives
from framework.training.learners import algorithm_of

PLUGINS = discover(strict=True)
TRAINERS = [pytest.param(offer.item, id=name) for name, offer in PLUGINS.trainers.items()]
KINDS = Kind.__args__


@pytest.mark.parametrize("trainer", TRAINERS)
def test_lookups_baseline_and_required_features_exist(trainer):
    check_declaration(trainer, PLUGINS)


@pytest.mark.parametrize("trainer", TRAINERS)
def test_the_same_rows_give_the_same_answers(trainer):
    check_deterministic(trainer, PLUGINS)


@pytest.mark.parametrize("trainer", TRAINERS)
def test_answers_hang_on_values_and_not_on_rows_that_were_seen(trainer):
    check_learns(trainer, PLUGINS)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("trainer", TRAINERS)
def test_degenerate_rows_give_a_model_that_says_what_it_is(trainer, kind):
    check_survives(trainer, PLUGINS, kind)


def test_no_two_models_share_label_inputs_and_algorithm():
    seen = {}
    for name, offer in PLUGINS.trainers.items():
        spec = offer.item.spec
        inputs = tuple(sorted(f"{k.table}.{c}" for k in spec.lookups for c in (k.columns or ("*",))))
        what = (spec.label_description, inputs, algorithm_of(offer.item().estimator()))
        assert what not in seen, f"{name} repeats {seen[what]}"
        seen[what] = name


def test_each_feature_table_has_a_model():
    looked_up = {k.table for offer in PLUGINS.trainers.values() for k in offer.item.spec.lookups}
    assert looked_up == set(PLUGINS.builders)


def test_the_25_models_of_the_specification_are_of_the_kinds_that_were_asked_for():
    """A model that somebody adds is none of them, and changes nothing here."""
    page = (Path(__file__).parents[3] / "docs" / "specification.md").read_text(encoding="utf-8")
    offers = [PLUGINS.trainers[name] for name in re.findall(r"^\| \d+ \| `(\w+)` \|", page, re.MULTILINE)]
    assert len(offers) == 25
    kinds = Counter((algorithm_of(offer.item().estimator()), str(offer.item.task)) for offer in offers)
    multi = kinds.pop(("XGBoost", "multilabel"))
    by_algorithm = Counter()
    for (algorithm, _), count in kinds.items():
        by_algorithm[algorithm] += count
    assert multi == 1
    assert by_algorithm == {"IsolationForest": 6, "GradientBoosting": 8, "XGBoost": 6, "RandomForest": 4}
    assert Counter(offer.domain for offer in offers) == {
        "cost": 6, "security": 4, "performance": 7, "reliability": 5, "quality": 3
    }  # fmt: skip
    assert len({lookup.table for offer in offers for lookup in offer.item.spec.lookups}) == 9

"""What a unit's result depends on: where it is the same as in an earlier run, there is nothing to do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from framework.declare.table import short_hash
from framework.training.fingerprint import code_version, fingerprint

if TYPE_CHECKING:
    from framework.features.builder import FeatureBuilder
    from framework.gold.runtime import Runtime
    from framework.training.base import ModelTrainer

UNCHANGED = "unchanged"


def features_of(builder: FeatureBuilder, runtime: Runtime) -> str:
    """Return what a feature table depends on: the day, settings, code, gold, and what is stored already.

    Args:
        builder: Builds the table.
        runtime: The runtime.

    Returns:
        A hash; empty where the gold source cannot tell whether it changed.
    """
    if runtime.gold_state is None:
        return ""
    name = runtime.feature_table(builder.table.name)
    formulas = [builder.table.formula_hash(column.name) for column in builder.table.columns]
    stored = f"{name}@{runtime.tables.version(name)}"
    return short_hash([*_of_run(runtime), *formulas, stored, code_version(type(builder))])


def training_of(trainer: ModelTrainer, runtime: Runtime) -> str:
    """Return what a training depends on: what :func:`fingerprint` says, and the gold that labels are made of.

    Args:
        trainer: The trainer.
        runtime: The runtime.

    Returns:
        A hash; empty where the gold source cannot tell whether it changed.
    """
    if runtime.gold_state is None:
        return ""
    return short_hash([*_of_run(runtime), fingerprint(trainer, runtime, runtime.as_of)])


def _of_run(runtime: Runtime) -> list[str]:
    settings = json.dumps(runtime.settings.inputs(), sort_keys=True)
    return [runtime.as_of.isoformat(), settings, str(runtime.gold_state)]

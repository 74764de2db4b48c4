"""A framework for production machine learning over a platform's own telemetry: what a domain package imports.

Each name is imported when it is first asked for, so that ``import framework`` works without Spark, MLflow or
scikit-learn. A domain package needs this module, :mod:`framework.testing` for its tests, and nothing else of the
framework.

Declare

- :class:`TableSpec`, :class:`Feature`: a feature table and its columns; :mod:`formulas` has what columns are made of.
- :class:`ModelSpec`, :class:`Lookup` and :class:`Task`: a model, and the features that it looks up.
- :class:`FromFeature`, :class:`GroupPrior`: the rule that a model must beat.
- :class:`GoldTable`, :class:`GoldColumn`: a table that the domain reads; :class:`Days`: a range of days.
- :class:`DomainOptions`: settings of a domain. :func:`days`, :func:`hours`: spans of time.

Subclass

- :class:`DailyFeatures`, :class:`EventFeatures`, or :class:`FeatureBuilder` for any other grain.
- :class:`RegressionTrainer`, :class:`ClassificationTrainer`, :class:`AnomalyTrainer`, of the base
  :class:`ModelTrainer`; :mod:`learners` has estimators with sound defaults.
- :class:`BatchScorer`: who is scored, where no condition on features says it. :class:`GoldSource`: where gold
  is read from.

Use

- :class:`GoldView`: gold as it was known on a day. :class:`Label`: what a label is made of.
- :data:`KNOWN_AT`, :data:`LABEL_KNOWN_AT`: the columns that say when a row of gold, or a label, became known.
- :func:`stack`: the rows of two frames, whatever columns one of them lacks.
- :func:`midnight`: the moment at which a day begins. :mod:`errors`: what to raise.
- :data:`hookimpl`: marks the functions of a plugin module. :func:`discover`: what all installed domains offer.
- :data:`WORTH_AN_ALERT`: the skill that a detector must show before it may call a person.
- :func:`run_doctor`: what a run needs, checked from a notebook.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from framework.base import errors
    from framework.base.clock import midnight
    from framework.core.config import DomainOptions
    from framework.core.plugins import discover, hookimpl
    from framework.declare import formulas
    from framework.declare.gold import Days, GoldColumn, GoldTable
    from framework.declare.labels import KNOWN_AT, LABEL_KNOWN_AT, Label
    from framework.declare.model import FromFeature, GroupPrior, Lookup, ModelSpec, Task, days, hours
    from framework.declare.table import Feature, TableSpec
    from framework.features.builder import DailyFeatures, EventFeatures, FeatureBuilder
    from framework.gold.frames import stack
    from framework.gold.view import GoldSource, GoldView
    from framework.ops.doctor.command import run_doctor
    from framework.scoring.scorer import BatchScorer
    from framework.training import learners
    from framework.training.anomaly import WORTH_AN_ALERT, AnomalyTrainer
    from framework.training.base import ModelTrainer
    from framework.training.classification import ClassificationTrainer
    from framework.training.regression import RegressionTrainer

_MODULES = {
    "framework.base.clock": ("midnight",),
    "framework.core.config": ("DomainOptions",),
    "framework.core.plugins": ("discover", "hookimpl"),
    "framework.declare.gold": ("Days", "GoldColumn", "GoldTable"),
    "framework.declare.labels": ("KNOWN_AT", "LABEL_KNOWN_AT", "Label"),
    "framework.declare.model": (
        "FromFeature", "GroupPrior", "Lookup", "ModelSpec", "Task", "days", "hours",
    ),
    "framework.declare.table": ("Feature", "TableSpec"),
    "framework.features.builder": ("DailyFeatures", "EventFeatures", "FeatureBuilder"),
    "framework.gold.frames": ("stack",),
    "framework.gold.view": ("GoldSource", "GoldView"),
    "framework.ops.doctor.command": ("run_doctor",),
    "framework.scoring.scorer": ("BatchScorer",),
    "framework.training.anomaly": ("WORTH_AN_ALERT", "AnomalyTrainer"),
    "framework.training.base": ("ModelTrainer",),
    "framework.training.classification": ("ClassificationTrainer",),
    "framework.training.regression": ("RegressionTrainer",),
}  # fmt: skip
_WHOLE = {
    "errors": "framework.base.errors",
    "formulas": "framework.declare.formulas",
    "learners": "framework.training.learners",
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "KNOWN_AT",
    "LABEL_KNOWN_AT",
    "WORTH_AN_ALERT",
    "AnomalyTrainer",
    "BatchScorer",
    "ClassificationTrainer",
    "DailyFeatures",
    "Days",
    "DomainOptions",
    "EventFeatures",
    "Feature",
    "FeatureBuilder",
    "FromFeature",
    "GoldColumn",
    "GoldSource",
    "GoldTable",
    "GoldView",
    "GroupPrior",
    "Label",
    "Lookup",
    "ModelSpec",
    "ModelTrainer",
    "RegressionTrainer",
    "TableSpec",
    "Task",
    "days",
    "discover",
    "errors",
    "formulas",
    "hookimpl",
    "hours",
    "learners",
    "midnight",
    "run_doctor",
    "stack",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for."""
    if name in _WHOLE:
        found = import_module(_WHOLE[name])
    elif name in _HOMES:
        found = getattr(import_module(_HOMES[name]), name)
    else:
        raise AttributeError(f"module 'framework' has no public name {name!r}; it has {', '.join(__all__)}")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted(__all__)

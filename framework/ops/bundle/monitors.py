"""Databricks' own quality monitors over our tables, where the type of a model is one that they judge.

A monitor's inference profile knows two problems, regression and classification, with one prediction per row. Prediction
tables of detectors and of models with several labels fit neither. Outcomes have a number beside a number for every
model, so one monitor judges them all: its mean squared error is the Brier score where the prediction is a probability.
A table has at most one monitor, and must exist before its monitor is made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from framework.declare.model import Task
from framework.tables.declared import OUTCOMES

if TYPE_CHECKING:
    from framework.core.plugins import Registry

Monitor = dict[str, Any]
SCHEMA = "${var.catalog}.${resources.schemas.features.name}"
REGRESSION, CLASSIFICATION = "PROBLEM_TYPE_REGRESSION", "PROBLEM_TYPE_CLASSIFICATION"
ANSWERS = {
    Task.REGRESSION: (REGRESSION, "prediction"),
    Task.BINARY: (CLASSIFICATION, "predicted_class"),
    Task.MULTICLASS: (CLASSIFICATION, "predicted_class"),
}
"""Problem and column of the prediction, for the tasks that a monitor can judge."""
TIME = "as_of_date"  # a DATE, which a monitor takes as a timestamp
SLICES = ["served_as", "is_fallback"]


def monitors(plugins: Registry) -> dict[str, Monitor]:
    """Return the quality monitors by the table that each looks at.

    Args:
        plugins: What the loaded domains offer.
    """
    found = {OUTCOMES.name: _outcomes()}
    for model in plugins.select_models((), ()):
        trainer = plugins.trainers[model].item
        if trainer.task in ANSWERS:
            name = f"{trainer.spec.use_case}_predictions"
            problem, column = ANSWERS[trainer.task]
            found[name] = _monitor(name, problem, column, model_id="model_version", slices=SLICES)
    return found


def _outcomes() -> Monitor:
    slices = ["model_version", "label_name", *SLICES]
    monitor = _monitor(OUTCOMES.name, REGRESSION, "prediction", model_id="model_name", slices=slices)
    monitor["inference_log"]["label_col"] = "outcome"
    return monitor


def _monitor(table: str, problem: str, prediction: str, *, model_id: str, slices: list[str]) -> Monitor:
    return {
        "table_name": f"{SCHEMA}.{table}",
        "output_schema_name": SCHEMA,
        "assets_dir": f"${{workspace.root_path}}/quality_monitors/{table}",
        "inference_log": {
            "problem_type": problem,
            "prediction_col": prediction,
            "model_id_col": model_id,
            "timestamp_col": TIME,
            "granularities": ["1 day", "1 week"],
        },
        "slicing_exprs": list(slices),
        # A dashboard for each table would need a warehouse; the figures are tables beside this one.
        "skip_builtin_dashboard": True,
        "schedule": {"quartz_cron_expression": "${var.profile_schedule}", "timezone_id": "${var.time_zone}"},
    }

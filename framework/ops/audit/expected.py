"""What a version, its run and its labels must show, by type of model."""

from __future__ import annotations

from framework.declare.model import Task

EVIDENCE_TAGS = ("fingerprint", "as_of", "spec_hash", "fallback", "judged", "outputs", "result")
RUN_TAGS = ("project", "domain", "model_name", "model_type", "algorithm", "use_case", "training_data")
RUN_PARAMS = ("as_of", "seed", "train_end", "test_end", "rows_train", "feature_spec_hash", "dataset.hash")
MONITOR, REQUESTED = "monitor_models", "train_requested"
"""Tasks of the deployed monitor: it looks at all models, and trains those for which it found a reason."""
LABELS: dict[str, tuple[str, ...]] = {
    Task.REGRESSION: ("double",),
    Task.BINARY: ("int",),
    Task.MULTILABEL: ("int",),
    Task.MULTICLASS: ("int", "string"),
    Task.ANOMALY: (),
}
"""Label types by task; an anomaly model has no label, and text stands for classes that are left open."""
_MACRO = ("macro_average_precision", "macro_roc_auc", "macro_brier", "macro_f1")
METRICS: dict[str, tuple[str, ...]] = {
    Task.REGRESSION: ("mae", "rmse"),
    Task.BINARY: ("average_precision", "roc_auc", "brier", "log_loss", "f1"),
    Task.MULTICLASS: (*_MACRO, "accuracy"),
    Task.MULTILABEL: _MACRO,
    Task.ANOMALY: ("anomaly_rate", "alerts_per_workspace_day"),
}
THRESHOLD: dict[str, str] = {
    Task.BINARY: "threshold",
    Task.MULTICLASS: "abstain_below",
    Task.MULTILABEL: "thresholds",
    Task.ANOMALY: "raw_threshold",
}
"""Where the served model keeps the threshold that turns its answer into a decision; a forecast decides nothing."""

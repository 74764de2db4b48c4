"""The monitoring tables, each declared once.

An *entity* is a JSON object of a model's keys, ``{"workspace_id": "w1", "job_id": "7"}``, in declared order: tables
that hold the rows of all models have one column for it.
"""

from __future__ import annotations

from framework.tables.table import MonitorTable

_MODEL = (("model_name", "string", "model"), ("model_version", "int", "registered version"))
LEDGER = "run_ledger"
_DAY = ("as_of_date", "date", "day that the row is about")

OUTCOMES = MonitorTable(
    name="model_outcomes",
    description="What became of a past prediction, one row per prediction and label (or class).",
    keys=("model_name", "entity", "label_name", "as_of_date", "model_version"),
    columns=(
        *_MODEL,
        ("entity", "string", "the model's keys as a JSON object"),
        ("label_name", "string", "label, or class of a multi-class model"),
        ("as_of_date", "date", "day of the prediction"),
        ("prediction", "double", "the forecast, P(this label or class), or the anomaly score"),
        ("prediction_p10", "double", "lower quantile of a forecast that has one"),
        ("prediction_p90", "double", "upper quantile of a forecast that has one"),
        ("outcome", "double", "what happened: the value, or 0/1"),
        ("baseline", "double", "what the baseline would have answered"),
        ("known_at", "timestamp", "when the outcome became known"),
        ("target_start", "timestamp", "begin of the time that the prediction is about"),
        ("target_end", "timestamp", "end of the time that the prediction is about"),
        ("served_as", "string", "champion or challenger"),
        ("is_fallback", "bool", "a dummy answered"),
    ),
)

PERFORMANCE = MonitorTable(
    name="model_performance",
    description="How a version did on the predictions whose outcome was known at the end of a day, "
    "over a trailing window.",
    keys=("model_name", "model_version", "as_of_date"),
    columns=(
        *_MODEL,
        _DAY,
        ("window_days", "int", "days of which predictions are judged"),
        ("first_day", "date", "first of them"),
        ("last_day", "date", "last of them"),
        ("rows", "int", "predictions judged"),
        ("metric", "string", "primary metric"),
        ("value", "double", "the model's"),
        ("baseline", "double", "the baseline's, on the same rows"),
        ("skill", "double", "1 - mae/mae_baseline, else (m - m_b) / (1 - m_b)"),
        ("skill_low", "double", "lower end of its 90 % interval over days; overlapping label windows widen it"),
        ("skill_high", "double", "upper end"),
        ("promised", "double", "the metric on the days held back at training"),
        ("promised_skill", "double", "the skill on the days held back at training"),
        ("promised_low", "double", "lower end of its 90 % interval"),
        ("calibration_error", "double", "mean distance of forecast and observed rate; of probabilities only"),
        ("coverage", "double", "share of outcomes between the lower and the upper quantile; of forecasts only"),
        ("calibration", "string", "JSON list of [mean forecast, observed rate, rows] per tenth; of probabilities only"),
        ("precision_by_verdict", "double", "share of the alerts judged by a person that were real"),
    ),
)

DRIFT = MonitorTable(
    name="model_drift",
    description="How far a feature, the predictions, the labels or the anomaly rate lie from what "
    "the version was trained on.",
    keys=("model_name", "model_version", "as_of_date", "kind", "name"),
    columns=(
        *_MODEL,
        _DAY,
        ("kind", "string", "feature, prediction, label or anomaly_rate"),
        ("name", "string", "column"),
        ("window_days", "int", "days that are compared with the training window"),
        ("rows", "int", "rows compared"),
        ("psi", "double", "population stability index against the training window's bins"),
        ("psi_usual", "double", "highest PSI among the weeks that training held back: what is normal here"),
        ("ks", "double", "Kolmogorov-Smirnov distance; of numbers only"),
        ("ks_p", "double", "its p-value, corrected for the number of tests"),
        ("missing_rate", "double", "share of NULLs now"),
        ("missing_rate_training", "double", "share of NULLs in the training window"),
        ("new_category_share", "double", "share of values that training never saw; of text only"),
        ("shift", "double", "shift of the mean in standard deviations, between days and between draws of entities"),
        ("level", "string", "none, watch (PSI > 0.1), drift (PSI > 0.25), or too_little to tell"),
        ("says", "string", "the finding in one sentence; empty if there is none"),
    ),
)

REQUESTS = MonitorTable(
    name="retrain_requests",
    description="A reason to train a model again, from the day on which it was found until a training takes it.",
    keys=("model_name", "model_version", "reason", "requested_on"),
    columns=(
        *_MODEL,
        ("reason", "string", "age, skill, prediction_drift, feature_drift, label_drift or fallback"),
        ("says", "string", "the reason with its figures"),
        ("urgency", "string", "normal or high"),
        ("requested_on", "date", "day on which it was found first"),
        ("last_seen_on", "date", "newest day on which it still held"),
        ("state", "string", "open, taken or lapsed"),
        ("taken_by_version", "int", "version that the training registered"),
        ("taken_on", "date", "newest day that the training knew"),
    ),
)

ALERTS = MonitorTable(
    name="alerts",
    description="Something that a person should look at, one row per finding, however many days it lasts.",
    keys=("alert_id",),
    columns=(
        ("alert_id", "string", "hash of what the alert is about"),
        ("kind", "string", "prediction, drift, skill, fallback or failure"),
        ("model_name", "string", "model"),
        ("domain", "string", "domain of the model"),
        ("use_case", "string", "use case of the model"),
        ("entity", "string", "the model's keys as a JSON object; empty if it is about the model"),
        ("severity", "string", "info, warning or critical"),
        ("reason", "string", "why, in a sentence"),
        ("action", "string", "what to do"),
        ("prediction", "double", "newest prediction"),
        ("model_version", "int", "version that gave it"),
        ("first_day", "date", "day on which it was raised"),
        ("opened_on", "date", "day on which it was opened last; later than first_day if it came back"),
        ("last_day", "date", "newest day on which it held"),
        ("days", "string", "JSON list of the days on which it held"),
        ("state", "string", "open, acknowledged or resolved"),
        ("verdict", "string", "real or noise, as a person said"),
        ("closed_by", "string", "person, or monitor where the finding went by itself"),
        ("closed_at", "timestamp", "when"),
    ),
)

SERVING = MonitorTable(
    name="model_serving",
    description="Which version answered for a day last: its rows are the ones to act on.",
    keys=("model_name", "as_of_date"),
    columns=(
        *_MODEL,
        ("as_of_date", "date", "day of the predictions"),
        ("served_as", "string", "champion or challenger"),
        ("scored_at", "timestamp", "when"),
    ),
    unimportant=("scored_at",),
)

DECISIONS = MonitorTable(
    name="model_decisions",
    description="Which version was given or refused an alias, by whom, and on which figures.",
    keys=("model_name", "model_version", "as_of_date", "decided_by", "decision"),
    columns=(
        *_MODEL,
        ("as_of_date", "date", "day that the decision knew"),
        ("decided_by", "string", "gate, monitor or person"),
        ("decision", "string", "promoted, refused, provisional or rolled_back"),
        ("reason", "string", "why, in a sentence"),
        ("metric", "string", "primary metric"),
        ("value", "double", "its value over the rolling origins"),
        ("baseline", "double", "the baseline's"),
        ("skill", "double", "skill over the rolling origins"),
        ("skill_low", "double", "lower 90 % bound, over days"),
        ("skill_high", "double", "upper 90 % bound, over days"),
        ("promote_above", "double", "what the lower bound must be above"),
        ("rule", "string", "plain rule that did best on the training rows"),
        ("rule_value", "double", "the metric of that rule on the rows of the rolling origins"),
        ("rule_skill", "double", "skill of the version against that rule"),
        ("origins", "int", "rolling origins"),
        ("days", "int", "days judged"),
        ("rows", "int", "rows judged"),
        ("champion_version", "int", "champion at that time"),
        ("champion_skill", "double", "its skill on the days compared"),
        ("challenger_skill", "double", "the version's skill on the days compared"),
        ("compared_days", "int", "days on which neither had been fitted"),
        ("decided_at", "timestamp", "when"),
    ),
    unimportant=("decided_at",),
)

BACKTESTS = MonitorTable(
    name="model_backtests",
    description="One rolling origin: a fit that knew the days up to it, judged on the days after it.",
    keys=("model_name", "fingerprint", "origin"),
    columns=(
        ("model_name", "string", "model"),
        ("fingerprint", "string", "identity of the training, or of the backtest"),
        ("origin", "date", "last day that the fit could know"),
        ("train_end", "date", "last day fitted on"),
        ("test_end", "date", "last day judged"),
        ("as_of_date", "date", "newest day of gold"),
        ("model_version", "int", "version that the folds judged; NULL for a backtest"),
        ("rows_train", "int", "rows fitted on"),
        ("rows", "int", "rows judged"),
        ("metric", "string", "primary metric"),
        ("value", "double", "the model's"),
        ("baseline", "double", "the baseline's"),
        ("skill", "double", "its skill"),
        ("skill_low", "double", "lower 90 % bound, over days"),
        ("skill_high", "double", "upper 90 % bound, over days"),
        ("says", "string", "why the fold could not be judged; empty if it was"),
    ),
)

DELIVERIES = MonitorTable(
    name="alert_deliveries",
    description="What became of an alert on its way to one sink.",
    keys=("alert_id", "sink"),
    columns=(
        ("alert_id", "string", "the alert"),
        ("sink", "string", "name of the sink in the settings, or of a plugin's"),
        ("state", "string", "queued, sent, passed over (older than the sink), or failed after too many attempts"),
        ("attempts", "int", "runs that tried to send it"),
        ("last_error", "string", "what the last attempt met; empty if it was sent"),
        ("sent_at", "timestamp", "when the sink took it"),
        ("opened_on", "date", "the opening that it is about"),
    ),
)

EVERY = (OUTCOMES, PERFORMANCE, DRIFT, REQUESTS, ALERTS, DELIVERIES, SERVING, DECISIONS, BACKTESTS)

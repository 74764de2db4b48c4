"""Requests to train again: reasons as rows, from the day on which one was found until a training takes it."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from framework.monitoring.outcomes.performance import below_promise
from framework.tables.declared import DECISIONS, REQUESTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from framework.core.versions import Served
    from framework.gold.runtime import Runtime

DRIFTED_FEATURES = 3
SIGMAS = 2.0
LABEL_P = 0.05
REST = timedelta(days=7)
"""How long a model rests after a training that was asked for: another fit on nearly the same days would end alike."""
FRESH = timedelta(days=3)
"""How long it rests after any training, the weekly one among them."""
OPEN, TAKEN, LAPSED = "open", "taken", "lapsed"


def request(
    runtime: Runtime,
    model: str,
    served: Served,
    as_of: date,
    *,
    drift: Sequence[Mapping[str, Any]],
    performance: Sequence[Mapping[str, Any]],
) -> list[dict[str, Any]]:
    """Write down why the serving version should be trained again, unless it rests; a reason that is gone lapses.

    Args:
        runtime: The runtime.
        model: The model.
        served: The version that serves.
        as_of: The day.
        drift: The day's rows of ``model_drift`` of this version.
        performance: The day's rows of ``model_performance`` of the model.

    Returns:
        The requests that are open now.
    """
    own = next((row for row in performance if row["model_version"] == served.version), {})
    reasons = {
        "age": _age(served, as_of),
        "skill": below_promise(own),
        "prediction_drift": _predictions(drift),
        "feature_drift": _features(drift),
        "label_drift": _labels(drift),
        "fallback": _fallback(runtime, model, served),
    }
    known = REQUESTS.read(runtime, [("model_name", "=", model)]).to_pylist()
    resting = _rests(runtime, model, known, as_of)
    open_now = [row for row in known if row["state"] == OPEN]
    before = {row["reason"]: row for row in open_now if row["model_version"] == served.version}
    rows = [
        _row(model, served.version, reason, description, as_of, before.get(reason))
        for reason, description in reasons.items()
        if description and not resting
    ]
    kept = {tuple(row[name] for name in REQUESTS.keys) for row in rows}
    lapsed = [row | {"state": LAPSED} for row in open_now if tuple(row[name] for name in REQUESTS.keys) not in kept]
    REQUESTS.merge(runtime, rows + lapsed)
    return rows


def _row(
    model: str, version: int, reason: str, description: str, as_of: date, before: Mapping[str, Any] | None
) -> dict[str, Any]:
    return {
        "model_name": model,
        "model_version": version,
        "reason": reason,
        "says": description,
        "urgency": "high" if reason == "skill" else "normal",
        "requested_on": min(before["requested_on"], as_of) if before else as_of,
        "last_seen_on": max(before["last_seen_on"], as_of) if before else as_of,
        "state": OPEN,
    }


def open_requests(runtime: Runtime, model: str | None = None) -> list[dict[str, Any]]:
    """Return the open requests, of one model or of all."""
    where = [("state", "=", OPEN)] + ([("model_name", "=", model)] if model else [])
    rows: list[dict[str, Any]] = REQUESTS.read(runtime, where).to_pylist()
    return rows


def take(runtime: Runtime, model: str, version: int | None, on: date) -> int:
    """Mark a model's open requests as taken by a training.

    Args:
        runtime: The runtime.
        model: The model.
        version: Version that the training registered.
        on: Newest day that the training knew.

    Returns:
        Requests taken.
    """
    taken = {"state": TAKEN, "taken_by_version": version, "taken_on": on}
    rows = [row | taken for row in open_requests(runtime, model)]
    return REQUESTS.merge(runtime, rows)


def _rests(runtime: Runtime, model: str, known: Sequence[Mapping[str, Any]], as_of: date) -> bool:
    """Tell whether a training was so short ago that another would learn nearly the same, whatever asks for it.

    One change shows itself in another way each day; and where no champion holds the place, each training serves at
    once and would ask for the next.
    """
    asked = [row["taken_on"] or row["last_seen_on"] for row in known if row["state"] == TAKEN]
    by_gate = [("model_name", "=", model), ("decided_by", "=", "gate")]
    trained = DECISIONS.read(runtime, by_gate, columns=["as_of_date"])["as_of_date"].to_pylist()
    return any(as_of - day < REST for day in asked) or any(as_of - day < FRESH for day in trained)


def _age(served: Served, as_of: date) -> str:
    trained, limit = served.facts.get("as_of"), served.facts.get("retrain_after_days")
    if not trained or not limit:
        return ""
    due = date.fromisoformat(trained) + timedelta(days=int(limit))
    return f"trained on what was known on {trained}: older than {limit} days" if as_of > due else ""


def _predictions(drift: Sequence[Mapping[str, Any]]) -> str:
    for row in drift:
        if row["kind"] == "prediction" and row["level"] == "drift" and abs(row.get("shift") or 0.0) > SIGMAS:
            return str(row["says"])
    return ""


def _features(drift: Sequence[Mapping[str, Any]]) -> str:
    found = [row for row in drift if row["kind"] == "feature" and row["level"] == "drift"]
    if len(found) < DRIFTED_FEATURES:
        return ""
    worst = sorted(found, key=lambda row: -(row.get("psi") or 0.0))[:DRIFTED_FEATURES]
    return f"{len(found)} features drift, most of all {', '.join(str(row['name']) for row in worst)}"


def _labels(drift: Sequence[Mapping[str, Any]]) -> str:
    for row in drift:
        if row["kind"] == "label" and row["level"] == "drift" and (row.get("ks_p") or 1.0) < LABEL_P:
            return str(row["says"])
    return ""


def _fallback(runtime: Runtime, model: str, served: Served) -> str:
    """A fallback serves although outcomes show that the labels can be learnt by now."""
    from framework.tables.declared import OUTCOMES
    from framework.training.verdict import judge

    if not served.is_fallback:
        return ""
    trainer = runtime.plugins.trainers[model].item
    rows = OUTCOMES.read(runtime, [("model_name", "=", model)], columns=["label_name", "outcome"]).to_pandas()
    labels = list(trainer.spec.labels)
    for label in labels:
        known = rows[rows["label_name"] == label]["outcome"].dropna()
        if len(known) and judge(known.to_frame(label), trainer.task).kind == "learnable":
            return f"a fallback serves, and {len(known)} outcomes show that {label} can be learnt now"
    return ""

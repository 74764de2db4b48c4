"""Each model's card: what it is, how it does beside baseline and promise, what it rests on, how it drifts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from framework.declare.model import Task
from framework.ops.report import readable
from framework.ops.report.card_facts import Card, HeatMap, Line
from framework.ops.report.history import History, history
from framework.ops.report.reading import DRIFT_DAYS, of
from framework.ops.report.trends import no_outcome
from framework.training.learners import algorithm_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from framework.ops.report.reading import Reader, Rows

FEATURES = 12
IMPORTANT = 10
SENTENCES = 6
VERSION_LINES = 4


def cards(reader: Reader, scrub: Callable[[str], str]) -> tuple[Card, ...]:
    """Return one card per model.

    Args:
        reader: The tables.
        scrub: Takes this machine's folders out of a text.
    """
    return tuple(_card(reader, model, history(reader, model, scrub)) for model in reader.models)


def _card(reader: Reader, model: str, known: History) -> Card:
    spec, rows = reader.spec(model), of(reader.performance, model)
    newest = _newest(rows, known.answers)
    calibration = _calibration(newest)
    importance = sorted(known.importance.items(), key=lambda pair: -pair[1])
    drift, drift_says = _drift(of(reader.drift, model))
    offer = reader.runtime.plugins.trainers[model]
    return Card(
        model=model,
        domain=offer.domain,
        status=known.status,
        tone="bad" if newest and (newest["skill"] or 0.0) < 0 else known.tone,
        skill=_skill(newest),
        facts=(
            ("Question", spec.question),
            ("Label", spec.label_description),
            ("What to do", spec.action),
            ("Unit and horizon", f"{spec.unit}, {readable.quantity(spec.horizon.total_seconds(), 'seconds')} ahead"),
            ("Type and algorithm", f"{reader.task(model)}, {algorithm_of(offer.item().estimator())}"),
            *_leakage(known.leakage),
            *_by_verdict(newest),
        ),
        metric=_metric(reader, model, newest),
        unit=reader.unit(model),
        lines=_lines(rows),
        performance_says=_performance_says(reader, model, newest),
        calibration=calibration,
        calibration_says=_calibration_says(reader, model, newest, calibration),
        importance=tuple(importance[:IMPORTANT]),
        importance_says=known.importance_says,
        drift=drift,
        drift_says=drift_says,
        versions=known.versions,
        versions_says=known.versions_says,
        requests=tuple(_request(row) for row in of(reader.requests, model)),
    )


def _leakage(verdicts: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    if not verdicts:
        return ()
    asked = [check for check, verdict in verdicts.items() if verdict != "pass"]
    passed = f"{len(verdicts) - len(asked)} of {len(verdicts)} passed"
    return (("Leakage checks", f"{passed}; unanswered: {', '.join(asked)}" if asked else passed),)


def _newest(rows: Rows, version: int | None) -> dict[str, Any] | None:
    """Return the newest figures, of the version that answers where there are some."""
    mine = [row for row in rows if row["model_version"] == version] or rows
    return mine[-1] if mine else None


def _metric(reader: Reader, model: str, newest: dict[str, Any] | None) -> str:
    if newest is None or not newest["metric"]:
        return ""
    unit = reader.unit(model)
    return f"{readable.spoken(newest['metric'])}{f' in {unit}' if unit else ''}"


def _skill(newest: dict[str, Any] | None) -> str:
    if newest is None or newest["skill"] is None:
        return ""
    return f"skill {newest['skill']:+.2f}"


def _by_verdict(newest: dict[str, Any] | None) -> tuple[tuple[str, str], ...]:
    share = newest["precision_by_verdict"] if newest else None
    return (
        () if share is None else (("Alerts that were real", f"{readable.percent(share)} of those judged by a person"),)
    )


def _performance_says(reader: Reader, model: str, newest: dict[str, Any] | None) -> str:
    if newest is None:
        return no_outcome(reader, model)
    unit = reader.unit(model)
    value, baseline, promised = (readable.quantity(newest[name], unit) for name in ("value", "baseline", "promised"))
    description = f"Version {newest['model_version']}: {readable.spoken(newest['metric'] or 'metric')} {value} over "
    rows, days = newest["rows"] or 0, newest["window_days"] or 0
    description += f"{readable.plural(rows, 'prediction')} of {readable.plural(days, 'day')}; "
    description += f"the baseline has {baseline}, training promised {promised}."
    if newest["skill"] is not None:
        description += f" Skill {newest['skill']:+.2f}"
        if newest["skill_low"] is not None and newest["skill_high"] is not None:
            description += f" (90 % interval {newest['skill_low']:+.2f} to {newest['skill_high']:+.2f})"
        description += f", promised {newest['promised_skill']:+.2f}." if newest["promised_skill"] is not None else "."
    if newest["coverage"] is not None:
        description += f" {readable.percent(newest['coverage'])} of the outcomes lie between the quantiles."
    return description


def _lines(rows: Rows) -> tuple[Line, ...]:
    """Return a line per version, and baseline and promise of the newest version of each day."""
    versions = sorted({row["model_version"] for row in rows})[-VERSION_LINES:]
    lines = [
        Line(name=f"version {v}", kind="model", points=_series([r for r in rows if r["model_version"] == v], "value"))
        for v in versions
    ]
    by_day = {row["as_of_date"]: row for row in sorted(rows, key=lambda r: (r["as_of_date"], r["model_version"]))}
    leading = list(by_day.values())
    lines.append(Line(name="baseline", kind="baseline", points=_series(leading, "baseline")))
    lines.append(Line(name="promised at training", kind="promise", points=_series(leading, "promised")))
    return tuple(line for line in lines if line.points)


def _series(rows: Rows, column: str) -> tuple[tuple[Any, float], ...]:
    return tuple((row["as_of_date"], row[column]) for row in rows if row[column] is not None)


def _calibration(newest: dict[str, Any] | None) -> tuple[tuple[float, float, float], ...]:
    stored = json.loads(newest["calibration"]) if newest and newest["calibration"] else []
    return tuple((float(said), float(seen), float(rows)) for said, seen, rows in stored)


def _calibration_says(
    reader: Reader, model: str, newest: dict[str, Any] | None, plotted: tuple[tuple[float, float, float], ...]
) -> str:
    if reader.task(model) in (Task.REGRESSION, Task.ANOMALY):
        return "It gives no probabilities: there is nothing to calibrate."
    if not plotted or newest is None:
        return "No outcome is known to compare its probabilities with."
    error = newest["calibration_error"]
    mean = f"On average, forecast and observed rate differ by {readable.percent(error)}." if error is not None else ""
    return mean or "Forecast and observed rate by tenth."


def _drift(rows: Rows) -> tuple[HeatMap | None, tuple[str, ...]]:
    if not rows:
        return None, (f"Drift was not measured in the last {DRIFT_DAYS} days.",)
    # Where two versions were watched on one day, the newer one is shown.
    leading: dict[Any, int] = {}
    for row in rows:
        leading[row["as_of_date"]] = max(leading.get(row["as_of_date"], 0), row["model_version"])
    rows = [row for row in rows if row["model_version"] == leading[row["as_of_date"]]]
    last = max(leading)
    found = [row for row in rows if row["as_of_date"] == last and row["says"]]
    found.sort(key=lambda row: (row["kind"] == "feature", row["level"] != "drift", -(row["psi"] or 0.0)))
    description = [row["says"] for row in found[:SENTENCES]]
    if len(found) > SENTENCES:
        description.append(f"And {len(found) - SENTENCES} more findings.")
    return _heat_map([row for row in rows if row["kind"] == "feature"]), tuple(description) or (
        f"Nothing drifts on {readable.day(last)}.",
    )


def _heat_map(rows: Rows) -> HeatMap | None:
    if not rows:
        return None
    by_feature: dict[str, Rows] = {}
    for row in rows:
        by_feature.setdefault(row["name"], []).append(row)
    highest = {name: max((r["psi"] or 0.0 for r in found), default=0.0) for name, found in by_feature.items()}
    shown = sorted(by_feature, key=lambda name: -highest[name])[:FEATURES]
    table = [
        (
            name,
            readable.number(by_feature[name][-1]["psi"]),
            readable.number(highest[name]),
            str(sum(row["level"] == "drift" for row in by_feature[name])),
        )
        for name in shown
    ]
    return HeatMap(
        days=tuple(sorted({row["as_of_date"] for row in rows})),
        features=tuple(shown),
        levels={(row["name"], row["as_of_date"]): row["level"] for name in shown for row in by_feature[name]},
        rows=tuple(table),
        more=len(by_feature) - len(shown),
    )


def _request(row: dict[str, Any]) -> str:
    urgent = "high urgency: " if row["urgency"] == "high" else ""
    return f"{urgent}{row['says'] or readable.spoken(row['reason'])} (since {readable.day(row['requested_on'])})"

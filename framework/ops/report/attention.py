"""What needs attention: open alerts, and the predictions of the day that stand out."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from framework.declare.model import Task
from framework.ops.report import readable
from framework.ops.report.facts import Alert, Answer, Attention, Domain
from framework.ops.report.reading import TREND_DAYS, keys_of, of
from framework.tables.table import entity_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

    from framework.ops.report.reading import Reader, Rows, Served

ALERTS_SHOWN = 5
ANSWERS_SHOWN = 3
SEVERITIES = ("critical", "warning", "info")
KNOWN_DAYS = 10
"""Known outcomes of an entity below which their range says little."""
NOTHING_ODD = "no leading feature lies outside its usual range"


def attention(reader: Reader, served: Mapping[str, Served | None], not_run: Mapping[str, str]) -> tuple[Domain, ...]:
    """Return what each domain asks attention for, in declared order.

    Args:
        reader: The tables.
        served: The day's predictions by model.
        not_run: Why a model has none, where the ledger knows.
    """
    domains: dict[str, tuple[list[Attention], list[str]]] = {}
    for model in reader.models:
        loud, quiet = domains.setdefault(reader.runtime.plugins.trainers[model].domain, ([], []))
        answers = served[model]
        if answers is None:
            description = f"no prediction for {readable.day(reader.day)}"
            description += f": {not_run[model]}" if model in not_run else ""
            found = _attention(reader, model, (), description, [], 0)
        else:
            chosen, total, description = _standing_out(reader, model, answers.rows)
            found = _attention(reader, model, answers.marks, description, chosen, total)
        if found.alerts or found.answers:
            loud.append(found)
        else:
            quiet.append(f"{model}: {description}")
    return tuple(
        Domain(name=name, models=tuple(sorted(loud, key=_most_severe)), quiet=tuple(quiet))
        for name, (loud, quiet) in domains.items()
    )


def _most_severe(found: Attention) -> int:
    return min((_rank(alert.severity) for alert in found.alerts), default=len(SEVERITIES))


def _rank(severity: str) -> int:
    return SEVERITIES.index(severity) if severity in SEVERITIES else len(SEVERITIES) - 1


def _attention(
    reader: Reader, model: str, marks: tuple[str, ...], description: str, chosen: Rows, total: int
) -> Attention:
    spec = reader.spec(model)
    alerts = sorted(of(reader.alerts, model), key=lambda row: (_rank(row["severity"]), str(row["first_day"])))
    alerted = {row["entity"] for row in alerts[:ALERTS_SHOWN]}
    others = [row for row in chosen if entity_key(reader, model, row) not in alerted]
    rest = others[:ANSWERS_SHOWN]
    return Attention(
        model=model,
        question=spec.question,
        action=spec.action,
        marks=marks,
        description=description,
        alerts=tuple(_alert(row) for row in alerts[:ALERTS_SHOWN]),
        more_alerts=max(0, len(alerts) - ALERTS_SHOWN),
        answers=tuple(_answer(reader, model, row) for row in rest),
        more_answers=total - (len(chosen) - len(others)) - len(rest),
    )


def entity_key(reader: Reader, model: str, row: Mapping[str, Any]) -> str:
    """Return the entity of a prediction row, as the monitoring tables write it."""
    return entity_of({key: row[key] for key in reader.grain(model).keys})


def _alert(row: Mapping[str, Any]) -> Alert:
    days = len(json.loads(row["days"])) if row["days"] else 1
    since = f"since {readable.day(row['first_day'])}"
    if row["opened_on"] and row["opened_on"] != row["first_day"]:
        since += f", again since {readable.day(row['opened_on'])}"
    if row["last_day"] and row["last_day"] != row["first_day"]:
        since += f", seen on {readable.plural(days, 'day')}, last on {readable.day(row['last_day'])}"
    return Alert(
        id=row["alert_id"],
        severity=row["severity"] or "info",
        about=readable.entity(keys_of(row["entity"])) if row["entity"] else "the model itself",
        reason=row["reason"] or "",
        action=row["action"] or "",
        since=since,
        state=row["state"],
    )


def _answer(reader: Reader, model: str, row: Mapping[str, Any]) -> Answer:
    declared = reader.features(model)
    told = [readable.reason(r, declared) for r in row["reasons"] or () if r["feature"] is not None]
    outside = tuple(text for text, is_outside in told if is_outside)
    keys = {key: row[key] for key in reader.grain(model).keys}
    return Answer(
        about=readable.entity(keys), description=answer_says(reader, model, row), why=outside or (NOTHING_ODD,)
    )


def answer_says(reader: Reader, model: str, row: Mapping[str, Any]) -> str:
    """Return a prediction in words, with its unit."""
    task, value = reader.task(model), row["prediction"]
    if task is Task.ANOMALY:
        return f"stranger than {readable.percent(value)} of what training saw"
    if task is Task.BINARY:
        return f"{readable.percent(value)} likely"
    if task is Task.MULTICLASS:
        return f"{row['predicted_class']}, {readable.percent(row['probability'])} likely"
    if task is Task.MULTILABEL:
        likely = sorted(dict(row["flags"] or ()).items(), key=lambda pair: -pair[1])
        each = ", ".join(f"{readable.spoken(n)} {readable.percent(p)}" for n, p in likely[: max(1, int(value or 0))])
        return f"{int(value or 0)} of {len(likely)} expected; most likely {each}"
    unit, description = reader.unit(model), readable.quantity(value, reader.unit(model))
    low, high = row["prediction_p10"], row["prediction_p90"]
    if low is None or high is None:
        return description
    return f"{description}; in eight of ten cases {readable.span(low, high, unit)}"


def _standing_out(reader: Reader, model: str, rows: pa.Table) -> tuple[Rows, int, str]:
    """Return the predictions to show, how many stand out, and by which rule."""
    from framework.stores.arrow import pc

    task, every = reader.task(model), f"{len(rows):,}"
    if task is Task.REGRESSION:
        return _unseen(reader, model, rows)
    if task is Task.MULTICLASS:
        return _rarest_class(rows)
    if task is Task.ANOMALY:
        found, description = rows.filter(pc.equal(rows["is_anomaly"], 1)), "flagged"
    elif task is Task.BINARY:
        found, description = rows.filter(pc.equal(rows["predicted_class"], "1")), "at or above the decision threshold"
    else:
        found, description = rows.filter(pc.greater(rows["prediction"], 0)), "with at least one of the labels expected"
    return _top(found, [("prediction", "descending")]), len(found), f"{len(found):,} of {every} {description}"


def _top(rows: pa.Table, order: list[tuple[str, str]]) -> Rows:
    from framework.stores.arrow import pc

    found: Rows = rows.take(pc.sort_indices(rows, order)[: ALERTS_SHOWN + ANSWERS_SHOWN]).to_pylist()
    return found


def _rarest_class(rows: pa.Table) -> tuple[Rows, int, str]:
    """The rarest class of the day stands out; a class that most entities get is the normal state."""
    import pyarrow as pa

    from framework.stores.arrow import pc

    given = rows.filter(pc.is_valid(rows["predicted_class"]))
    counts = {c["values"]: c["counts"] for c in pc.value_counts(given["predicted_class"]).to_pylist()}
    silent = len(rows) - len(given)
    description = ", ".join(f"{count:,} {name}" for name, count in sorted(counts.items(), key=lambda pair: pair[1]))
    description = (description or "no class given") + (f"; {silent:,} without an answer" if silent and counts else "")
    if not counts:
        return [], 0, description
    size = pa.array([counts[name] for name in given["predicted_class"].to_pylist()])
    ordered = given.append_column("_size", size)
    return _top(ordered, [("_size", "ascending"), ("probability", "descending")]), min(counts.values()), description


def _unseen(reader: Reader, model: str, rows: pa.Table) -> tuple[Rows, int, str]:
    """Forecasts outside everything that the entity's known outcomes showed; without outcomes, the highest."""
    ranges = outcome_ranges(reader, model)
    if not ranges:
        description = (
            f"the highest of {readable.plural(len(rows), 'forecast')}; no outcome is known yet to compare them with"
        )
        return _top(rows, [("prediction", "descending")]), len(rows), description
    outside = []
    for row in rows.to_pylist():
        low, high = ranges.get(entity_key(reader, model, row), (None, None))
        if low is not None and high is not None and row["prediction"] is not None:
            away = max(row["prediction"] - high, low - row["prediction"])
            if away > 0:
                outside.append((away / max(high - low, abs(high), 1e-9), row))
    outside.sort(key=lambda pair: -pair[0])
    description = (
        f"{len(outside):,} of {readable.plural(len(rows), 'forecast')} outside all outcomes of {TREND_DAYS} days"
    )
    return [row for _, row in outside[: ALERTS_SHOWN + ANSWERS_SHOWN]], len(outside), description


def outcome_ranges(reader: Reader, model: str) -> dict[str, tuple[float, float]]:
    """Return the lowest and the highest known outcome per entity, where enough are known."""
    from framework.stores.arrow import pc

    known = reader.outcomes.filter(pc.equal(reader.outcomes["model_name"], model))
    found = known.group_by("entity").aggregate([("outcome", "min"), ("outcome", "max"), ("outcome", "count")])
    return {
        row["entity"]: (row["outcome_min"], row["outcome_max"])
        for row in found.to_pylist()
        if row["outcome_count"] >= KNOWN_DAYS
    }

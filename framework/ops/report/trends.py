"""How it went: forecasts beside what happened, and the days on which something was flagged."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

from framework.core.versions import CHAMPION
from framework.declare.model import Task
from framework.ops.report import readable
from framework.ops.report.attention import answer_says, entity_key
from framework.ops.report.facts import Forecast, Forecaster, Point, Strip, Timeline
from framework.ops.report.reading import TREND_DAYS, keys_of
from framework.tables.table import entity_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from framework.ops.report.reading import Reader, Rows, Served

ENTITIES = 3
STRIPS = 8


def forecasts(reader: Reader, served: Mapping[str, Served | None]) -> tuple[Forecaster, ...]:
    """Return the regression models with the forecasts of their largest entities.

    Args:
        reader: The tables.
        served: The day's predictions by model.
    """
    return tuple(_forecaster(reader, m, served[m]) for m in reader.models if reader.task(m) is Task.REGRESSION)


def _forecaster(reader: Reader, model: str, answers: Served | None) -> Forecaster:
    from framework.stores.arrow import pc

    rows: Rows = []
    if answers is not None:
        order = pc.sort_indices(answers.rows, [("prediction", "descending")])[:ENTITIES]
        rows = answers.rows.take(order).to_pylist()
    past = _past(reader, model, [entity_key(reader, model, row) for row in rows])
    description = ""
    if answers is None:
        description = f"No forecast was made for {readable.day(reader.day)}."
    elif not any(past.values()):
        description = no_outcome(reader, model)
    return Forecaster(
        model=model,
        question=reader.spec(model).question,
        marks=answers.marks if answers else (),
        description=description,
        forecasts=tuple(_forecast(reader, model, row, past[entity_key(reader, model, row)]) for row in rows),
    )


def no_outcome(reader: Reader, model: str) -> str:
    """Return a sentence that says why nothing is known of a model's track record, and until when."""
    end = reader.first_target_end(model)
    if end is None:
        return "No outcome is known: the model has never answered."
    if end > reader.day:
        return f"No outcome is known yet: the first label window ends on {readable.day(end)}."
    return f"No outcome is known, though the first label window ended on {readable.day(end)}."


def _past(reader: Reader, model: str, entities: list[str]) -> dict[str, tuple[Point, ...]]:
    """Return past forecasts with their outcome per entity: one a day, the champion's where there are several."""
    import pyarrow as pa

    from framework.stores.arrow import pc

    table = reader.outcomes
    chosen = pc.and_(
        pc.equal(table["model_name"], model), pc.is_in(table["entity"], value_set=pa.array(entities, pa.string()))
    )
    found: dict[str, dict[date, Any]] = {entity: {} for entity in entities}
    rows = table.filter(chosen).to_pylist()
    for row in sorted(rows, key=lambda one: (one["served_as"] == CHAMPION, one["model_version"])):
        found[row["entity"]][row["as_of_date"]] = row
    return {entity: tuple(_point(by_day[day]) for day in sorted(by_day)) for entity, by_day in found.items()}


def _point(row: Mapping[str, Any]) -> Point:
    low, high = row["prediction_p10"], row["prediction_p90"]
    return Point(day=row["as_of_date"], prediction=row["prediction"], low=low, high=high, outcome=row.get("outcome"))


def _forecast(reader: Reader, model: str, row: Mapping[str, Any], past: tuple[Point, ...]) -> Forecast:
    return Forecast(
        about=readable.entity({key: row[key] for key in reader.grain(model).keys}),
        unit=reader.unit(model),
        description=answer_says(reader, model, row),
        past=past,
        newest=_point({**row, "as_of_date": reader.day, "outcome": None}),
    )


def anomalies(reader: Reader, served: Mapping[str, Served | None]) -> tuple[Timeline, ...]:
    """Return what each anomaly model flagged, by day.

    Args:
        reader: The tables.
        served: The day's predictions by model.
    """
    return tuple(_timeline(reader, m, served[m]) for m in reader.models if reader.task(m) is Task.ANOMALY)


def _timeline(reader: Reader, model: str, answers: Served | None) -> Timeline:
    keys = reader.grain(model).keys
    flagged: dict[str, set[date]] = defaultdict(set)
    for row in reader.flagged(model):
        flagged[entity_of({key: row[key] for key in keys})].add(row["as_of_date"])
    counts = Counter(day for days in flagged.values() for day in days)
    ranked = sorted(flagged, key=lambda entity: (-max(flagged[entity]).toordinal(), -len(flagged[entity]), entity))
    return Timeline(
        model=model,
        question=reader.spec(model).question,
        marks=answers.marks if answers else (),
        description=_flagged_says(reader, counts, len(flagged), answers),
        first=reader.first,
        last=reader.day,
        counts=dict(sorted(counts.items())),
        strips=tuple(
            Strip(about=readable.entity(keys_of(entity)), days=tuple(sorted(flagged[entity])))
            for entity in ranked[:STRIPS]
        ),
        more=max(0, len(ranked) - STRIPS),
    )


def _flagged_says(reader: Reader, counts: Counter[date], entities: int, answers: Served | None) -> str:
    today = "the newest day was not scored" if answers is None else f"{counts.get(reader.day, 0):,} on the newest day"
    if not counts:
        return f"Nothing was flagged in the last {TREND_DAYS} days; {today}."
    busiest = max(counts, key=lambda day: (counts[day], day))
    return (
        f"{readable.plural(entities, 'entity', 'entities')} flagged on {readable.plural(len(counts), 'day')} of the "
        f"last {TREND_DAYS}; most on {readable.day(busiest)} ({counts[busiest]:,}); {today}."
    )

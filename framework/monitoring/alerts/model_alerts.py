"""Raises alerts about models and tables: drift, skill under its promise, units that failed."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from framework.monitoring.alerts.alerts import gap_of
from framework.monitoring.alerts.book import Page, update
from framework.monitoring.alerts.rules import Finding
from framework.monitoring.outcomes.performance import below_promise
from framework.tables.declared import ALERTS, DRIFT, PERFORMANCE, SERVING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date

    from framework.gold.runtime import Runtime

    Row = Mapping[str, Any]

NAMED_COLUMNS = 3
REOPENS = 30
"""Days after its end within which a drift that comes back opens the old alert again, and makes no new one."""
RETRAIN = "look at what changed, and train the model again"


@dataclasses.dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of one model and one kind of finding, by day.

    Args:
        days: Days that can be judged.
        found: The finding of each day that has one.
    """

    days: set[date] = dataclasses.field(default_factory=set)
    found: dict[date, Finding] = dataclasses.field(default_factory=dict)


def raise_model_alerts(runtime: Runtime, as_of: date) -> int:
    """Raise, prolong and resolve the alerts about models that other tables give rise to on a day.

    Args:
        runtime: The runtime; its filters of domains and models choose the models.
        as_of: The day.

    Returns:
        Alerts inserted or changed.
    """
    models = runtime.plugins.select_models(runtime.settings.domains, runtime.settings.models)
    known = {"drift": _drift(runtime, as_of), "skill": _skill(runtime, as_of), "failure": _failures(runtime, as_of)}
    stored = ALERTS.read(runtime, [("kind", "in", list(known))], ["kind", "model_name"]).to_pylist()
    standing = {(row["kind"], row["model_name"]) for row in stored}
    names = [*models, *runtime.plugins.select_tables(models, ())]
    changed = 0
    for kind, evidence in known.items():
        for name in names:
            one = evidence.get(name, Evidence())
            # A kind without any evidence of the day, such as a unit that this run left out, says nothing.
            if as_of in one.days and (one.found or (kind, name) in standing):
                changed += update(runtime, _page(runtime, kind, name, as_of, one))
    return changed


def _page(runtime: Runtime, kind: str, name: str, as_of: date, evidence: Evidence) -> Page:
    plugins = runtime.plugins
    is_model = name in plugins.trainers
    newest = max(evidence.days)
    pause = 1 if kind == "failure" else gap_of(plugins.trainers[name].item.spec)
    found, last = evidence.found.get(as_of), evidence.found.get(newest)

    def look_back(day: date) -> Iterable[Finding]:
        earlier = {"drift": _drift, "skill": _skill, "failure": _failures}[kind](runtime, day).get(name, Evidence())
        return [earlier.found[day]] if day in earlier.found else []

    return Page(
        name=name,
        domain=(plugins.trainers if is_model else plugins.builders)[name].domain,
        use_case=plugins.trainers[name].item.spec.use_case if is_model else "",
        kinds=(kind,),
        gap=max(REOPENS, pause) if kind == "drift" else pause,
        pause=pause,
        day=as_of,
        newest=newest,
        found=[found] if found else [],
        holding={last.subject} if last else set(),
        look_back=look_back,
    )


def _drift(runtime: Runtime, since: date) -> dict[str, Evidence]:
    """Return the drift of the newest version that was compared, from a day on."""
    by_day: dict[tuple[str, date], list[Row]] = defaultdict(list)
    for row in DRIFT.read(runtime, [("as_of_date", ">=", since)]).to_pylist():
        by_day[row["model_name"], row["as_of_date"]].append(row)
    known: dict[str, Evidence] = defaultdict(Evidence)
    for (model, day), rows in by_day.items():
        version = max(row["model_version"] for row in rows)
        known[model].days.add(day)
        drifted = [row for row in rows if row["level"] == "drift" and row["model_version"] == version]
        if drifted:
            known[model].found[day] = _drifted(drifted, version)
    return known


def _drifted(rows: list[Row], version: int) -> Finding:
    rows = sorted(rows, key=lambda row: (-(row["psi"] or 0.0), row["kind"], row["name"]))
    named = [str(row["says"] or row["name"]) for row in rows[:NAMED_COLUMNS]]
    more = len(rows) - len(named)
    return Finding(
        kind="drift",
        entity="",
        severity="warning",
        reason="; ".join([*named, *([f"{more} more"] if more else [])]),
        action=RETRAIN,
        model_version=version,
    )


def _skill(runtime: Runtime, since: date) -> dict[str, Evidence]:
    """Return the days from a day on, on which the version that served lay surely under its promise."""
    where = [("as_of_date", ">=", since)]
    columns = ["model_name", "as_of_date", "model_version"]
    rows = SERVING.read(runtime, where, columns=columns).to_pylist()
    serving = {(row["model_name"], row["as_of_date"]): row["model_version"] for row in rows}
    known: dict[str, Evidence] = defaultdict(Evidence)
    for row in PERFORMANCE.read(runtime, where).to_pylist():
        one, day = known[row["model_name"]], row["as_of_date"]
        version = serving.get((row["model_name"], day))
        if version is None:  # nothing served on that day, so there is nobody to judge
            continue
        one.days.add(day)  # a version that serves without any outcome yet is under no promise either
        if row["model_version"] == version and (description := below_promise(row)):
            one.found[day] = Finding(
                kind="skill",
                entity="",
                severity="critical",
                reason=description,
                action=RETRAIN,
                model_version=row["model_version"],
            )
    return known


def _failures(runtime: Runtime, since: date) -> dict[str, Evidence]:
    """Return the units that failed, by model or table: what the newest result of each says, from a day on."""
    from framework.tables.declared import LEDGER  # the pipeline calls this module

    name = runtime.feature_table(LEDGER)
    if not runtime.tables.exists(name):
        return {}
    columns = ["unit", "as_of_date", "recorded_at", "status", "reason"]
    rows = runtime.tables.read(name, columns=columns, where=[("as_of_date", ">=", since)]).to_pylist()
    newest = {(row["unit"], row["as_of_date"]): row for row in sorted(rows, key=lambda row: row["recorded_at"])}
    known: dict[str, Evidence] = defaultdict(Evidence)
    failed: dict[tuple[str, date], list[Row]] = defaultdict(list)
    for (unit, day), row in newest.items():
        subject = unit.partition(":")[2]
        known[subject].days.add(day)
        if row["status"] == "failed":
            failed[subject, day].append(row)
    for (subject, day), units in failed.items():
        stages = sorted((row["unit"].partition(":")[0], row["reason"]) for row in units)
        known[subject].found[day] = Finding(
            kind="failure",
            entity="",
            severity="critical",
            reason="; ".join(f"{stage}: {reason}" for stage, reason in stages),
            action="mend what the message names, then repeat it: add --resume to the command of the run",
        )
    return known

"""Alerts as rows: one per finding and stretch of days, the same whichever order the days come in."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

from framework.declare.table import short_hash
from framework.monitoring.alerts import deliveries
from framework.tables.declared import ALERTS
from framework.tables.verdicts import days_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from datetime import date

    from framework.gold.runtime import Runtime
    from framework.monitoring.alerts.rules import Finding

    Row = dict[str, Any]
    Subject = tuple[str, str]

MONITOR = "monitor"
OPEN, ACKNOWLEDGED, RESOLVED = "open", "acknowledged", "resolved"
DETAILS = ("severity", "reason", "action", "prediction", "model_version")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """The alerts of one model (or table) that are decided together.

    Args:
        name: The model.
        domain: Its domain.
        use_case: Its use case.
        kinds: Kinds of alerts; others of the model stay untouched.
        gap: Days without the finding after which it counts as a new one.
        pause: Days without it, at most ``gap``, after which the old one is opened again, and sent again.
        day: The day that was judged.
        newest: The newest day that can be judged, ``day`` or later.
        found: What the day raised.
        holding: What holds on the newest day, also beyond the cap.
        look_back: Returns what another day raised; asked where a row's newest day changes.
    """

    name: str
    domain: str
    use_case: str
    kinds: tuple[str, ...]
    gap: int
    pause: int
    day: date
    newest: date
    found: Sequence[Finding]
    holding: Collection[Subject]
    look_back: Callable[[date], Iterable[Finding]]


def stretches(days: Iterable[date], gap: int) -> list[list[date]]:
    """Return days in order, cut wherever more than ``gap`` days without the finding lie between two of them."""
    found: list[list[date]] = []
    for day in sorted(days):
        if found and (day - found[-1][-1]).days <= gap + 1:
            found[-1].append(day)
        else:
            found.append([day])
    return found


def closed_by_person(row: Mapping[str, Any]) -> bool:
    """Tell whether a person closed an alert: it never changes again."""
    return row["closed_by"] not in (None, MONITOR)


def update(runtime: Runtime, page: Page) -> int:
    """Bring the alerts of a page in line with what its day raised.

    Args:
        runtime: The runtime.
        page: What was found.

    Returns:
        Rows inserted, changed or taken out.
    """
    where = [("model_name", "=", page.name), ("kind", "in", list(page.kinds))]
    stored: dict[Subject, list[Row]] = {}
    for row in ALERTS.read(runtime, where).to_pylist():
        stored.setdefault((row["kind"], row["entity"]), []).append(row)
    today = {found.subject: found for found in page.found}
    rows: list[Row] = []
    gone: dict[str, str] = {}
    for subject in sorted({*stored, *today}):
        frozen = [row for row in stored.get(subject, ()) if closed_by_person(row)]
        live = [row for row in stored.get(subject, ()) if not closed_by_person(row)]
        made = _rows(runtime, page, subject, live, _new_day(page, today.get(subject), frozen))
        rows += made
        gone |= _absorbed(live, made)
    changed = ALERTS.merge(runtime, rows)
    if gone:
        # What was sent under an old name was sent: the row that took it over is not news.
        deliveries.carry(runtime, gone)
        ALERTS.delete(runtime, list(gone))
    return changed + len(gone)


def _new_day(page: Page, found: Finding | None, frozen: Iterable[Row]) -> Finding | None:
    """Return the day's finding, unless a person closed it within the gap."""
    for row in frozen:
        if (row["first_day"] - page.day).days <= page.gap + 1 and (page.day - row["last_day"]).days <= page.gap + 1:
            return None
    return found


def _rows(runtime: Runtime, page: Page, subject: Subject, live: list[Row], found: Finding | None) -> list[Row]:
    """Return the rows that the days of a subject make, with the page's day as it was judged now."""
    days = {day for row in live for day in days_of(row)} - {page.day}
    if found is not None:
        days.add(page.day)
    made = []
    for stretch in (cut := stretches(days, page.gap)):
        before = [row for row in live if not set(stretch).isdisjoint(days_of(row))]
        facts = {
            "alert_id": short_hash([*subject, page.name, stretch[0].isoformat()]),
            "kind": subject[0],
            "model_name": page.name,
            "domain": page.domain,
            "use_case": page.use_case,
            "entity": subject[1],
            "first_day": stretch[0],
            "opened_on": stretches(stretch, page.pause)[-1][0],
            "last_day": stretch[-1],
            "days": json.dumps([day.isoformat() for day in stretch]),
        }
        holds = stretch is cut[-1] and subject in page.holding
        state = _state(runtime, page, before, stretch[-1], holds=holds)
        made.append(facts | _details(page, before, stretch[-1], subject, found) | state)
    return made


def _details(page: Page, before: list[Row], last: date, subject: Subject, found: Finding | None) -> Row:
    """Return severity, reason and prediction of the newest day of a stretch."""
    if last == page.day and found is not None:
        return {name: getattr(found, name) for name in DETAILS}
    for row in before:
        if row["last_day"] == last:
            return {name: row[name] for name in DETAILS}
    earlier = {found.subject: found for found in page.look_back(last)}
    if subject in earlier:
        return {name: getattr(earlier[subject], name) for name in DETAILS}
    return {name: before[0][name] for name in DETAILS}  # that day was scored by another version


def _state(runtime: Runtime, page: Page, before: list[Row], last: date, *, holds: bool) -> Row:
    """Return the state of a row: a person's acknowledgement stays, the rest follows from the newest day."""
    open_row: Row = {"state": OPEN, "verdict": None, "closed_by": None, "closed_at": None}
    if any(row["state"] == ACKNOWLEDGED for row in before):
        return open_row | {"state": ACKNOWLEDGED}
    if holds and (page.newest - last).days <= page.gap + 1:
        return open_row
    closed = [row["closed_at"] for row in before if row["state"] == RESOLVED and row["last_day"] == last]
    return open_row | {
        "state": RESOLVED,
        "closed_by": MONITOR,
        "closed_at": closed[0] if closed else runtime.clock.now(),
    }


def _absorbed(live: Iterable[Row], made: Sequence[Row]) -> dict[str, str]:
    """Return the ids of rows that are no more, with the id of the row that took over their first day, if any."""
    kept = {row["alert_id"] for row in made}
    return {
        row["alert_id"]: next((new["alert_id"] for new in made if json.loads(row["days"])[0] in new["days"]), "")
        for row in live
        if row["alert_id"] not in kept
    }

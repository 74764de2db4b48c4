"""Collects the whole report from the tables and the registry of a runtime."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from framework.core.results import Status
from framework.ops.report import readable
from framework.ops.report.attention import attention
from framework.ops.report.cards import cards
from framework.ops.report.facts import Count, Header, Report
from framework.ops.report.health import data, not_run, why_not
from framework.ops.report.reading import Reader
from framework.ops.report.trends import anomalies, forecasts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import date

    from framework.core.config import Settings
    from framework.gold.runtime import Runtime
    from framework.ops.report.card_facts import Card
    from framework.ops.report.facts import Data
    from framework.ops.report.reading import Served


def collect(runtime: Runtime, day: date) -> Report:
    """Return what there is to say about a day.

    Args:
        runtime: The runtime; its settings choose the models.
        day: The day; later rows are not seen.

    Returns:
        The report. What is absent is said in a sentence; nothing is an error.
    """
    reader = Reader(runtime, day)
    scrub = _scrubber(runtime.settings)
    served = {model: reader.predictions(model) for model in reader.models}
    models, quality = cards(reader, scrub), data(reader, scrub)
    return Report(
        header=_header(reader, served, models, quality),
        attention=attention(reader, served, why_not(reader, scrub)),
        forecasts=forecasts(reader, served),
        anomalies=anomalies(reader, served),
        models=models,
        data=quality,
        not_run=not_run(reader, scrub),
    )


def _header(reader: Reader, served: Mapping[str, Served | None], models: Sequence[Card], quality: Data) -> Header:
    newest = reader.ledger[-1] if reader.ledger else None
    gold = str(json.loads(newest["inputs"]).get("gold", "")) if newest else ""
    known = {row["model_name"] for row in reader.alerts}
    remarks = [] if newest else [f"No run is recorded for {readable.day(reader.day)}."]
    if not known and not any(served.values()):
        remarks.append("There is neither a prediction nor an alert yet: run health-monitor run first.")
    return Header(
        day=reader.day,
        gold=_name_of(gold) or readable.UNKNOWN,
        run_id=newest["run_id"] if newest else "",
        generated=reader.runtime.clock.now(),
        counts=tuple(_counts(reader, served, models, quality)),
        remarks=tuple(remarks),
    )


def _counts(reader: Reader, served: Mapping[str, Served | None], models: Sequence[Card], quality: Data) -> list[Count]:
    severities = [row["severity"] for row in reader.alerts]
    critical, failed = severities.count("critical"), sum(row["status"] == Status.FAILED for row in reader.ledger)
    there = [found for found in served.values() if found is not None]
    doubtful = sum(bool(found.marks) for found in there)
    return [
        Count(label="open alerts", value=f"{len(severities):,}", tone="watch" if severities else "good"),
        Count(label="critical", value=f"{critical:,}", tone="bad" if critical else "good"),
        Count(label="predictions", value=f"{sum(len(found.rows) for found in there):,}"),
        Count(label="models that answered", value=f"{len(there)} of {len(served)}"),
        Count(label="by challenger or fallback", value=f"{doubtful:,}", tone="watch" if doubtful else "good"),
        Count(label="to retrain", value=f"{sum(bool(card.requests) for card in models):,}"),
        Count(label="failed units", value=f"{failed:,}", tone="bad" if failed else "good"),
        Count(label="gold rows in quarantine", value=f"{quality.rows:,}", tone="watch" if quality.rows else "good"),
    ]


def _name_of(gold: str) -> str:
    """Return a gold source's name; of a folder only the last part, since the path is this machine's."""
    return f"folder {Path(gold).name}" if "/" in gold or "\\" in gold else gold


def _scrubber(settings: Settings) -> Callable[[str], str]:
    """Return a function that takes the folders of the settings out of a text."""
    gold = settings.gold
    places = {str(Path(settings.home).expanduser().resolve()): "<home>"}
    if "/" in gold or "\\" in gold:
        places |= {str(Path(gold).resolve()): "<gold>", gold: "<gold>"}
    longest_first = sorted((place for place in places if len(place) > 1), key=len, reverse=True)

    def scrub(text: str) -> str:
        for place in longest_first:
            text = text.replace(place, places[place])
        return text

    return scrub

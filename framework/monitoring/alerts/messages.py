"""Alerts as they leave the house: without e-mail addresses, in the shape that a receiver understands."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Any

from framework.monitoring.alerts.rules import SEVERITIES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_EMAIL = re.compile(r"([^\s\"'<>(){}\[\],;:=@]{1,256})(@|%40)((?:[\w-]+\.)*[\w-]+)")
HEADER_LENGTH = 150
"""What Slack takes."""
LINE_LENGTH = 300
"""A message of ten alerts must stay below the 28 kB that Teams takes."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """What a sink gets of an alert. Entity and reason hold no e-mail address: ``alert_id`` leads to the row.

    Args:
        alert_id: Id in the table ``alerts``.
        kind: What it is about: prediction, drift, skill, fallback or failure.
        state: open, acknowledged or resolved.
        severity: info, warning or critical.
        domain: Domain of the model.
        use_case: Use case of the model.
        model_name: Model.
        model_version: Version that answered.
        entity: The model's keys as JSON; empty if it is about the model.
        reason: Why.
        action: What to do.
        prediction: Newest prediction.
        first_day: Day on which it was raised, ISO.
        opened_on: Day on which it was opened last, ISO.
        last_day: Newest day on which it held, ISO.
    """

    alert_id: str
    kind: str
    state: str
    severity: str
    domain: str
    use_case: str
    model_name: str
    model_version: int | None
    entity: str
    reason: str
    action: str
    prediction: float | None
    first_day: str
    opened_on: str
    last_day: str

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Message:
        """Return the message of a row of the table ``alerts``."""
        facts = {field.name: row[field.name] for field in dataclasses.fields(cls)}
        facts |= {name: masked(facts[name]) for name in ("entity", "reason", "action")}
        facts["opened_on"] = facts["opened_on"] or facts["first_day"]
        return cls(**facts | {name: facts[name].isoformat() for name in ("first_day", "opened_on", "last_day")})

    @property
    def title(self) -> str:
        """One line: how bad, and which model."""
        return f"{self.severity}: {self.model_name} ({self.kind})"

    @property
    def text(self) -> str:
        """The alert in lines of plain text."""
        since = f"{'on' if self.opened_on == self.last_day else 'since'} {self.opened_on}"
        if self.opened_on != self.first_day:
            since = f"again {since}, first on {self.first_day}"
        what = [self.entity] if self.entity else []
        lines = [*what, f"{self.reason} ({since}, {self.state})", f"Do: {self.action}", f"Alert {self.alert_id}"]
        return "\n".join(cut(line, LINE_LENGTH) for line in lines)


def masked(text: str) -> str:
    """Return a text whose e-mail addresses keep their first letter and their domain."""
    return _EMAIL.sub(lambda found: f"{found[1][0] if len(found[1]) > 1 else ''}***{found[2]}{found[3]}", text)


def cut(text: str, length: int) -> str:
    """Return a text of at most ``length`` characters."""
    return text if len(text) <= length else text[: length - 1] + "\N{HORIZONTAL ELLIPSIS}"


def summary(alerts: Sequence[Message]) -> str:
    """Return how many alerts there are, the worst first."""
    counts = {level: sum(alert.severity == level for alert in alerts) for level in reversed(SEVERITIES)}
    return "Health monitor: " + ", ".join(f"{count} {level}" for level, count in counts.items() if count)


def plain(alerts: Sequence[Message]) -> dict[str, Any]:
    """Return alerts as one JSON object."""
    return {"summary": summary(alerts), "alerts": [dataclasses.asdict(alert) for alert in alerts]}


def slack(alerts: Sequence[Message]) -> dict[str, Any]:
    """Return alerts as a message of Slack's incoming webhooks; plain text only, so that no value becomes markup."""
    blocks: list[dict[str, Any]] = [_slack_block("header", cut(summary(alerts), HEADER_LENGTH))]
    for alert in alerts:
        blocks += [{"type": "divider"}, _slack_block("section", f"{alert.title}\n{alert.text}")]
    return {"text": summary(alerts), "blocks": blocks}


def _slack_block(kind: str, text: str) -> dict[str, Any]:
    return {"type": kind, "text": {"type": "plain_text", "text": text, "emoji": False}}


def teams(alerts: Sequence[Message]) -> dict[str, Any]:
    """Return alerts as an adaptive card, which the webhooks of Teams take; its text runs know no markup."""
    body = [_teams_block(summary(alerts), heading=True)]
    for alert in alerts:
        body += [_teams_block(alert.title, heading=True), *(_teams_block(line) for line in alert.text.splitlines())]
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.2",
        "body": body,
    }
    kind = "application/vnd.microsoft.card.adaptive"
    return {"type": "message", "attachments": [{"contentType": kind, "contentUrl": None, "content": card}]}


def _teams_block(text: str, *, heading: bool = False) -> dict[str, Any]:
    run = {"type": "TextRun", "text": text, "weight": "Bolder" if heading else "Default"}
    return {"type": "RichTextBlock", "inlines": [run], "spacing": "Medium" if heading else "None"}


SHAPES: Mapping[str, Callable[[Sequence[Message]], dict[str, Any]]] = {"plain": plain, "slack": slack, "teams": teams}

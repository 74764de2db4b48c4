"""What the registry knows of a model: its versions, who answers, and what the answering one rests on."""

from __future__ import annotations

import dataclasses
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from framework.core.versions import CHALLENGER, CHAMPION
from framework.ops.report import readable
from framework.ops.report.reading import of
from framework.registry.models import tags_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mlflow.entities.model_registry import ModelVersion

    from framework.core.versions import Versions
    from framework.ops.report.card_facts import Row
    from framework.ops.report.reading import Reader, Rows

VERSIONS = 10


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class History:
    """A model's past.

    Args:
        answers: Version that answers; ``None`` without any.
        status: The same in words.
        tone: ``bad``, ``watch`` or ``good``.
        versions: Version, alias, trained as of, skill, decision, reason; the newest first.
        versions_says: Why there are none.
        importance: Importance by feature.
        importance_says: Why there is none.
        leakage: Verdict by leakage check of the version that answers.
    """

    answers: int | None
    status: str
    tone: str
    versions: tuple[Row, ...]
    versions_says: str
    importance: Mapping[str, float]
    importance_says: str
    leakage: Mapping[str, str] = dataclasses.field(default_factory=dict)


def history(reader: Reader, model: str, scrub: Callable[[str], str]) -> History:
    """Return a model's past; a registry that cannot be read is a sentence.

    Args:
        reader: The tables.
        model: The model.
        scrub: Takes this machine's folders out of a text.
    """
    registry = reader.runtime.registry  # before the import: its thread may be importing MLflow at this moment
    from mlflow.exceptions import MlflowException

    try:
        versions = registry.versions(model)
        holders = {alias: registry.by_alias(model, alias) for alias in (CHAMPION, CHALLENGER)} if versions else {}
    except MlflowException as problem:
        description = f"The registry could not be read: {type(problem).__name__}."
        return _without(description, "watch")
    if not versions:
        return _without("It was never trained.", "watch")
    alias, answers = next(((a, v) for a, v in holders.items() if v is not None), ("", None))
    importance, why = _importance(registry, answers or versions[-1])
    aliases = {int(v.version): a for a, v in reversed(holders.items()) if v is not None}
    decisions = of(reader.decisions, model)
    status, tone = _status(alias, answers)
    return History(
        answers=int(answers.version) if answers else None,
        status=status,
        tone=tone,
        versions=tuple(_row(v, aliases, decisions, scrub) for v in reversed(versions[-VERSIONS:])),
        versions_says="",
        importance=importance,
        importance_says=why,
        leakage=json.loads(tags_of(answers or versions[-1]).get("leakage", "{}")),
    )


def _without(description: str, tone: str) -> History:
    return History(
        answers=None, status=description.rstrip(".").lower(), tone=tone, versions=(), versions_says=description,
        importance={},
        importance_says="There is no version whose importance could be shown.",
    )  # fmt: skip


def _status(alias: str, version: ModelVersion | None) -> tuple[str, str]:
    if version is None:
        return "no version answers", "bad"
    if version.tags.get("fallback") == "true":
        return f"fallback, version {version.version}", "watch"
    if alias == CHALLENGER:
        return f"challenger, version {version.version}: no champion", "watch"
    return f"champion, version {version.version}", "good"


def _row(version: ModelVersion, aliases: Mapping[int, str], decisions: Rows, scrub: Callable[[str], str]) -> Row:
    """Return a version's row: the newest decision about it, else what its training remarked."""
    tags, number = tags_of(version), int(version.version)
    decided = next((row for row in reversed(decisions) if row["model_version"] == number), None)
    skill = json.loads(tags.get("result", "{}")).get("skill")
    said = "" if decided is None else f"{readable.spoken(decided['decision'])} by {decided['decided_by']}"
    reason = tags.get("reason", "") if decided is None else decided["reason"] or ""
    kind = " (fallback)" if tags.get("fallback") == "true" else ""
    return (
        str(number),
        f"{aliases.get(number, '')}{kind}".strip(),
        tags.get("as_of", ""),
        "not judged" if skill is None else f"{skill:+.2f}",
        said or "none yet",
        scrub(reason),
    )


def _importance(registry: Versions, version: ModelVersion) -> tuple[dict[str, float], str]:
    """Return the importance that the version's training noted, and why there is none."""
    from mlflow.exceptions import MlflowException

    try:
        with tempfile.TemporaryDirectory() as folder:
            file = registry.client.download_artifacts(version.run_id or "", "training.json", folder)
            notes: dict[str, Any] = json.loads(Path(file).read_text(encoding="utf-8"))
    except (MlflowException, OSError, ValueError):
        return {}, f"The notes of version {version.version}'s training cannot be read."
    found = {name: float(value) for name, value in notes.get("importance", {}).items()}
    if len(set(found.values())) < 2:  # noqa: PLR2004 - all alike: training had nothing to tell them apart by
        return {}, "Training did not measure importance: it does so for forecasts and for two classes."
    return found, ""

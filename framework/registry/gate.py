"""The gate between challenger and champion: figures decide, the reason is written down.

What a decision rests on stands in the version's own tags, put there in the commit that registers it. So deciding again,
after a crash or on an unchanged training, gives the same answer without any data.
"""

from __future__ import annotations

import dataclasses
import json
from datetime import date
from typing import TYPE_CHECKING, Any

from framework.base.errors import RegistryError
from framework.core.versions import CHALLENGER, CHAMPION
from framework.registry.models import tags_of
from framework.tables.declared import DECISIONS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mlflow.entities.model_registry import ModelVersion

    from framework.core.services import Services
    from framework.core.versions import Versions
    from framework.declare.model import ModelSpec

MIN_ORIGINS = 3
MIN_COMPARED_DAYS = 5
"""Days on which champion and challenger must both be judged; fewer let chance decide."""
WITHDRAWN = "withdrawn"
"""Tag of a version that a person, or the monitor, took back: no gate promotes it again."""


@dataclasses.dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of a version.

    Args:
        alias: ``champion`` or ``challenger``.
        decision: ``promoted``, ``provisional`` or ``refused``.
        reason: Why, in a sentence.
    """

    alias: str
    decision: str
    reason: str


def objection(tags: Mapping[str, str]) -> str:
    """Return why a version may not serve as champion, whoever the present one is; empty if it may.

    Args:
        tags: The version's tags, pieces put together.
    """
    figures = json.loads(tags.get("gate", "{}"))
    origins, low, above = figures.get("origins", 0), figures.get("skill_low"), float(tags.get("promote_above", "0"))
    dummy = "; ".join(["it is a fallback", *filter(None, [tags.get("reason")])])
    unjudged = tags.get("withheld") or "no event is known that could judge it"
    few = f"{origins} rolling origins could be judged, {MIN_ORIGINS} are needed"
    weak = f"the lower 90 % bound of its skill over {origins} rolling origins is {low or 0:+.3f}, not above {above:g}"
    against = {
        f"it was taken back: {tags.get(WITHDRAWN)}": WITHDRAWN in tags,
        dummy: tags.get("fallback") == "true",
        unjudged: tags.get("judged") != "true",
        "it does not beat its baseline on the days held back": tags.get("beats_baseline") != "true",
        few: origins < MIN_ORIGINS or low is None,
        weak: low is not None and not low > above,
        **{_beaten(rival): rival["skill"] < 0 for rival in json.loads(tags.get("rivals", "[]"))},
    }
    return next((reason for reason, holds in against.items() if holds), "")


def _beaten(rival: Mapping[str, Any]) -> str:
    against = f"{rival['metric']} {rival['value']:.4g} against {rival['rival']:.4g}"
    return f"it is worse than {rival['name']}: {against} on {rival['rows']} held-back rows"


def plain_rule(rivals: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return name, value and skill of the best plain rule that a version was compared with, by column names.

    Args:
        rivals: What it was compared with, as its tag ``rivals`` has it; empty for an older version.
    """
    rule = next((one for one in rivals if one["plain"]), None)
    return {} if rule is None else {"rule": rule["name"], "rule_value": rule["rival"], "rule_skill": rule["skill"]}


def decide(tags: Mapping[str, str], champion: ModelVersion | None, *, any_judged: bool, approved: str = "") -> Decision:
    """Decide on a version from its own figures and the present champion.

    Args:
        tags: The version's tags.
        champion: The version that holds the alias, if any.
        any_judged: Whether any version of the model was judged: then a provisional one no longer serves.
        approved: Where the gate promoted this very version before, so that it need not be compared again.
    """
    real = champion is not None and champion.tags.get("provisional") != "true" and not approved
    if against := objection(tags):
        if tags.get("provisional") == "true" and champion is None and not any_judged and not tags.get(WITHDRAWN):
            return Decision(CHAMPION, "provisional", f"no judged version exists, so it serves although {against}")
        return Decision(CHALLENGER, "refused", against)
    figures = json.loads(tags["gate"])
    passed = f"skill {figures['skill']:+.3f}, at least {figures['skill_low']:+.3f} at 90 %"
    if not real or champion is None:
        why = f"it was promoted as {approved}" if approved else "there was no champion to compare with"
        return Decision(CHAMPION, "promoted", f"{passed}; {why}")
    worse = _against_champion(json.loads(tags.get("compared", "{}")), int(champion.version))
    return Decision(CHALLENGER, "refused", worse) if worse else Decision(CHAMPION, "promoted", _better(passed, tags))


def _against_champion(compared: Mapping[str, Any], champion: int) -> str:
    if compared.get("version") != champion:
        return f"it was never compared with version {champion}, the champion: train it again"
    if compared.get("unusable"):
        return ""
    if compared.get("champion_skill") is None:
        return f"it cannot be compared with version {champion}: {compared['says']}"
    if compared["challenger_skill"] < compared["champion_skill"]:
        return (
            f"on the {compared['days']} days that neither was fitted on its skill is "
            f"{compared['challenger_skill']:+.3f}, that of version {champion}, the champion, "
            f"{compared['champion_skill']:+.3f}"
        )
    return ""


def _better(passed: str, tags: Mapping[str, str]) -> str:
    compared = json.loads(tags["compared"])
    if compared.get("unusable"):
        return f"{passed}; version {compared['version']}, the champion, cannot serve: {compared['says']}"
    return (
        f"{passed}; on {compared['days']} common days {compared['challenger_skill']:+.3f} against "
        f"{compared['champion_skill']:+.3f} of version {compared['version']}"
    )


def _overruled(tags: Mapping[str, str], champion: ModelVersion | None) -> bool:
    """Tell whether a person chose the champion after this version was decided on: an unchanged training is no news."""
    theirs = champion.tags if champion is not None else {}
    return theirs.get("decided_by") == "person" and "" < tags.get("decided_at", "") < theirs.get("decided_at", "")


def settle(
    runtime: Services, spec: ModelSpec, version: int, *, registry: Versions | None = None, approved: str = ""
) -> Decision:
    """Give a registered version its alias and write the decision down; doing it again changes nothing.

    Args:
        runtime: The runtime.
        spec: The model.
        version: The version.
        registry: Another registry than the runtime's.
        approved: Where the gate promoted this very version before.

    Returns:
        The decision.

    Raises:
        RegistryError: If there is no such version.
    """
    registry = registry or runtime.registry
    every = {int(v.version): v for v in registry.versions(spec.name)}
    if version not in every:
        raise RegistryError(what=f"no version {version}", where=registry.full_name(spec.name), fix="train it first")
    registry.describe(spec)
    tags = tags_of(every[version])
    if registry is not runtime.registry:
        tags.pop("compared", None)  # it was compared with the champion of its own catalog, whose numbers are others
    champion = registry.by_alias(spec.name, CHAMPION)
    if champion is not None and int(champion.version) == version:
        return Decision(CHAMPION, "promoted", tags.get("decision_reason", ""))
    if not approved and _overruled(tags, champion):
        return Decision(CHALLENGER, tags["decision"], "a person has decided otherwise since")
    any_judged = any(v.tags.get("judged") == "true" for v in every.values())
    found = decide(tags, champion, any_judged=any_judged, approved=approved)
    write_down(runtime, registry, spec.name, version, found, champion=champion, tags=tags)
    registry.give(spec.name, found.alias, version)
    return found


def write_down(
    runtime: Services,
    registry: Versions,
    model: str,
    version: int,
    found: Decision,
    *,
    champion: ModelVersion | None,
    tags: Mapping[str, str],
    by: str = "gate",
    on: date | None = None,
) -> None:
    """Write a decision with its figures to the table, and its reason to the version's tags.

    Args:
        runtime: The runtime.
        registry: The registry that the decision is about.
        model: The model.
        version: The version decided on.
        found: The decision.
        champion: The champion before it.
        tags: The version's tags.
        by: ``gate`` or ``person``.
        on: Day of the decision; ``None`` for the newest day that the version's training knew.
    """
    figures = json.loads(tags.get("gate", "{}"))
    compared = json.loads(tags.get("compared", "{}"))
    row = {
        "model_name": model,
        "model_version": version,
        "as_of_date": on or date.fromisoformat(tags["as_of"]),
        "decided_by": by,
        "decision": found.decision,
        "reason": found.reason,
        "promote_above": float(tags.get("promote_above", "0")),
        "champion_version": int(champion.version) if champion is not None else None,
        "champion_skill": compared.get("champion_skill"),
        "challenger_skill": compared.get("challenger_skill"),
        "compared_days": compared.get("days"),
        "decided_at": (now := runtime.clock.now()),
    }
    row |= plain_rule(json.loads(tags.get("rivals", "[]")))
    DECISIONS.merge(runtime, [row | figures], schema_path=registry.schema_path)
    said = {"decision": found.decision, "decision_reason": found.reason}
    registry.tag(model, version, said | {"decided_by": by, "decided_at": now.isoformat()})

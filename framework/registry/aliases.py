"""What a person may do over the gate's head: give a version the champion's place, or take a champion back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from framework.base.errors import RegistryError
from framework.core.versions import CHALLENGER, CHAMPION
from framework.registry.gate import WITHDRAWN, Decision, write_down
from framework.registry.models import tags_of
from framework.tables.declared import DECISIONS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from mlflow.entities.model_registry import ModelVersion

    from framework.core.services import Services


def promote_version(runtime: Services, model: str, version: int | None) -> tuple[int, Decision]:
    """Make a version champion because a person says so.

    Args:
        runtime: The runtime.
        model: The model.
        version: The version; ``None`` for the challenger.

    Returns:
        The version and the decision that was written down.

    Raises:
        RegistryError: If there is no such version, it learnt from formulas that are gone, or it is a fallback and the
            champion is not.
    """
    found = runtime.registry.wanted(model, version, CHALLENGER)
    _refuse(runtime, model, found)
    number = int(found.version)
    if WITHDRAWN in found.tags:
        runtime.registry.client.delete_model_version_tag(found.name, found.version, WITHDRAWN)
    decision = Decision(CHAMPION, "promoted", "a person promoted it")
    _apply(runtime, model, found, decision)
    return number, decision


def rollback(runtime: Services, model: str, version: int | None) -> tuple[int, Decision]:
    """Take the champion back; the gate promotes it no more.

    Args:
        runtime: The runtime.
        model: The model.
        version: The version that takes its place; ``None`` for the champion before it.

    Returns:
        The version that serves now and the decision that was written down.

    Raises:
        RegistryError: If there is no champion, or no version to go back to.
    """
    registry = runtime.registry
    champion = registry.by_alias(model, CHAMPION)
    if champion is None:
        raise RegistryError(
            what="there is no champion to take back", where=registry.full_name(model), fix="see `health-monitor models`"
        )
    left = int(champion.version)
    found = registry.wanted(model, _before(runtime, model, left) if version is None else version)
    if int(found.version) == left:
        raise RegistryError(
            what=f"version {left} is the champion itself", where=champion.name, fix="name another version with --to"
        )
    _refuse(runtime, model, found)
    decision = Decision(CHAMPION, "rolled_back", f"a person took version {left} back")
    registry.tag(model, left, {WITHDRAWN: f"in favour of version {found.version}, {runtime.clock.now().date()}"})
    _apply(runtime, model, found, decision)
    return int(found.version), decision


def stand_down(runtime: Services, model: str, champion: int, why: str, on: date) -> str:
    """Take a champion back that does worse than the rule it was to beat, unless a person put it in its place.

    The version that was champion before serves again. Where there is none, the model has no champion until a training
    brings one: the version goes on as challenger.

    Args:
        runtime: The runtime.
        model: The model.
        champion: The version that serves.
        why: Its figures, as a sentence.
        on: The day on which they were known.

    Returns:
        What was done, as a sentence; empty if nothing was.
    """
    registry = runtime.registry
    held = registry.by_alias(model, CHAMPION)
    if held is None or int(held.version) != champion or held.tags.get("decided_by") == "person":
        return ""
    if held.tags.get("provisional") == "true":  # it serves for want of a better one, and is marked as such
        return ""
    tags = tags_of(held)
    registry.tag(model, champion, {WITHDRAWN: f"{why}, {on}"})
    try:
        found = registry.wanted(model, _before(runtime, model, champion))
        _refuse(runtime, model, found)
    except RegistryError:
        decision = Decision(CHALLENGER, "refused", f"no champion: {why}, and no earlier version can serve")
        write_down(runtime, registry, model, champion, decision, champion=held, tags=tags, by="monitor", on=on)
        registry.give(model, CHALLENGER, champion)
        return f"version {champion} is champion no more: {why}"
    decision = Decision(CHAMPION, "rolled_back", f"version {champion} stood down: {why}")
    write_down(
        runtime, registry, model, int(found.version), decision, champion=held, tags=tags_of(found), by="monitor", on=on
    )
    registry.give(model, CHAMPION, int(found.version))
    return f"version {found.version} serves again: version {champion} stood down, {why}"


def _apply(runtime: Services, model: str, found: ModelVersion, decision: Decision) -> None:
    registry = runtime.registry
    champion = registry.by_alias(model, CHAMPION)
    write_down(
        runtime, registry, model, int(found.version), decision,
        champion=champion, tags=tags_of(found), by="person", on=runtime.clock.now().date(),
    )  # fmt: skip
    registry.give(model, CHAMPION, int(found.version))


def _before(runtime: Services, model: str, champion: int) -> int:
    """Return the version that was champion before, as the decisions tell."""
    rows = DECISIONS.read(runtime, [("model_name", "=", model)]).to_pylist()
    rows = [row for row in rows if row["decision"] in ("promoted", "provisional", "rolled_back")]
    there = {int(v.version): v for v in runtime.registry.versions(model)}
    rows = [row for row in rows if row["model_version"] in there and row["model_version"] != champion]
    for row in sorted(rows, key=lambda row: _when(row, there[row["model_version"]]), reverse=True):
        if WITHDRAWN not in there[row["model_version"]].tags:
            return int(row["model_version"])
    raise RegistryError(
        what="no other version was ever champion",
        where=runtime.registry.full_name(model),
        fix="name a version with --to, or leave the model to its champion",
    )


def _when(row: Mapping[str, Any], version: ModelVersion) -> str:
    """Return when a decision was taken last: the same one again leaves its row as it was, and renews the tag."""
    said = version.tags
    same = all(said.get(name) == row[name] for name in ("decision", "decided_by"))
    return max(str(row["decided_at"].isoformat()), said.get("decided_at", "") if same else "")


def _refuse(runtime: Services, model: str, version: ModelVersion) -> None:
    """Refuse a version that could not answer, or a dummy in a real model's place."""
    from framework.registry.formulas import changed_formulas

    tags, champion = tags_of(version), runtime.registry.by_alias(model, CHAMPION)
    what = ""
    if changed := changed_formulas(runtime, tags):
        what = f"version {version.version} learnt from another formula of {', '.join(changed)} than is stored now"
    elif tags.get("fallback") == "true" and champion is not None and champion.tags.get("fallback") != "true":
        what = f"version {version.version} is a fallback, the champion is not"
    if what:
        raise RegistryError(what=what, where=version.name, fix="train the model again, or name another version")

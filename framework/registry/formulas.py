"""Whether a version learnt from the formulas whose values are stored now."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from framework.core.keys import metadata_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from framework.core.services import Services


def changed_formulas(runtime: Services, tags: Mapping[str, str]) -> list[str]:
    """Return the ``table.column`` of inputs whose stored values follow another formula than a version learnt from."""
    learnt: dict[str, str] = json.loads(tags.get("formulas", "{}"))
    stored: dict[str, Any] = {}
    changed = []
    for place, formula in learnt.items():
        table, _, column = place.partition(".")
        if table not in stored:
            stored[table] = runtime.tables.schema(runtime.feature_table(table))
        schema = stored[table]
        now = metadata_of(schema.field(column)).get("formula", "") if schema and column in schema.names else ""
        if now != formula:
            changed.append(place)
    return changed

"""Which gold columns the selected models need, and what it costs if one is not there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from framework.base.errors import GoldError
from framework.ops.doctor.check import Check

if TYPE_CHECKING:
    from collections.abc import Sequence

    from framework.core.plugins import Registry
    from framework.declare.model import ModelSpec
    from framework.gold.view import GoldView

Costs = dict[str, dict[str, str]]
"""By gold column (``table.column``), the models that it costs something, and what."""
WHOLE = "the model"


def costs(plugins: Registry, models: Sequence[str]) -> Costs:
    """Return what each gold column is needed for.

    Args:
        plugins: What the loaded domains offer.
        models: Selected models.

    Returns:
        By column and model: ``the model`` if it cannot be trained without, else how many features go.
    """
    found: Costs = {}
    for model in models:
        spec = plugins.trainers[model].item.spec
        features = _features_by_need(plugins, spec)
        for need, names in features.items():
            found.setdefault(need, {})[model] = f"{len(names)} feature{'s' if len(names) > 1 else ''}"
        # Without its label or the first table's rows, a model has nothing to learn from; without some features, too.
        vital = [*spec.needs, *plugins.table(spec.lookups[0].table).needs]
        vital += [need for need, names in features.items() if set(names) & set(spec.required)]
        for need in vital:
            found.setdefault(need, {})[model] = WHOLE
    return found


def _features_by_need(plugins: Registry, spec: ModelSpec) -> dict[str, list[str]]:
    """Return the features of a model that rest on each gold column."""
    found: dict[str, list[str]] = {}
    for lookup in spec.lookups:
        table = plugins.table(lookup.table)
        for name in lookup.columns or [c.name for c in table.features]:
            for need in table.inputs_of(name):
                found.setdefault(need, []).append(name)
    return found


def gold_columns(view: GoldView, plugins: Registry, models: Sequence[str]) -> list[Check]:
    """Check that gold has the columns that the selected models need; their values are the run's own matter.

    Args:
        view: Gold.
        plugins: What the loaded domains offer.
        models: Selected models.

    Returns:
        One check per needed gold table, and one that says which models can be trained at all.
    """
    needed = costs(plugins, models)
    lost: dict[str, str] = {}
    checks = []
    for table in sorted({need.partition(".")[0] for need in needed}):
        columns = sorted(need.partition(".")[2] for need in needed if need.partition(".")[0] == table)
        trouble, misfits = _misfits(view, table)
        missing = columns if trouble else [name for name in columns if name in misfits]
        at_stake: dict[str, list[str]] = {}
        for column in missing:
            for model, what in needed[f"{table}.{column}"].items():
                at_stake.setdefault(model, []).append(what)
                if what == WHOLE:
                    lost.setdefault(model, f"{table}.{column}")
        what = trouble or "; ".join(f"{column} {misfits[column]}" for column in missing)
        where = table if trouble else ", ".join(f"{table}.{column}" for column in missing)
        checks.append(_table(table, len(columns), at_stake, what, where))
    left = [model for model in models if model not in lost]
    why = "; ".join(f"{model} needs {need}" for model, need in lost.items())
    fix = "" if left else "provide these tables under their names, or select other models"
    detail = f"{len(left)} of {len(models)} models have what they need" + (f"; {why}" if why else "")
    return [*checks, Check(name="models", ok=bool(left), detail=detail, fix=fix)]


def _misfits(view: GoldView, table: str) -> tuple[str, dict[str, str]]:
    """Return what is wrong with a whole table, or else with its columns by name."""
    try:
        found = view.misfits(table)
    except GoldError as error:
        return error.what, {}
    return ("the table is absent", {}) if found is None else ("", found)


def _table(table: str, columns: int, at_stake: dict[str, list[str]], trouble: str, where: str) -> Check:
    name = f"gold table {table}"
    if not trouble:
        return Check(name=name, ok=True, detail=f"all {columns} needed columns are there", needed=False)
    losses = []
    for model, what in at_stake.items():
        whole = WHOLE in what
        losses.append(f"{model} ({'cannot be trained' if whole else 'loses features'})")
    detail = f"{trouble}: costs {', '.join(losses)}"
    return Check(name=name, ok=False, detail=detail, fix=f"provide {where}", needed=False)

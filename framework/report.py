"""Renders results: the closing table, where the time went, and the model cards."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from framework.results import Status, UnitResult
from framework.spec import FromFeature, ModelSpec

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date
    from pathlib import Path

    from framework.plugins import Registry

COLOURS = {Status.DONE: "green", Status.FALLBACK: "yellow", Status.SKIPPED: "yellow", Status.FAILED: "red"}
ORDER = (Status.FAILED, Status.SKIPPED, Status.FALLBACK, Status.DONE)


def closing_table(results: Sequence[UnitResult], plugins: Registry, as_of: date) -> Table:
    """Return one row per feature table and per model, its stages folded into one.

    Args:
        results: The results of a run.
        plugins: For the domains' names.
        as_of: The day of the run.
    """
    table = Table(title=f"Health monitor, as of {as_of}", title_justify="left")
    for heading in (
        "model or table",
        "domain",
        "status",
        "rows",
        "metric against baseline",
        "skill (90 %)",
        "version",
        "seconds",
        "remark",
    ):
        right = heading in ("rows", "version", "seconds")
        table.add_column(heading, justify="right" if right else "left", overflow="fold")
    for name in dict.fromkeys(r.name for r in results):
        parts = [r for r in results if r.name == name]
        worst = min((r.status for r in parts), key=ORDER.index)
        trained = next((r for r in parts if r.metric), parts[0])
        owner = plugins.trainers.get(name) or plugins.builders.get(name)
        table.add_row(
            name,
            owner.domain if owner else "",
            f"[{COLOURS[worst]}]{worst}[/]",
            " / ".join(f"{r.rows:,}" for r in parts),
            _against(trained),
            _skill(trained),
            _version(parts),
            f"{sum(r.seconds for r in parts):.1f}",
            escape("\n".join(dict.fromkeys(r.reason for r in parts if r.reason))),
        )
    return table


def time_table(results: Sequence[UnitResult], seconds: float) -> Table:
    """Return where the time of a run went, by stage.

    Args:
        results: The results.
        seconds: Wall time of the whole run.
    """
    table = Table("stage", "seconds", "share", title="Where the time went", title_justify="left")
    spent = 0.0
    for stage in dict.fromkeys(r.stage for r in results):
        part = sum(r.seconds for r in results if r.stage == stage)
        spent += part
        table.add_row(stage, f"{part:.1f}", f"{part / seconds:.0%}")
    rest = max(0.0, seconds - spent)
    table.add_row("start-up and the rest", f"{rest:.1f}", f"{rest / seconds:.0%}")
    table.add_row("[bold]total[/bold]", f"[bold]{seconds:.1f}[/bold]", "")
    return table


def _version(parts: Sequence[UnitResult]) -> str:
    """Return the trained version, and the one that answered if it is another."""
    found = list(dict.fromkeys(r.version for r in parts if r.version is not None))
    return "" if not found else str(found[0]) if len(found) == 1 else f"{found[0]} ({found[-1]} serves)"


def _against(result: UnitResult) -> str:
    if result.value is None or result.baseline is None:
        return ""
    return f"{result.metric} {result.value:.4g} against {result.baseline:.4g}"


def _skill(result: UnitResult) -> str:
    if result.skill is None:
        return ""
    return f"{result.skill:+.3f} ({result.skill_low:+.3f} … {result.skill_high:+.3f})"


def write_cards(plugins: Registry, models: Iterable[str], folder: Path) -> list[Path]:
    """Write one Markdown card per model, generated from its declaration.

    Args:
        plugins: What the loaded domains offer.
        models: Models to write.
        folder: Where to write.

    Returns:
        The files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for name in models:
        file = folder / f"{name}.md"
        file.write_text(card(plugins, name), encoding="utf-8")
        files.append(file)
    return files


def card(plugins: Registry, name: str) -> str:
    """Return a model's card: question, label, horizon, baseline, outputs, features.

    Args:
        plugins: What the loaded domains offer.
        name: The model.
    """
    offer = plugins.trainers[name]
    spec: ModelSpec = offer.item.spec
    facts = {
        "Question": spec.question,
        "Unit": spec.unit,
        "Label": spec.label_says,
        "Horizon": f"{spec.horizon.total_seconds() / 86_400:g} days",
        "Type and algorithm": f"{offer.item.task}, {spec.algorithm}",
        "Baseline to beat": _baseline(plugins, spec),
        "What the operator does": spec.action,
        "Predictions": f"`{spec.use_case}_predictions`",
        "No label without": ", ".join(f"`{n}`" for n in spec.needs) or "nothing",
        "Domain": offer.domain,
    }
    lines = [f"# {name}", "", (offer.item.__doc__ or "").strip().partition("\n")[0], "", "| | |", "|---|---|"]
    lines += [f"| {key} | {value} |" for key, value in facts.items()]
    lines += ["", "Generated by `health-monitor models --cards docs/models`; do not edit.", ""]
    for lookup in spec.lookups:
        table = plugins.table(lookup.table)
        key = ", ".join(f"`{k}`" for k in table.primary_key)
        lines += [
            f"## Features from `{table.name}`",
            "",
            f"Primary key {key}. {table.says}",
            "",
            "| feature | meaning | unit |",
            "|---|---|---|",
        ]
        chosen = [c for c in table.features if not lookup.columns or c.name in lookup.columns]
        lines += [f"| `{c.name}` | {c.says} | {c.unit} |" for c in chosen] + [""]
    return "\n".join(lines)


def _baseline(plugins: Registry, spec: ModelSpec) -> str:
    if not isinstance(spec.baseline, FromFeature):
        return f"training prior of {', '.join(spec.baseline.by)}, shrunk to the global prior"
    declared = {c.name: c for lookup in spec.lookups for c in plugins.table(lookup.table).features}
    return "; ".join(f"`{c}`: {declared[c].says}" for c in spec.baseline.columns)

"""Renders results: the closing table, and where the time went."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from framework.core.results import Status, UnitResult

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from framework.core.plugins import Registry

COLOURS = {Status.DONE: "green", Status.FALLBACK: "yellow", Status.SKIPPED: "yellow", Status.FAILED: "red"}
ORDER = (Status.FAILED, Status.SKIPPED, Status.FALLBACK, Status.DONE)


def summary_table(results: Sequence[UnitResult], plugins: Registry, as_of: date) -> Table:
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
    against = f"{result.metric} {result.value:.4g} against {result.baseline:.4g}"
    return against if result.rule_value is None else f"{against}, plain rule {result.rule_value:.4g}"


def _skill(result: UnitResult) -> str:
    if result.skill is None:
        return ""
    if result.skill_low is None or result.skill_high is None:
        return f"{result.skill:+.3f} (too few events to say how sure)"
    return f"{result.skill:+.3f} ({result.skill_low:+.3f} … {result.skill_high:+.3f})"

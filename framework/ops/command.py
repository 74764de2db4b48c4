"""What the commands do: settings, runtime, stages, and the closing table."""

from __future__ import annotations

import shlex
import sys
import time
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from framework.core.plugins import Registry, discover

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from framework.core.results import UnitResult
    from framework.gold.runtime import Runtime


_NO_SETTINGS = ("resume", "first", "requested")
"""Options that say how a run goes, not what it is about."""


def run_stages(stages: Sequence[str], options: Mapping[str, Any], arguments: Sequence[str]) -> int:
    """Run stages with settings from options, environment and file.

    Args:
        stages: Stages in order.
        options: Typed command-line options; ``config``, ``resume``, ``first`` and ``requested`` are not settings.
        arguments: The words after the program's name, for the command that resumes.

    Returns:
        Exit code: 0, or 1 if a unit failed.
    """
    from framework.base import logging
    from framework.core.config import load_settings
    from framework.run.launch import launch
    from framework.run.pipeline import STAGES

    began = time.perf_counter()
    given = {k: v for k, v in options.items() if k not in ("config", *_NO_SETTINGS)}
    settings = load_settings(given, options.get("config"))
    logging.configure(console=sys.stderr.isatty())
    runtime = launch(settings, _name_broken)
    results = _with_progress(runtime, stages, options)
    from framework.run.summary import summary_table, time_table

    out = Console(width=None if sys.stdout.isatty() else 200)
    out.print(summary_table(results, runtime.plugins, runtime.as_of))
    out.print(time_table(results, time.perf_counter() - began))
    failures = [r for r in results if r.status == "failed"]
    try:
        if set(STAGES) <= set(stages):
            out.print(f"Report: {_report(runtime)}", soft_wrap=True)
    finally:  # a report that cannot be written hides neither what failed nor how to go on
        if failures:
            words = shlex.join(w for w in arguments if w != "--resume")
            out.print(f"{len(failures)} failed. Resume just that: [bold]health-monitor {escape(words)} --resume[/bold]")
    return 1 if failures else 0


def _report(runtime: Runtime) -> Path:
    from framework.ops.report.command import FILE
    from framework.ops.report.page import write_report

    return write_report(runtime, runtime.settings.home.expanduser() / FILE)


def snapshot_tables(options: Mapping[str, Any], schemas: str) -> int:
    """Take the day's snapshot of tables and columns.

    Args:
        options: Typed command-line options; ``config`` is no setting.
        schemas: ``catalog.schema`` names, separated by commas; none for the monitor's own schema.

    Returns:
        Exit code 0.
    """
    from framework.core.config import load_settings
    from framework.run.launch import launch, snapshot

    settings = load_settings({k: v for k, v in options.items() if k != "config"}, options.get("config"))
    day, names, taken = snapshot(launch(settings, _name_broken), schemas)
    for name, rows in taken.items():
        Console().print(f"{name}: {rows} rows of {day} written")
    if not taken:
        Console().print(f"nothing to write down: there is no table in {', '.join(names)}")
    return 0


def _with_progress(runtime: Runtime, stages: Sequence[str], options: Mapping[str, Any]) -> list[UnitResult]:
    """Run the pipeline under a live display on a terminal, and under log lines elsewhere."""
    from framework.run.pipeline import Pipeline

    how: dict[str, Any] = {name: options[name] for name in _NO_SETTINGS if options.get(name)}
    if not sys.stderr.isatty():
        return Pipeline(runtime, **how).run(stages)
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("starting", total=None)

        def listen(unit: str, result: UnitResult | None) -> None:
            progress.update(task, description=unit)
            if result is not None:
                progress.advance(task)

        pipeline = Pipeline(runtime, **how, listen=listen)
        progress.update(task, total=len(pipeline.units(stages)))
        return pipeline.run(stages)


def list_models(
    domains: str | None, *, strict: bool, cards: Path | None, catalogue: Path | None, figures: Path | None
) -> int:
    """Print the models of the loaded domains, or write one card each, or the catalogue.

    Args:
        domains: Comma-separated filter, or ``None``.
        strict: Raise on a broken plugin.
        cards: Folder for the cards, or ``None``.
        catalogue: File for the catalogue, or ``None``; with neither the list is printed.
        figures: File of measured figures that the catalogue shows.

    Returns:
        Exit code.
    """
    plugins = discover(strict=strict)
    _name_broken(plugins)
    chosen = plugins.select_models([d.strip() for d in domains.split(",")] if domains else (), ())
    if cards is not None or catalogue is not None:
        from framework.ops.catalogue import catalog, read_figures, write_cards

        written = write_cards(plugins, chosen, cards) if cards else []
        if catalogue is not None:
            catalogue.write_text(catalog(plugins, chosen, read_figures(figures) if figures else {}), encoding="utf-8")
            written.append(catalogue)
        for file in written:
            Console().print(str(file))
        return 0
    table = Table("model", "domain", "type", "unit", "horizon", "question")
    for name in chosen:
        offer = plugins.trainers[name]
        spec = offer.item.spec
        horizon = f"{spec.horizon.total_seconds() / 86_400:g} days"
        table.add_row(
            name,
            offer.domain,
            str(offer.item.task),
            spec.unit,
            horizon,
            spec.question,
        )
    Console().print(table)
    return 0


def list_plugins(*, strict: bool) -> int:
    """Print the loaded domains and what they offer, and the broken ones with their error.

    Args:
        strict: Raise on a broken plugin.

    Returns:
        Exit code: 1 if a plugin is broken.
    """
    plugins = discover(strict=strict)
    table = Table("domain", "from", "offers")
    kinds = {"gold sources": plugins.sources, "feature tables": plugins.builders, "models": plugins.trainers}
    kinds |= {"scorers": plugins.scorers, "alert sinks": plugins.sinks}
    for domain, origin in plugins.domains.items():
        offers = [f"{sum(o.domain == domain for o in found.values())} {kind}" for kind, found in kinds.items()]
        table.add_row(domain, origin, ", ".join(o for o in offers if not o.startswith("0 ")))
    Console().print(table)
    _name_broken(plugins)
    return 1 if plugins.broken else 0


def _name_broken(plugins: Registry) -> None:
    console = Console(stderr=True)
    for name, error in plugins.broken.items():
        console.print(
            f"[yellow]domain '{name}' cannot be loaded and is skipped:[/yellow] {escape(error)}", highlight=False
        )

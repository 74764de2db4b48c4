"""The command line of alerts: ``health-monitor alerts list|ack|close``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

alerts = typer.Typer(help="List alerts, and say what they turned out to be.", no_args_is_help=True)

Home = Annotated[Path | None, typer.Option(help="Folder of tables, MLflow and ledger.", show_default=".health-monitor")]
Config = Annotated[Path | None, typer.Option(help="TOML file with settings.")]
Id = Annotated[str, typer.Argument(metavar="ID", help="Id of the alert, or how it begins.")]


@alerts.command("list")
def show(
    state: Annotated[str, typer.Option(help="open, acknowledged, resolved or all.")] = "open",
    home: Home = None,
    config: Config = None,
) -> None:
    """List alerts, newest first."""
    from framework.ops.alerts_command import list_alerts

    _exit(lambda: list_alerts(_given(home, config), state))


@alerts.command()
def ack(alert: Id, home: Home = None, config: Config = None) -> None:
    """Say that you look into an alert: it stays until you close it."""
    from framework.ops.alerts_command import acknowledge_alert

    _exit(lambda: acknowledge_alert(_given(home, config), alert))


@alerts.command()
def close(
    alert: Id,
    verdict: Annotated[str, typer.Option(help="real, or noise.")],
    by: Annotated[str, typer.Option(help="Who says so.")] = "person",
    home: Home = None,
    config: Config = None,
) -> None:
    """Close an alert with what it turned out to be; the model is judged by it."""
    from framework.ops.alerts_command import close_alert

    _exit(lambda: close_alert(_given(home, config), alert, verdict, by))


def _given(home: Path | None, config: Path | None) -> dict[str, Any]:
    return {name: value for name, value in (("home", home), ("config", config)) if value is not None}


def _exit(work: Any) -> None:
    from framework.ops.exit_code import end_with

    end_with(work)

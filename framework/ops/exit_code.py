"""How a command ends."""

from __future__ import annotations

from typing import Any

import typer


def end_with(work: Any) -> None:
    """Run a command; an error of ours is one line on stderr and exit 2."""
    from framework.base.errors import HealthMonitorError

    try:
        code = work()
    except HealthMonitorError as error:
        typer.secho(f"{type(error).__name__}: {error}", err=True, fg="red")
        code = 2
    raise typer.Exit(code)

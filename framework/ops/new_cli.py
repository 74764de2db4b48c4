"""The commands that write a new domain or a new model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from framework.ops.exit_code import end_with

if TYPE_CHECKING:
    from collections.abc import Iterable

new = typer.Typer(help="Write a new domain, or a new model.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="Its name, in snake_case.")]


@new.command("domain")
def domain(
    name: Name, folder: Annotated[Path, typer.Option(help="Where the package's folder goes.")] = Path(),
) -> None:  # fmt: skip
    """Write a package with a gold table, features, a model and tests."""

    def work() -> int:
        from framework.core.plugins import discover
        from framework.ops.scaffold.scaffold import new_domain

        return _told(new_domain(name, folder, discover()))

    end_with(work)


@new.command("model")
def model(
    name: Name,
    domain: Annotated[str, typer.Option(help="An installed domain.")],
    kind: Annotated[str, typer.Option(help="regression, classification or anomaly.")],
    tests: Annotated[
        Path | None, typer.Option(help="Folder for the test.", show_default="tests beside the package")
    ] = None,
) -> None:
    """Write a model into a domain's package, with its test."""

    def work() -> int:
        from framework.core.plugins import discover
        from framework.ops.scaffold.scaffold import new_model

        return _told(new_model(name, domain, kind, discover(), tests))

    end_with(work)


def _told(files: Iterable[Path]) -> int:
    for file in files:
        typer.echo(str(file))
    return 0

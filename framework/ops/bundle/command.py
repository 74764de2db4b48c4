"""``health-monitor bundle``: writes the generated files, or checks the whole bundle."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console

from framework.core.plugins import Registry, discover

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

OWN = "health-monitor-ml"


def run_bundle(folder: Path, *, write: bool, check: bool, strict: bool) -> int:
    """Write the generated files, or compare them and look for faults.

    Args:
        folder: Folder of ``databricks.yml``.
        write: Write the generated files first.
        check: Look for files that differ, and for faults of the bundle.
        strict: Raise on a broken plugin.

    Returns:
        Exit code: 1 if a file differs, a fault was found, or a domain cannot be loaded.

    Raises:
        ConfigError: If neither is asked for, or a file cannot be read.
    """
    from framework.base.errors import ConfigError
    from framework.ops.bundle import files

    if not (write or check):
        raise ConfigError(what="nothing is asked for", where="bundle", fix="give --write or --check")
    plugins = discover(strict=strict)
    changed = files.write(plugins, folder) if write else []
    _say([f"{name} written" for name in changed] + _strangers(plugins))
    found = [f"domain '{name}' cannot be loaded: {error}" for name, error in plugins.broken.items()]
    if check:
        different = files.differences(plugins, folder)
        found += [f"{name}: differs from what the domains make: run {files.WRITE}" for name in different]
        found += faults(folder)
    _say(found)
    if not found:
        _say(["the bundle is as the domains make it"] if not check else ["the bundle is sound"])
    return 1 if found else 0


def faults(folder: Path) -> list[str]:
    """Return every fault of a bundle, as it is and with all that it could include.

    Args:
        folder: Folder of ``databricks.yml``.

    Returns:
        One sentence each, with its place.
    """
    from framework.ops.bundle.asset_rules import ASSET_RULES
    from framework.ops.bundle.job_rules import job_faults
    from framework.ops.bundle.load import read_bundle
    from framework.ops.bundle.rules import RULES

    bundle = read_bundle(folder)
    found = [fault for one in (bundle, bundle.whole) for rule in (*RULES, *ASSET_RULES) for fault in rule(one)]
    return [*dict.fromkeys(found), *job_faults(bundle)]


def _strangers(plugins: Registry) -> list[str]:
    """Name the packages of other teams: a task without its package finds no model."""
    found = sorted({origin for origin in plugins.domains.values() if origin != OWN})
    return [f"domains of '{origin}' are among the tasks: the variable domain_wheels must bring it" for origin in found]


def _say(lines: Sequence[str]) -> None:
    for line in lines:
        Console(soft_wrap=True).print(line, markup=False, highlight=False)

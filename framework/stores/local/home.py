"""The home's folder: whether it can hold what a run writes, before anything is written."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from framework.base.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

REFUSED = "?%[]\\"
"""Characters that mean something in the addresses of Delta tables and of SQLite: no path may have them."""


def why_no_home(folder: Path) -> str:
    """Return why a folder cannot be a home; empty if it can. Nothing is made.

    Args:
        folder: The absolute path; it need not exist.
    """
    odd = [character for character in REFUSED if character in folder.as_posix()]
    if odd:
        return f"its path has the character {odd[0]}, which addresses of tables cannot hold"
    at = folder
    while not at.exists():
        at = at.parent
    if not at.is_dir():
        return f"{at} is a file"
    return "" if os.access(at, os.W_OK | os.X_OK) else f"{at} cannot be written to"


def made_home(folder: Path) -> Path:
    """Return a home's absolute folder, made if it was not there.

    Raises:
        ConfigError: If it cannot hold what a run writes.
    """
    home = folder.expanduser().resolve()
    reason = why_no_home(home)
    try:
        if not reason:
            home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = error.strerror or str(error)
    if reason:
        raise ConfigError(what=reason, where=f"home {folder}", fix="name another folder with --home")
    return home

"""Paths as an engine takes them."""

from __future__ import annotations

import atexit
import functools
import hashlib
import re
import shutil
import tempfile
from pathlib import Path

_PLAIN = re.compile(r"[A-Za-z0-9_./=+,@-]*")


def literal_path(path: Path) -> str:
    """Return a path that no engine reads as a pattern or an address.

    A blank, a bracket, a percent sign or an umlaut means something else to each of them. A file or folder with such a
    name, or below one, gets a plain name for the time of the process: a link.

    Args:
        path: A file or folder.
    """
    place = path.absolute()
    if _PLAIN.fullmatch(str(place)):
        return str(place)
    link = _links() / (hashlib.sha256(str(place).encode()).hexdigest()[:16] + _suffix(place))
    if not link.is_symlink():
        link.symlink_to(place)
    return str(link)


def _suffix(place: Path) -> str:
    return place.suffix if _PLAIN.fullmatch(place.suffix) else ""


@functools.cache
def _links() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="health-monitor-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder

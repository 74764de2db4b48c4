"""Paths as Spark takes them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def literal_path(path: Path) -> str:
    """Return a path as Spark takes it: by itself it would read brackets and braces as a pattern."""
    return re.sub(r"([\\\[\]{}*?])", r"\\\1", str(path))

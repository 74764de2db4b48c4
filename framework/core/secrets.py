"""References to secrets: settings say where an address or a token is kept, never what it is."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit

ENVIRONMENT_REFERENCE = re.compile(r"^env:(\w+)$", re.ASCII)
SECRET_REFERENCE = re.compile(r"^secret:([^/\s]+)/([^/\s]+)$")
_OURS = "HEALTH_MONITOR_"
"""Environment variables that begin so are settings themselves."""
LOOPBACK = ("127.0.0.1", "::1", "localhost")
FORMS = "write env:NAME or secret:scope/key, and keep the address there"


def check_address(value: str) -> str:
    """Accept a reference to an address, or an address of this machine that carries no secret.

    Args:
        value: What stands in the settings.

    Returns:
        The value.

    Raises:
        ValueError: Otherwise; the message does not repeat the value, which may hold a token.
    """
    if found := ENVIRONMENT_REFERENCE.match(value):
        if found[1].startswith(_OURS):
            raise ValueError(f"variables {_OURS}... are settings: give the one that keeps the address another name")
        return value
    if SECRET_REFERENCE.match(value):
        return value
    parts = split_address(value)
    if parts is None or not is_loopback(parts):
        raise ValueError(f"an address may hold a token, so it is refused here: {FORMS}")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError(f"the address carries more than a path: {FORMS}")
    return value


def is_loopback(parts: SplitResult) -> bool:
    """Tell whether an address is of this machine."""
    return parts.hostname in LOOPBACK


def split_address(value: str) -> SplitResult | None:
    """Return the parts of a usable address, or ``None``."""
    if not value.isascii() or not value.isprintable() or " " in value:
        return None
    try:
        parts = urlsplit(value)
        _ = parts.port  # which may be no number
    except ValueError:
        return None
    return parts if parts.scheme in ("http", "https") and parts.hostname else None

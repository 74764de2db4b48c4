"""References to secrets: settings say where an address or a token is kept, never what it is."""

from __future__ import annotations

import os
import re
from urllib.parse import SplitResult, urlsplit

from framework.errors import ConfigError

_ENVIRONMENT = re.compile(r"^env:(\w+)$", re.ASCII)
_SECRET = re.compile(r"^secret:([^/\s]+)/([^/\s]+)$")
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
    if found := _ENVIRONMENT.match(value):
        if found[1].startswith(_OURS):
            raise ValueError(f"variables {_OURS}... are settings: give the one that keeps the address another name")
        return value
    if _SECRET.match(value):
        return value
    parts = _split(value)
    if parts is None or not is_loopback(parts):
        raise ValueError(f"an address may hold a token, so it is refused here: {FORMS}")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError(f"the address carries more than a path: {FORMS}")
    return value


def resolve(reference: str, where: str) -> str:
    """Return what a reference stands for; an address of this machine stands for itself.

    Args:
        reference: ``env:NAME``, ``secret:scope/key``, or an address that :func:`check_address` accepted.
        where: Who needs it, for the message.

    Returns:
        The secret; never log it.

    Raises:
        ConfigError: If it is not there; the message names the reference only.
    """
    if found := _ENVIRONMENT.match(reference):
        if value := os.environ.get(found[1], "").strip():
            return value
        raise ConfigError(what=f"environment variable {found[1]} is not set", where=where, fix="set it for the run")
    if found := _SECRET.match(reference):
        from framework.stores.databricks.secrets import read_secret

        return read_secret(found[1], found[2], where).strip()
    return reference


def resolve_address(reference: str, where: str) -> SplitResult:
    """Return the address that a reference stands for.

    Raises:
        ConfigError: If it is not there, or is no ``https`` address (``http`` will do on this machine only), or names
            a user.
    """
    parts = _split(resolve(reference, where))
    if parts is None or parts.username is not None or (parts.scheme != "https" and not is_loopback(parts)):
        raise ConfigError(
            what=f"what {reference.partition(':')[0]}: refers to is no https address without a user",
            where=where,
            fix="store one",
        )
    return parts


def is_loopback(parts: SplitResult) -> bool:
    """Tell whether an address is of this machine."""
    return parts.hostname in LOOPBACK


def _split(value: str) -> SplitResult | None:
    """Return the parts of a usable address, or ``None``."""
    if not value.isascii() or not value.isprintable() or " " in value:
        return None
    try:
        parts = urlsplit(value)
        _ = parts.port  # which may be no number
    except ValueError:
        return None
    return parts if parts.scheme in ("http", "https") and parts.hostname else None

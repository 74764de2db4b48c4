"""What references to secrets stand for: read where the sink is opened, and never logged."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from framework.base.errors import ConfigError
from framework.core.secrets import ENVIRONMENT_REFERENCE, SECRET_REFERENCE, is_loopback, split_address

if TYPE_CHECKING:
    from urllib.parse import SplitResult


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
    if found := ENVIRONMENT_REFERENCE.match(reference):
        if value := os.environ.get(found[1], "").strip():
            return value
        raise ConfigError(what=f"environment variable {found[1]} is not set", where=where, fix="set it for the run")
    if found := SECRET_REFERENCE.match(reference):
        from framework.stores.databricks.secrets import read_secret

        return read_secret(found[1], found[2], where).strip()
    return reference


def resolve_address(reference: str, where: str) -> SplitResult:
    """Return the address that a reference stands for.

    Raises:
        ConfigError: If it is not there, or is no ``https`` address (``http`` will do on this machine only), or names
            a user.
    """
    parts = split_address(resolve(reference, where))
    if parts is None or parts.username is not None or (parts.scheme != "https" and not is_loopback(parts)):
        raise ConfigError(
            what=f"what {reference.partition(':')[0]}: refers to is no https address without a user",
            where=where,
            fix="store one",
        )
    return parts

"""Secrets of a workspace, by scope and key."""

from __future__ import annotations

from framework.base.errors import ConfigError


def read_secret(scope: str, key: str, where: str) -> str:
    """Return a secret of the workspace that this run belongs to.

    Args:
        scope: Secret scope.
        key: Key in the scope.
        where: Who needs it, for the message.

    Raises:
        ConfigError: If there is no workspace, no such secret, or no right to read it. What the workspace answered
            is not repeated.
    """
    try:
        from databricks.sdk import WorkspaceClient

        return str(WorkspaceClient().dbutils.secrets.get(scope=scope, key=key))
    except Exception as problem:  # noqa: BLE001 - the SDK raises errors of many kinds, with the request in their text
        raise ConfigError(
            what=f"secret {scope}/{key} cannot be read ({type(problem).__name__})",
            where=where,
            fix="create it with `databricks secrets put-secret`, and let the run's principal read the scope",
        ) from None

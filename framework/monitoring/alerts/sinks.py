"""Where alerts are sent besides their table: files and webhooks of the settings, and what plugins offer."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from framework.base.errors import ConfigError
from framework.core.config import FileSink
from framework.monitoring.alerts.webhook import WebhookSender
from framework.stores.secrets import resolve_address

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from framework.core.config import WebhookSink
    from framework.gold.runtime import Runtime
    from framework.monitoring.alerts.messages import Message


class AlertSink(Protocol):
    """What the hook ``alert_sinks`` returns.

    ``name`` stands in the table of deliveries, in results and in logs.
    """

    name: str

    def send(self, alerts: Sequence[Message]) -> None:
        """Hand over some alerts, all or none.

        Args:
            alerts: At least one; e-mail addresses are masked already.

        Raises:
            Exception: Of any kind if they were not taken; they stay queued.
        """


class FileWriter:
    """A sink that appends one JSON object a line.

    Args:
        name: Name of the sink in the settings.
        path: The file; its folder is made on first use.
    """

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        self._path = path

    def send(self, alerts: Sequence[Message]) -> None:
        """Append the alerts in one write."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        lines = "".join(json.dumps(dataclasses.asdict(alert), ensure_ascii=False) + "\n" for alert in alerts)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(lines)


def sinks_of(runtime: Runtime) -> dict[str, Callable[[], AlertSink]]:
    """Return how to open each sink, by name; opening one may need a secret.

    Raises:
        ConfigError: If the settings give a sink the name of a plugin's.
    """
    found: dict[str, Callable[[], AlertSink]] = {}
    for name, offer in runtime.plugins.sinks.items():
        found[name] = lambda sink=offer.item: sink  # type: ignore[misc]
    for name, options in runtime.settings.alert_sinks.items():
        if name in found:
            raise ConfigError(
                what=f"domain '{runtime.plugins.sinks[name].domain}' offers a sink '{name}' already",
                where="alert_sinks",
                fix="choose another name",
            )
        found[name] = lambda n=name, o=options: _opened(runtime, n, o)  # type: ignore[misc]
    return found


def _opened(runtime: Runtime, name: str, options: FileSink | WebhookSink) -> AlertSink:
    if isinstance(options, FileSink):
        return FileWriter(name, Path(runtime.settings.home).expanduser() / options.path.expanduser())
    address = resolve_address(options.url, f"alert_sinks.{name}.url")
    return WebhookSender(name, address, shape=options.shape, timeout=options.timeout, tries=options.tries)

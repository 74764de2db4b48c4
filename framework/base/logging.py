"""Structured logs: snake_case events with fields, on stderr; context is bound once.

structlog is imported when something is logged: listing plugins logs nothing and answers at once.
"""

from __future__ import annotations

import contextlib
import logging
import sys
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, MutableMapping

KEPT_EVENTS = 50
KEPT_LETTERS = 1_000
_kept: ContextVar[list[dict[str, Any]] | None] = ContextVar("kept_events", default=None)


def configure(*, console: bool) -> None:
    """Set up logging for a command.

    Args:
        console: True for coloured lines on a terminal, False for one JSON object per line.
    """
    import structlog

    renderer: Any = structlog.dev.ConsoleRenderer() if console else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _keep,
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        # Looked up at each call, so that a redirected stderr is honoured.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )


@contextlib.contextmanager
def collected() -> Iterator[list[dict[str, Any]]]:
    """Collect what is logged inside, for the ledger: the newest events, long texts cut."""
    events: list[dict[str, Any]] = []
    token = _kept.set(events)
    try:
        yield events
    finally:
        _kept.reset(token)


def _keep(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Hand a copy of an event to whoever collects; the last one, how it ended, is never crowded out."""
    events = _kept.get()
    if events is not None:
        events.append({k: v[:KEPT_LETTERS] if isinstance(v, str) else v for k, v in event.items()})
        del events[:-KEPT_EVENTS]
    return event


def get_logger() -> Any:
    """Return a logger that carries the bound context."""
    import structlog

    return structlog.get_logger()

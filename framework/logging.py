"""Structured logs: snake_case events with fields, on stderr; context is bound once.

structlog is imported when something is logged: listing plugins logs nothing and answers at once.
"""

from __future__ import annotations

import logging
import sys
from typing import Any


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
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        # Looked up at each call, so that a redirected stderr is honoured.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )


def get_logger() -> Any:
    """Return a logger that carries the bound context."""
    import structlog

    return structlog.get_logger()

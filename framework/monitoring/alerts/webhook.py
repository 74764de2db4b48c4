"""Posts alerts to an address that nobody but this module knows: no log and no error repeats it."""

from __future__ import annotations

import http.client
import json
import ssl
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

from framework.base.errors import DeliveryError
from framework.core.secrets import is_loopback
from framework.monitoring.alerts.messages import SHAPES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from urllib.parse import SplitResult

    from framework.monitoring.alerts.messages import Message

PAUSE = 1.0
"""Seconds before the second attempt; each further pause is twice as long."""
LONGEST_PAUSE = 30.0
TOO_MANY = 429
SERVER_ERROR = 500


class WebhookSender:
    """A sink that posts JSON.

    Args:
        name: Name of the sink in the settings; the only thing that is ever said of it.
        address: Where to post.
        shape: ``plain``, ``slack`` or ``teams``.
        timeout: Seconds to wait for an answer.
        tries: Attempts in a run.
        pause: Waits for a number of seconds.
    """

    def __init__(
        self,
        name: str,
        address: SplitResult,
        *,
        shape: str = "plain",
        timeout: float = 10.0,
        tries: int = 3,
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        self.name = name
        self._address = address
        self._shape = SHAPES[shape]
        self._timeout = timeout
        self._tries = tries
        self._pause = pause

    def __repr__(self) -> str:
        return f"WebhookSender({self.name!r})"

    def send(self, alerts: Sequence[Message]) -> None:
        """Post alerts as one message.

        What the receiver may have taken although it did not say so (a time-out) is not posted again in this run.

        Raises:
            DeliveryError: If it was not taken; the text names neither the address nor an entity.
        """
        body = json.dumps(self._shape(alerts)).encode()
        for attempt in range(1, self._tries + 1):
            problem, wait = self._post(body)
            if not problem:
                return
            if wait is None or attempt == self._tries:
                raise DeliveryError(
                    what=f"{problem} (attempt {attempt} of {self._tries})",
                    where=f"alert sink {self.name}",
                    fix="see that the receiver is up and takes this shape; the alerts stay queued for the next run",
                )
            self._pause(min(LONGEST_PAUSE, max(wait, PAUSE * 2 ** (attempt - 1))))

    def _post(self, body: bytes) -> tuple[str, float | None]:
        """Return what went wrong (empty: nothing), and the seconds to wait before trying again (``None``: do not)."""
        try:
            self._open(body).close()
        except urllib.error.HTTPError as answer:
            answer.close()
            again = answer.code == TOO_MANY or answer.code >= SERVER_ERROR
            return f"it answered {answer.code}", _seconds(answer.headers.get("Retry-After")) if again else None
        except (OSError, http.client.HTTPException, ValueError) as problem:
            # urllib wraps what happens before the request is out.
            cause = problem.reason if isinstance(problem, urllib.error.URLError) else problem
            if isinstance(cause, TimeoutError):
                return f"no answer within {self._timeout:g} seconds", None
            # The text of a foreign error may quote the address.
            return f"no connection ({type(cause).__name__})", None if isinstance(cause, ssl.SSLError) else 0.0
        return "", None

    def _open(self, body: bytes) -> Any:
        # The address was checked to be http of this machine, or https.
        request = urllib.request.Request(  # noqa: S310
            self._address.geturl(),
            data=body,
            headers={"Content-Type": "application/json", "User-Agent": "health-monitor"},
            method="POST",
        )
        proxies = [urllib.request.ProxyHandler({})] if is_loopback(self._address) else []
        return urllib.request.build_opener(_NoRedirect, *proxies).open(request, timeout=self._timeout)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows nothing: a redirect would carry the alerts somewhere else."""

    def redirect_request(self, *_args: Any, **_more: Any) -> None:
        """Return that there is no other request."""


def _seconds(text: str | None) -> float:
    """Return the seconds of a Retry-After header; 0 for a date, or none."""
    return float(text) if text is not None and text.strip().isdigit() else 0.0

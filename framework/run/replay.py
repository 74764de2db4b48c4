"""``health-monitor replay``: past days one after the other, as if the monitor had run on each of them.

A backfill of features is one wide build. What serves, scores and is judged on a day hangs on the days before it, so
those steps go through the days in order. Every step of a day knows what was known at its end, and nothing later.
"""

from __future__ import annotations

import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from rich.console import Console

from framework.base.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import date

    from framework.core.results import UnitResult
    from framework.gold.runtime import Runtime


def run_replay(options: Mapping[str, Any], first: date, last: date, train_every: int) -> int:
    """Replay a range of days.

    Args:
        options: Typed command-line options; ``config`` is no setting.
        first: First day.
        last: Last day.
        train_every: Days from one training to the next.

    Returns:
        Exit code: 0, or 1 if a unit failed.
    """
    from framework.base import logging
    from framework.core.config import load_settings
    from framework.core.plugins import discover
    from framework.run.opening import open_runtime

    logging.configure(console=sys.stderr.isatty())
    settings = load_settings({k: v for k, v in options.items() if k != "config"}, options.get("config"))
    runtime = open_runtime(settings, discover(strict=settings.strict))
    out, failed = Console(width=None if sys.stdout.isatty() else 200), 0
    for day, results in replay(runtime, first, last, train_every):
        bad = [r for r in results if r.status == "failed"]
        failed += len(bad)
        counts = ", ".join(f"{sum(r.stage == s for r in results)} {s}" for s in dict.fromkeys(r.stage for r in results))
        out.print(f"{day}: {counts}" + "".join(f"; failed {r.unit}: {r.reason}" for r in bad), highlight=False)
    return 1 if failed else 0


def replay(
    runtime: Runtime,
    first: date,
    last: date,
    train_every: int = 7,
    *,
    before: Callable[[Runtime], None] | None = None,
) -> Iterator[tuple[date, list[UnitResult]]]:
    """Build features of the whole range once, then go through its days: train, score, monitor.

    Models are trained every ``train_every`` days from the first on, and on any day after one on which monitoring asked
    for it.

    Args:
        runtime: The runtime; its day must not lie before ``last``.
        first: First day.
        last: Last day.
        train_every: Days from one training to the next.
        before: Called with each day's runtime before its work.

    Yields:
        Each day with its results.

    Raises:
        ConfigError: If the range is empty or reaches beyond what the source holds.
    """
    from framework.run.pipeline import Pipeline

    if not first <= last <= runtime.as_of:
        raise ConfigError(
            what=f"{first} to {last} is no range of days up to {runtime.as_of}",
            where="--from, --to",
            fix="give the earlier day first, and none that the source does not hold",
        )
    whole = runtime.at(last)
    yield last, Pipeline(whole).run(("features",))
    for number in range((last - first).days + 1):
        day = first + timedelta(days=number)
        today = whole.at(day, cut=day < last)
        if before is not None:
            before(today)
        due = number % train_every == 0
        results = Pipeline(today, requested=not due).run(("train", "score", "monitor"))
        yield day, results

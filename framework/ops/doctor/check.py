"""One thing that a run needs, and whether it is there."""

from __future__ import annotations

import contextlib
import dataclasses
from typing import TYPE_CHECKING

from framework.base.errors import HealthMonitorError

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """One checked thing.

    Args:
        name: What was checked.
        ok: Whether it is as it must be.
        detail: What was found.
        fix: The step that mends it; empty if nothing is wrong.
        needed: False for what costs a part of a run and stops nothing.
    """

    name: str
    ok: bool
    detail: str
    fix: str = ""
    needed: bool = True


def healthy(checks: list[Check]) -> bool:
    """Tell whether a run can do its work."""
    return all(check.ok for check in checks if check.needed)


@contextlib.contextmanager
def gathered(checks: list[Check], name: str) -> Iterator[None]:
    """Turn an error of ours into a failed check; the other checks go on."""
    try:
        yield
    except HealthMonitorError as error:
        checks.append(Check(name=name, ok=False, detail=f"{error.what} (in {error.where})", fix=error.fix))

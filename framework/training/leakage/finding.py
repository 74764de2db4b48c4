"""What a leakage check found."""

from __future__ import annotations

import dataclasses
from enum import StrEnum


class Verdict(StrEnum):
    """What follows from a finding."""

    REFUSE = "refuse"
    """The training stops."""
    ASK = "ask"
    """The version is registered, and never promoted until the declaration says why the column is honest."""
    PASS = "pass"  # noqa: S105 - a word, and no password


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One row of a check's result.

    Args:
        check: Name of the check.
        column: The feature, or what else it speaks of; empty where it found nothing.
        evidence: One sentence with the figures.
        verdict: What follows; ``pass`` where the declaration answers for the column, or nothing was found.
        seconds: How long the check took, for all that it found.
    """

    check: str
    column: str
    evidence: str
    verdict: Verdict
    seconds: float = 0.0

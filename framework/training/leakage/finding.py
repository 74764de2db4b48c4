"""What a leakage check found."""

from __future__ import annotations

import dataclasses
from enum import StrEnum


class Verdict(StrEnum):
    """What follows from a finding."""

    ASK = "ask"
    """The version is registered, and never promoted until the declaration says why the column is honest."""
    PASS = "pass"  # noqa: S105 - a word, and no password


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One column that a check speaks of.

    Args:
        check: Name of the check.
        column: The feature.
        evidence: One sentence with the figures.
        verdict: What follows; ``pass`` where the declaration answers for the column.
    """

    check: str
    column: str
    evidence: str
    verdict: Verdict

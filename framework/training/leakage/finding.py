"""What a leakage check found."""

from __future__ import annotations

import dataclasses
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from framework.training.data import Fitted


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


def asked(fitted: Fitted, findings: Sequence[Finding]) -> Fitted:
    """Return a fitted model with what the checks found; it is withheld while a column is asked about."""
    open_ones = [found for found in findings if found.verdict is Verdict.ASK]
    kept = dataclasses.replace(fitted, findings=tuple(findings))
    if not open_ones:
        return kept
    first = open_ones[0]
    more = f" ({len(open_ones) - 1} more)" if len(open_ones) > 1 else ""
    why = f"{first.column}{more} {first.evidence}; say in `honest` of the declaration which"
    return dataclasses.replace(kept, withheld=kept.withheld or why, remarks=(*kept.remarks, f"not promoted: {why}"))

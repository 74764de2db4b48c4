"""The twenty rows: fourteen practices and six criteria, each from what is registered and stored."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Literal

from framework.ops.audit import criteria, practices

if TYPE_CHECKING:
    from framework.ops.audit.evidence import Evidence
    from framework.ops.audit.findings import Finding


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One row of the audit.

    Args:
        number: 1 to 20.
        group: ``practice`` or ``criterion``.
        title: What should be so.
        passed: Whether it is so throughout.
        share: Share of what was looked at for which it is so.
        offenders: For which it is not, and what is wrong there.
        evidence: What was looked at.
    """

    number: int
    group: Literal["practice", "criterion"]
    title: str
    passed: bool
    share: float
    offenders: tuple[str, ...]
    evidence: str


Judge = Callable[["Evidence"], Iterable["Finding"]]

PRACTICES: tuple[tuple[str, str, Judge], ...] = (
    ("feature lookups for all models", "stored lookups against the feature tables", practices.lookups),
    ("primary key, NOT NULL and time key of tables", "stored schemas of the looked-up tables", practices.keys),
    ("signatures", "MLmodel of each version against its lookups and outputs", practices.signatures),
    ("label types", "types of the label columns that each training logged", practices.label_types),
    ("registry with versions", "aliases, states and tags of the versions", practices.versions),
    ("models logged with their lookups", "artefact of each version", practices.logged),
    ("scored by score_batch", "the newest scoring in the ledger", practices.scored),
    ("serverless-ready", "source of the installed packages; code and pins of each version", practices.serverless),
    ("runs tracked", "MLflow run of each version", practices.tracked),
    ("structured logs", "log events in the ledger", practices.logs),
    ("bundle", "tasks of the bundle's jobs", practices.bundle),
    ("gold-to-feature mapping", "column metadata of the looked-up features", practices.mapping),
    ("quality metrics by type", "metrics of each version's run", practices.metrics),
    ("retraining strategy", "age limit of the newest version; what starts its training", practices.retraining),
)

CRITERIA: tuple[tuple[str, str, Judge], ...] = (
    ("features by lookup 100 %", "input columns of each version, by their stored source", criteria.by_lookup),
    ("in the registry with signatures 100 %", "the models on offer against the registry", criteria.in_registry),
    ("inference by score_batch 100 %", "stored predictions against the ledger", criteria.by_score_batch),
    ("runs traced 100 %", "training runs that stored predictions name", criteria.traced),
    ("quality thresholds defined", "tags and served facts of each version", criteria.thresholds),
    ("models documented 100 %", "descriptions in the registry", criteria.documented),
)


def audit(evidence: Evidence) -> list[Row]:
    """Compute all rows.

    Args:
        evidence: What is registered and stored.

    Returns:
        Twenty rows; where there is nothing to look at, a row has not passed.
    """
    rows: list[Row] = []
    for group, table in (("practice", PRACTICES), ("criterion", CRITERIA)):
        for title, looked_at, judge in table:
            findings = list(judge(evidence))
            wrong = [f"{subject}: {problem}" for subject, _, problem in findings if problem]
            share = sum(part for _, part, _ in findings) / len(findings) if findings else 0.0
            rows.append(
                Row(
                    number=len(rows) + 1,
                    group=group,  # type: ignore[arg-type]  # the two literals above
                    title=title,
                    passed=bool(findings) and not wrong,
                    share=share,
                    offenders=tuple(wrong) if findings else ("nothing is registered that could be looked at",),
                    evidence=f"{looked_at}: {len(findings)} looked at",
                )
            )
    return rows


def passed(rows: Iterable[Row]) -> bool:
    """Tell whether every row has passed."""
    return all(row.passed for row in rows)

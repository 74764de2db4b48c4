"""How the rows go through the evidence: one question, asked of each version or model."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from framework.ops.audit.evidence import Evidence, Model, Version

Finding = tuple[str, float, str]
"""What was looked at, the share of it that is right, and what is wrong (empty if nothing is)."""


def of_versions(evidence: Evidence, problem: Callable[[Version], str]) -> Iterator[Finding]:
    """Ask what is wrong with each version."""
    for version in evidence.versions:
        yield one(f"{version.model} version {version.number}", problem(version))


def of_models(evidence: Evidence, problem: Callable[[Model], str]) -> Iterator[Finding]:
    """Ask what is wrong with each registered model."""
    for model in evidence.registered:
        yield one(model.name, problem(model))


def one(subject: str, problem: str) -> Finding:
    """Return a finding that is right or wrong as a whole."""
    return subject, 0.0 if problem else 1.0, problem

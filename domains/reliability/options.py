"""Options of the reliability domain, section ``reliability`` of the settings."""

from __future__ import annotations

from pydantic import Field

from framework import DomainOptions


class ReliabilityOptions(DomainOptions):
    """What only the platform's owners know.

    Args:
        slas: Deadline of a job's first run of the day, in hours after 00:00 local time (may pass 24),
            by ``workspace_id/job_id``. Jobs without one get the P95 of their own past.
    """

    section = "reliability"
    slas: dict[str, float] = Field(default_factory=dict)

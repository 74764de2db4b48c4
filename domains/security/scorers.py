"""Who is scored: every user with a feature row on the day, or those who changed rights."""

from __future__ import annotations

from framework import BatchScorer


class SecurityThreatScorer(BatchScorer):
    """Every user of the day."""

    model = "security_threat_detector"


class ExfiltrationScorer(BatchScorer):
    """Every user of the day."""

    model = "exfiltration_detector"


class PrivilegeEscalationScorer(BatchScorer):
    """Users who granted or administered something on the day."""

    model = "privilege_escalation_detector"
    where = (("grant_or_admin", ">=", 1),)


class UserBehaviorScorer(BatchScorer):
    """Every user of the day."""

    model = "user_behavior_baseline"

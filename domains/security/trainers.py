"""The four models of the domain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from domains.gold.truth import incident_days
from domains.security.audit import REVIEW, USER, grant_days
from domains.security.features import AUDIT, FAILED, PARAMS
from framework import (
    LABEL_KNOWN_AT,
    WORTH_AN_ALERT,
    AnomalyTrainer,
    ClassificationTrainer,
    FromFeature,
    Lookup,
    ModelSpec,
    days,
    learners,
)

if TYPE_CHECKING:
    from datetime import date

    from pyspark.sql import DataFrame

    from framework import GoldView

TABLE, TIME = "security_features", "event_date"
RARE = days(56)
"""Attacks are rare: eight weeks are held back, so that there is something to judge by."""
THREATS = (
    "events_z_28d", "failures_excess", "failures_over_peers", "failure_share", "sensitive_excess", "off_hours_excess",
    "networks_excess", "new_networks", "new_network_failures", "new_network_sensitive", "new_network_off_hours",
)  # fmt: skip
VOLUMES = (
    "read_bytes_z_28d", "read_bytes_excess", "read_bytes_over_peers", "produced_rows_excess",
    "produced_rows_over_peers", "statements_excess", "exports_excess", "exports_over_peers", "tables_excess",
    "new_tables", "new_tables_excess", "new_tables_over_peers",
)  # fmt: skip
HABITS = ("events_z_28d", "client_surprise", "hour_surprise", "first_hour_shift", "mix_surprise")
"""Few, because a forest of random splits is led astray by inputs that say little."""
RIGHTS = (
    "grants", "revokes", "admin_actions", "self_grants", "powerful_grants", "outside_grants", "new_object_grants",
    "new_principal_grants", "off_hours_grants", "grant_principals", "grant_objects", "grants_28d", "revokes_28d",
    "admin_actions_28d", "days_since_grant", "days_since_undone", "undone_days_90d", "judged_days_90d",
    "undone_share_of_all", "undone_rate_90d", "days_known", "events", "failures", "sensitive", "new_networks",
    "weekday_sin", "weekday_cos",
)  # fmt: skip


class SecurityThreatDetector(AnomalyTrainer):
    """Whose account is under attack today, or in other hands?"""

    spec = ModelSpec(
        name="security_threat_detector",
        use_case="security_threat",
        question="Does the user's day look like an attack on the account?",
        action="triage the top k with reasons",
        label_description="judged: days of known password guessing and of accounts taken over",
        unit="user-day",
        lookups=(Lookup(table=TABLE, columns=THREATS),),
        horizon=days(1),
        baseline=FromFeature(columns=("events_z_28d",), otherwise=0.0),
        promote_above=WORTH_AN_ALERT,
        needs=(*AUDIT, *FAILED),
        test=RARE,
    )

    def events(self, gold: GoldView, as_of: date) -> DataFrame | None:
        """Judge by attacks from outside."""
        return incident_days(gold, "brute_force", "account_takeover", keys=USER, time=TIME)

    def estimator(self) -> Any:
        """A forest of random splits."""
        return learners.isolation_forest()


class ExfiltrationDetector(AnomalyTrainer):
    """Who takes data along?"""

    spec = ModelSpec(
        name="exfiltration_detector",
        use_case="exfiltration",
        question="Does the user read or carry out far more, or other, data than usual?",
        action="check the destination, suspend the token",
        label_description="judged: days of known bulk reads and mass exports",
        unit="user-day",
        lookups=(Lookup(table=TABLE, columns=VOLUMES),),
        horizon=days(1),
        baseline=FromFeature(columns=("read_bytes_z_28d",), otherwise=0.0),
        promote_above=WORTH_AN_ALERT,
        needs=AUDIT,
        test=RARE,
    )

    def events(self, gold: GoldView, as_of: date) -> DataFrame | None:
        """Judge by thefts."""
        return incident_days(gold, "bulk_read", "mass_export", keys=USER, time=TIME)

    def estimator(self) -> Any:
        """A forest of random splits."""
        return learners.isolation_forest()


class PrivilegeEscalationDetector(ClassificationTrainer):
    """Which of today's grants should somebody look at before they do harm?"""

    spec = ModelSpec(
        name="privilege_escalation_detector",
        use_case="privilege_escalation",
        question="Will one of the day's grants be undone, or turn out to serve the one who gave it?",
        action="review the grant",
        label_description="1 if a grant of the day is taken back, or was given to oneself and is "
        "used, within (t, t+14]",
        unit="user-day with a grant or an admin change",
        lookups=(Lookup(table=TABLE, columns=RIGHTS),),
        horizon=days(REVIEW),
        baseline=FromFeature(columns=("undone_rate_90d",), otherwise=0.0),
        needs=(*AUDIT, *PARAMS),
        calibrate=days(35),
        test=days(42),
        score_where=(("grant_or_admin", ">=", 1),),
    )

    def labels(self, gold: GoldView, as_of: date) -> DataFrame:
        """Label days of grants and administration by what became of them."""
        return grant_days(gold).where(f"date_add(day, {REVIEW}) <= DATE'{as_of}'").selectExpr(
            *USER, f"day AS {TIME}", "undone AS label",
            f"CAST(date_add(day, {REVIEW + 1}) AS timestamp) AS {LABEL_KNOWN_AT}",
        )  # fmt: skip

    def estimator(self) -> Any:
        """A light forest."""
        return learners.forest()


class UserBehaviorBaseline(AnomalyTrainer):
    """Is it really this user who works under this name today?"""

    spec = ModelSpec(
        name="user_behavior_baseline",
        use_case="user_behavior",
        question="Does the user's day differ in kind from the 28 days before?",
        action="context for the other security models",
        label_description="judged: days on which somebody else's work stands under the user's name",
        unit="user-day",
        lookups=(Lookup(table=TABLE, columns=HABITS),),
        horizon=days(1),
        baseline=FromFeature(columns=("events_z_28d",), otherwise=0.0),
        promote_above=WORTH_AN_ALERT,
        needs=AUDIT,
        test=RARE,
        alert_on=(),  # context for the other three, which speak up themselves
    )

    def events(self, gold: GoldView, as_of: date) -> DataFrame | None:
        """Judge by swapped days."""
        return incident_days(gold, "identity_swap", keys=USER, time=TIME)

    def estimator(self) -> Any:
        """A forest whose trees see enough days to tell a rare mix from a lively one."""
        return learners.isolation_forest(max_samples=0.05)

"""The audit log, and lineage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from domains.gold.system.view import SystemView

if TYPE_CHECKING:
    from collections.abc import Iterable

    from domains.gold.system.options import SystemOptions

FAILED = "coalesce(s.response.status_code >= 400, false) OR coalesce(s.response.error_message, '') <> ''"
"""An action failed if its response says so, by status or by message."""


def access_views(options: SystemOptions) -> tuple[SystemView, ...]:
    """Return the views of who did what, and which tables were read and written."""
    return (_audit(options.sensitive_actions), LINEAGE)


def _audit(sensitive: Iterable[str]) -> SystemView:
    return SystemView(
        name="fact_audit_logs",
        source="access.audit",
        columns={
            "event_id": "s.event_id",
            "event_time": "s.event_time",
            "event_date": ("s.event_date", "s.event_time"),
            "workspace_id": "s.workspace_id",  # 0 for what happens in the account
            "user_identity_email": "s.user_identity.email",
            "service_name": "s.service_name",
            "action_name": "s.action_name",
            "source_ip_address": "s.source_ip_address",
            "user_agent": "s.user_agent",
            "session_id": "s.session_id",
            "response_status_code": "s.response.status_code",
            "is_failed_action": FAILED,
            "is_sensitive_action": is_sensitive(sensitive),
            "request_params": "s.request_params",
        },
    )


def is_sensitive(actions: Iterable[str]) -> str:
    """Return SQL for whether an action is one of some, each written ``action`` or ``service.action``."""
    names = sorted(set(actions))
    plain = _texts(name for name in names if "." not in name)
    qualified = _texts(name for name in names if "." in name)
    return (
        f"coalesce(s.action_name IN ({plain}), false)"
        f" OR coalesce(concat(s.service_name, '.', s.action_name) IN ({qualified}), false)"
    )


def _texts(names: Iterable[str]) -> str:
    escaped = (name.replace("\\", "\\\\").replace("'", "\\'") for name in names)
    return ", ".join(f"'{name}'" for name in escaped) or "NULL"


LINEAGE = SystemView(
    name="fact_table_lineage",
    source="access.table_lineage",
    columns={
        "record_id": "s.record_id",
        "source_table_full_name": "s.source_table_full_name",
        "target_table_full_name": "s.target_table_full_name",
        "event_time": "s.event_time",
        "event_date": ("s.event_date", "s.event_time"),
        "entity_type": "s.entity_type",
        "entity_metadata_job_id": (
            "s.entity_metadata.job_info.job_id",
            "CASE WHEN s.entity_type = 'JOB' THEN s.entity_id END",
        ),
        "created_by": "s.created_by",
    },
)

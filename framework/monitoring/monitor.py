"""The monitor's work for one model and day: outcomes, performance, drift, requests, alerts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from framework.core.results import Status, UnitResult
from framework.monitoring.alerts.alerts import raise_alerts
from framework.monitoring.alerts.deliveries import send_alerts
from framework.monitoring.alerts.model_alerts import raise_model_alerts
from framework.monitoring.drift.drift import measure_drift
from framework.monitoring.outcomes import outcomes, performance, retraining
from framework.registry.aliases import stand_down
from framework.tables.declared import DRIFT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date
    from typing import Any

    from framework.gold.runtime import Runtime


def monitor_model(runtime: Runtime, model: str, as_of: date) -> UnitResult:
    """Look at one model as of a day; the same day again changes nothing.

    Args:
        runtime: The runtime.
        model: The model.
        as_of: Newest day that may be known.

    Returns:
        ``done`` with the outcomes written and the skill of the serving version on them, or ``skipped``.
    """
    served = runtime.registry.served(model)
    if served is None:
        return UnitResult(stage="monitor", name=model, status=Status.SKIPPED, reason="no version is registered")
    written = outcomes.join_outcomes(runtime, model, as_of)
    measured = performance.measure(runtime, model, as_of)
    moved = measure_drift(runtime, model, served, as_of)
    DRIFT.merge(runtime, moved)
    asked = retraining.request(runtime, model, served, as_of, drift=moved, performance=measured)
    raised = raise_alerts(runtime, model, as_of)
    own = next((row for row in measured if row["model_version"] == served.version), {})
    worse = performance.worse_than_baseline(own)
    stood_down = stand_down(runtime, model, served.version, worse, as_of) if worse else ""
    return UnitResult(
        stage="monitor",
        name=model,
        status=Status.DONE,
        rows=written,
        reason="; ".join(filter(None, [stood_down, _remark(own, moved, asked, raised)])),
        version=served.version,
        skill=own.get("skill"),
        skill_low=own.get("skill_low"),
        skill_high=own.get("skill_high"),
    )


def tell(runtime: Runtime, as_of: date) -> UnitResult:
    """Raise the alerts about models and tables, and send what is new or still queued.

    Args:
        runtime: The runtime.
        as_of: The day.

    Returns:
        ``done`` with the alerts raised or changed, and what stays queued; ``failed`` if a sink cannot be opened.
    """
    changed = raise_model_alerts(runtime, as_of)
    sent = send_alerts(runtime)
    broken = any(one.status is Status.FAILED for one in sent)
    return UnitResult(
        stage="alerts",
        name="alerts",
        status=Status.FAILED if broken else Status.DONE,
        rows=changed,
        reason="; ".join(f"{one.name}: {one.reason}" for one in sent if one.reason),
    )


def _remark(
    own: Mapping[str, Any], moved: Sequence[Mapping[str, Any]], asked: Sequence[Mapping[str, Any]], raised: int
) -> str:
    remarks = [f"train again: {row['says']}" for row in asked]
    if drifting := [row["name"] for row in moved if row["level"] == "drift"]:
        remarks.append(f"drift in {', '.join(drifting[:3])}" + (" and more" if drifting[3:] else ""))
    if raised:
        remarks.append(f"{raised} alerts raised or changed")
    if not own:
        remarks.append("no outcome is known yet")
    return "; ".join(remarks)

"""The queries of the dashboard, over the tables that the monitor writes.

They name tables only: catalog and schema differ by target, and the bundle gives them to the dashboard.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from framework.core.results import Status
from framework.gold.quarantine import QUARANTINE
from framework.monitoring.alerts.book import RESOLVED
from framework.monitoring.alerts.rules import SEVERITIES
from framework.monitoring.drift.levels import DRIFTED, WATCH
from framework.monitoring.outcomes.retraining import OPEN
from framework.stores.databricks.sql import text
from framework.tables.declared import ALERTS, DECISIONS, DRIFT, LEDGER, PERFORMANCE, REQUESTS

if TYPE_CHECKING:
    from collections.abc import Mapping

SKILL_DAYS = 90
DRIFT_DAYS = 30
UNIT_DAYS = 7
_GONE = "no longer loaded"


def queries(domains: Mapping[str, str]) -> dict[str, str]:
    """Return the text of each dataset's query by the dataset's name.

    Args:
        domains: Domain of each loaded model, which most tables do not hold.
    """
    known = _models(domains)
    return {
        "alerts": _alerts(),
        "alerts_by_domain": _alerts_by_domain(domains),
        "skill": _skill(known),
        "decisions": _decisions(known),
        "requests": _requests(known),
        "drift": _drift(known),
        "findings": _findings(known),
        "quarantine": _quarantine(),
        "units": _units(),
    }


def _models(domains: Mapping[str, str]) -> str:
    rows = ",\n    ".join(f"({text(model)}, {text(domain)})" for model, domain in sorted(domains.items()))
    return f"""\
WITH models AS (
  SELECT model_name, domain FROM VALUES
    {rows}
    AS listed (model_name, domain)
)
"""


def _domain(table: str) -> str:
    """The newest rows of a model may be older than its removal."""
    return f"""\
coalesce(models.domain, '{_GONE}') AS domain
FROM {table} AS t
LEFT JOIN models ON t.model_name = models.model_name"""


def _since(table: str, days: int) -> str:
    """Days before the newest one, not before today: an idle monitor shows what it saw last."""
    return f"t.as_of_date > (SELECT date_sub(max(as_of_date), {days}) FROM {table})"


def _alerts() -> str:
    order = " ".join(f"WHEN '{name}' THEN {-at}" for at, name in enumerate(SEVERITIES))
    return f"""\
SELECT
  alert_id,
  CASE WHEN severity = '{SEVERITIES[-1]}' THEN alert_id END AS critical_alert_id,
  domain, severity, model_name, kind, entity, reason, action, prediction, model_version, first_day, last_day, state
FROM {ALERTS.name}
WHERE state <> '{RESOLVED}'
ORDER BY CASE severity {order} END, last_day DESC
"""


def _alerts_by_domain(domains: Mapping[str, str]) -> str:
    """Every loaded domain is on the axis: none is missing because it is quiet."""
    rows = ", ".join(f"({text(domain)})" for domain in sorted(set(domains.values())))
    return f"""\
WITH domains AS (
  SELECT domain FROM VALUES {rows} AS listed (domain)
)
SELECT domains.domain, coalesce(a.severity, 'none') AS severity, count(a.alert_id) AS open_alerts
FROM domains
LEFT JOIN {ALERTS.name} AS a ON domains.domain = a.domain AND a.state <> '{RESOLVED}'
GROUP BY domains.domain, a.severity
"""


def _skill(models: str) -> str:
    """Several versions may be judged on a day: the one that gave most of the predictions speaks for the model."""
    return f"""\
{models}SELECT
  t.as_of_date, t.model_name, t.model_version, t.metric, t.value, t.baseline, t.skill, t.skill_low, t.skill_high,
  t.promised_skill, t.skill - t.promised_skill AS skill_beside_promise, t.`rows` AS predictions_judged,
  {_domain(PERFORMANCE.name)}
WHERE {_since(PERFORMANCE.name, SKILL_DAYS)}
QUALIFY row_number() OVER (PARTITION BY t.model_name, t.as_of_date ORDER BY t.`rows` DESC, t.model_version DESC) = 1
"""


def _decisions(models: str) -> str:
    return f"""\
{models}SELECT
  t.decided_at, t.as_of_date, t.model_name, t.model_version, t.decided_by, t.decision, t.reason, t.metric, t.skill,
  t.skill_low, t.promote_above, t.champion_version,
  {_domain(DECISIONS.name)}
QUALIFY row_number() OVER (PARTITION BY t.model_name ORDER BY t.decided_at DESC) = 1
ORDER BY t.decided_at DESC
"""


def _requests(models: str) -> str:
    return f"""\
{models}SELECT
  t.requested_on, t.last_seen_on, t.model_name, t.model_version, t.reason, t.says, t.urgency,
  {_domain(REQUESTS.name)}
WHERE t.state = '{OPEN}'
ORDER BY t.urgency, t.requested_on
"""


def _drift(models: str) -> str:
    """Features that reached the first band of PSI on one of the days; the others would fill the chart with nothing."""
    return f"""\
{models}SELECT
  t.as_of_date, t.model_name, concat(t.model_name, ': ', t.name) AS feature, t.psi, t.psi_usual, t.level,
  {_domain(DRIFT.name)}
WHERE t.kind = 'feature' AND {_since(DRIFT.name, DRIFT_DAYS)}
QUALIFY max(t.psi) OVER (PARTITION BY t.model_name, t.name) > {WATCH}
"""


def _findings(models: str) -> str:
    return f"""\
{models}SELECT
  t.as_of_date, t.model_name, t.model_version, t.kind, t.name, t.psi, t.psi_usual, t.ks_p, t.missing_rate,
  t.missing_rate_training, t.level, t.says, CASE WHEN t.level = '{DRIFTED}' THEN t.name END AS drifted_name,
  {_domain(DRIFT.name)}
WHERE t.says <> '' AND {_since(DRIFT.name, 1)}
ORDER BY t.level, t.psi DESC
"""


def _quarantine() -> str:
    return f"""\
SELECT table_name, reason, sum(copies) AS bad_rows, min(known_at) AS first_known_at, max(known_at) AS last_known_at
FROM {QUARANTINE}
GROUP BY table_name, reason
ORDER BY bad_rows DESC
"""


def _units() -> str:
    """The newest result of each unit, if it was neither good nor long ago."""
    return f"""\
SELECT
  recorded_at, as_of_date, unit, split_part(unit, ':', 1) AS stage, status, reason, run_id,
  CASE WHEN status = '{Status.FAILED}' THEN unit END AS failed_unit
FROM {LEDGER}
WHERE recorded_at > (SELECT date_sub(max(recorded_at), {UNIT_DAYS}) FROM {LEDGER})
QUALIFY row_number() OVER (PARTITION BY unit ORDER BY recorded_at DESC) = 1 AND status <> '{Status.DONE}'
ORDER BY status, recorded_at DESC
"""

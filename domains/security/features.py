"""What each user did on each day, against their own past and against everybody else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from domains.security.audit import MEMORY, REVIEW, USER, audited, changes_of_rights, grant_days, last_seen, named
from domains.security.user_formulas import MONTH, QUARTER, amount, count, days_with, excess, over_peers, surprise
from framework import DailyFeatures, TableSpec, stack
from framework import formulas as fx

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from framework import GoldView

AUDIT = ("fact_audit_logs.user_identity_email", "fact_audit_logs.action_name")
FAILED, SENSITIVE = ("fact_audit_logs.is_failed_action",), ("fact_audit_logs.is_sensitive_action",)
ADDRESS, CLIENT = ("fact_audit_logs.source_ip_address",), ("fact_audit_logs.user_agent",)
PARAMS = ("fact_audit_logs.request_params",)
READER = "fact_query_history.executed_by"
LINEAGE = ("fact_table_lineage.created_by", "fact_table_lineage.source_table_full_name")
SETTLED_DAYS = 7
PRIOR_WEIGHT, PRIOR = 5, 0.1

DAY = (
    count("events", "count(action)", description="audited events"),
    *amount("failures", "sum(failed)", description="failed actions", unit="events", needs=FAILED),
    *amount("sensitive", "sum(sensitive)", description="sensitive actions", unit="events", needs=SENSITIVE),
    count("off_hours", "sum(off_hours)", description="events outside of local working hours"),
    *amount(
        "networks", "nullif(size(collect_set(network)), 0)", description="networks", unit="networks", needs=ADDRESS
    ),
    count("exports", "sum(exported)", description="downloads and exports"),
    count("admin_actions", "sum(admin)", description="changes of the platform that are no grants"),
    fx.daily(
        "unknown_networks",
        "size(collect_set(CASE WHEN new_network = 1 THEN network END))",
        description="networks not seen before",
        hidden=True,
        needs=ADDRESS,
    ),
    *(
        fx.daily(
            f"unknown_{name}", sql, description=f"{name} from networks not seen before", hidden=True, needs=ADDRESS
        )
        for name, sql in (
            ("failures", "sum(failed * new_network)"),
            ("sensitive", "sum(sensitive * new_network)"),
            ("off_hours", "sum(off_hours * new_network)"),
        )
    ),
)

VOLUME = (
    *amount("statements", "sum(statement)", description="SQL statements", unit="statements", needs=(READER,)),
    *amount(
        "read_bytes",
        "sum(read_bytes)",
        description="bytes read by SQL",
        unit="bytes",
        needs=(READER, "fact_query_history.read_bytes"),
    ),
    *amount(
        "produced_rows",
        "sum(produced_rows)",
        description="rows returned by SQL",
        unit="rows",
        needs=(READER, "fact_query_history.produced_rows"),
    ),
    *amount("tables", "nullif(size(collect_set(source)), 0)", description="tables read", unit="tables", needs=LINEAGE),
    fx.daily(
        "unknown_tables",
        "size(collect_set(CASE WHEN new_table = 1 THEN source END))",
        description="tables not read before",
        hidden=True,
        needs=LINEAGE,
    ),
)

KNOWN = (
    fx.derived(
        "days_known",
        "day_number - min(CASE WHEN events > 0 OR tables > 0 THEN day_number END) OVER trailing",
        window=QUARTER,
        description="days since the first activity within 90 days",
        unit="days",
    ),
    # Everything is new to a newcomer: only those who have been here for a while can surprise.
    *(
        fx.derived(
            f"new_{name}",
            f"CASE WHEN {guard} IS NOT NULL THEN IF(days_known >= {SETTLED_DAYS}, coalesce(unknown_{name}, 0), 0) END",
            description=description,
            unit=unit,
        )
        for name, guard, description, unit in (
            ("networks", "networks", "networks not seen within 90 days", "networks"),
            ("tables", "tables", "tables not read within 90 days", "tables"),
        )
    ),
    *(
        fx.derived(
            f"new_network_{name}",
            f"CASE WHEN networks IS NOT NULL THEN IF(days_known >= {SETTLED_DAYS}, coalesce(unknown_{name}, 0), 0) END",
            description=f"{description} from networks not seen within 90 days",
            unit="events",
        )
        for name, description in (
            ("failures", "failed actions"),
            ("sensitive", "sensitive actions"),
            ("off_hours", "events outside of working hours"),
        )
    ),
)

OWN_PAST = "against the user's own 28 days before"
STANDING_OUT = (
    fx.zscore("events_z_28d", "events", window=MONTH, description=f"events {OWN_PAST}"),
    fx.zscore("read_bytes_z_28d", "read_bytes", window=MONTH, description=f"bytes read {OWN_PAST}"),
    *(
        column
        for name, description in (
            ("events", "events"),
            ("failures", "failed actions"),
            ("sensitive", "sensitive actions"),
            ("off_hours", "events outside of working hours"),
            ("networks", "networks"),
            ("exports", "exports"),
            ("statements", "statements"),
            ("read_bytes", "bytes read"),
            ("produced_rows", "rows returned"),
            ("tables", "tables read"),
            ("new_tables", "tables never read before"),
        )
        for column in excess(f"{name}_excess", name, description=f"{description} {OWN_PAST}, log scale, 0 if not above")
    ),
    *(
        over_peers(
            f"{name}_over_peers", name, description=f"{description} above the mean of the day's active users, log scale"
        )
        for name, description in (
            ("failures", "failed actions"),
            ("exports", "exports"),
            ("read_bytes", "bytes read"),
            ("produced_rows", "rows returned"),
            ("new_tables", "tables never read before"),
        )
    ),
    fx.derived(
        "failure_share", "failures / nullif(events, 0)", description="share of events that failed", unit="share"
    ),
)

MIXED = "filter(array(action_surprise, client_surprise, object_surprise, hour_surprise), x -> x IS NOT NULL)"
MIX = (
    fx.derived(
        "active_past",
        "count(CASE WHEN events > 0 THEN 1 END) OVER earlier",
        window=MONTH,
        description="active days of the 28 before",
        hidden=True,
    ),
    *days_with("actions", "action", description="actions"),
    *days_with("clients", "client", description="clients"),
    *days_with("objects", "object", description="objects"),
    *days_with("hours", "CAST(floor(hour) AS string)", description="local hours"),
    surprise("action_surprise", "actions", description="how unusual the day's actions are for the user"),
    surprise("client_surprise", "clients", description="how unusual the day's clients are for the user"),
    surprise("object_surprise", "objects", description="how unusual the day's objects are for the user"),
    surprise("hour_surprise", "hours", description="how unusual the day's hours are for the user"),
    fx.daily("first_hour", "min(hour)", description="local hour of the day's first event", unit="hours", hidden=True),
    fx.derived(
        "first_hour_shift",
        "CASE WHEN count(first_hour) OVER earlier >= 3 THEN "
        "abs(first_hour - avg(first_hour) OVER earlier) / (0.5D + stddev_samp(first_hour) OVER earlier) END",
        window=MONTH,
        description="how far the day's first event is from its usual hour",
        unit="spreads",
    ),
    fx.derived(
        "mix_surprise",
        f"aggregate({MIXED}, 0D, (s, x) -> s + x) / nullif(size({MIXED}), 0)",
        description="how unusual the day's actions, clients, objects and hours are for the user, on average",
        unit="log units",
    ),
)

RIGHTS = (
    count("grants", "sum(given)", description="rights given", unit="grants", needs=PARAMS),
    count("revokes", "sum(1 - given)", description="rights taken back", unit="changes", needs=PARAMS),
    *(
        count(
            f"{name}_grants",
            f"sum(given * {flag})",
            description=f"rights given {description}",
            unit="grants",
            needs=PARAMS,
        )
        for name, flag, description in (
            ("self", "to_self", "to oneself"),
            ("powerful", "powerful", "that let their holder do nearly everything"),
            ("outside", "outside", "to somebody of another domain"),
            ("new_object", "new_object", "on an object on which the user gave none within 90 days"),
            ("new_principal", "new_principal", "to somebody to whom the user gave none within 90 days"),
            ("off_hours", "grant_off_hours", "outside of local working hours"),
        )
    ),
    count(
        "grant_principals",
        "size(collect_set(CASE WHEN given = 1 THEN principal END))",
        description="principals who were given rights",
        unit="principals",
        needs=PARAMS,
    ),
    count(
        "grant_objects",
        "size(collect_set(CASE WHEN given = 1 THEN right_on END))",
        description="objects on which rights were given",
        unit="objects",
        needs=PARAMS,
    ),
    fx.derived(
        "grant_or_admin", "grants + revokes + admin_actions", description="changes of rights or platform", unit="events"
    ),
    fx.total("grants_28d", "grants", window=MONTH, description="rights given, last 28 days", unit="grants"),
    fx.total(
        "admin_actions_28d",
        "admin_actions",
        window=MONTH,
        description="changes of the platform, 28 days",
        unit="events",
    ),
    fx.total("revokes_28d", "revokes", window=MONTH, description="rights taken back, last 28 days", unit="changes"),
    fx.derived(
        "days_since_grant",
        "day_number - max(CASE WHEN grants > 0 THEN day_number END) OVER earlier",
        window=QUARTER,
        description="days since the user last gave a right, before today",
        unit="days",
    ),
    fx.days_since(
        "days_since_undone", "undone_days", window=QUARTER, description="days since a bad outcome became certain"
    ),
    count("undone_days", "sum(undone)", description="earlier grant days now known to have been undone", unit="days"),
    count("judged_days", "count(undone)", description="earlier grant days whose outcome is now known", unit="days"),
    fx.total(
        "undone_days_90d", "undone_days", window=QUARTER, description="undone grant days, last 90 days", unit="days"
    ),
    fx.total(
        "judged_days_90d", "judged_days", window=QUARTER, description="judged grant days, last 90 days", unit="days"
    ),
    fx.derived(
        "undone_share_of_all",
        f"coalesce(sum(undone_days_90d) OVER peers / nullif(sum(judged_days_90d) OVER peers, 0), {PRIOR})",
        description="share of everybody's grant days that were undone, last 90 days",
        unit="share",
    ),
    fx.derived(
        "undone_rate_90d",
        f"(undone_days_90d + {PRIOR_WEIGHT} * undone_share_of_all) / (judged_days_90d + {PRIOR_WEIGHT})",
        description="share of the user's grant days that were undone, last 90 days, shrunk to everybody's",
        unit="share",
    ),
)


class SecurityFeatures(DailyFeatures):
    """One row per user and day."""

    reach = max(MEMORY, 2 * REVIEW)
    table = TableSpec(
        name="security_features",
        description="One row per user and day, from their first event until 28 silent days after their last.",
        keys=USER,
        time="event_date",
        needs=AUDIT,
        columns=(*DAY, *VOLUME, *KNOWN, *STANDING_OUT, *MIX, *RIGHTS, *fx.calendar("event_date")),
    )

    def events(self, gold: GoldView) -> DataFrame:
        """Return audited events, changes of rights, what became of them, statements, and tables read."""
        events = audited(gold).drop("request_params", "direction", "known_at")
        changes = changes_of_rights(gold).withColumnsRenamed({"object": "right_on", "off_hours": "grant_off_hours"})
        # What became of a day's grants is certain once the days of review are over.
        judged = grant_days(gold).selectExpr("user_id", f"date_add(day, {REVIEW}) AS day", "undone")
        for more in (changes.drop("known_at"), judged, _statements(gold), _reads(gold)):
            events = stack(events, more)
        return events


def _statements(gold: GoldView) -> DataFrame:
    """Return SQL statements; columns without rows where there is no query history."""
    columns = (
        "1 AS statement",
        "CAST(read_bytes AS double) AS read_bytes",
        "CAST(produced_rows AS double) AS produced_rows",
    )
    if not gold.has("fact_query_history"):
        nothing = "CAST(NULL AS int) AS statement", "CAST(NULL AS double) AS read_bytes"
        return _nobody(gold).selectExpr("*", *nothing, "CAST(NULL AS double) AS produced_rows")
    who = f"{named('executed_by')} AS user_id"
    found = gold.fact_query_history.selectExpr(who, "to_date(known_at) AS day", *columns)
    return found.where("user_id IS NOT NULL")


def _reads(gold: GoldView) -> DataFrame:
    """Return reads of tables, and whether the user had not read the table before."""
    if not gold.has("fact_table_lineage"):
        return _nobody(gold).selectExpr("*", "CAST(NULL AS string) AS source", "CAST(NULL AS int) AS new_table")
    who = f"{named('created_by')} AS user_id"
    read = gold.fact_table_lineage.where("source_table_full_name IS NOT NULL")
    read = read.selectExpr(who, "to_date(known_at) AS day", "source_table_full_name AS source").distinct()
    return last_seen(read.where("user_id IS NOT NULL"), "source", "new_table")


def _nobody(gold: GoldView) -> DataFrame:
    return audited(gold).select("user_id", "day").where("false")

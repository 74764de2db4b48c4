"""The audit log in the words of this domain: who acted, from which network, and what became of each grant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from framework import formulas as fx

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pyspark.sql import DataFrame

    from framework import GoldView

USER = ("user_id",)
MEMORY = 90
"""Days for which a network, a table or an object counts as seen before."""
REVIEW = 14
"""Days within which a grant is undone, or a gift to oneself is used, if it is to count as a misuse."""
CHANGES = "array<struct<principal: string, add: array<string>, remove: array<string>>>"


def quoted(names: Iterable[str]) -> str:
    """Return names as a list of SQL literals."""
    escaped = (name.replace("\\", "\\\\").replace("'", "\\'") for name in names)
    return ", ".join(f"'{name}'" for name in escaped) or "NULL"


def named(column: str) -> str:
    """Return SQL for an identity as one name, however it was typed."""
    return f"nullif(lower(trim({column})), '')"


def first_of(keys: Iterable[str]) -> str:
    """Return SQL for the first request parameter that is set."""
    return f"coalesce({', '.join(f'request_params[{key}]' for key in quoted(keys).split(', '))}, NULL)"


def last_seen(frame: DataFrame, thing: str, name: str) -> DataFrame:
    """Add whether a user had not touched a thing within the memory before the day: 0/1, NULL where it has no name."""
    before = (
        f"max(day) OVER (PARTITION BY user_id, {thing} ORDER BY unix_date(day) "
        "RANGE BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)"
    )
    new = f"CAST(coalesce({before} < date_sub(day, {MEMORY}), true) AS int)"
    return frame.selectExpr("*", f"CASE WHEN {thing} IS NOT NULL THEN {new} END AS {name}")


def audited(gold: GoldView) -> DataFrame:
    """Return audited events whose actor is known.

    Args:
        gold: For the log, the vocabulary and the local time zone.

    Returns:
        ``user_id``, ``day``, ``known_at``, ``action``, ``service``, ``client``, ``hour`` (local), ``network`` and
        ``new_network``, flags 0/1 (``failed``, ``sensitive``, ``off_hours``, ``exported``, ``admin``), and for changes
        of rights ``direction``, beside ``object`` and ``request_params``.
    """
    return gold.staged("security_audit", lambda: _audited(gold))


def _audited(gold: GoldView) -> DataFrame:
    from domains.security.options import SecurityOptions

    options: SecurityOptions = gold.options(SecurityOptions)
    first, last = options.working_hours
    when = f"from_utc_timestamp(event_time, '{gold.time_zone}')"
    direction = " ".join(f"WHEN {quoted([action])} THEN '{way}'" for action, way in options.grants.items())
    frame = gold.fact_audit_logs.selectExpr(
        f"{named('user_identity_email')} AS user_id",
        "to_date(known_at) AS day",
        "known_at",
        "action_name AS action",
        "service_name AS service",
        "user_agent AS client",
        f"hour({when}) + minute({when}) / 60D AS hour",
        f"{fx.weekday_of(when)} >= 5 AS weekend",
        # The last part of an address changes from day to day within one network.
        r"CASE WHEN source_ip_address RLIKE '^[0-9]+([.][0-9]+){3}$' THEN substring_index(source_ip_address, '.', 3) "
        "ELSE source_ip_address END AS network",
        "CAST(is_failed_action AS int) AS failed",
        "CAST(is_sensitive_action AS int) AS sensitive",
        f"CAST(action_name IN ({quoted(options.export_actions)}) AS int) AS exported",
        f"CAST(action_name IN ({quoted(options.admin_actions)}) AS int) AS admin",
        f"CASE action_name {direction} END AS direction" if direction else "CAST(NULL AS string) AS direction",
        f"{first_of(options.object_keys)} AS object",
        "request_params",
    ).where("user_id IS NOT NULL")
    frame = frame.selectExpr("*", f"CAST(weekend OR hour < {first} OR hour >= {last} AS int) AS off_hours")
    return last_seen(frame, "network", "new_network")


def changes_of_rights(gold: GoldView) -> DataFrame:
    """Return each right that was given or taken: one row for each principal and object of a request.

    Args:
        gold: For the log and the vocabulary.

    Returns:
        ``user_id`` (the actor), ``day``, ``known_at``, ``given`` (1, or 0 where it was taken), ``principal``,
        ``object``, and for what was given ``new_object``, ``new_principal``, ``powerful``, ``outside``, ``to_self``
        and ``off_hours``, 0/1.
    """
    events = audited(gold)  # one frame is staged after the other, never within
    return gold.staged("security_rights", lambda: _changes_of_rights(gold, events))


def _changes_of_rights(gold: GoldView, events: DataFrame) -> DataFrame:
    from domains.security.options import SecurityOptions

    options: SecurityOptions = gold.options(SecurityOptions)
    listed = f"from_json(request_params[{quoted([options.changes_key])}], '{CHANGES}')"
    # A list names who, and which privileges are added and removed; any other action means one principal.
    given, taken = (
        f"transform(filter({listed}, x -> size(x.{side}) > 0), x -> named_struct('given', {flag}, "
        f"'principal', x.principal, 'privilege', array_join(x.{side}, ',')))"
        for side, flag in (("add", 1), ("remove", 0))
    )
    plain = (
        f"array(named_struct('given', CASE WHEN direction = 'add' THEN 1 ELSE 0 END, "
        f"'principal', {first_of(options.principal_keys)}, 'privilege', {first_of(options.privilege_keys)}))"
    )
    changes = events.where("direction IS NOT NULL AND coalesce(failed, 0) = 0")
    one = f"CASE WHEN direction = 'changes' THEN concat({given}, {taken}) ELSE {plain} END"
    found = changes.selectExpr("user_id", "day", "known_at", "object", "off_hours", f"inline({one})")
    found = (
        found.selectExpr("*", f"{named('principal')} AS who").drop("principal").withColumnRenamed("who", "principal")
    )
    powerful = " OR ".join(f"upper(privilege) LIKE '%{name.upper()}%'" for name in options.powerful) or "false"
    found = found.selectExpr(
        "*",
        f"CAST(coalesce({powerful}, false) AS int) AS powerful",
        "CAST(principal LIKE '%@%' AND split_part(principal, '@', 2) <> split_part(user_id, '@', 2) AS int) AS outside",
        "CAST(principal = user_id AS int) AS to_self",
    )
    return last_seen(last_seen(found, "object", "new_object"), "principal", "new_principal")


def grant_days(gold: GoldView) -> DataFrame:
    """Return the days on which a user granted or administered something, with what became of it.

    Args:
        gold: For the log and the vocabulary.

    Returns:
        ``user_id``, ``day``, and ``undone``: 1 if one of the day's grants was taken back on one of the following
        days, or was given to oneself and used then; else 0. Certain once those days have passed.
    """
    events, changes = audited(gold), changes_of_rights(gold)
    return gold.staged("security_grant_days", lambda: _grant_days(events, changes))


def _grant_days(events: DataFrame, rights: DataFrame) -> DataFrame:
    changes = rights.select("user_id", "day", "given", "principal", "object", "to_self")
    grants = changes.where("given = 1").distinct()
    within = f"later > day AND later <= date_add(day, {REVIEW})"
    taken = changes.where("given = 0 AND object IS NOT NULL").selectExpr("principal", "object", "day AS later")
    undone = grants.join(taken.distinct(), ["principal", "object"]).where(within).select("user_id", "day")
    uses = events.where("direction IS NULL AND object IS NOT NULL AND coalesce(failed, 0) = 0")
    used = uses.selectExpr("user_id", "object", "day AS later").distinct()
    helped = grants.where("to_self = 1").join(used, ["user_id", "object"]).where(within).select("user_id", "day")
    bad = undone.union(helped).selectExpr("user_id", "day", "1 AS undone")
    rows = changes.selectExpr("user_id", "day", "0 AS undone")
    rows = rows.union(events.where("admin = 1").selectExpr("user_id", "day", "0 AS undone")).union(bad)
    return rows.groupBy("user_id", "day").agg({"undone": "max"}).withColumnRenamed("max(undone)", "undone")

"""The privileges that a run needs, one check each, with the GRANT for what is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from framework.ops.doctor.check import Check, gathered
from framework.ops.doctor.privileges import Securable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from framework.core.config import Settings
    from framework.core.versions import Versions
    from framework.ops.doctor.privileges import Privileges

SHOWN = 5


def grants(
    privileges: Privileges, settings: Settings, gold_tables: Sequence[str], may_execute: Callable[[], list[str]]
) -> list[Check]:
    """Check every privilege of a run.

    Args:
        privileges: Answers what the principal may do.
        settings: For catalog, schema and gold.
        gold_tables: Gold tables that the selected models need, by our names.
        may_execute: Returns the registered models that the principal may not use.

    Returns:
        The checks.
    """
    checks: list[Check] = []
    ours = settings.schema_path
    for schema in dict.fromkeys([ours, *_gold_schema(settings)]):
        catalog = Securable("CATALOG", schema.partition(".")[0])
        _held(checks, privileges, "USE CATALOG", catalog)
        _held(checks, privileges, "USE SCHEMA", Securable("SCHEMA", schema))
    for privilege in ("CREATE TABLE", "CREATE MODEL"):
        _held(checks, privileges, privilege, Securable("SCHEMA", ours))
    for schema in _gold_schema(settings):
        with gathered(checks, f"SELECT on {schema}"):
            checks.append(_readable(privileges, schema, gold_tables))
    with gathered(checks, f"MODIFY on {ours}"):
        checks.append(_changeable(privileges, ours))
    with gathered(checks, f"EXECUTE on {ours}"):
        refused = may_execute()
        fix = Securable("SCHEMA", ours).grant("EXECUTE", privileges.principal) if refused else ""
        checks.append(_about(f"EXECUTE on models of {ours}", refused, "every registered model can be used", fix))
    return list({check.name: check for check in checks}.values())  # one catalog may hold both schemas


def not_executable(registry: Versions, models: Sequence[str]) -> list[str]:
    """Return the registered models that the registry does not show to this principal.

    Args:
        registry: The registry.
        models: Models by name; one that is not registered yet is no matter of rights.
    """
    from mlflow.exceptions import MlflowException

    refused = []
    for model in models:
        try:
            registry.client.get_registered_model(registry.full_name(model))
        except MlflowException as problem:
            if problem.error_code == "PERMISSION_DENIED":
                refused.append(registry.full_name(model))
            elif problem.error_code not in ("RESOURCE_DOES_NOT_EXIST", "NOT_FOUND"):
                raise
    return refused


def _held(checks: list[Check], privileges: Privileges, privilege: str, on: Securable) -> None:
    name = f"{privilege} on {on.name}"
    with gathered(checks, name):
        ok = privileges.holds(privilege, on)
        fix = "" if ok else on.grant(privilege, privileges.principal)
        checks.append(
            Check(name=name, ok=ok, detail=f"{'held' if ok else 'not held'} by {privileges.principal}", fix=fix)
        )


def _readable(privileges: Privileges, schema: str, names: Sequence[str]) -> Check:
    """Check the gold tables by reading none of their rows; one that is absent is the gold check's matter."""
    tables = [f"{schema}.{name}" for name in names]
    found = {table: privileges.readable(table) for table in tables}
    refused = [table for table, ok in found.items() if ok is False]
    everyone = len(refused) == sum(ok is not None for ok in found.values())
    ons = [Securable("SCHEMA", schema)] if everyone else [Securable("TABLE", table) for table in refused]
    fix = "\n".join(on.grant("SELECT", privileges.principal) for on in ons) if refused else ""
    return _about(f"SELECT on {schema}", refused, f"{sum(map(bool, found.values()))} needed tables can be read", fix)


def _changeable(privileges: Privileges, schema: str) -> Check:
    """Check tables that exist already: whoever makes a new one owns it."""
    tables = privileges.tables(schema)
    refused = [t for t in tables if not privileges.holds("MODIFY", Securable("TABLE", t))]
    fix = Securable("SCHEMA", schema).grant("SELECT, MODIFY", privileges.principal) if refused else ""
    return _about(f"MODIFY on tables of {schema}", refused, f"{len(tables)} tables can be written", fix)


def _about(name: str, refused: list[str], fine: str, fix: str) -> Check:
    more = f" and {len(refused) - SHOWN} more" if len(refused) > SHOWN else ""
    detail = f"refused: {', '.join(refused[:SHOWN])}{more}" if refused else fine
    return Check(name=name, ok=not refused, detail=detail, fix=fix)


def _gold_schema(settings: Settings) -> list[str]:
    """Return gold's schema where ``--gold`` names one; other sources say themselves what they read."""
    return [settings.gold] if settings.gold.count(".") == 1 and "/" not in settings.gold else []

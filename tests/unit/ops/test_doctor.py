"""The doctor names what is missing and the step that mends it; rights are asked of a stand-in of the catalog."""

from __future__ import annotations

import re
from importlib.metadata import version
from types import SimpleNamespace

import pytest
from mlflow.exceptions import MlflowException

from framework.base.errors import ConfigError, PrivilegeError, RuntimeSetupError, TableError
from framework.core.config import Settings
from framework.core.plugins import discover
from framework.declare.gold import Days
from framework.gold.view import GoldReader, GoldView
from framework.ops.doctor import command, machine
from framework.ops.doctor.check import Check, gathered, healthy
from framework.ops.doctor.gold import costs, gold_columns
from framework.ops.doctor.grants import grants, not_executable
from framework.ops.doctor.privileges import Securable, UnityCatalog, quoted, spark_sql
from framework.stores.local import sail

EMBEDDED = pytest.mark.skipif(
    int(version("pyspark").split(".")[0]) < 4, reason="the embedded platform asks for pyspark 4, and the doctor says so"
)
ME = "sp-health"
OURS, GOLD = "main.health_monitor", "lake.gold"
SETTINGS = Settings.parse({"platform": "databricks", "gold": GOLD}, "test")
EVERYTHING = {
    ("CATALOG", "main"): {(ME, "USE_CATALOG")},
    ("SCHEMA", OURS): {(ME, "USE_SCHEMA"), (ME, "CREATE_TABLE"), (ME, "CREATE_MODEL"), ("writers", "MODIFY")},
    ("CATALOG", "lake"): {("readers", "USE CATALOG")},
    ("SCHEMA", GOLD): {("readers", "USE SCHEMA"), ("readers", "SELECT")},
}
TABLES = {f"{OURS}.cost_features": "someone", f"{GOLD}.fact_usage": "someone", f"{GOLD}.fact_audit_logs": "someone"}
NEEDED = ("fact_audit_logs", "fact_usage", "absent_table")


class Catalog:
    """Answers the statements of the doctor from a few grants; it is no SQL engine, and refuses any other statement.

    More lenient than a workspace: its information schema shows everything to everybody.
    """

    def __init__(self, granted=EVERYTHING, tables=TABLES, groups=("readers", "writers"), owners=()):
        self.granted, self.names, self.groups, self.owners = granted, tables, groups, dict(owners)
        self.asked = []

    def __call__(self, statement):
        self.asked.append(statement)
        if statement == "SELECT current_user() AS principal":
            return [{"principal": ME}]
        if found := re.fullmatch(r"SELECT is_account_group_member\('([^']+)'\) AS member", statement):
            return [{"member": found[1] in self.groups}]
        if found := re.fullmatch(r"SELECT \* FROM `(\w+)`\.`(\w+)`\.`(\w+)` LIMIT 0", statement):
            return self._read(".".join(found.groups()))
        found = re.fullmatch(r"SELECT \* FROM system\.information_schema\.(\w+) WHERE (.*)", statement)
        assert found, statement
        values = [value for _, value in re.findall(r"(\w+) = '([^']*)'", found[2])]
        return self._view(found[1], ".".join(values))

    def _view(self, view, name):
        if view.endswith("_privileges"):
            kind = view.removesuffix("_privileges").upper()
            at = {k[1]: v for k, v in self.granted.items() if k[0] == kind}
            if kind == "TABLE":
                found = [(n.rpartition(".")[2], g) for n, given in at.items() if n.startswith(name) for g in given]
                return [{"table_name": n, "grantee": g, "privilege_type": p} for n, (g, p) in found]
            return [{"grantee": g, "privilege_type": p} for g, p in at.get(name, ())]
        if view == "tables":
            names = [n for n in self.names if n.startswith(f"{name}.")]
            return [{"table_name": n.rpartition(".")[2], "table_owner": self.names[n]} for n in names]
        kind = {"catalogs": "catalog", "schemata": "schema"}[view]
        return [{f"{kind}_owner": self.owners.get(name, "someone")}]

    def _read(self, table):
        if table not in self.names:
            raise TableError(what="TABLE_OR_VIEW_NOT_FOUND", where=table, fix="see the message")
        catalog, schema, _ = table.split(".")
        mine = {ME, *self.groups}
        for privilege in ("USE CATALOG", "USE SCHEMA", "SELECT"):
            path = [("CATALOG", catalog), ("SCHEMA", f"{catalog}.{schema}"), ("TABLE", table)]
            given = [p.replace("_", " ") for at in path for g, p in self.granted.get(at, ()) if g in mine]
            if privilege not in given and "ALL PRIVILEGES" not in given:
                raise PrivilegeError(what=f"INSUFFICIENT_PERMISSIONS: {privilege}", where=table, fix="see the message")
        return []


def without(privilege, at):
    kept = {(g, p) for g, p in EVERYTHING[at] if p.replace("_", " ") != privilege}
    return Catalog({**EVERYTHING, at: kept})


def checked(catalog, refused=()):
    return {c.name: c for c in grants(UnityCatalog(catalog), SETTINGS, NEEDED, lambda: list(refused))}


def test_with_every_right_nothing_is_missing():
    found = checked(Catalog())
    assert all(check.ok for check in found.values()), found
    assert list(found) == [
        "USE CATALOG on main",
        "USE SCHEMA on main.health_monitor",
        "USE CATALOG on lake",
        "USE SCHEMA on lake.gold",
        "CREATE TABLE on main.health_monitor",
        "CREATE MODEL on main.health_monitor",
        "SELECT on lake.gold",
        "MODIFY on tables of main.health_monitor",
        "EXECUTE on models of main.health_monitor",
    ]
    assert found["SELECT on lake.gold"].detail == "2 needed tables can be read"


@pytest.mark.parametrize(
    ("privilege", "at", "name", "grant"),
    [
        ("USE CATALOG", ("CATALOG", "main"), "USE CATALOG on main", "GRANT USE CATALOG ON CATALOG `main`"),
        (
            "USE SCHEMA",
            ("SCHEMA", OURS),
            f"USE SCHEMA on {OURS}",
            "GRANT USE SCHEMA ON SCHEMA `main`.`health_monitor`",
        ),
        (
            "CREATE TABLE",
            ("SCHEMA", OURS),
            f"CREATE TABLE on {OURS}",
            "GRANT CREATE TABLE ON SCHEMA `main`.`health_monitor`",
        ),
        (
            "CREATE MODEL",
            ("SCHEMA", OURS),
            f"CREATE MODEL on {OURS}",
            "GRANT CREATE MODEL ON SCHEMA `main`.`health_monitor`",
        ),
        (
            "MODIFY",
            ("SCHEMA", OURS),
            f"MODIFY on tables of {OURS}",
            "GRANT SELECT, MODIFY ON SCHEMA `main`.`health_monitor`",
        ),
        ("SELECT", ("SCHEMA", GOLD), f"SELECT on {GOLD}", "GRANT SELECT ON SCHEMA `lake`.`gold`"),
    ],
)
def test_a_missing_right_is_named_with_its_grant_and_nothing_else_is(privilege, at, name, grant):
    found = {n: c for n, c in checked(without(privilege, at)).items() if not c.ok}
    assert list(found) == [name]
    assert found[name].fix == f"{grant} TO `{ME}`;"


def test_usage_of_gold_is_told_apart_from_reading_it():
    found = {n: c for n, c in checked(without("USE SCHEMA", ("SCHEMA", GOLD))).items() if not c.ok}
    assert list(found) == [f"USE SCHEMA on {GOLD}", f"SELECT on {GOLD}"]


def test_one_table_that_cannot_be_read_gets_a_grant_of_its_own():
    granted = {**EVERYTHING, ("SCHEMA", GOLD): {("readers", "USE_SCHEMA")}}
    granted[("TABLE", f"{GOLD}.fact_usage")] = {(ME, "SELECT")}
    check = checked(Catalog(granted))[f"SELECT on {GOLD}"]
    assert check.fix == f"GRANT SELECT ON TABLE `lake`.`gold`.`fact_audit_logs` TO `{ME}`;"
    assert check.detail == "refused: lake.gold.fact_audit_logs"


def test_all_privileges_of_a_catalog_reach_everything_below():
    granted = {("CATALOG", name): {(ME, "ALL_PRIVILEGES")} for name in ("main", "lake")}
    assert all(check.ok for check in checked(Catalog(granted)).values())


def test_a_group_counts_only_for_its_members():
    found = [n for n, c in checked(Catalog(groups=("writers",))).items() if not c.ok]
    assert found == ["USE CATALOG on lake", "USE SCHEMA on lake.gold", "SELECT on lake.gold"]


def test_the_owner_of_a_schema_may_use_it_and_the_owner_of_a_table_may_change_it():
    granted = {("CATALOG", "main"): {(ME, "USE_CATALOG")}}
    tables = {f"{OURS}.cost_features": ME, f"{OURS}.other": "someone"}
    asked = UnityCatalog(Catalog(granted, tables, owners={OURS: ME}))
    assert asked.holds("CREATE TABLE", Securable("SCHEMA", OURS))
    assert asked.holds("MODIFY", Securable("TABLE", f"{OURS}.cost_features"))
    assert not asked.holds("MODIFY", Securable("TABLE", f"{OURS}.other"))


def test_a_schema_that_does_not_exist_is_told_by_its_missing_rights():
    found = checked(Catalog({}, {}, groups=()))
    assert not found[f"USE SCHEMA on {OURS}"].ok
    assert found[f"MODIFY on tables of {OURS}"].ok  # whoever makes a table owns it


def test_a_refused_information_schema_is_a_failed_check_and_no_crash():
    def refuse(statement):
        raise PrivilegeError(what="no", where=statement, fix="ask an administrator")

    found = grants(UnityCatalog(refuse), SETTINGS, NEEDED, list)
    assert not healthy(found)
    assert {c.fix for c in found if not c.ok} >= {"ask an administrator"}


def test_models_that_may_not_be_used_get_one_grant():
    check = checked(Catalog(), refused=[f"{OURS}.a", f"{OURS}.b"])[f"EXECUTE on models of {OURS}"]
    assert not check.ok
    assert check.fix == f"GRANT EXECUTE ON SCHEMA `main`.`health_monitor` TO `{ME}`;"


def test_the_registry_tells_refused_models_from_unknown_ones():
    from mlflow.protos.databricks_pb2 import INTERNAL_ERROR, PERMISSION_DENIED, RESOURCE_DOES_NOT_EXIST

    codes = {"new": RESOURCE_DOES_NOT_EXIST, "locked": PERMISSION_DENIED}

    def get(name):
        model = name.rpartition(".")[2]
        if model != "fine":
            raise MlflowException("no", error_code=codes.get(model, INTERNAL_ERROR))

    registry = SimpleNamespace(
        client=SimpleNamespace(get_registered_model=get), full_name=lambda model: f"{OURS}.{model}"
    )
    assert not_executable(registry, ["fine", "new", "locked"]) == [f"{OURS}.locked"]
    with pytest.raises(MlflowException):
        not_executable(registry, ["broken"])


def test_each_view_is_asked_once_per_schema():
    catalog = Catalog(tables={f"{OURS}.t{at}": "someone" for at in range(30)})
    checked(catalog)
    asked = [statement for statement in catalog.asked if "information_schema" in statement]
    assert len(asked) == len(set(asked))
    assert len(asked) < 15


def test_names_and_texts_are_quoted():
    assert quoted("a.b`c.d") == "`a`.`b``c`.`d`"
    assert Securable("SCHEMA", "a.b").grant("SELECT", "o`k") == "GRANT SELECT ON SCHEMA `a`.`b` TO `o``k`;"


def test_errors_of_a_session_are_sorted_into_refused_and_absent():
    from pyspark.errors import AnalysisException

    class Session:
        def sql(self, statement):
            if "odd" in statement:
                raise AnalysisException("[INSUFFICIENT_PERMISSIONS] Insufficient privileges: no SELECT\nplan")
            if "gone" in statement:
                raise AnalysisException("[TABLE_OR_VIEW_NOT_FOUND] no such table")
            return SimpleNamespace(collect=lambda: [SimpleNamespace(asDict=lambda: {"a": 1})])

    run = spark_sql(Session())
    assert run("SELECT 1") == [{"a": 1}]
    with pytest.raises(PrivilegeError, match="no SELECT"):
        run("odd")
    with pytest.raises(TableError):
        run("gone")


@pytest.mark.parametrize(("version", "ok"), [("3.11.4", True), ("3.13.0", True), ("3.10.12", False)])
def test_python_is_compared_with_what_the_distribution_supports(version, ok):
    check = machine.python(">=3.11", version)
    assert check.ok is ok
    assert bool(check.fix) is not ok


REQUIRES = ["mlflow<3.18,>=3.0", "deltalake<2,>=1.0; extra == 'local'", "xgboost-cpu>=3.0; extra == 'local'"]
REQUIRES += ["databricks-feature-engineering>=0.13; extra == 'databricks'"]


def test_libraries_are_those_of_the_platform_and_one_import_has_two_names():
    there = {"mlflow": "3.5.0", "deltalake": "1.2.0", "xgboost": "3.1.0"}
    assert machine.libraries(REQUIRES, "local", there.get).ok
    old = machine.libraries(REQUIRES, "local", {"mlflow": "2.22.0", "xgboost": "3.1.0"}.get)
    assert old.detail == "mlflow is 2.22.0; deltalake is absent"
    assert old.fix == "pip install 'mlflow<3.18,>=3.0' 'deltalake<2,>=1.0'"


def test_serverless_needs_a_newer_client():
    there = {"mlflow": "3.5.0", "databricks-feature-engineering": "0.15.0"}
    assert machine.libraries(REQUIRES, "databricks", there.get).ok
    check = machine.libraries(REQUIRES, "databricks", there.get, serverless=True)
    assert not check.ok
    assert "0.16" in check.fix


@EMBEDDED
def test_what_is_installed_here_is_what_we_ask_for():
    wanted, requires = machine.declared()
    assert machine.python(wanted).ok
    assert machine.libraries(requires, "local").ok


@pytest.mark.parametrize(
    ("environment", "ok", "description"),
    [
        ({"DATABRICKS_RUNTIME_VERSION": "15.4"}, True, "15.4"),
        ({"DATABRICKS_RUNTIME_VERSION": "16.4.x-cpu-ml-scala2.12"}, True, "16.4"),
        ({"DATABRICKS_RUNTIME_VERSION": "14.3"}, False, "15.4 or newer"),
        ({"DATABRICKS_RUNTIME_VERSION": "client.4.9"}, True, "serverless"),
        ({"IS_SERVERLESS": "TRUE"}, True, "serverless"),
        ({}, False, "no Databricks runtime"),
    ],
)
def test_the_runtime_is_told_from_the_environment(environment, ok, description):
    check = machine.workspace_runtime(environment)
    assert check.ok is ok
    assert description in check.detail


def test_a_home_is_checked_without_making_it(tmp_path):
    check = machine.home(tmp_path / "a" / "b")
    assert check.ok
    assert not (tmp_path / "a").exists()
    (tmp_path / "file").write_text("")
    assert not machine.home(tmp_path / "file" / "home").ok


class Columns(GoldReader):
    """Gold tables that are lists of columns."""

    def __init__(self, tables):
        self.tables = tables

    def read(self, table):
        found = self.tables.get(table.name)
        return None if found is None else SimpleNamespace(dtypes=[(name, "string") for name in found])

    def newest_day(self):
        raise AssertionError("no day is asked for")


MODELS = ["job_failure_predictor", "budget_forecaster"]


def view(plugins, change):
    declared = plugins.gold_tables()
    tables = {name: [c.gold_name or c.name for c in table.columns] for name, table in declared.items()}
    change(tables)
    return GoldView(Columns(tables), declared, Days(None, None), lambda _: None, lambda _, make: make())


def test_a_whole_gold_layer_costs_nothing():
    plugins = discover(strict=True)
    found = gold_columns(view(plugins, lambda _: None), plugins, MODELS)
    assert all(check.ok for check in found)
    assert found[-1].detail == "2 of 2 models have what they need"


def test_an_absent_gold_table_names_the_models_that_it_costs():
    plugins = discover(strict=True)
    found = gold_columns(view(plugins, lambda tables: tables.pop("fact_usage")), plugins, MODELS)
    bad = [check for check in found if not check.ok]
    assert [check.name for check in bad] == ["gold table fact_usage"]
    assert bad[0].detail.startswith("the table is absent: costs ")
    assert "budget_forecaster (cannot be trained)" in bad[0].detail
    assert bad[0].fix == "provide fact_usage"
    assert healthy(found)  # the other model can still be trained
    assert found[-1].detail.startswith("1 of 2 models have what they need; budget_forecaster needs fact_usage.")


def test_no_gold_at_all_is_no_run_at_all():
    plugins = discover(strict=True)
    found = gold_columns(view(plugins, dict.clear), plugins, MODELS)
    assert not healthy(found)
    assert found[-1].fix


def test_an_absent_column_costs_what_rests_on_it():
    plugins = discover(strict=True)
    needed = costs(plugins, MODELS)
    optional = next(need for need, who in needed.items() if all(what != "the model" for what in who.values()))
    table, _, column = optional.partition(".")
    declared = plugins.gold_tables()[table]
    raw = next(c.gold_name or c.name for c in declared.columns if c.name == column)
    found = gold_columns(view(plugins, lambda tables: tables[table].remove(raw)), plugins, MODELS)
    (bad,) = [check for check in found if not check.ok]
    assert f"{column} is absent: costs " in bad.detail
    assert "(loses features)" in bad.detail
    assert bad.fix == f"provide {optional}"
    assert healthy(found)


def test_an_error_of_ours_is_a_failed_check():
    checks: list[Check] = []
    with gathered(checks, "java"):
        raise RuntimeSetupError(what="no Java", where="PATH", fix="install one")
    assert checks == [Check(name="java", ok=False, detail="no Java (in PATH)", fix="install one")]


@pytest.fixture
def opened(monkeypatch):
    """A runtime that is there at once; what it offers is gold of two models."""
    plugins = discover(strict=True)

    def open_runtime(settings, given):
        return SimpleNamespace(
            spark=SimpleNamespace(version="4.0.1"), gold=lambda: view(given, lambda t: t.pop("fact_usage"))
        )

    monkeypatch.setattr("framework.run.opening.open_runtime", open_runtime)
    return plugins


def local(tmp_path, **changes):
    return Settings.parse({"home": tmp_path, "gold": "folder", "models": tuple(MODELS)} | changes, "test")


@EMBEDDED
def test_the_local_platform_is_examined_as_a_whole(opened, tmp_path):
    found = {check.name: check for check in command.examine(local(tmp_path), opened, {})}
    assert list(found)[:5] == ["python", "libraries", "home", "engine", "session"]
    assert [name for name, check in found.items() if not check.ok] == ["gold table fact_usage"]


@EMBEDDED
@pytest.mark.parametrize(("name", "engine"), [("auto", "Sail"), ("sail", "Sail"), ("spark", "Spark on Java")])
def test_the_engine_is_named(name, engine):
    if engine == "Sail" and not sail.is_there():
        pytest.skip("pysail is not installed")
    assert machine.engine(name).detail.startswith(engine)


def test_without_sail_spark_is_used_unless_sail_is_asked_for(monkeypatch):
    monkeypatch.setattr(sail, "is_there", lambda: False)
    assert machine.engine("auto").detail.startswith("Spark on Java")
    with pytest.raises(RuntimeSetupError, match="pysail is not installed"):
        machine.engine("sail")


@EMBEDDED
def test_without_java_nothing_that_needs_it_is_tried(opened, tmp_path, monkeypatch):
    def no_java():
        raise RuntimeSetupError(what="no Java", where="PATH", fix="install one")

    monkeypatch.setattr("framework.stores.local.java.find_java", no_java)
    found = {check.name: check for check in command.examine(local(tmp_path, engine="spark"), opened, {})}
    assert [name for name, check in found.items() if not check.ok] == ["engine", "session and gold"]
    assert "session" not in found


def test_an_unknown_model_is_said_at_once(opened, tmp_path):
    with pytest.raises(ConfigError, match="no model"):
        command.examine(local(tmp_path, models=("no_such",)), opened, {})


@EMBEDDED
def test_simulated_gold_needs_no_look(opened, tmp_path):
    found = command.examine(local(tmp_path, gold="simulate"), opened, {})
    assert found[-1].detail == "simulated by the run itself"


def test_on_databricks_the_rights_come_first_and_gold_that_cannot_be_read_is_not_looked_at(monkeypatch):
    plugins = discover(strict=True)
    monkeypatch.setattr(command, "spark_sql", lambda _: Catalog(groups=("writers",)))
    runtime = SimpleNamespace(spark=SimpleNamespace(version="4.0.1"), registry=None, gold=None)
    monkeypatch.setattr("framework.run.opening.open_runtime", lambda *_: runtime)
    monkeypatch.setattr(command, "not_executable", lambda *_: [])
    monkeypatch.setattr(machine, "libraries", lambda *_, **__: Check(name="libraries", ok=True, detail=""))
    settings = Settings.parse({"platform": "databricks", "gold": GOLD, "models": tuple(MODELS)}, "test")
    found = command.examine(settings, plugins, {"DATABRICKS_RUNTIME_VERSION": "client.4.9"})
    bad = [check.name for check in found if not check.ok]
    assert bad == ["USE CATALOG on lake", "USE SCHEMA on lake.gold", "SELECT on lake.gold", "gold"]


@EMBEDDED
@pytest.mark.parametrize("missing", [True, False])
def test_the_command_prints_the_step_and_fails_only_if_a_run_would(opened, tmp_path, monkeypatch, capsys, missing):
    if missing:
        monkeypatch.setattr(machine, "home", lambda _: Check(name="home", ok=False, detail="full", fix="free [some]"))
    options = {"home": tmp_path, "gold": "folder", "models": tuple(MODELS)}
    assert command.run_doctor(options) == int(missing)
    out = capsys.readouterr().out
    assert ("free [some]" in out) is missing
    assert ("provide fact_usage" in out) is not missing

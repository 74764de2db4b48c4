"""The page about deployment: every block says how far it is proven, and is proven that far.

What can run without a workspace is run. The rest is compared with the command line, the bundle, the doctor, the tables
and the settings, so that a renamed option, job, variable or column breaks the page here and not in somebody's shell.
"""

from __future__ import annotations

import ast
import dataclasses
import importlib
import json
import re
import shlex
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import typer
import yaml
from pydantic import ValidationError

from framework.base.errors import ConfigError
from framework.core.config import DomainOptions, Settings, load_settings
from framework.core.plugins import Registry, discover
from framework.ops.bundle.load import Bundle, read_bundle
from framework.ops.cli import app
from framework.ops.doctor.grants import grants
from framework.scoring.scorer import _columns

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# The mark of a block, and the words before it that tell the reader the same.
DESCRIPTIONS = {
    "run": "Run by a test:",
    "workspace": "Needs a workspace:",
    "changes": "Changes this machine:",
    "settings": "Settings:",
}
KINDS = {
    "run": {"sh"},
    "workspace": {"sh", "sql", "python"},
    "changes": {"sh"},
    "settings": {"json", "toml", "yaml"},
}
COMMANDS = typer.main.get_command(app).commands
OPTIONS = {name: {word for param in command.params for word in param.opts} for name, command in COMMANDS.items()}
# The CLI's own commands that the page uses: words, then the options that each takes (CLI 1.x).
WHERE = {"--target", "--var"}
CLI: dict[str, set[str]] = {
    "bundle validate": WHERE,
    "bundle deploy": WHERE | {"--fail-on-active-runs"},
    "bundle summary": WHERE,
    "bundle destroy": WHERE,
    "bundle run": WHERE | {"--params"},
    "bundle deployment bind": WHERE,
    "auth login": {"--host"},
    "workspace import": {"--file", "--format"},
    "account service-principal-federation-policy create": {"--json"},
}
FLAGS = {"--fail-on-active-runs"}  # take no value
# Privileges that the bundle or the platform asks for, and no run.
BEYOND_THE_DOCTOR = {"CREATE SCHEMA", "BROWSE"}


@dataclasses.dataclass(frozen=True)
class Block:
    language: str
    mark: str
    body: str
    before: str

    @property
    def lines(self) -> list[str]:
        return [line for line in self.body.splitlines() if line.strip()]


def blocks(page: str) -> list[Block]:
    found = []
    for match in FENCE.finditer(page):
        language, _, mark = match[1].partition(" ")
        found.append(Block(language, mark, match[2], page[: match.start()].rstrip().rpartition("\n")[2]))
    return found


@cache
def the_bundle() -> Bundle:
    return read_bundle(ROOT).whole  # the page includes what is optional


@cache
def plugins() -> Registry:
    return discover(strict=True)


def faults_of(page: str) -> list[str]:
    """Everything wrong with the blocks of a page, as sentences."""
    found = []
    for block in blocks(page):
        if block.language not in KINDS.get(block.mark, ()):
            found.append(f"a block '{block.language} {block.mark}': no such mark, or not for this language")
        elif not block.before.endswith(DESCRIPTIONS[block.mark]):
            found.append(f"no '{DESCRIPTIONS[block.mark]}' above: {block.lines[0]}")
        else:
            found += [f"{fault}: {block.lines[0]}" for fault in CHECKS[block.language](block)]
    return found


def shell(block: Block) -> list[str]:
    return [fault for line in block.lines for fault in words_of(shlex.split(line), block.mark)]


def words_of(words: list[str], mark: str) -> list[str]:
    program, *rest = words
    if program == "health-monitor":
        given = {word.partition("=")[0] for word in rest if word.startswith("--")}
        known = OPTIONS.get(rest[0])
        return [f"no command {rest[0]}"] if known is None else [f"no option {o}" for o in sorted(given - known)]
    if program == "make":
        targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
        return [f"no make target {word}" for word in rest if word not in targets]
    if program == "databricks":
        alone = mark == "changes" and rest[:2] == ["auth", "login"]
        return databricks(rest) + ([] if mark == "workspace" or alone else ["it needs a workspace"])
    return [] if mark == "changes" and program in ("git", "pip") else [f"unknown program {program}"]


def databricks(words: list[str]) -> list[str]:
    verb = next((verb for verb in CLI if words[: verb.count(" ") + 1] == verb.split()), None)
    if verb is None:
        return [f"no databricks {' '.join(words[:2])}"]
    places, given, left = [], [], iter(words[verb.count(" ") + 1 :])
    for word in left:
        if word.startswith("--"):
            given.append((word, "" if word in FLAGS else next(left, "")))
        else:
            places.append(word)
    found = [f"no option {option}" for option, _ in given if option not in CLI[verb]]
    return found + (bundle_faults(verb, places, given) if verb.startswith("bundle") else [])


def bundle_faults(verb: str, places: list[str], given: list[tuple[str, str]]) -> list[str]:
    bundle = the_bundle()
    found = []
    targets = [value for option, value in given if option == "--target"]
    if len(targets) != 1 or targets[0] not in bundle.targets:
        return [f"targets {targets}"]
    named = {value.partition("=")[0] for option, value in given if option == "--var"}
    found += [f"no variable {name}" for name in sorted(named - set(bundle.variables))]
    lists = {name for name, variable in bundle.variables.items() if variable.get("type") == "complex"}
    found += [f"{name} is a list: not by --var" for name in sorted(named & lists)]
    if verb == "bundle run":
        job = bundle.resolved(targets[0])["jobs"].get(places[0], {})
        known = {parameter["name"] for parameter in job.get("parameters", [])}
        found += [] if job and len(places) == 1 else [f"no job {places}"]
        found += [
            f"no parameter {value}" for o, value in given if o == "--params" and value.partition("=")[0] not in known
        ]
    elif verb == "bundle deployment bind":
        known = {key for _, key in bundle.resource_names()}
        found += [] if len(places) == 2 and places[0] in known else [f"no resource {places}"]
    else:
        found += [f"too many words: {places}"] if places else []
    return found


class NoRights:
    """A principal that may do nothing, so that the doctor names everything that it looks at."""

    principal = "nobody"

    def holds(self, *_: object) -> bool:
        return False

    def tables(self, schema: str) -> list[str]:
        return [f"{schema}.there"]

    def readable(self, *_: object) -> bool:
        return False


@cache
def asked_by_the_doctor() -> frozenset[str]:
    settings = Settings(platform="databricks", gold="main.gold")
    checks = grants(NoRights(), settings, ["fact_usage"], lambda: ["main.health_monitor.one"])
    texts = re.findall(r"GRANT (.+?) ON", "\n".join(check.fix for check in checks))
    return frozenset(privilege for text in texts for privilege in text.split(", "))


def sql(block: Block) -> list[str]:
    found = []
    for statement in filter(None, (part.strip() for part in block.body.split(";"))):
        if grant := re.match(r"GRANT (.+?) ON (?:CATALOG|SCHEMA|TABLE) [\w.]+ TO `[\w-]+`$", statement):
            known = asked_by_the_doctor() | BEYOND_THE_DOCTOR
            found += [f"no privilege {p}" for p in grant[1].split(", ") if p not in known]
        elif statement.startswith("GRANT"):
            found.append("a GRANT that cannot be read")
        found += [f"no column {name} in {table}" for table, name in unknown_columns(statement)]
    return found


def unknown_columns(statement: str) -> list[tuple[str, str]]:
    """Bare column names of a statement about one of our tables which it does not have."""
    table = re.search(r"\.(\w+_predictions|run_ledger)(?:_latest)?\b", statement)
    if not table or not re.match("SELECT|DELETE", statement):
        return []
    if table[1] == "run_ledger":
        known = {"run_id", "unit", "as_of_date", "inputs", "recorded_at", "status", "reason", "result", "log"}
    else:
        use_case = table[1].removesuffix("_predictions")
        (offer,) = (o.item for o in plugins().trainers.values() if o.item.spec.use_case == use_case)
        known = set(_columns(offer.task, offer.spec, plugins().table(offer.spec.lookups[0].table)))
    bare = re.findall(r"(?<![\w.`'])[a-z_]+\b(?![.(])", re.sub(r"'[^']*'|\w+(\.\w+)+", " ", statement))
    return [(table[1], name) for name in bare if name not in known | {"max"}]


def python(block: Block) -> list[str]:
    tree = ast.parse(block.body)
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for name in node.names:
                importlib.import_module(name.name)
        elif isinstance(node, ast.ImportFrom):
            module = importlib.import_module(node.module or "")
            found += [f"{node.module} has no {n.name}" for n in node.names if not hasattr(module, n.name)]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id.startswith("run_"):
            Settings.model_validate(ast.literal_eval(node.args[0]))
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "client":
            found += [] if hasattr(importlib.import_module("mlflow").MlflowClient, node.attr) else [f"no {node.attr}"]
    return found


def overrides(block: Block) -> list[str]:
    known = the_bundle().variables
    found = []
    for name, value in json.loads(block.body).items():
        if name not in known:
            found.append(f"no variable {name}")
        elif isinstance(value, list) != (known[name].get("type") == "complex"):
            found.append(f"{name}: a list and a text are two things")
    return found


def settings_file(block: Block) -> list[str]:
    values = tomllib.loads(block.body)
    settings = Settings.parse(values, "the page")
    plugins()  # brings the options of the domains
    importlib.import_module("domains.gold.system.options")
    sections = {kind.section: kind for kind in DomainOptions.__subclasses__() if "section" in vars(kind)}
    for section, options in settings.options.items():
        sections[section].parse(options, "the page")
    return [f"{name} belongs to the tasks" for name in ("domains", "models", "tables") if name in values]


def includes(block: Block) -> list[str]:
    """The bundle's own list, with more files that it may include."""
    (key, patterns), *more = yaml.safe_load(block.body).items()
    assert (key, more) == ("include", [])
    missing = set(read_bundle(ROOT).root.data["include"]) - set(patterns)
    found = [f"leaves out {pattern}" for pattern in sorted(missing)]
    return found + [f"no file {pattern}" for pattern in patterns if not list(ROOT.glob(pattern))]


CHECKS: dict[str, Callable[[Block], list[str]]] = {
    "sh": shell,
    "sql": sql,
    "python": python,
    "json": overrides,
    "toml": settings_file,
    "yaml": includes,
}


def test_every_block_is_marked_and_names_only_what_exists() -> None:
    assert faults_of(PAGE) == []
    assert {block.language for block in blocks(PAGE)} == set(CHECKS)
    assert {block.mark for block in blocks(PAGE)} == set(DESCRIPTIONS)


@pytest.mark.parametrize("line", [line for block in blocks(PAGE) if block.mark == "run" for line in block.lines])
def test_what_needs_no_workspace_runs(line: str) -> None:
    words = shlex.split(line)
    assert words[0] == "health-monitor"
    call = [sys.executable, "-c", "from framework.ops.cli import main; main()", *words[1:]]
    done = subprocess.run(call, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("old", "new", "description"),
    [
        ("```sh run\n", "```sh\n", "no such mark"),
        ("```sh run\n", "```sql run\n", "no such mark"),
        ("Run by a test:\n", "Like this:\n", "no 'Run by a test:' above"),
        ("bundle --check", "bundle --chek", "no option --chek"),
        ("health-monitor plugins", "health-monitor plugin", "no command plugin"),
        ("make setup", "make set-up", "no make target set-up"),
        ("bundle validate --target dev", "bundle valid --target dev", "no databricks bundle valid"),
        ("bundle deploy --target dev", "bundle deploy --target development", "targets ['development']"),
        ("bundle deploy --target dev", "bundle deploy --force-now x --target dev", "no option --force-now"),
        ("bundle summary --target dev", "bundle summary", "targets []"),
        ("--var gold_schema=gold", "--var gold_scheme=gold", "no variable gold_scheme"),
        ("--var gold_schema=gold", "--var alert_emails=me", "alert_emails is a list"),
        ("bundle run ml_training_pipeline", "bundle run ml_train", "no job ['ml_train']"),
        ("--params first_day", "--params first", "no parameter first"),
        ("bind features", "bind feature", "no resource ['feature'"),
        ("CREATE MODEL,", "CREATE MODELS,", "no privilege CREATE MODELS"),
        ("ON CATALOG lake TO", "ON lake TO", "a GRANT that cannot be read"),
        ("probability, predicted_class", "likelihood, predicted_class", "no column likelihood"),
        ("SELECT unit, status", "SELECT unit, state", "no column state"),
        ("import run_doctor", "import run_doktor", "has no run_doktor"),
        ("client.set_registered_model_alias", "client.set_alias", "no set_alias"),
        ('"time_zone":', '"timezone":', "no variable timezone"),
        ('["USE_SCHEMA", "SELECT"]', '"USE_SCHEMA"', "reader_privileges: a list"),
        ("rebuild_days = 3", 'domains = ["cost"]', "domains belongs to the tasks"),
        ("health-monitor models", "databricks bundle summary --target dev", "it needs a workspace"),
        ("git fetch", "curl fetch", "unknown program curl"),
        ("--var warehouse_id", "--var warehouse", "no variable warehouse"),
        ("  - jobs/optional/dashboard.yml", "  - jobs/optional/board.yml", "no file jobs/optional/board.yml"),
        ("include:\n  - jobs/resources/*.yml", "include:\n  - jobs/*/*.yml", "leaves out jobs/resources/*.yml"),
    ],
)
def test_a_planted_fault_is_found(old: str, new: str, description: str) -> None:
    assert old in PAGE, "the page has changed: plant another fault"
    found = faults_of(PAGE.replace(old, new))
    assert any(description in fault for fault in found), found


@pytest.mark.parametrize(
    ("old", "new", "description"),
    [
        ("rebuild_days = 3", "rebuild_day = 3", "unknown option 'rebuild_day'"),
        ('currency = "EUR"', 'money = "EUR"', "unknown option 'money'"),
        ('"schema_name": "dev', '"schema": "dev', "schema\n.*Extra inputs"),
        ("from mlflow import", "from mlflov import", "No module named 'mlflov'"),
        ("run_doctor({", "run_doctor(({", "never closed|does not match"),
    ],
)
def test_a_planted_fault_in_settings_and_python_is_refused(old: str, new: str, description: str) -> None:
    assert old in PAGE, "the page has changed: plant another fault"
    with pytest.raises((ConfigError, ValidationError, ImportError, SyntaxError), match=description):
        faults_of(PAGE.replace(old, new))


def test_the_page_grants_all_that_the_doctor_asks_for() -> None:
    granted = re.findall(r"^GRANT (.+?) ON", PAGE, re.MULTILINE)
    assert asked_by_the_doctor() <= {privilege for text in granted for privilege in text.split(", ")}
    assert "EXECUTE" in asked_by_the_doctor()


def test_statements_are_sql_of_the_platform() -> None:
    sqlglot = pytest.importorskip("sqlglot", reason="sqlglot is not installed: it is in the extras contract and floor")
    for block in blocks(PAGE):
        if block.language == "sql":
            for statement in filter(None, (part.strip() for part in block.body.split(";"))):
                if statement.startswith("RESTORE"):
                    assert re.fullmatch(r"RESTORE TABLE [\w.]+ TO VERSION AS OF \d+", statement)
                    continue
                (parsed,) = sqlglot.parse(statement, read="databricks")
                assert parsed is not None
    with pytest.raises(sqlglot.errors.ParseError):
        sqlglot.parse("SELECT unit FROM (SELECT 1", read="databricks")


def test_jobs_tasks_and_times_are_those_of_the_bundle() -> None:
    jobs = the_bundle().resolved("prod")["jobs"]
    table = PAGE.split("\n## Jobs and schedules\n")[1].split("\n## ")[0]
    rows = dict(re.findall(r"^\| `(\w+)` \| (\d+).*\|$", table, re.MULTILINE))
    assert rows == {key: str(len(job["tasks"])) for key, job in jobs.items()}
    times = {key: re.findall(r"(\d\d):(\d\d)", line) for line in table.splitlines() for key in jobs if key in line}
    for key, job in jobs.items():
        _, minute, hour, *_ = job["schedule"]["quartz_cron_expression"].split() if "schedule" in job else ("", "", "")
        assert times[key] == ([(hour.zfill(2), minute.zfill(2))] if hour else []), key
    daily = len(jobs["ml_inference_pipeline"]["tasks"]) + len(jobs["ml_table_snapshots"]["tasks"])
    sunday = daily + len(jobs["ml_training_pipeline"]["tasks"])
    assert f"A day has {daily} tasks, a Sunday {sunday}." in PAGE


def test_the_page_names_the_cli_and_the_variables_of_the_bundle() -> None:
    wanted = the_bundle().root.data["bundle"]["databricks_cli_version"].removeprefix(">= ")
    assert f"The Databricks CLI, {wanted} or newer" in PAGE
    for name in ("alert_emails", "performance_target", "readers", "reader_privileges", "time_zone"):
        assert name in the_bundle().variables
        assert f"`{name}`" in PAGE
    assert set(re.findall(r"`(\w+_schedule)`", PAGE)) == {v for v in the_bundle().variables if v.endswith("_schedule")}


def test_the_query_of_costs_reads_documented_columns() -> None:
    from domains.gold.system.schemas import BILLING, LAKEFLOW

    (query,) = (block.body for block in blocks(PAGE) if "system.billing.usage" in block.body)
    usage, jobs = BILLING["billing.usage"], LAKEFLOW["lakeflow.jobs"]
    assert set(re.findall(r"used\.(\w+)", query)) <= set(usage)
    assert all(f"{field}:" in usage["usage_metadata"] for field in re.findall(r"usage_metadata\.(\w+)", query))
    assert {"workspace_id", "job_id", "name", "tags", "change_time"} <= set(jobs)
    (tags,) = {tuple(sorted(job["tags"].items())) for job in the_bundle().resolved("prod")["jobs"].values()}
    assert all(f"tags['{key}'] = '{value}'" in query for key, value in tags)


def test_the_settings_of_the_page_load_as_a_file(tmp_path: Path) -> None:
    (body,) = (block.body for block in blocks(PAGE) if block.language == "toml")
    file = tmp_path / "settings.toml"
    file.write_text(body, encoding="utf-8")
    assert load_settings({}, file).incomplete_days == 1


def test_the_page_says_what_the_dashboard_and_the_monitors_are() -> None:
    section = PAGE.split("\n## Dashboard and quality monitors\n")[1].split("\n## ")[0]
    file = the_bundle().folder / "jobs" / "optional" / "health_monitor.lvdash.json"
    pages = [page["displayName"] for page in json.loads(file.read_text("utf-8"))["pages"]]
    rows = re.findall(r"^\| (\w+) \|", section, re.MULTILINE)
    assert [row for row in rows if row in pages] == pages
    variables = the_bundle().variables
    assert f'"{variables["warehouse_id"]["lookup"]["warehouse"]}"' in section
    _, minute, hour, *_, day = variables["profile_schedule"]["default"].split()
    assert (day, f"on Mondays at {hour}:{minute.zfill(2)} (`profile_schedule`)" in section) == ("MON", True)
    # Nothing of it is deployed by the blocks above it.
    assert set(read_bundle(ROOT).resolved("prod")) == {"jobs", "schemas"}

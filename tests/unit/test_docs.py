"""The pages say what the code does: links, commands, examples, names and cards are compared with it."""

from __future__ import annotations

import importlib
import re
import shlex
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import typer

from domains.reliability.options import ReliabilityOptions
from framework.base import errors
from framework.core.config import load_settings
from framework.core.plugins import GROUP, Registry, discover
from framework.core.results import Status
from framework.declare.model import ModelSpec, Task
from framework.ops.catalogue import card, catalog, read_figures
from framework.ops.cli import app
from framework.scoring.scorer import _columns
from framework.tables.declared import ALERTS, REQUESTS
from framework.training import ModelTrainer
from framework.training.learners import algorithm_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from framework.declare.gold import GoldTable

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
WRITTEN = [page for page in PAGES if page.parent.name != "models"]
FENCE = re.compile(r"^```(\w+)(?: title=(\S+))?(?: \w+)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMANDS = typer.main.get_command(app).commands
OPTIONS = {
    name: {
        word
        for one in (command, *getattr(command, "commands", {}).values())
        for p in one.params
        for word in p.opts
        if word.startswith("-")
    }
    for name, command in COMMANDS.items()
}
EVERY_OPTION = set.union(*OPTIONS.values()) | {"--help"}


def page_id(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def prose(text: str) -> str:
    return FENCE.sub("", text)


def anchors(page: Path) -> set[str]:
    """Heading anchors as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", prose(page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def blocks(name: str, language: str) -> list[tuple[str, str]]:
    text = (DOCS / name).read_text(encoding="utf-8")
    return [(title, body) for kind, title, body in FENCE.findall(text) if kind == language]


def spoken(page: Path) -> Iterator[str]:
    """Each line of a shell block, and each piece of inline code."""
    text = page.read_text(encoding="utf-8")
    for language, _, body in FENCE.findall(text):
        if language == "sh":
            yield from body.splitlines()
    yield from re.findall(r"`([^`\n]+)`", prose(text))


def table_rows(name: str, heading: str) -> list[list[str]]:
    """Cells of the first table below a heading."""
    text = (ROOT / name).read_text(encoding="utf-8").split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = re.search(r"(?:^\|.*\|\n?)+", text, re.MULTILINE)[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


@pytest.fixture(scope="module")
def plugins() -> Registry:
    return discover(strict=True)


@pytest.fixture(scope="module")
def ours(plugins: Registry) -> set[str]:
    """Models of this distribution; somebody may have installed more."""
    return {name for name, offer in plugins.trainers.items() if plugins.domains[offer.domain] == "health-monitor-ml"}


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_links_lead_to_a_page_and_a_heading(page: Path) -> None:
    for target in re.findall(r"\[[^\]]*\]\(([^)\s]+)\)", prose(page.read_text(encoding="utf-8"))):
        assert "://" not in target, f"{target}: pages link to pages of this repository only"
        file, _, anchor = target.partition("#")
        found = (page.parent / file).resolve() if file else page
        assert found.is_file(), target
        assert found.is_relative_to(ROOT), target
        assert not anchor or anchor in anchors(found), target


def test_the_readme_leads_to_every_page() -> None:
    linked = set(re.findall(r"\]\((docs/\w+\.md)", (ROOT / "README.md").read_text(encoding="utf-8")))
    assert linked == {page_id(page) for page in DOCS.glob("*.md")}


@pytest.mark.parametrize("page", WRITTEN, ids=page_id)
def test_commands_and_options_exist(page: Path) -> None:
    for line in spoken(page):
        if line.startswith("--"):
            assert line.split()[0] in EVERY_OPTION, line
        words = shlex.split(line) if "health-monitor " in line else []
        at = next((i for i, word in enumerate(words) if word.endswith("health-monitor")), None)
        if at is None:
            continue
        command, *rest = words[at + 1 :]
        assert command in OPTIONS or command == "--help", line
        given = {word.partition("=")[0] for word in rest if word.startswith("--")}
        assert given <= OPTIONS.get(command, set()) | {"--help"}, line


@pytest.mark.parametrize("page", WRITTEN, ids=page_id)
def test_make_targets_exist(page: Path) -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for line in spoken(page):
        if not line.startswith("make "):
            continue
        words = shlex.split(line)
        assert words[1] in targets, line
        for options in (word.removeprefix("ARGS=") for word in words if word.startswith("ARGS=")):
            assert {word for word in options.split() if word.startswith("--")} <= OPTIONS[words[1]], line


def test_the_readme_names_every_command_and_every_option_of_a_run() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert {row[0].strip("`").split()[1] for row in table_rows("README.md", "Commands")} == set(COMMANDS)
    assert all(f"`{option}`" in text for option in EVERY_OPTION - {"--help"})


def test_the_settings_file_of_the_readme_is_read(tmp_path: Path) -> None:
    ((_, _, body),) = (found for found in FENCE.findall((ROOT / "README.md").read_text("utf-8")) if found[0] == "toml")
    file = tmp_path / "settings.toml"
    file.write_text(body, encoding="utf-8")
    settings = load_settings({}, file)
    assert settings.time_zone == "Europe/Berlin"
    assert ReliabilityOptions.parse(settings.options["reliability"], "the page").slas == {"workspace-1/job-7": 6.5}


def test_the_pages_know_every_status() -> None:
    found = {row[0].strip("`") for row in table_rows("docs/reading_results.md", "The summary table")}
    assert found == {str(status) for status in Status}


def test_the_pages_know_every_error_class() -> None:
    found = {row[0].strip("`") for row in table_rows("docs/reading_results.md", "Errors")}
    root = errors.HealthMonitorError
    leaves = {n for n, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, root)}
    assert found == leaves - {root.__name__}


def test_the_pages_know_every_prediction_column(plugins: Registry, ours: set[str]) -> None:
    cells = " ".join(row[0] for row in table_rows("docs/reading_results.md", "Prediction tables"))
    named = set(re.findall(r"\w+", cells))
    for model in ours:
        spec = plugins.trainers[model].item.spec
        grain = plugins.table(spec.lookups[0].table)
        for task in Task:
            columns = set(_columns(task, spec, grain)) - set(grain.primary_key)
            assert columns <= named, f"{model} as {task}: {sorted(columns - named)}"


def test_the_pages_know_every_part_of_a_model_declaration() -> None:
    cells = " ".join(row[0] for row in table_rows("docs/add_a_model.md", "The parts of the declaration"))
    assert set(re.findall(r"`(\w+)`", cells)) == set(ModelSpec.__dataclass_fields__)


def test_quoted_errors_are_words_of_the_code() -> None:
    files = [file for room in ("framework", "domains") for file in (ROOT / room).rglob("*.py")]
    # Joined strings and inserted values aside, a message in a page is a piece of a message in the code.
    code = re.sub(r"\"\s*\n\s*f?\"", "", "\n".join(file.read_text(encoding="utf-8") for file in files))
    code = re.sub(r"\{[^{}]*\}", "...", code).replace("\\'", "'")
    rows = table_rows("docs/add_a_model.md", "Frequent errors") + table_rows(
        "docs/add_a_domain.md", "When it is not there"
    )
    lost = {}
    for quoted in re.findall(r"`([^`]+)`", " ".join(row[0] for row in rows)):
        pieces = [piece.strip(" []:") for piece in re.split(r"\.\.\.|'[^']*'", quoted)]
        if missing := [piece for piece in pieces if len(piece) > 3 and piece not in code]:
            lost[quoted] = missing
    assert not lost


def test_the_example_of_a_model_makes_classes(plugins: Registry) -> None:
    space: dict[str, object] = {"__name__": "docs_add_a_model"}
    for _, body in blocks("add_a_model.md", "python"):
        exec(compile(body, "docs/add_a_model.md", "exec"), space)  # noqa: S102 - the page's own code
    made = [kind for kind in space.values() if isinstance(kind, type) and kind.__module__ == "docs_add_a_model"]
    (trainer,) = (kind for kind in made if issubclass(kind, ModelTrainer))
    spec = trainer.spec
    assert spec.name not in plugins.trainers, "the page must not repeat a model that exists"
    table = plugins.table(spec.lookups[0].table)
    for column in (*spec.baseline.columns, *spec.required, *(condition[0] for condition in spec.score_where)):
        assert table.feature(column) in table.features
    assert callable(trainer().estimator().fit)


def test_the_example_of_a_domain_is_short_and_loads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plugins: Registry
) -> None:
    text = (DOCS / "add_a_domain.md").read_text(encoding="utf-8")
    files = {title: body for _, title, body in FENCE.findall(text) if title}
    assert sum(body.count("\n") for body in files.values()) < 60
    project = tomllib.loads(files["pyproject.toml"])["project"]
    ((name, module),) = project["entry-points"][GROUP].items()
    for title, body in files.items():
        (tmp_path / title).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / title).write_text(body, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    package = module.partition(".")[0]
    try:
        found = discover(strict=True, extra={"the page": importlib.import_module(module)})
    finally:
        for loaded in [m for m in sys.modules if m.partition(".")[0] == package]:
            del sys.modules[loaded]
    assert name not in plugins.domains, "uninstall the example before the tests"
    added = [model for model, offer in found.trainers.items() if offer.domain == "the page"]
    spec = found.trainers[added[0]].item.spec
    table = found.table(spec.lookups[0].table)
    assert all(table.feature(column) in table.features for column in spec.baseline.columns)
    gold: dict[str, GoldTable] = found.gold_tables()
    for need in (*table.needs, *spec.needs):
        assert need.partition(".")[2] in gold[need.partition(".")[0]].names
    assert card(found, added[0])


def test_the_catalogue_has_25_models_and_says_which_exist(plugins: Registry, ours: set[str]) -> None:
    rows = table_rows("docs/specification.md", "The 25 models")
    by_name = {row[1].strip("`"): row for row in rows}
    assert [row[0] for row in rows] == [str(number) for number in range(1, 26)]
    assert ours <= set(by_name)
    text = (DOCS / "specification.md").read_text(encoding="utf-8")
    for model in ours:
        spec, task = plugins.trainers[model].item.spec, plugins.trainers[model].item.task
        domain, kind, algorithm = by_name[model][2:5]
        assert (domain, kind) == (plugins.trainers[model].domain, str(task).replace("multi", "multi-"))
        assert algorithm.startswith(algorithm_of(plugins.trainers[model].item().estimator()))
        assert f"`{spec.use_case}`" in text


def test_the_catalogue_says_which_tables_exist(plugins: Registry, ours: set[str]) -> None:
    rows = {row[0].strip("`"): row for row in table_rows("docs/specification.md", "Feature tables")}
    for name, offer in plugins.builders.items():
        if plugins.domains[offer.domain] == "health-monitor-ml":
            assert rows.pop(name)[2] == "exists", name
            assert ours
    assert {row[2] for row in rows.values()} <= {"planned"}


@pytest.mark.parametrize(
    ("word", "places"),
    [
        ("Databricks adapter", "framework/stores/databricks/store.py"),
        ("databricks.yml", "databricks.yml"),
        ("`jobs/`", "jobs/*.py"),
        ("monitoring", "framework/monitoring*"),
        ("`framework.testing`", "framework/testing*"),
        *((f"`{domain}`", f"domains/{domain}") for domain in ("cost", "security", "performance", "quality")),
    ],
)
def test_the_state_of_each_planned_part_is_true(word: str, places: str) -> None:
    (state,) = {row[1] for row in table_rows("docs/specification.md", "What exists today") if word in row[0]}
    assert ("planned" in state) == (not any(ROOT.glob(places))), f"{word}: {state}"


def test_the_cards_are_those_of_the_declarations(plugins: Registry, ours: set[str]) -> None:
    folder = DOCS / "models"
    assert folder.is_dir(), "write the cards: health-monitor models --cards docs/models"
    assert {file.stem for file in folder.glob("*.md")} == ours
    for name in sorted(ours):
        written = (folder / f"{name}.md").read_text(encoding="utf-8")
        assert written == card(plugins, name), f"{name}: write the cards anew"


def test_the_catalogue_is_that_of_the_declarations_and_figures(plugins: Registry) -> None:
    models = plugins.select_models([d for d, origin in plugins.domains.items() if origin == "health-monitor-ml"], ())
    expected = catalog(plugins, models, read_figures(DOCS / "figures.json"))
    written = (DOCS / "model_catalog.md").read_text(encoding="utf-8")
    assert written == expected, "health-monitor models --catalog docs/model_catalog.md --figures docs/figures.json"


def test_the_page_on_operation_names_every_error_alert_and_reason():
    page = (DOCS / "operate.md").read_text(encoding="utf-8")
    leaves = [
        kind.__name__ for kind in vars(errors).values() if isinstance(kind, type) and kind.__mro__[1:2] != (Exception,)
    ]
    columns = {
        table.name: {name: description for name, _, description in table.columns} for table in (ALERTS, REQUESTS)
    }
    kinds = re.findall(r"\w+", columns["alerts"]["kind"].replace(" or ", ", "))
    reasons = re.findall(r"\w+", columns["retrain_requests"]["reason"].replace(" or ", ", "))
    assert {"DeliveryError", "drift", "label_drift"} <= {*leaves, *kinds, *reasons}
    for word in (*leaves, *kinds, *reasons):
        assert f"| `{word}` |" in page, word

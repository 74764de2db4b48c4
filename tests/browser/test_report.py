"""The report in a real browser: quiet, self-contained, usable at any width, in the dark, and by a screen reader."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: it is in the extra dev")
axe = pytest.importorskip(
    "axe_playwright_python.sync_playwright", reason="axe is not installed: it is in the extra dev"
)

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run")
SECTIONS = ("attention", "forecasts", "anomalies", "models", "data", "not-run")
WIDTHS = {390: 844, 1440: 900}
# One model of each kind, with all that a card can show, and one that has no outcome: axe takes long for each.
MODELS = (
    "budget_forecaster", "cost_anomaly_detector", "job_failure_predictor", "query_optimization_recommender",
    "schema_change_predictor", "tag_recommender", "user_behavior_baseline",
)  # fmt: skip
OPEN_ALL = "for (const one of document.querySelectorAll('details')) one.open = true"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    found = next((path for path in map(shutil.which, BROWSERS) if path), None)
    if found is None:
        pytest.skip(f"no browser is installed: looked for {', '.join(BROWSERS)}")
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=found, args=[*FLAGS])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def few(report_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a few models."""
    return written(report_home, tmp_path_factory.mktemp("few") / "report.html", models=MODELS)


def written(home: Path, file: Path, **settings: Any) -> Path:
    import mlflow

    from framework.ops.report.page import write_report
    from tests.browser.home import open_home

    before = mlflow.get_tracking_uri(), mlflow.get_registry_uri()
    write_report(open_home(home, **settings), file)
    mlflow.set_tracking_uri(before[0])
    mlflow.set_registry_uri(before[1])
    return file


class Visit:
    """A page in a window of its own, with what it said and asked for."""

    def __init__(self, browser: Any, file: Path, width: int, scheme: str) -> None:
        viewport = {"width": width, "height": WIDTHS.get(width, 900)}
        self.page = browser.new_page(viewport=viewport, color_scheme=scheme)
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(file.as_uri())

    def violations(self) -> list[str]:
        """What axe finds, one line each."""
        found = axe.Axe().run(self.page).response["violations"]
        return [f"{one['id']}: {one['help']}: {one['nodes'][0]['html'][:200]}" for one in found]


@pytest.fixture(params=[(w, s) for w in WIDTHS for s in ("light", "dark")], ids=lambda p: f"{p[0]}-{p[1]}")
def visit(request: Any, browser: Any, few: Path) -> Iterator[Visit]:
    width, scheme = request.param
    found = Visit(browser, few, width, scheme)
    yield found
    found.page.close()


def overflow(page: Any) -> int:
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


def test_it_is_quiet_whole_and_accessible(visit: Visit, tmp_path: Path) -> None:
    page = visit.page
    for section in SECTIONS:
        assert page.locator(f"section#{section} h2").is_visible(), section
    assert overflow(page) == 0
    page.screenshot(path=tmp_path / "top.png")
    page.evaluate(OPEN_ALL)
    assert visit.violations() == []
    assert overflow(page) == 0
    page.locator("#m-job_failure_predictor").screenshot(path=tmp_path / "card.png")
    assert visit.said == []
    assert visit.asked == [page.url]
    assert all((tmp_path / name).stat().st_size > 5_000 for name in ("top.png", "card.png"))


@pytest.mark.parametrize("width", WIDTHS)
def test_all_models_fit_too(browser: Any, report_home: Path, width: int) -> None:
    found = Visit(browser, report_home / "report.html", width, "light")
    assert overflow(found.page) == 0
    found.page.evaluate(OPEN_ALL)
    assert (overflow(found.page), found.said, found.asked) == (0, [], [found.page.url])
    found.page.close()


def test_the_dark_page_is_dark(browser: Any, few: Path) -> None:
    ground = {}
    for scheme in ("light", "dark"):
        found = Visit(browser, few, 390, scheme)
        colour = found.page.evaluate("getComputedStyle(document.body).backgroundColor")
        ground[scheme] = sum(int(part) for part in colour.strip("rgb()").split(","))
        found.page.close()
    assert ground["dark"] < 150
    assert ground["light"] > 600


def test_the_keyboard_reaches_sections_cards_and_tables(browser: Any, few: Path) -> None:
    page = Visit(browser, few, 390, "light").page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.evaluate("document.activeElement.getBoundingClientRect().left") >= 0  # shown once it has the focus
    page.keyboard.press("Enter")
    assert page.url.endswith("#attention")
    card = page.locator("#m-job_failure_predictor")
    card.locator("summary").first.focus()
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
    page.keyboard.press("Enter")
    assert card.evaluate("card => card.open") is True
    wide = card.locator(".versions .scroll")
    wide.focus()
    assert wide.evaluate("e => e.scrollWidth > e.clientWidth")  # it scrolls, and the page does not
    page.keyboard.press("ArrowRight")
    page.wait_for_function("e => e.scrollLeft > 0", arg=wide.element_handle())
    assert overflow(page) == 0
    page.close()


def test_an_empty_home_is_quiet_and_accessible_too(browser: Any, tmp_path: Path) -> None:
    file = written(tmp_path / "home", tmp_path / "report.html")
    found = Visit(browser, file, 390, "light")
    found.page.evaluate(OPEN_ALL)
    assert found.violations() == []
    assert (overflow(found.page), found.said, found.asked) == (0, [], [found.page.url])
    found.page.close()

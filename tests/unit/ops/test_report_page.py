"""The report on real tables: what it shows, what it says where there is nothing, and what it must never hold."""

from __future__ import annotations

import dataclasses
import re
import time
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser

import mlflow
import pytest

from framework.base.errors import ConfigError
from framework.core.results import Ledger, Status, UnitResult
from framework.declare.model import Task
from framework.ops.report.collect import collect
from framework.ops.report.page import render, write_report
from framework.ops.report.reading import newest_day
from framework.tables import declared as tables
from tests.browser.home import DAY, HOSTILE, PERSON, no_spark, open_home, predictions
from tests.e2e.command import finish

SECTIONS = ("attention", "forecasts", "anomalies", "models", "data", "not-run")
VOID = {"meta", "link", "br", "hr", "img", "input"}


@pytest.fixture(autouse=True)
def _mlflow_as_it_was():
    before = mlflow.get_tracking_uri(), mlflow.get_registry_uri()
    yield
    mlflow.set_tracking_uri(before[0])
    mlflow.set_registry_uri(before[1])


@pytest.fixture
def runtime(report_home):
    return open_home(report_home)


@pytest.fixture(scope="module")
def page(report_home):
    return (report_home / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def report(report_home):
    before = mlflow.get_tracking_uri(), mlflow.get_registry_uri()
    found = collect(open_home(report_home), DAY)
    mlflow.set_tracking_uri(before[0])
    mlflow.set_registry_uri(before[1])
    return found


class Reader(HTMLParser):
    """Checks that tags are balanced; collects ids, tags, attributes and text by section."""

    def __init__(self):
        super().__init__()
        self.open, self.ids, self.attributes, self.headings = [], [], [], []
        self.text = {}

    def handle_starttag(self, tag, attrs):
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        self.ids += [value for name, value in attrs if name == "id"]
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag not in VOID:
            self.open.append((tag, dict(attrs).get("id")))

    def handle_startendtag(self, tag, attrs):
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag, f"</{tag}> at {self.getpos()}"

    def handle_data(self, data):
        section = next((name for tag, name in self.open if tag == "section"), "")
        self.text[section] = self.text.get(section, "") + data


def read(page):
    reader = Reader()
    reader.feed(page)
    assert not reader.open
    return reader


def said(page, section):
    """A section's text on one line, with plain spaces."""
    return " ".join(read(page).text[section].split())


def of(found, model):
    return next(one for one in found if one.model == model)


def every(report, domain_only=None):
    return [found for domain in report.attention for found in domain.models]


def test_every_model_and_90_days_are_under_a_megabyte_and_five_seconds(runtime, tmp_path):
    assert len(runtime.plugins.trainers) >= 25
    began = time.process_time()
    file = write_report(runtime, tmp_path / "new folder" / "report.html")
    assert time.process_time() - began < 5
    assert file.stat().st_size < 1_000_000
    assert [left.name for left in file.parent.iterdir()] == ["report.html"]


def test_the_page_is_well_formed_and_has_every_section(page):
    found = read(page)
    assert all(section in found.ids for section in SECTIONS)
    assert len(found.ids) == len(set(found.ids))
    assert found.headings[0] == 1
    assert all(deeper <= before + 1 for before, deeper in zip(found.headings, found.headings[1:], strict=False))
    assert ("html", "lang", "en-GB") in found.attributes
    labelled = {word for _, name, value in found.attributes if name == "aria-labelledby" for word in value.split()}
    assert labelled <= set(found.ids)


def test_the_page_asks_for_nothing_and_runs_nothing(page):
    found = read(page)
    asked = [(tag, name, value) for tag, name, value in found.attributes if name in ("src", "srcset", "href", "data")]
    assert {value for _, _, value in asked if not value.startswith("#")} == {"data:,"}
    assert not [name for _, name, _ in found.attributes if name.startswith("on")]
    assert not re.search(r"<script|@import|url\(|https?://", page)


def test_every_word_of_a_table_is_escaped(page):
    assert HOSTILE not in page
    assert "&lt;script&gt;" in page
    assert f"workspace {HOSTILE}" in said(page, "attention")
    assert PERSON in said(page, "attention")  # the owner must know who


def test_no_folder_of_the_settings_is_shown(page, report_home):
    assert str(report_home) not in page
    assert "gold_secret_folder" not in page
    assert "folder gold" in page
    assert "<home>/tables" in said(page, "not-run")


def test_alerts_come_by_severity_and_the_rest_is_counted(report):
    found = of(every(report), "cost_anomaly_detector")
    assert [alert.severity for alert in found.alerts] == ["critical"] * 3 + ["warning"] * 2
    assert found.more_alerts == 3
    assert [alert.about for alert in found.alerts][2] == f"workspace {PERSON}"
    assert [alert.state for alert in found.alerts].count("acknowledged") == 1
    for domain in report.attention:
        ranks = [0 if f.alerts and f.alerts[0].severity == "critical" else 1 if f.alerts else 2 for f in domain.models]
        assert ranks == sorted(ranks)


def test_an_entity_says_why_and_what_to_do(report, runtime):
    found = of(every(report), "job_failure_predictor")
    spec = runtime.plugins.trainers["job_failure_predictor"].item.spec
    assert found.action == spec.action
    assert 0 < len(found.answers) <= 3
    assert all(answer.description.endswith("% likely") for answer in found.answers)
    grain = runtime.plugins.table(spec.lookups[0].table)
    first, second = list(grain.features)[:2]
    assert found.answers[0].why[0].startswith(f"{first.description}: 9")
    assert ", usually 1 to 4" in found.answers[0].why[0]
    assert found.answers[0].why[1].startswith(second.description)  # 5, above 4
    assert len(found.answers[0].why) == 2  # the third, 1, lies inside


def test_a_forecast_stands_out_where_it_leaves_all_known_outcomes(report):
    found = of(every(report), "job_duration_forecaster")
    assert found.description == "1 of 20 forecasts outside all outcomes of 90 days"
    assert [answer.about.split(",")[0] for answer in found.answers] == [f"job 0002-{'x' * 12}"]


def test_answers_of_every_task_are_in_words(report):
    description = {f.model: f.answers[0].description.replace("\xa0", " ") for f in every(report) if f.answers}
    assert re.fullmatch(r"stranger than [\d.]+ % of what training saw", description["cost_anomaly_detector"])
    assert re.fullmatch(r"\w[\w -]+, [\d.]+ % likely", description["warehouse_optimizer"])
    assert re.match(
        r"2 of 5 expected; most likely [a-z ]+ [\d.]+ %, [a-z ]+ [\d.]+ %$",
        description["query_optimization_recommender"],
    )
    assert re.match(r"[\d.]+ (minutes|seconds); in eight of ten cases [\d.]+ ", description["job_duration_forecaster"])


def test_challengers_and_fallbacks_are_marked(report, page):
    marks = {f.model: f.marks for f in every(report)}
    assert marks["tag_recommender"] == ("challenger",)
    assert marks["schema_change_predictor"] == ("fallback",)
    assert marks["job_failure_predictor"] == ()
    cards = {card.model: card.status for card in report.models}
    assert cards["tag_recommender"] == "challenger, version 3: no champion"
    assert cards["schema_change_predictor"] == "fallback, version 3"
    assert {count.label: count.value for count in report.header.counts}["by challenger or fallback"] == "2"
    assert '<span class="mark">challenger</span>' in page


def test_forecasts_hold_past_outcomes_and_the_newest_interval(report):
    found = of(report.forecasts, "data_freshness_predictor")
    assert len(found.forecasts) == 3
    one = found.forecasts[0]
    assert (one.newest.day, one.unit) == (DAY, "hours")
    assert len(one.past) == 83
    assert one.newest.low < one.newest.prediction < one.newest.high
    assert all(point.outcome is not None and point.day < DAY for point in one.past)
    assert one.newest.prediction >= found.forecasts[1].newest.prediction


def test_timelines_count_each_flagged_entity_once_a_day(report, runtime):
    found = of(report.anomalies, "security_threat_detector")
    rows = runtime.tables.read(runtime.feature_table("security_threat_predictions")).to_pylist()
    flagged = [row for row in rows if row["is_anomaly"]]
    assert sum(found.counts.values()) == len(flagged)
    assert found.counts[DAY] == sum(row["as_of_date"] == DAY for row in flagged)
    assert len(found.strips) + found.more == len({row["user_id"] for row in flagged})
    assert found.strips[0].days[-1] == DAY


def test_a_card_shows_record_calibration_importance_drift_and_versions(report):
    card = of(report.models, "job_failure_predictor")
    assert [line.name for line in card.lines] == ["version 2", "version 3", "baseline", "promised at training"]
    assert sum(len(line.points) for line in card.lines[:2]) == len(card.lines[2].points) == 90
    assert "Skill +0.25 (90 % interval +0.10 to +0.40), promised +0.30." in card.performance_says
    assert len(card.calibration) == 10
    assert [value for _, value in card.importance] == sorted((v for _, v in card.importance), reverse=True)
    assert (len(card.drift.features), len(card.drift.days), card.drift.more) == (12, 30, 13)
    assert card.versions[0][:2] == ("3", "champion")
    assert card.versions[0][4:] == ("promoted by gate", "lower bound 0.12 is above 0.02")
    assert card.versions[2][4:] == ("none yet", "remark")
    assert "under its promise" in of(report.models, "cost_anomaly_detector").requests[0]
    assert of(report.models, "data_freshness_predictor").metric == "mae in hours"
    assert not of(report.models, "data_freshness_predictor").calibration


def test_quarantine_and_remarks(report, page):
    assert report.data.rows == 480
    assert ("fact_usage", "no time", "120", "Wed 28 Oct 2026") in report.data.quarantine
    assert "cost_features: fact_usage.unit: unknown DBUX" in said(page, "data")


def test_what_did_not_run_comes_worst_first(report):
    assert [row[2] for row in report.not_run.rows] == ["failed", "skipped", "fallback"]
    assert report.not_run.description == "Of 11 units: 1 failed, 1 skipped, 1 fallback."
    assert report.header.run_id == "run-of-today"


def test_an_empty_home_says_so_in_every_section(tmp_path):
    home = open_home(tmp_path / "home")
    page = write_report(home, tmp_path / "report.html").read_text(encoding="utf-8")
    read(page)
    tasks = Counter(offer.item.task for offer in home.plugins.trainers.values())
    assert "No run is recorded for Tue 27 Oct 2026." in said(page, "not-run")
    assert "No gold row is in quarantine." in said(page, "data")
    assert said(page, "models").count("It was never trained.") == tasks.total()
    assert said(page, "models").count("Drift was not measured") == tasks.total()
    assert said(page, "anomalies").count("Nothing was flagged in the last 90 days") == tasks[Task.ANOMALY]
    assert said(page, "forecasts").count("No forecast was made for Tue 27 Oct 2026.") == tasks[Task.REGRESSION]
    assert said(page, "attention").count("no prediction for Tue 27 Oct 2026") == tasks.total()
    assert "run health-monitor run first" in page


def test_before_the_first_outcome_it_says_when_that_will_be(tmp_path):
    runtime = open_home(tmp_path / "home", models=("budget_forecaster", "job_failure_predictor"))
    predictions(runtime, "budget_forecaster")
    report = collect(runtime, DAY)
    description = "No outcome is known yet: the first label window ends on Tue 3 Nov 2026."
    assert [card.model for card in report.models] == ["budget_forecaster", "job_failure_predictor"]
    assert of(report.models, "budget_forecaster").performance_says == description
    assert of(report.models, "job_failure_predictor").performance_says.startswith("No outcome is known: the model")
    (found,) = report.forecasts
    assert found.description == description
    assert len(found.forecasts) == 3
    assert found.forecasts[0].past == ()
    assert "no outcome is known yet" in of(every(report), "budget_forecaster").description
    read(render(report))


def test_one_outcome_alone_can_be_drawn(tmp_path):
    runtime = open_home(tmp_path / "home", models=("budget_forecaster",))
    predictions(runtime, "budget_forecaster")
    flat = {"model_name": "budget_forecaster", "model_version": 3, "as_of_date": DAY, "metric": "mae", "value": 1.0}
    tables.PERFORMANCE.merge(runtime, [flat])
    tables.DRIFT.merge(runtime, [flat | {"kind": "feature", "name": "cost", "level": "none", "says": ""}])
    read(render(collect(runtime, DAY)))


def test_a_day_of_the_past_sees_nothing_later(runtime):
    past = DAY - timedelta(days=40)
    report = collect(runtime, past)
    assert not report.header.run_id
    card = of(report.models, "job_failure_predictor")
    assert max(day for line in card.lines for day, _ in line.points) == past
    assert max(card.drift.days) == past
    assert not any(card.requests for card in report.models)
    assert {f.model for f in every(report) if f.alerts} == set()
    assert all(day <= past for found in report.anomalies for day in found.counts)
    read(render(report))


def test_a_unit_that_was_resumed_shows_its_newest_record(tmp_path):
    runtime = open_home(tmp_path / "home")
    name = runtime.feature_table("run_ledger")
    for minute, (run, status) in enumerate((("first", Status.FAILED), ("second", Status.DONE))):
        ledger = Ledger(runtime.tables, name, run_id=run, as_of=DAY, inputs={"gold": "simulate"})
        result = UnitResult(stage="train", name="sla_breach_predictor", status=status)
        ledger.record(result, datetime(2026, 10, 28, 5, minute, tzinfo=UTC))
    report = collect(runtime, DAY)
    assert report.not_run.rows == ()
    assert (report.header.run_id, report.header.gold) == ("second", "simulate")


def test_the_newest_day_of_a_run_is_the_report_s_day(runtime, tmp_path):
    assert newest_day(runtime, None) == DAY
    assert newest_day(runtime, date(2026, 12, 31)) == DAY
    assert newest_day(runtime, DAY - timedelta(days=1)) == DAY - timedelta(days=1)
    assert newest_day(open_home(tmp_path / "none"), None) == date(2026, 10, 28)


def test_a_place_that_cannot_be_written_is_an_error_that_says_so(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ConfigError, match="the report cannot be written"):
        write_report(open_home(tmp_path / "home", models=("budget_forecaster",)), tmp_path / "file" / "report.html")


def test_a_registry_that_cannot_be_read_costs_only_the_history(tmp_path):
    from mlflow.exceptions import MlflowException

    class Broken:
        def versions(self, model):
            raise MlflowException("no such host")

    runtime = dataclasses.replace(open_home(tmp_path / "home", models=("budget_forecaster",)), open_registry=Broken)
    (card,) = collect(runtime, DAY).models
    assert card.versions_says == "The registry could not be read: MlflowException."


def test_tasks_are_all_covered(report, runtime):
    assert {runtime.plugins.trainers[f.model].item.task for f in every(report)} == set(Task)
    assert no_spark  # the home opened no session: it would have raised


@pytest.mark.slow
def test_the_command_writes_it_and_says_where(report_home, tmp_path):
    out = tmp_path / "page.html"
    done = finish(["report", "--home", str(report_home), "--models", "budget_forecaster", "--out", str(out)])
    assert (done.code, done.out) == (0, f"{out}\n"), done.err[-2000:]
    assert "budget_forecaster" in said(out.read_text(encoding="utf-8"), "models")

from __future__ import annotations

import io
from datetime import date

import pytest
from rich.console import Console

from framework.core.plugins import discover, hookimpl
from framework.core.results import Status, UnitResult
from framework.declare.model import FromFeature, GroupPrior, Lookup, ModelSpec, days
from framework.ops.catalogue import card, write_cards
from framework.run.summary import summary_table, time_table
from framework.training import RegressionTrainer

DAY = date(2025, 3, 1)


@pytest.fixture(scope="module")
def plugins():
    return discover(strict=True)


def shown(table):
    out = io.StringIO()
    Console(file=out, width=250, color_system=None).print(table)
    return out.getvalue()


def line(text, word):
    """The cells of the table's row that holds a word."""
    (found,) = [row for row in text.splitlines() if word in row]
    return [cell.strip() for cell in found.strip("│").split("│")]


def result(name, status=Status.DONE, stage="train", **facts):
    return UnitResult(stage=stage, name=name, status=status, **facts)


def test_the_closing_table_shows_each_ending(plugins):
    results = [
        result("reliability_features", stage="features", rows=12_345, seconds=2.5),
        result(
            "job_failure_predictor", rows=900, metric="average_precision", value=0.41237, baseline=0.3, skill=0.159,
            skill_low=-0.02, skill_high=0.25, version=7, seconds=3.0,
        ),
        result("job_duration_forecaster", Status.FALLBACK, reason="the label is 5 in all 80 rows", version=2),
        result("sla_breach_predictor", Status.SKIPPED, reason="12 days to train on, 20 are needed"),
        result("retry_success_predictor", Status.FAILED, reason="ValueError: it broke"),
    ]  # fmt: skip
    text = shown(summary_table(results, plugins, DAY))
    assert "as of 2025-03-01" in text
    assert line(text, "reliability_features") == [
        "reliability_features", "reliability", "done", "12,345", "", "", "", "2.5", "",
    ]  # fmt: skip
    assert line(text, "job_failure_predictor")[2:8] == [
        "done", "900", "average_precision 0.4124 against 0.3", "+0.159 (-0.020 … +0.250)", "7", "3.0",
    ]  # fmt: skip
    assert line(text, "job_duration_forecaster")[2::6] == ["fallback", "the label is 5 in all 80 rows"]
    assert line(text, "sla_breach_predictor")[2::6] == ["skipped", "12 days to train on, 20 are needed"]
    assert line(text, "retry_success_predictor")[2::6] == ["failed", "ValueError: it broke"]


def test_the_stages_of_a_model_are_one_row_that_shows_the_worst(plugins):
    name = "job_failure_predictor"
    trained = result(name, rows=900, metric="mae", value=1.0, baseline=2.0, version=7, seconds=3.0, reason="unchanged")
    scored = result(name, Status.FAILED, "score", rows=50, reason="it broke", seconds=0.5)
    cells = line(shown(summary_table([trained, scored], plugins, DAY)), name)
    assert cells[2:5] == ["failed", "900 / 50", "mae 1 against 2"]
    assert cells[6:8] == ["7", "3.5"]
    fallback = result(name, Status.FALLBACK, "score", version=8)
    cells = line(shown(summary_table([trained, fallback], plugins, DAY)), name)
    assert (cells[2], cells[6]) == ("fallback", "7 (8 serves)")


def test_a_skill_of_few_events_has_no_interval(plugins):
    text = shown(summary_table([result("data_drift_detector", stage="monitor", skill=0.0)], plugins, DAY))
    assert "+0.000 (too few events to say how sure)" in text


def test_a_remark_is_shown_as_it_is_whatever_it_looks_like(plugins):
    reasons = ["cannot read [/some/where]", "got [nan inf], expected one of [red] [bold]", "[/]"]
    for reason in reasons:
        text = shown(summary_table([result("some_model", Status.FAILED, reason=reason)], plugins, DAY))
        assert line(text, "some_model")[-1] == reason


def test_a_run_without_results_is_an_empty_table(plugins):
    assert "model or table" in shown(summary_table([], plugins, DAY))
    assert "100%" in shown(time_table([], 2.0))


def test_the_time_table_adds_up():
    results = [result("a", stage="features", seconds=2.0), result("b", seconds=1.0), result("c", seconds=3.0)]
    text = shown(time_table(results, 8.0))
    assert line(text, "features") == ["features", "2.0", "25%"]
    assert line(text, "train") == ["train", "4.0", "50%"]
    assert line(text, "start-up") == ["start-up and the rest", "2.0", "25%"]
    assert line(text, "total")[:2] == ["total", "8.0"]


def test_a_card_holds_label_baseline_and_each_feature(plugins):
    for name, offer in plugins.trainers.items():
        spec = offer.item.spec
        text = card(plugins, name)
        assert text.startswith(f"# {name}\n")
        for fact in (spec.question, spec.label_description, spec.action, spec.unit, str(offer.item.task)):
            assert fact in text
        if isinstance(spec.baseline, FromFeature):
            assert all(f"`{column}`: " in text for column in spec.baseline.columns)
        shown, known = set(), set()
        for lookup in spec.lookups:
            declared = plugins.table(lookup.table)
            chosen = [c for c in declared.features if not lookup.columns or c.name in lookup.columns]
            assert chosen
            assert all(f"| `{c.name}` | {c.description} | {c.unit} |" in text for c in chosen)
            shown |= {c.name for c in chosen}
            known |= {c.name for c in declared.columns}
        assert not any(f"| `{other}` |" in text for other in known - shown)


def test_cards_are_written_one_per_model(plugins, tmp_path):
    names = list(plugins.trainers)[:2]
    files = write_cards(plugins, names, tmp_path / "new" / "cards")
    assert [file.name for file in files] == [f"{name}.md" for name in names]
    assert files[1].read_text(encoding="utf-8") == card(plugins, names[1])


def with_trainer(**changes):
    facts = {
        "name": "the_model",
        "use_case": "the_case",
        "question": "what?",
        "action": "act",
        "label_description": "the label",
        "unit": "job-day",
        "lookups": (Lookup(table="reliability_features"),),
        "horizon": days(1.5),
        "baseline": GroupPrior(by=("workspace_id", "job_id")),
    }

    class Trainer(RegressionTrainer):
        spec = ModelSpec(**facts | changes)

        def labels(self, gold, as_of):
            raise NotImplementedError

        def estimator(self):
            from sklearn.dummy import DummyRegressor

            return DummyRegressor()

    class Plugin:
        @hookimpl
        def model_trainers(self):
            return [Trainer]

    return card(discover(strict=True, extra={"mine": Plugin()}), "the_model")


def test_a_card_of_a_trainer_without_docstring_and_with_a_group_prior():
    text = with_trainer()
    assert "training prior of workspace_id, job_id, shrunk to the global prior" in text
    assert "| Horizon | 1.5 days |" in text
    assert "| No label without | nothing |" in text


def test_a_baseline_may_come_from_any_looked_up_table(plugins):
    first, second = (plugins.table(name) for name in ("reliability_features", "reliability_run_features"))
    column = next(c for c in second.features if c.name not in {one.name for one in first.features})
    text = with_trainer(
        lookups=(Lookup(table=first.name), Lookup(table=second.name)), baseline=FromFeature(columns=(column.name,))
    )
    assert f"| Baseline to beat | `{column.name}`: {column.description} |" in text

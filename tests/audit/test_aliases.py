"""Who is champion: the gate between real trainings, a person's word over it, and what a crash leaves to be settled."""

from __future__ import annotations

import dataclasses
import shutil
from typing import TYPE_CHECKING, Any

import mlflow
import numpy as np
import pyarrow as pa
import pytest
import structlog
from typer.testing import CliRunner

from framework.base.errors import RegistryError
from framework.base.logging import configure
from framework.core.results import Status
from framework.core.versions import CHALLENGER, CHAMPION
from framework.declare.model import Feature
from framework.features.builder import arrow_schema
from framework.ops.cli import app
from framework.registry.aliases import promote_version, rollback, stand_down
from framework.registry.models import tags_of
from framework.run.pipeline import Pipeline
from framework.tables.declared import BACKTESTS, DECISIONS, SERVING
from tests.audit.home import AS_OF, TABLE, JobSeconds, LateJobs, ToyFeatures, copy_home, open_home

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MODEL = "late_jobs"
OLD, SHUFFLED, BETTER = 1, 2, 3
"""Versions of ``late_jobs`` in the home that these tests copy."""


class ShuffledLate(LateJobs):
    """Learns labels that belong to other rows."""

    def made_labels(self, runtime, as_of, grain):
        rows = super().made_labels(runtime, as_of, grain)
        order = np.random.default_rng(5).permutation(len(rows))
        at = rows.column_names.index("label")
        return rows.set_column(at, "label", rows["label"].take(pa.array(order)))


class SmoothLate(LateJobs):
    """Knows that the chance grows smoothly with the load; a tree of three levels has eight answers."""

    def estimator(self):
        from sklearn.linear_model import LogisticRegression

        return LogisticRegression()


class StraightSeconds(JobSeconds):
    """Knows that the label is a straight line of the load; a tree must approach it in steps."""

    def estimator(self):
        from sklearn.linear_model import LinearRegression

        return LinearRegression()


class CoarseSeconds(JobSeconds):
    """One step only: better than the baseline, worse than what serves."""

    def estimator(self):
        from sklearn.tree import DecisionTreeRegressor

        return DecisionTreeRegressor(max_depth=1, random_state=7)


class CoarseLate(LateJobs):
    """One step only."""

    def estimator(self):
        from sklearn.tree import DecisionTreeClassifier

        return DecisionTreeClassifier(max_depth=1, random_state=7)


class NeverLate(LateJobs):
    """Nothing ever happens: only a dummy can answer."""

    def made_labels(self, runtime, as_of, grain):
        rows = super().made_labels(runtime, as_of, grain)
        at = rows.column_names.index("label")
        return rows.set_column(at, "label", pa.array(np.zeros(len(rows), "int32")))


class OtherLoad(ToyFeatures):
    """The same columns; the load is another quantity now."""

    table = dataclasses.replace(
        ToyFeatures.table,
        columns=(
            Feature(name="load", sql="max(load)", description="highest load", stage="day", needs=("toy_runs.load",)),
            *ToyFeatures.table.columns[1:],
        ),
    )


def train(home: Path, trainer: type, seed: int, **opened: Any):
    """Train by the real trainer; the seed makes it another training than those before."""
    return trainer().train(open_home(home, seed=seed, **opened), AS_OF)


def alias(home: Path, name: str, model: str = MODEL) -> int | None:
    held = open_home(home).registry.by_alias(model, name)
    return None if held is None else int(held.version)


def decisions(home: Path, model: str = MODEL, **only: Any) -> list[dict[str, Any]]:
    rows = DECISIONS.read(open_home(home), [("model_name", "=", model)]).to_pylist()
    rows = [row for row in rows if all(row[name] == value for name, value in only.items())]
    return sorted(rows, key=lambda row: (row["model_version"], row["decided_at"]))


def tags(home: Path, version: int, model: str = MODEL) -> dict[str, str]:
    (found,) = [v for v in open_home(home).registry.versions(model) if int(v.version) == version]
    return tags_of(found)


def score(home: Path, run_id: str, **opened: Any):
    runtime = open_home(home, run_id=run_id, models=(MODEL,), **opened)
    configure(console=False)
    (result,) = Pipeline(runtime).run(("score",))
    return result


def predictions(home: Path, version: int) -> list[dict[str, Any]]:
    """Return every column of a version's rows, when and by which run they were written among them."""
    runtime = open_home(home)
    rows = runtime.tables.read(runtime.feature_table("late_job_predictions"), where=[("model_version", "=", version)])
    return rows.sort_by([("job_id", "ascending")]).to_pylist()


@pytest.fixture(scope="module")
def raced_home(clean_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home after two more trainings of one model: one with shuffled labels, one that is better."""
    before = mlflow.get_tracking_uri(), mlflow.get_registry_uri()
    home = copy_home(clean_home, tmp_path_factory.mktemp("raced") / "home")
    assert [train(home, ShuffledLate, 2).version, train(home, SmoothLate, 3).version] == [SHUFFLED, BETTER]
    mlflow.set_tracking_uri(before[0])
    mlflow.set_registry_uri(before[1])
    structlog.reset_defaults()
    return home


@pytest.fixture
def raced(raced_home: Path, tmp_path: Path) -> Iterator[Path]:
    before = mlflow.get_tracking_uri(), mlflow.get_registry_uri()
    yield copy_home(raced_home, tmp_path / "raced")
    mlflow.set_tracking_uri(before[0])
    mlflow.set_registry_uri(before[1])
    structlog.reset_defaults()


# The gate between real trainings


def test_a_challenger_with_shuffled_labels_is_refused_in_table_and_tags(raced):
    (row,) = decisions(raced, model_version=SHUFFLED)
    assert (row["decided_by"], row["decision"], row["champion_version"]) == ("gate", "refused", OLD)
    assert row["skill_low"] <= row["promote_above"] == 0.02
    said = tags(raced, SHUFFLED)
    assert (said["decision"], said["decision_reason"]) == ("refused", row["reason"])
    assert "held back" in row["reason"] or "not above 0.02" in row["reason"]


def test_a_better_challenger_is_compared_on_days_that_neither_was_fitted_on_and_promoted(raced):
    assert (alias(raced, CHAMPION), alias(raced, CHALLENGER)) == (BETTER, SHUFFLED)
    (row,) = decisions(raced, model_version=BETTER)
    assert (row["decision"], row["champion_version"], row["origins"]) == ("promoted", OLD, 3)
    assert row["challenger_skill"] > row["champion_skill"] > 0.02 < row["skill_low"]
    assert row["compared_days"] == row["days"] >= 5  # the old version was fitted up to the same cut
    said = tags(raced, BETTER)
    assert (said["decision"], said["decision_reason"]) == ("promoted", row["reason"])
    assert f"{row['challenger_skill']:+.3f} against {row['champion_skill']:+.3f} of version 1" in row["reason"]


def test_the_champions_skill_in_the_comparison_is_what_its_own_answers_give(home):
    """By hand: the labels, the old version's stored predictor on the stored features, the mean error of both."""
    assert train(home, StraightSeconds, 3).version == 2
    (row,) = decisions(home, "job_seconds", model_version=2)
    assert row["decision"] == "promoted"
    runtime = open_home(home)
    uri = "models:/main.health_monitor.job_seconds/1/data/feature_store/raw_model"
    raw = mlflow.pyfunc.load_model(mlflow.artifacts.download_artifacts(uri))
    labels = JobSeconds().label_frame(runtime, AS_OF, ToyFeatures.table).to_pandas()
    rows = runtime.tables.read(TABLE).to_pandas().merge(labels, on=["workspace_id", "job_id", "run_date"])
    folds = BACKTESTS.read(runtime, [("model_name", "=", "job_seconds"), ("model_version", "=", 2)]).to_pylist()
    first, last = min(fold["origin"] for fold in folds), max(fold["test_end"] for fold in folds)
    rows = rows[(rows["run_date"] > first) & (rows["run_date"] <= last)].reset_index(drop=True)
    assert (len(rows), rows["run_date"].nunique()) == (row["rows"], row["compared_days"])
    answer = raw.predict(rows[["load", "runs", "weekday"]])["prediction"].to_numpy(float)
    error = np.abs(rows["label"] - answer).mean()
    assert row["baseline"] < np.abs(rows["label"] - rows["runs"]).mean()  # a constant errs less than the feature
    assert row["champion_skill"] == pytest.approx(1 - error / row["baseline"], abs=1e-6)


@pytest.mark.parametrize(("trainer", "model"), [(CoarseSeconds, "job_seconds"), (CoarseLate, "late_jobs")])
def test_a_worse_challenger_that_is_good_by_itself_is_refused_by_the_comparison(home, trainer, model):
    result = train(home, trainer, 4)
    (row,) = decisions(home, model, model_version=result.version)
    assert row["skill_low"] > 0.02, "it must be good enough by itself, or the comparison decides nothing"
    assert row["decision"] == "refused"
    assert row["challenger_skill"] < row["champion_skill"]
    assert "that of version 1, the champion" in row["reason"]
    assert f"not promoted: {row['reason']}" in result.reason
    assert (alias(home, CHAMPION, model), alias(home, CHALLENGER, model)) == (1, result.version)


def test_a_later_training_is_compared_on_the_days_after_the_champions_last_fitted_one(home):
    """Four days later by the calendar; without new rows the same held-back days are there to compare on."""
    later = AS_OF.replace(day=31)
    result = SmoothLate().train(open_home(home, as_of=later), later)
    (row,) = decisions(home, model_version=result.version)
    assert (row["as_of_date"], row["decision"]) == (later, "promoted")
    assert 5 <= row["compared_days"] <= row["days"]


def test_too_few_common_days_leave_the_champion_where_it_is(home):
    registry = open_home(home).registry
    registry.tag(MODEL, OLD, {"fitted_until": AS_OF.isoformat()})  # as a champion that was fitted again on all days
    result = train(home, SmoothLate, 3)
    (row,) = decisions(home, model_version=result.version)
    assert (row["decision"], row["compared_days"], row["champion_skill"]) == ("refused", 0, None)
    assert "0 days are judged that it was not fitted on, 5 are needed" in row["reason"]


def test_a_fallback_takes_no_real_champions_place_by_gate_or_by_hand(home):
    result = train(home, NeverLate, 6)
    assert result.status is Status.FALLBACK
    assert (alias(home, CHAMPION, "late_jobs"), alias(home, CHALLENGER, "late_jobs")) == (1, 2)
    (row,) = decisions(home, "late_jobs", model_version=2)
    assert (row["decision"], row["metric"]) == ("refused", None)
    assert row["reason"].startswith("it is a fallback; ")
    with pytest.raises(RegistryError, match="version 2 is a fallback, the champion is not") as caught:
        promote_version(open_home(home), "late_jobs", 2)
    assert_helpful(caught.value, "main.health_monitor.late_jobs")
    assert alias(home, CHAMPION, "late_jobs") == 1


# A person's word


def test_a_rollback_goes_to_the_version_before_and_the_gate_leaves_it_there(raced):
    number, decision = rollback(open_home(raced), MODEL, None)
    assert (number, decision.decision, alias(raced, CHAMPION)) == (OLD, "rolled_back", OLD)
    assert tags(raced, BETTER)["withdrawn"].startswith("in favour of version 1, 2026-10-28")
    (row,) = decisions(raced, decided_by="person")
    assert (row["model_version"], row["champion_version"]) == (OLD, BETTER)
    assert "took version 3 back" in row["reason"]
    again = train(raced, SmoothLate, 3)  # unchanged: nothing is fitted, the alias is only settled
    assert (again.version, len(open_home(raced).registry.versions(MODEL))) == (BETTER, 3)
    assert alias(raced, CHAMPION) == OLD
    assert decisions(raced, model_version=BETTER, decision="refused") == []  # nothing new was decided
    client, full = open_home(raced).registry.client, f"main.health_monitor.{MODEL}"
    client.delete_registered_model_alias(full, CHAMPION)  # even where nobody serves
    train(raced, SmoothLate, 3)
    assert (alias(raced, CHAMPION), alias(raced, CHALLENGER)) == (None, BETTER)
    assert "it was taken back" in decisions(raced, model_version=BETTER, decision="refused")[0]["reason"]


WORSE = "its skill against its baseline was -0.300 from a day to another, at most -0.100"


def test_a_champion_worse_than_its_baseline_gives_way_to_the_version_before(raced):
    runtime = open_home(raced)
    said = stand_down(runtime, MODEL, BETTER, WORSE, AS_OF)
    again = stand_down(runtime, MODEL, BETTER, WORSE, AS_OF)
    assert said == f"version {OLD} serves again: version {BETTER} stood down, {WORSE}"
    assert again == ""
    assert alias(raced, CHAMPION) == OLD
    assert WORSE in tags(raced, BETTER)["withdrawn"]
    assert decisions(raced, decided_by="monitor")[0]["decision"] == "rolled_back"


def test_without_a_version_before_it_is_champion_no_more(home):
    said = stand_down(open_home(home), MODEL, OLD, WORSE, AS_OF)
    assert said == f"version {OLD} is champion no more: {WORSE}"
    assert (alias(home, CHAMPION), alias(home, CHALLENGER)) == (None, OLD)


def test_a_person_s_champion_does_not_stand_down(raced):
    runtime = open_home(raced)
    promote_version(runtime, MODEL, BETTER)
    assert stand_down(runtime, MODEL, BETTER, WORSE, AS_OF) == ""
    assert alias(raced, CHAMPION) == BETTER


def test_an_unchanged_training_does_not_overrule_a_person(raced):
    """Version 3 was compared with version 1 and was better; nothing is known since but a person's word."""
    promote_version(open_home(raced), MODEL, OLD)
    train(raced, SmoothLate, 3)
    assert alias(raced, CHAMPION) == OLD
    assert len(decisions(raced, model_version=BETTER)) == 1


def test_two_rollbacks_do_not_return_to_what_was_taken_back(raced):
    rollback(open_home(raced), MODEL, None)
    with pytest.raises(RegistryError, match="no other version was ever champion"):
        rollback(open_home(raced), MODEL, None)
    assert alias(raced, CHAMPION) == OLD


def test_a_person_may_promote_the_challenger(raced):
    number, decision = promote_version(open_home(raced), MODEL, None)
    assert (number, decision.reason) == (SHUFFLED, "a person promoted it")
    assert (alias(raced, CHAMPION), alias(raced, CHALLENGER)) == (SHUFFLED, None)
    (row,) = decisions(raced, decided_by="person")
    assert (row["model_version"], row["decision"], row["champion_version"]) == (SHUFFLED, "promoted", BETTER)
    assert rollback(open_home(raced), MODEL, None)[0] == BETTER


def test_promoting_a_withdrawn_version_takes_the_tag_away(raced):
    rollback(open_home(raced), MODEL, None)
    promote_version(open_home(raced), MODEL, BETTER)
    assert "withdrawn" not in tags(raced, BETTER)
    assert alias(raced, CHAMPION) == BETTER
    assert rollback(open_home(raced), MODEL, None)[0] == OLD


def test_a_rollback_follows_the_last_change_even_if_a_person_repeats_one(raced):
    """The same decision twice on a day is one row; the order of the changes is not lost with it."""
    for version in (OLD, SHUFFLED, BETTER, OLD, SHUFFLED):
        promote_version(open_home(raced), MODEL, version)
    assert rollback(open_home(raced), MODEL, None)[0] == OLD


def test_a_day_scored_again_after_a_rollback_keeps_every_row_of_the_old_version(raced):
    before = predictions(raced, OLD)
    assert len(before) == 12
    assert score(raced, "new").version == BETTER
    assert len(predictions(raced, BETTER)) == 12
    assert predictions(raced, BETTER)[0]["prediction"] != before[0]["prediction"]
    rollback(open_home(raced), MODEL, None)
    result = score(raced, "after")
    assert (result.version, result.reason) == (OLD, "12 rows were there already")
    assert predictions(raced, OLD) == before
    (row,) = SERVING.read(open_home(raced), [("model_name", "=", MODEL)]).to_pylist()
    assert (row["as_of_date"], row["model_version"], row["served_as"]) == (AS_OF, OLD, CHAMPION)


# Errors


def assert_helpful(error: RegistryError, where: str) -> None:
    assert error.where == where
    assert error.what
    assert error.fix


def without_champion(home: Path) -> None:
    open_home(home).registry.client.delete_registered_model_alias(f"main.health_monitor.{MODEL}", CHAMPION)


def other_formula(home: Path) -> None:
    open_home(home).tables.annotate(TABLE, arrow_schema(OtherLoad.table))


def nothing(home: Path) -> None:
    """Leave the home as it is: three trainings of late_jobs, one of job_seconds."""


@pytest.mark.parametrize(
    ("prepare", "change", "model", "version", "description"),
    [
        (without_champion, rollback, MODEL, None, "there is no champion to take back"),
        (nothing, rollback, "job_seconds", None, "no other version was ever champion"),
        (nothing, rollback, MODEL, 9, "there is no version 9"),
        (nothing, rollback, MODEL, BETTER, "version 3 is the champion itself"),
        (other_formula, rollback, MODEL, None, "version 1 learnt from another formula of toy_features.load"),
        (nothing, promote_version, "job_seconds", None, "there is no challenger"),
        (nothing, promote_version, MODEL, 9, "there is no version 9"),
        (other_formula, promote_version, MODEL, None, "version 2 learnt from another formula of toy_features.load"),
    ],
)
def test_what_a_person_cannot_do_says_what_where_and_how_to_mend_it(
    raced, prepare, change, model, version, description
):
    prepare(raced)
    held, rows = alias(raced, CHAMPION, model), decisions(raced, model)
    with pytest.raises(RegistryError, match=description) as caught:
        change(open_home(raced), model, version)
    assert_helpful(caught.value, f"main.health_monitor.{model}")
    assert (alias(raced, CHAMPION, model), decisions(raced, model)) == (held, rows)
    assert all("withdrawn" not in v.tags for v in open_home(raced).registry.versions(model))


# Formulas that changed


def test_another_formula_stops_scoring_by_name_and_a_good_challenger_takes_over(home):
    other_formula(home)
    failed = score(home, "run2", features=OtherLoad)
    assert failed.status is Status.FAILED
    for part in ("toy_features.load", "version 1", f"main.health_monitor.{MODEL}", "train the model again"):
        assert part in failed.reason
    trained = train(home, CoarseLate, 4, features=OtherLoad)  # worse than version 1, which cannot serve
    assert alias(home, CHAMPION) == trained.version == 2
    (row,) = decisions(home, model_version=2)
    assert (row["decision"], row["champion_version"], row["champion_skill"]) == ("promoted", 1, None)
    assert "version 1, the champion, cannot serve: toy_features.load has another formula now" in row["reason"]
    assert score(home, "run3", features=OtherLoad).version == 2


# A run that was killed between registration and alias


@pytest.mark.parametrize(("trainer", "seed", "version"), [(SmoothLate, 3, BETTER), (ShuffledLate, 2, SHUFFLED)])
def test_a_crash_before_the_alias_is_settled_by_the_next_training_without_fitting(raced, trainer, seed, version):
    """As the registration left it: no alias, no row, no tag of a decision."""
    (row,) = decisions(raced, model_version=version)
    name = CHAMPION if version == BETTER else CHALLENGER
    client, full = open_home(raced).registry.client, f"main.health_monitor.{MODEL}"
    client.delete_registered_model_alias(full, name)
    client.set_registered_model_alias(full, CHAMPION, "1")
    for tag in ("decision", "decision_reason", "decided_by", "decided_at"):
        client.delete_model_version_tag(full, str(version), tag)
    shutil.rmtree(raced / "tables" / "main" / "health_monitor" / "model_decisions")
    first, second = train(raced, trainer, seed), train(raced, trainer, seed)
    assert first.version == second.version == version
    assert len(open_home(raced).registry.versions(MODEL)) == 3
    assert alias(raced, name) == version
    (again,) = decisions(raced)
    moment = {"decided_at": None}
    assert again | moment == row | moment
    assert tags(raced, version)["decision_reason"] == row["reason"]


def test_a_first_version_whose_alias_was_never_given_is_settled(home):
    client, full = open_home(home).registry.client, "main.health_monitor.late_jobs"
    rows = decisions(home, "late_jobs")
    client.delete_registered_model_alias(full, CHAMPION)
    result = LateJobs().train(open_home(home), AS_OF)
    assert (result.version, alias(home, CHAMPION, "late_jobs")) == (1, 1)
    moment = {"decided_at": None}
    assert [r | moment for r in decisions(home, "late_jobs")] == [r | moment for r in rows]


# Commands


@pytest.fixture
def command(raced: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Call the command line on the home, without booting Spark."""
    monkeypatch.setattr("framework.core.plugins.discover", lambda **_: open_home(raced).plugins)
    monkeypatch.setattr("framework.run.opening.open_runtime", lambda *_: open_home(raced))
    return lambda *words: CliRunner().invoke(app, [*words, "--home", str(raced)], env={"COLUMNS": "200"})


def test_promote_and_rollback_say_who_serves_now(raced, command):
    found = command("rollback", MODEL)
    assert (found.exit_code, found.stdout) == (0, "late_jobs: version 1 is champion, a person took version 3 back\n")
    found = command("promote", MODEL, "--to", "3")
    assert (found.exit_code, found.stdout) == (0, "late_jobs: version 3 is champion, a person promoted it\n")
    found = command("rollback", MODEL, "--to", "2")
    assert (found.exit_code, alias(raced, CHAMPION)) == (0, SHUFFLED)
    assert command("promote", MODEL, "--to", "1").exit_code == 0
    assert alias(raced, CHAMPION) == OLD


@pytest.mark.parametrize(
    ("words", "description"),
    [
        (("promote",), "name a model to promote here, or --to-catalog to copy"),
        (("promote", MODEL, "--to", "9"), "RegistryError: there is no version 9"),
        (("promote", "late_job"), "did you mean 'late_jobs'?"),
        (("promote", "job_seconds"), "RegistryError: there is no challenger"),
        (("rollback", "job_seconds"), "RegistryError: no other version was ever champion"),
        (("rollback", "job_second"), "did you mean 'job_seconds'?"),
        (("promote", "--to-catalog", "main"), "RegistryError: source and target are one catalog"),
        (("backtest", "job_second", "--from", "2026-09-25", "--to", "2026-10-09"), "did you mean 'job_seconds'?"),
        (("backtest", MODEL, "--from", "2026-10-09", "--to", "2026-09-25"), "2026-10-09 is after 2026-09-25"),
    ],
)
def test_a_command_that_cannot_start_exits_with_2_and_one_line(command, words, description):
    found = command(*words)
    assert found.exit_code == 2
    assert description in found.stderr
    assert found.stdout == ""


def test_a_model_and_a_catalog_copy_that_model(command):
    found = command("promote", MODEL, "--to-catalog", "prod")
    assert found.exit_code == 1  # no features there
    assert "there is no feature table prod.health_monitor.toy_features" in found.stdout
    assert "job_seconds" not in found.stdout


def test_a_backtest_prints_and_stores_its_folds_and_registers_nothing(raced, command):
    words = ("backtest", MODEL, "--from", "2026-09-25", "--to", "2026-10-09", "--every", "7")
    first, again = command(*words), command(*words)
    assert (first.exit_code, again.exit_code) == (0, 0), first.output
    assert first.stdout == again.stdout
    for part in ("Backtest of late_jobs", "2026-09-25", "2026-10-02", "2026-10-09", "precision", "against", "all"):
        assert part in first.stdout
    rows = BACKTESTS.read(open_home(raced), [("model_name", "=", MODEL)]).to_pylist()
    rows = [row for row in rows if row["model_version"] is None]
    assert [str(r["origin"]) for r in sorted(rows, key=lambda r: r["origin"])] == [
        "2026-09-25",
        "2026-10-02",
        "2026-10-09",
    ]
    assert all(row["rows"] == 7 * 12 and row["skill_low"] <= row["skill"] <= row["skill_high"] for row in rows)
    assert len(open_home(raced).registry.versions(MODEL)) == 3


def test_a_backtest_that_judges_nothing_exits_with_1(command):
    found = command("backtest", MODEL, "--from", "2026-10-27", "--to", "2026-10-27")
    assert found.exit_code == 1
    assert "Backtest of late_jobs" in found.stdout

"""Each row of the audit turns red for a breach of its own, and for no other's."""

from __future__ import annotations

import json
import re
import sys
import types
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlflow
import pytest
import structlog
import yaml
from deltalake import DeltaTable
from mlflow import MlflowClient

from framework.core.results import Ledger, Status, UnitResult
from framework.ops.audit.bundle import read_bundle
from framework.ops.audit.collect import collect
from framework.ops.audit.rows import CRITERIA, PRACTICES, Row, audit, passed
from framework.ops.audit.serverless import refused_in
from tests.audit.home import AS_OF, SCHEMA, TABLE, NeverTrained, open_home, sql

if TYPE_CHECKING:
    from collections.abc import Callable

MONITOR = "bundle/jobs/resources/monitor.yml"
TRAIN, SCORE = "bundle/jobs/resources/train.yml", "bundle/jobs/resources/score.yml"


def rows_of(home: Path, *more: type) -> list[Row]:
    return audit(collect(open_home(home, *more), home / "bundle"))


def artifact(home: Path, model: str) -> Path:
    open_home(home)
    return Path(mlflow.artifacts.download_artifacts(f"models:/{SCHEMA}.{model}/1"))


def edit_yaml(file: Path, change: Callable[[Any], None]) -> None:
    content = yaml.safe_load(file.read_text())
    change(content)
    file.write_text(yaml.safe_dump(content, sort_keys=False))


def edit_text(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def edit_spec(home: Path, model: str, column: str, change: Callable[[dict[str, Any]], None]) -> None:
    def apply(content):
        (entry,) = (one[column] for one in content["input_columns"] if column in one)
        change(entry)

    edit_yaml(artifact(home, model) / "data" / "feature_store" / "feature_spec.yaml", apply)


def edit_table(home: Path, name: str) -> DeltaTable:
    return DeltaTable(str(home / "tables" / name.replace(".", "/")))


def run_of(model: str) -> str:
    return str(MlflowClient().get_model_version(f"{SCHEMA}.{model}", "1").run_id)


def record(home: Path, result: UnitResult, log: list[Any]) -> None:
    ledger = Ledger(open_home(home).tables, f"{SCHEMA}.run_ledger", run_id="run2", as_of=AS_OF, inputs={})
    ledger.record(result, datetime(2026, 10, 29, tzinfo=UTC), log)


def scored(model: str, uri: str) -> UnitResult:
    return UnitResult(stage="score", name=model, status=Status.DONE, rows=12, version=1, scored_with=uri)


def event(run_id: str = "run2") -> dict[str, str]:
    return {"event": "unit_finished", "level": "info", "timestamp": "2026-10-29T00:00:00Z", "run_id": run_id}


def ghost_feature(home: Path) -> None:
    edit_spec(home, "late_jobs", "load", lambda entry: entry.update(feature_name="ghost"))


def foreign_table(home: Path) -> None:
    edit_spec(home, "late_jobs", "load", lambda entry: entry.update(table_name="main.other.features"))


def no_time_key(home: Path) -> None:
    edit_table(home, TABLE).alter.set_column_metadata("run_date", {"timeseries": "0"})


def nullable_key(home: Path) -> None:
    log = home / "tables" / TABLE.replace(".", "/") / "_delta_log" / "00000000000000000000.json"
    edit_text(log, '\\"nullable\\":false', '\\"nullable\\":true')


def lost_output(home: Path) -> None:
    def drop(content):
        outputs = json.loads(content["signature"]["outputs"])
        content["signature"]["outputs"] = json.dumps([o for o in outputs if o["name"] != "probability"])

    edit_yaml(artifact(home, "late_jobs") / "MLmodel", drop)


def lost_input(home: Path) -> None:
    def drop(content):
        inputs = json.loads(content["signature"]["inputs"])
        content["signature"]["inputs"] = json.dumps([i for i in inputs if i["name"] != "load"])

    edit_yaml(artifact(home, "late_jobs") / "MLmodel", drop)


def double_label(home: Path) -> None:
    open_home(home)
    changed = sql(
        home,
        "UPDATE params SET value = ? WHERE key = 'label_types' AND run_uuid = ?",
        '{"label": "double"}',
        run_of("late_jobs"),
    )
    assert changed == 1


def labelled_anomaly(home: Path) -> None:
    open_home(home)
    assert sql(
        home,
        "UPDATE params SET value = ? WHERE key = 'label_types' AND run_uuid = ?",
        '{"label": "int"}',
        run_of("odd_jobs"),
    )


def lost_fingerprint(home: Path) -> None:
    open_home(home).registry.client.delete_model_version_tag(f"{SCHEMA}.late_jobs", "1", "fingerprint")


def no_alias(home: Path) -> None:
    open_home(home).registry.client.delete_registered_model_alias(f"{SCHEMA}.late_jobs", "champion")


def other_loader(home: Path) -> None:
    def change(content):
        content["flavors"]["python_function"]["loader_module"] = "mlflow.sklearn"

    edit_yaml(artifact(home, "job_seconds") / "MLmodel", change)


def scored_by_hand(home: Path) -> None:
    record(home, scored("late_jobs", ""), [event()])


def scored_with_another(home: Path) -> None:
    record(home, scored("late_jobs", f"models:/{SCHEMA}.job_seconds/1"), [event()])


def needs_spark(home: Path) -> None:
    file = artifact(home, "late_jobs") / "data" / "feature_store" / "raw_model" / "requirements.txt"
    file.write_text(file.read_text() + "\npyspark==4.0.0\n")


def served_by_rdd(home: Path) -> None:
    (file,) = (artifact(home, "late_jobs") / "data" / "feature_store" / "raw_model").glob("served_model.py")
    file.write_text(file.read_text() + "\n\ndef odd(frame):\n    return frame.rdd\n")


def untagged_run(home: Path) -> None:
    open_home(home).registry.client.delete_tag(run_of("late_jobs"), "training_data")


def failed_run(home: Path) -> None:
    open_home(home).registry.client.set_terminated(run_of("late_jobs"), "FAILED")


def plain_sentence(home: Path) -> None:
    record(home, scored("late_jobs", f"models:/{SCHEMA}.late_jobs/1"), [event(), "Scoring finished!"])


def foreign_context(home: Path) -> None:
    record(home, scored("late_jobs", f"models:/{SCHEMA}.late_jobs/1"), [event("another")])


def no_events(home: Path) -> None:
    record(home, scored("late_jobs", f"models:/{SCHEMA}.late_jobs/1"), [])


def lost_task(home: Path) -> None:
    edit_text(home / SCORE, "      - task_key: score_late_job\n", "")


def lost_mapping(home: Path) -> None:
    edit_table(home, TABLE).alter.set_column_metadata("load", {"comment": "mean load"})


def lost_meaning(home: Path) -> None:
    edit_table(home, TABLE).alter.set_column_metadata("load", {"comment": "; from gold: toy_runs.load"})


def undeclared_gold(home: Path) -> None:
    edit_table(home, TABLE).alter.set_column_metadata("load", {"comment": "load; from gold: toy_runs.no_such"})


def lost_metric(home: Path) -> None:
    open_home(home)
    run = run_of("job_seconds")
    assert sql(home, "DELETE FROM latest_metrics WHERE key = 'mae' AND run_uuid = ?", run) == 1


def lost_baseline(home: Path) -> None:
    open_home(home)
    run = run_of("late_jobs")
    assert sql(home, "DELETE FROM latest_metrics WHERE key LIKE 'baseline_av%' AND run_uuid = ?", run) == 1


def no_schedule(home: Path) -> None:
    file = home / TRAIN
    file.write_text("".join(line for line in file.read_text().splitlines(keepends=True) if "schedule" not in line))


def paused_schedule(home: Path) -> None:
    edit_text(home / TRAIN, "{quartz", "{pause_status: PAUSED, quartz")


def never_monitored(home: Path) -> None:
    (home / MONITOR).unlink()


def asked_for_nothing(home: Path) -> None:
    edit_text(home / MONITOR, "      - task_key: train_requested\n", "")


def paused_monitoring(home: Path) -> None:
    edit_text(home / MONITOR, "{quartz", "{pause_status: PAUSED, quartz")


def too_old(home: Path) -> None:
    open_home(home).registry.client.set_model_version_tag(f"{SCHEMA}.late_jobs", "1", "as_of", "2026-09-01")


def brought_along(home: Path) -> None:
    def change(entry):
        entry["source"] = "training_data"
        for key in ("table_name", "feature_name", "lookup_key", "timestamp_lookup_key"):
            del entry[key]

    edit_spec(home, "late_jobs", "runs", change)


def foreign_rows(home: Path) -> None:
    table = edit_table(home, f"{SCHEMA}.late_job_predictions")
    assert table.update({"scoring_run_id": "'notebook'"}, predicate="job_id = 'j3'")["num_updated_rows"] == 1


def untraced_rows(home: Path) -> None:
    table = edit_table(home, f"{SCHEMA}.late_job_predictions")
    assert table.update({"training_run_id": "'gone'"}, predicate="job_id = 'j3'")["num_updated_rows"] == 1


def rows_of_another(home: Path) -> None:
    open_home(home)
    table = edit_table(home, f"{SCHEMA}.late_job_predictions")
    table.update({"training_run_id": f"'{run_of('job_seconds')}'"}, predicate="job_id = 'j3'")


def no_bar(home: Path) -> None:
    open_home(home).registry.client.delete_model_version_tag(f"{SCHEMA}.late_jobs", "1", "promote_above")


def undecided(home: Path) -> None:
    open_home(home).registry.client.delete_model_version_tag(f"{SCHEMA}.odd_jobs", "1", "decision")


def unbounded(home: Path) -> None:
    open_home(home).registry.client.set_model_version_tag(f"{SCHEMA}.late_jobs", "1", "gate", '{"origins": 3}')


def no_threshold(home: Path) -> None:
    file = artifact(home, "odd_jobs") / "data" / "feature_store" / "raw_model" / "artifacts" / "served.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"raw_threshold": None}))


def undescribed(home: Path) -> None:
    open_home(home).registry.client.update_registered_model(f"{SCHEMA}.late_jobs", description=" ")


# Row, breach, and what its offender says.
BREACHES: list[tuple[int, Callable[[Path], None], str]] = [
    (1, ghost_feature, "late_jobs version 1: main.health_monitor.toy_features holds no ghost"),
    (1, foreign_table, "late_jobs version 1: there is no table main.other.features"),
    (2, no_time_key, "toy_features: it has no time key (read by job_seconds, late_jobs, odd_jobs)"),
    (2, nullable_key, "toy_features: its key may be NULL in workspace_id, job_id, run_date (read by"),
    (3, lost_output, "late_jobs version 1: its signature and its outputs differ in probability"),
    (3, lost_input, "late_jobs version 1: its signature does not name the inputs load"),
    (4, double_label, "late_jobs version 1: label is double, int is right for binary"),
    (4, labelled_anomaly, "odd_jobs version 1: label is int, no label is right for anomaly"),
    (5, lost_fingerprint, "late_jobs version 1: it lacks the tags fingerprint"),
    (5, no_alias, "late_jobs version 1: no version of the model holds an alias"),
    (6, other_loader, "job_seconds version 1: it is loaded by 'mlflow.sklearn'"),
    (7, scored_by_hand, "late_jobs: its scoring of 2026-10-27 (run run2) did not go through score_batch"),
    (7, scored_with_another, "late_jobs: its scoring of 2026-10-27 asked models:/main.health_monitor.job_seconds/1"),
    (8, needs_spark, "late_jobs version 1: it cannot be installed there as it is: pyspark==4.0.0"),
    (8, served_by_rdd, "late_jobs version 1: its code uses .rdd"),
    (9, untagged_run, "late_jobs version 1: its run lacks tag training_data"),
    (9, failed_run, "late_jobs version 1: its run ended as FAILED"),
    (10, plain_sentence, "late_jobs: run run2 left what is no event: Scoring finished!"),
    (10, foreign_context, "late_jobs: run run2 left what is no event"),
    (10, no_events, "late_jobs: run run2 left no event of score"),
    (11, lost_task, "late_jobs: no job has the task score_late_jobs"),
    (12, lost_mapping, "toy_features.load: it does not say its gold columns (read by job_seconds, late_jobs"),
    (12, lost_meaning, "toy_features.load: it does not say its meaning (read by job_seconds, late_jobs"),
    (12, undeclared_gold, "toy_features.load: no gold table declares toy_runs.no_such"),
    (13, lost_metric, "job_seconds version 1: its run lacks mae"),
    (13, lost_baseline, "late_jobs version 1: its run lacks baseline_average_precision"),
    (14, no_schedule, "late_jobs: nothing starts a task train_late_jobs by itself"),
    (14, paused_schedule, "late_jobs: nothing starts a task train_late_jobs by itself"),
    (14, never_monitored, "late_jobs: nothing starts monitor_models and train_requested by itself"),
    (14, asked_for_nothing, "odd_jobs: nothing starts monitor_models and train_requested by itself"),
    (14, paused_monitoring, "late_jobs: nothing starts monitor_models and train_requested by itself"),
    (14, too_old, "late_jobs: its newest version is 56 days old, 30 are allowed"),
    (15, brought_along, "late_jobs version 1, runs: it takes this column from the frame"),
    (17, foreign_rows, "late_jobs: 1 of 12 predictions come from notebook"),
    (18, untraced_rows, "late_jobs: 1 of 12 predictions name the wrong run: gone"),
    (18, rows_of_another, "late_jobs: 1 of 12 predictions name the wrong run"),
    (19, no_bar, "late_jobs version 1: it does not say the skill above which it may serve"),
    (19, undecided, "odd_jobs version 1: no decision gave it its alias"),
    (19, unbounded, "late_jobs version 1: it is champion without a lower bound of its skill"),
    (19, no_threshold, "odd_jobs version 1: the served model holds no 'raw_threshold'"),
    (20, undescribed, "late_jobs: it has no description"),
]


def red(rows: list[Row]) -> dict[int, tuple[str, ...]]:
    return {row.number: row.offenders for row in rows if not row.passed}


def test_a_clean_home_passes_every_row(home):
    rows = rows_of(home)
    assert red(rows) == {}
    assert [row.number for row in rows] == list(range(1, 21))
    assert [row.group for row in rows] == ["practice"] * 14 + ["criterion"] * 6
    assert all(row.share == 1 for row in rows)
    assert passed(rows)


@pytest.mark.parametrize(
    ("number", "breach", "description"), BREACHES, ids=[f"{n}-{b.__name__}" for n, b, _ in BREACHES]
)
def test_a_breach_turns_exactly_its_row_red(home, number, breach, description):
    breach(home)
    rows = rows_of(home)
    found = red(rows)
    assert list(found) == [number], found
    assert any(description in offender for offender in found[number]), found
    assert rows[number - 1].share < 1
    assert not passed(rows)


def test_a_model_that_nobody_trained_is_missing_from_the_registry_and_from_nothing_else(home):
    rows = rows_of(home, NeverTrained)
    assert red(rows) == {16: ("never_trained: it is not in the registry",)}
    assert rows[15].share == 0.75


def test_tasks_may_be_named_after_the_model_as_well(home):
    for file in (home / TRAIN, home / SCORE):
        edit_text(file, "_late_job\n", "_late_jobs\n")
    assert red(rows_of(home)) == {}


def test_every_row_has_a_planted_breach():
    assert {number for number, _, _ in BREACHES} | {16} == set(range(1, 21))


def test_a_model_logged_without_lookups_is_red_wherever_lookups_are_asked_for(home):
    (artifact(home, "late_jobs") / "data" / "feature_store" / "feature_spec.yaml").unlink()
    found = red(rows_of(home))
    assert set(found) == {1, 6, 15}
    assert all(offenders[0].startswith("late_jobs version 1: ") for offenders in found.values())


def test_a_version_without_a_signature_is_red_in_practice_and_criterion(home):
    edit_yaml(artifact(home, "late_jobs") / "MLmodel", lambda content: content.pop("signature"))
    assert set(red(rows_of(home))) == {3, 16}


def test_a_deleted_run_is_neither_tracked_nor_traced(home):
    client = open_home(home).registry.client
    client.delete_run(run_of("late_jobs"))
    found = red(rows_of(home))
    assert {9, 18} <= set(found)
    assert "is not there" in found[9][0]


def test_predictions_of_a_removed_version_are_still_traced_by_their_run(home):
    runtime = open_home(home)
    old = runtime.registry.versions("late_jobs")[0]
    new = runtime.registry.client.create_model_version(old.name, old.source, old.run_id, tags=dict(old.tags))
    runtime.registry.client.delete_model_version(old.name, old.version)
    runtime.registry.client.set_registered_model_alias(old.name, "champion", new.version)
    assert 18 not in red(rows_of(home))


def test_without_a_bundle_nothing_is_deployed_and_nothing_retrains(home):
    rows = audit(collect(open_home(home), home / "elsewhere"))
    found = red(rows)
    assert set(found) == {11, 14}
    assert "no databricks.yml" in found[11][0]


def test_nothing_registered_passes_nothing_that_must_be_shown(tmp_path, home):
    (tmp_path / "empty").mkdir()
    rows = audit(collect(open_home(tmp_path / "empty"), home / "bundle"))
    assert {row.number for row in rows if row.passed} <= {8}
    assert rows[0].offenders == ("nothing is registered that could be looked at",)


@pytest.mark.parametrize(
    ("text", "description"),
    [("a: [", "cannot be read"), ("resources: {jobs: {j: {tasks: null}}}", "")],
)
def test_a_malformed_bundle_is_a_problem_and_no_error(tmp_path, text, description):
    (tmp_path / "databricks.yml").write_text(text)
    assert description in read_bundle(tmp_path).problem
    assert bool(read_bundle(tmp_path).problem) == bool(description)


def test_installed_code_that_serverless_refuses_is_named_by_place(tmp_path, monkeypatch):
    package = tmp_path / "stranger"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "features.py").write_text("def f(df):\n    return df.persist()\n")
    module = types.ModuleType("stranger")
    module.__file__ = str(package / "__init__.py")
    monkeypatch.setitem(sys.modules, "stranger", module)
    assert refused_in(["stranger"]) == ["stranger/features.py:2: .persist"]
    assert refused_in(["framework", "domains"]) == []
    assert refused_in(["defined_in_a_console"]) == []


@pytest.fixture
def command_at(home, monkeypatch) -> Callable[..., int]:
    """Run the command on a home, without booting Spark."""
    from framework.ops.audit import command

    def run(*, as_json: bool, bundle: Path = home / "bundle") -> int:
        runtime = open_home(home)
        monkeypatch.setattr("framework.core.plugins.discover", lambda **_: runtime.plugins)
        monkeypatch.setattr("framework.run.opening.open_runtime", lambda *_: runtime)
        return command.run_audit({"home": home, "domains": ("toys",)}, bundle, as_json=as_json)

    yield run
    structlog.reset_defaults()


def test_the_command_prints_one_json_object_and_fails_if_a_row_does(home, command_at, capsys):
    assert command_at(as_json=True) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["passed"]
    assert len(found["rows"]) == 20
    undescribed(home)
    assert command_at(as_json=True) == 1
    found = json.loads(capsys.readouterr().out)
    assert not found["passed"]
    assert found["rows"][19]["offenders"] == ["late_jobs: it has no description"]


def test_the_command_prints_a_table_that_names_the_offender(home, command_at, capsys):
    undescribed(home)
    assert command_at(as_json=False) == 1
    out = capsys.readouterr().out
    assert "late_jobs: it has no description" in out
    assert "19 of 20 rows pass" in out


def test_the_pages_list_every_row():
    text = (Path(__file__).parents[2] / "docs" / "checks.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| ([^|]+) \|", text, re.MULTILINE)
    titles = [title for title, *_ in (*PRACTICES, *CRITERIA)]
    assert [(int(number), title.replace("`", "")) for number, title in rows] == list(enumerate(titles, 1))

"""The bundle gate: our own checks over the committed bundle, and planted faults that they must find."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import NamedTuple

import pytest
from typer.testing import CliRunner

from framework.base.errors import ConfigError
from framework.ops.bundle.command import faults
from framework.ops.bundle.load import read_bundle
from framework.ops.cli import app

ROOT = Path(__file__).parents[2]
DATABRICKS = "databricks.yml"
TRAINING = "jobs/resources/ml_training_pipeline.yml"
INFERENCE = "jobs/resources/ml_inference_pipeline.yml"
MONITORING = "jobs/resources/ml_monitoring_pipeline.yml"
BACKFILL = "jobs/resources/ml_backfill.yml"
SNAPSHOTS = "jobs/resources/ml_table_snapshots.yml"
SCHEMAS = "jobs/resources/schemas.yml"
DASHBOARD = "jobs/optional/dashboard.yml"
WIDGETS = "jobs/optional/health_monitor.lvdash.json"
OUTCOMES = "jobs/optional/monitors/model_outcomes.yml"
PREDICTIONS = "jobs/optional/monitors/job_failure_predictions.yml"


class Mutant(NamedTuple):
    """One small change, and the words by which the gate must name it."""

    name: str
    file: str
    old: str
    new: str
    description: str


MUTANTS = [
    Mutant(
        "dangling_task",
        TRAINING,
        "- task_key: features_cost_features\n          env",
        "- task_key: costs\n          env",
        "depends on 'features_cost_features', which is no task",
    ),
    Mutant(
        "task_twice",
        INFERENCE,
        "task_key: score_budget_forecast",
        "task_key: score_cost_anomaly",
        "stands twice",
    ),
    Mutant(
        "circle",
        BACKFILL,
        "- task_key: features\n          environment_key",
        "- task_key: features\n          depends_on:\n            - task_key: score_days\n          environment_key",
        "wait for each other in a circle",
    ),
    Mutant(
        "dangling_environment",
        SNAPSHOTS,
        "- environment_key: default",
        "- environment_key: other",
        "environment_key 'default' is not declared",
    ),
    Mutant(
        "no_environment",
        BACKFILL,
        "              environment_key: default\n",
        "",
        "score_day: environment_key None is not declared",
    ),
    Mutant(
        "undeclared_job_parameter",
        INFERENCE,
        "--as-of={{job.parameters.as_of}}",
        "--as-of={{job.parameters.day}}",
        "asks for the job parameter 'day', which is not declared",
    ),
    Mutant(
        "unused_job_parameter",
        INFERENCE,
        "- name: as_of\n",
        "- name: as_off\n",
        "no task asks for the job parameter 'as_off'",
    ),
    Mutant(
        "unknown_option",
        TRAINING,
        "--models=budget_forecaster",
        "--model=budget_forecaster",
        "did you mean '--models'?",
    ),
    Mutant(
        "option_of_another_job",
        TRAINING,
        "- --models=budget_forecaster",
        "- --from=2026-01-01",
        "unknown parameter '--from=2026-01-01'",
    ),
    Mutant(
        "undeclared_variable",
        TRAINING,
        "${var.training_schedule}",
        "${var.train_schedule}",
        "undeclared variable ${var.train_schedule}",
    ),
    Mutant(
        "unused_variable",
        DATABRICKS,
        "\n  config:\n",
        "\n  spare:\n    default: x\n  config:\n",
        "variables/spare: nothing uses it",
    ),
    Mutant(
        "target_sets_unknown_variable",
        DATABRICKS,
        '      job_prefix: "[',
        '      job_prefx: "[',
        "sets a variable 'job_prefx' that is not declared",
    ),
    Mutant(
        "unknown_resource",
        SNAPSHOTS,
        "${resources.schemas.features.name}",
        "${resources.schemas.feature.name}",
        "no resource ${resources.schemas.feature.name}",
    ),
    Mutant(
        "unknown_reference",
        SNAPSHOTS,
        "project: ${bundle.name}",
        "project: ${bundel.name}",
        "unknown reference ${bundel.name}",
    ),
    Mutant(
        "schema_by_its_variable",
        SNAPSHOTS,
        "${resources.schemas.features.name}",
        "${var.feature_schema}",
        "development mode renames the schema",
    ),
    Mutant(
        "missing_script", BACKFILL, "../score_batch.py", "../score_batches.py", "there is no file ../score_batches.py"
    ),
    Mutant(
        "script_relative_to_the_root",
        BACKFILL,
        "../build_features.py",
        "./jobs/build_features.py",
        "there is no file ./jobs/build_features.py",
    ),
    Mutant(
        "missing_requirements",
        DATABRICKS,
        "-r ./domain_wheels.txt",
        "-r ./wheels.txt",
        "-r ./wheels.txt: there is no such file",
    ),
    Mutant(
        "wheel_elsewhere", SNAPSHOTS, "../../dist/*.whl", "./dist/*.whl", "there is no such file, and none is built"
    ),
    Mutant(
        "retries_on_the_loop",
        BACKFILL,
        "          for_each_task:",
        "          max_retries: 2\n          for_each_task:",
        "max_retries belongs on the task inside for_each_task",
    ),
    Mutant("no_retries_inside", BACKFILL, "              max_retries: 2\n", "", "score_day: max_retries is missing"),
    Mutant(
        "input_outside_a_loop", TRAINING, "--tables=cost_features", "--tables={{input}}", "only inside for_each_task"
    ),
    Mutant(
        "two_kinds",
        SNAPSHOTS,
        "          spark_python_task:",
        "          notebook_task:\n            notebook_path: ../a.ipynb\n          spark_python_task:",
        "does notebook_task and spark_python_task",
    ),
    Mutant("unknown_top_level_key", DATABRICKS, "\nsync:", "\nsynk:", "unknown top-level key 'synk'"),
    Mutant(
        "target_in_an_included_file",
        SCHEMAS,
        "resources:\n",
        "targets: {}\nresources:\n",
        "belongs into databricks.yml",
    ),
    Mutant("wrong_mode", DATABRICKS, "mode: development", "mode: dev", "mode is 'dev'"),
    Mutant(
        "no_root_path",
        DATABRICKS,
        "      root_path: /Workspace/Users/${var.service_principal}/.bundle/${bundle.name}/${bundle.target}",
        "      profile: x",
        "production needs a workspace/root_path",
    ),
    Mutant(
        "shared_root_path",
        DATABRICKS,
        ".bundle/${bundle.name}/${bundle.target}",
        ".bundle/${bundle.name}",
        "two targets would share it",
    ),
    Mutant("no_run_as", DATABRICKS, "    run_as: *shared_run_as\n", "", "production needs a run_as"),
    Mutant(
        "host",
        DATABRICKS,
        "    mode: development\n",
        "    mode: development\n    workspace:\n      host: https://example.invalid\n",
        "the login brings the host",
    ),
    Mutant(
        "address",
        DATABRICKS,
        "    type: complex\n    default: []",
        "    type: complex\n    default: [ops@example.invalid]",
        "an address: ops@example.invalid",
    ),
    Mutant(
        "id",
        DATABRICKS,
        '    default: ""\n  viewers',
        "    default: 00000000-0000-4000-8000-000000000001\n  viewers",
        "an id: 00000000-0000-4000-8000-000000000001",
    ),
    Mutant(
        "list_inside_a_list",
        SNAPSHOTS,
        "- ${var.domain_wheels}",
        "- ${var.alert_emails}",
        "the list ${var.alert_emails} can only be a whole value",
    ),
    Mutant(
        "list_that_is_not_declared_complex",
        DATABRICKS,
        "    type: complex\n    default: []",
        "    default: []",
        "type: complex goes with a list",
    ),
    Mutant(
        "grant_without_privileges",
        DATABRICKS,
        "    default:\n      - USE_SCHEMA\n",
        "    default: []\n",
        "a grant has no privileges",
    ),
    Mutant(
        "grant_without_principal", SCHEMAS, "principal: ${var.readers}", 'principal: ""', "a grant has no principal"
    ),
    Mutant(
        "pattern_that_matches_nothing",
        DATABRICKS,
        "  - jobs/resources/*.yml",
        "  - jobs/resources/*.yml\n  - more/*.yml",
        "include 'more/*.yml' matches no file",
    ),
    Mutant("resource_twice", SNAPSHOTS, "    ml_table_snapshots:", "    ml_backfill:", "jobs.ml_backfill stands in"),
    Mutant("static_wheel", DATABRICKS, "    dynamic_version: true\n", "", "dynamic_version is not true"),
    Mutant(
        "pinned_pause_status",
        TRAINING,
        "      schedule:\n",
        "      schedule:\n        pause_status: UNPAUSED\n",
        "pause_status overrides the target's mode",
    ),
    Mutant("cron_of_five_fields", DATABRICKS, "0 0 6 * * ?", "0 6 * * *", "is no Quartz expression"),
    Mutant(
        "unknown_time_zone", DATABRICKS, "    default: UTC\n", "    default: Mars/Base\n", "no time zone 'Mars/Base'"
    ),
    Mutant("concurrent_runs", TRAINING, "      max_concurrent_runs: 1\n", "", "max_concurrent_runs is not 1"),
    Mutant("no_queue", TRAINING, "        enabled: true", "        enabled: false", "queue is not enabled"),
    Mutant("no_job_timeout", TRAINING, "      timeout_seconds: 21600\n", "", "timeout_seconds is missing"),
    Mutant(
        "no_health_rule",
        INFERENCE,
        "metric: RUN_DURATION_SECONDS",
        "metric: STREAMING_BACKLOG_BYTES",
        "no health rule for RUN_DURATION_SECONDS",
    ),
    Mutant(
        "nobody_hears_of_failures",
        INFERENCE,
        "        on_failure: ${var.alert_emails}\n",
        "",
        "email_notifications/on_failure is missing",
    ),
    Mutant("old_mlflow", SNAPSHOTS, "environment_version: '5'", "environment_version: '4'", "MLflow 3 is needed"),
    Mutant("own_mlflow", SNAPSHOTS, "- structlog==", "- mlflow==", "the runtime brings its own"),
    Mutant("own_mlflow_skinny", SNAPSHOTS, "- structlog==", "- mlflow-skinny==", "the runtime brings its own"),
    Mutant("range_instead_of_a_pin", SNAPSHOTS, "- structlog==", "- structlog>=", "not pinned to one version"),
    Mutant("own_pyspark", SNAPSHOTS, "- structlog==", "- pyspark==", "the runtime brings its own"),
    Mutant(
        "clock_alone",
        INFERENCE,
        "        - task_key: score_budget_forecast\n          depends_on:\n"
        "            - task_key: features_cost_features\n",
        "        - task_key: score_budget_forecast\n",
        "depends on no task that builds features",
    ),
    Mutant(
        "scores_though_features_failed",
        BACKFILL,
        "          for_each_task:",
        "          run_if: ALL_DONE\n          for_each_task:",
        "would run though its features failed",
    ),
    Mutant(
        "trains_what_nobody_asked_for",
        MONITORING,
        "          depends_on:\n            - task_key: monitor_models\n",
        "",
        "train_requested: depends on no task that monitors",
    ),
    Mutant(
        "trains_though_monitoring_failed",
        MONITORING,
        "        - task_key: train_requested\n",
        "        - task_key: train_requested\n          run_if: ALL_DONE\n",
        "would run though its monitoring failed",
    ),
    Mutant("no_warehouse", DASHBOARD, "      warehouse_id: ${var.warehouse_id}\n", "", "warehouse_id is missing"),
    Mutant(
        "warehouse_undeclared", DASHBOARD, "  warehouse_id:\n    desc", "  warehouse:\n    desc", "undeclared variable"
    ),
    Mutant("warehouse_by_id", DASHBOARD, "${var.warehouse_id}", "00000000-0000-4000-8000-000000000001", "an id:"),
    Mutant("unknown_key_of_a_dashboard", DASHBOARD, "embed_credentials", "embed_credential", "unknown key 'embed_cred"),
    Mutant("shown_with_the_deployers_rights", DASHBOARD, "credentials: false", "credentials: true", "is not false"),
    Mutant("no_definition", DASHBOARD, "./health_monitor.lv", "./monitor.lv", "there is no file ./monitor.lvdash.json"),
    Mutant(
        "dashboards_schema_by_its_variable",
        DASHBOARD,
        "${resources.schemas.features.name}",
        "${var.feature_schema}",
        "development mode renames the schema",
    ),
    Mutant("definition_that_is_no_json", WIDGETS, '"datasets": [', '"datasets": [,', "is no JSON"),
    Mutant("query_with_a_schema", WIDGETS, "FROM alerts\\n", "FROM main.health_monitor.alerts\\n", "names a schema"),
    Mutant(
        "query_without_a_widget", WIDGETS, '"name": "alerts"', '"name": "alarms"', "dataset alarms: no widget shows"
    ),
    Mutant("widget_without_a_query", WIDGETS, '"name": "alerts"', '"name": "alarms"', "no dataset 'alerts'"),
    Mutant(
        "unknown_widget", WIDGETS, '"widgetType": "heatmap"', '"widgetType": "heat"', "version 3 of a widget 'heat'"
    ),
    Mutant("old_widget", WIDGETS, '"version": 2', '"version": 1', "version 1 of a widget"),
    Mutant("field_that_is_not_asked_for", WIDGETS, '"fieldName": "max(psi)"', '"fieldName": "psi"', "shows 'psi'"),
    Mutant("field_of_no_column", WIDGETS, "MAX(`psi`)", "MAX(`psy`)", "has no column 'psy'"),
    Mutant("no_profile", OUTCOMES, "      inference_log:", "      snapshots:", "looks at its table as nothing"),
    Mutant("unknown_key_of_a_monitor", OUTCOMES, "      slicing_exprs:", "      slices:", "unknown key 'slices'"),
    Mutant(
        "two_profiles", OUTCOMES, "      slicing", "      snapshot: {}\n      slicing", "inference_log and snapshot"
    ),
    Mutant("unknown_problem", OUTCOMES, "TYPE_REGRESSION", "TYPE_FORECAST", "no problem_type 'PROBLEM_TYPE_FORECAST'"),
    Mutant("unknown_granularity", OUTCOMES, "- 1 day", "- 2 days", "no granularity '2 days'"),
    Mutant("missing_time", OUTCOMES, "        timestamp_col: as_of_date\n", "", "timestamp_col is missing"),
    Mutant("unknown_column", OUTCOMES, "label_col: outcome", "label_col: result", "has no column 'result'"),
    Mutant("unknown_slice", OUTCOMES, "- label_name", "- label", "has no column 'label'"),
    Mutant("no_assets", OUTCOMES, "assets_dir", "assets_folder", "assets_dir is missing"),
    Mutant(
        "second_monitor_on_a_table",
        PREDICTIONS,
        ".job_failure_predictions\n",
        ".model_outcomes\n",
        "has the monitor",
    ),
    Mutant(
        "table_of_one_workspace",
        OUTCOMES,
        "table_name: ${var.catalog}.${resources.schemas.features.name}",
        "table_name: main.health_monitor",
        "names a catalog or schema by itself",
    ),
    Mutant(
        "monitors_cron_of_five_fields", DATABRICKS, "0 0 12 ? * MON", "0 12 * * 1", "job_failure_predictions: sched"
    ),
]


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A copy of our bundle to spoil."""
    shutil.copy(ROOT / DATABRICKS, tmp_path)
    shutil.copytree(ROOT / "jobs", tmp_path / "jobs")
    return tmp_path


def test_there_is_no_fault_in_ours() -> None:
    assert faults(ROOT) == []


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_planted_fault_is_found(bundle: Path, mutant: Mutant) -> None:
    file = bundle / mutant.file
    text = file.read_text("utf-8")
    assert mutant.old in text, "the bundle has changed: plant this fault anew"
    file.write_text(text.replace(mutant.old, mutant.new, 1), "utf-8")
    found = faults(bundle)
    assert any(mutant.description in fault for fault in found), found


def test_what_is_included_is_no_longer_optional(bundle: Path) -> None:
    file = bundle / DATABRICKS
    text = file.read_text("utf-8")
    line = "  # - jobs/optional/dashboard.yml"
    assert line in text, "the bundle has changed"
    file.write_text(text.replace(line, "  - jobs/optional/dashboard.yml #"), "utf-8")
    found = read_bundle(bundle)
    assert DASHBOARD in [document.name for document in found.documents]
    assert DASHBOARD not in [document.name for document in found.optional]
    assert found.resolved("dev").keys() == {"jobs", "schemas", "dashboards"}
    assert faults(bundle) == []


def test_what_is_included_must_not_need_what_is_not(bundle: Path) -> None:
    file = bundle / SNAPSHOTS
    file.write_text(file.read_text("utf-8").replace("${var.snapshot_schemas}", "${var.warehouse_id}"), "utf-8")
    assert any("undeclared variable ${var.warehouse_id}" in fault for fault in faults(bundle))


def test_a_target_may_spoil_what_the_files_have_right(bundle: Path) -> None:
    file = bundle / DATABRICKS
    spoilt = """
  later:
    mode: development
    resources:
      jobs:
        ml_backfill:
          tasks:
            - task_key: score_days
              depends_on: []
              run_if: ALL_DONE
"""
    file.write_text(file.read_text("utf-8") + spoilt, "utf-8")
    assert any("would run though its features failed" in fault for fault in faults(bundle))


@pytest.mark.parametrize(
    ("text", "description"),
    [
        ("bundle: {name: x}\nbundle: {name: y}\n", "the key 'bundle' stands twice"),
        ("bundle: [\n", "it is no YAML"),
        ("- a\n", "it holds no mapping"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(bundle: Path, text: str, description: str) -> None:
    (bundle / DATABRICKS).write_text(text, "utf-8")
    with pytest.raises(ConfigError, match=description):
        read_bundle(bundle)


def test_a_missing_bundle_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"databricks\.yml.*Fix: give the bundle's folder"):
        read_bundle(tmp_path)


def test_the_command_names_faults_and_fails(bundle: Path) -> None:
    for name in ("pyproject.toml", "requirements.lock"):
        shutil.copy(ROOT / name, bundle)
    words = ["bundle", "--check", "--folder", str(bundle)]
    sound = CliRunner().invoke(app, words)
    assert (sound.exit_code, sound.output.splitlines()[-1]) == (0, "the bundle is sound")
    file = bundle / DATABRICKS
    file.write_text(file.read_text("utf-8").replace("mode: development", "mode: dev"), "utf-8")
    broken = CliRunner().invoke(app, words)
    assert broken.exit_code == 1
    assert "targets/dev: mode is 'dev'" in broken.output


def test_the_command_asks_what_to_do() -> None:
    refused = CliRunner().invoke(app, ["bundle"])
    assert refused.exit_code == 2
    assert "give --write or --check" in refused.output

"""Alerts about models and tables, the commands of alerts, and a version's contract in the real registry."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import time
from datetime import timedelta

import pytest
from typer.testing import CliRunner

from framework.core.results import Ledger, Status, UnitResult
from framework.monitoring.alerts import verdicts
from framework.monitoring.alerts.alerts import raise_alerts
from framework.monitoring.alerts.deliveries import send_alerts
from framework.monitoring.alerts.model_alerts import REOPENS, raise_model_alerts
from framework.ops.cli import app
from framework.registry.models import packed
from framework.registry.versions import ModelRegistry
from framework.tables.declared import ALERTS, DELIVERIES, DRIFT, PERFORMANCE, SERVING
from framework.tables.verdicts import precision_by_verdict
from framework.training.contract import Contract
from tests.alerting import JOBS, NOW, alerts_in, day, job, predict, runtime_in


@pytest.fixture
def runtime(tmp_path):
    return runtime_in(tmp_path, models=(JOBS, "job_duration_forecaster"))


def drifted(runtime, *rows, on, version=3):
    """Write a day of drift: (column, PSI, level) each."""
    DRIFT.merge(
        runtime,
        [
            {
                "model_name": JOBS, "model_version": version, "as_of_date": day(on), "kind": "feature", "name": name,
                "psi": psi, "level": level, "says": f"{name}: PSI {psi}",
            }
            for name, psi, level in rows
        ],
    )  # fmt: skip


def test_drift_is_one_alert_per_model_that_names_the_worst_columns(runtime):
    found = [("a", 0.3, "drift"), ("b", 0.9, "drift"), ("c", 0.5, "drift"), ("d", 0.4, "drift"), ("e", 9.0, "watch")]
    drifted(runtime, *found, on=0)
    assert raise_model_alerts(runtime, day(0)) == 1
    (row,) = alerts_in(runtime)
    assert (row["kind"], row["entity"], row["severity"], row["state"]) == ("drift", "", "warning", "open")
    assert row["reason"] == "b: PSI 0.9; c: PSI 0.5; d: PSI 0.4; 1 more"
    assert (row["domain"], row["use_case"], row["model_version"]) == ("reliability", "job_failure", 3)
    assert raise_model_alerts(runtime, day(0)) == 0


def test_drift_that_is_gone_is_resolved_and_an_unjudged_day_says_nothing(runtime):
    drifted(runtime, ("a", 0.3, "drift"), on=0)
    raise_model_alerts(runtime, day(0))
    assert raise_model_alerts(runtime, day(1)) == 0
    assert [row["state"] for row in alerts_in(runtime)] == ["open"]
    drifted(runtime, ("a", 0.05, "none"), on=1)
    assert raise_model_alerts(runtime, day(1)) == 1
    assert [(row["state"], row["closed_by"]) for row in alerts_in(runtime)] == [("resolved", "monitor")]


def test_the_newest_version_that_was_compared_counts(runtime):
    drifted(runtime, ("a", 0.3, "drift"), on=0, version=2)
    drifted(runtime, ("a", 0.01, "none"), on=0, version=3)
    assert raise_model_alerts(runtime, day(0)) == 0


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (2, 0, 3, 1)])
def test_model_alerts_do_not_depend_on_the_order_of_days(runtime, order):
    for at, psi in enumerate((0.3, 0.4, 0.0, 0.0)):
        drifted(runtime, ("a", psi, "drift" if psi else "none"), on=at)
    for at in order:
        raise_model_alerts(runtime, day(at))
    (row,) = alerts_in(runtime)
    assert json.loads(row["days"]) == [day(0).isoformat(), day(1).isoformat()]
    assert (row["reason"], row["state"]) == ("a: PSI 0.4", "resolved")


@pytest.mark.parametrize(("quiet", "rows"), [(REOPENS, 1), (REOPENS + 1, 2)])
@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_drift_that_comes_back_within_thirty_days_opens_the_old_alert_again(runtime, quiet, rows, order):
    days = {0: "drift", 1: "none", quiet + 1: "drift"}
    for at, level in days.items():
        drifted(runtime, ("a", 0.3, level), on=at)
    for which in order:
        raise_model_alerts(runtime, day(list(days)[which]))
    found = alerts_in(runtime)
    assert [json.loads(row["days"]) for row in found] == (
        [[day(0).isoformat(), day(quiet + 1).isoformat()]]
        if rows == 1
        else [[day(0).isoformat()], [day(quiet + 1).isoformat()]]
    )
    assert [row["state"] for row in found] == ["resolved"] * (rows - 1) + ["open"]
    assert [row["opened_on"] for row in found] == [day(0), day(quiet + 1)][-rows:]


def test_drift_that_comes_back_is_sent_again_once(tmp_path):
    runtime = runtime_in(tmp_path, alert_sinks={"disk": {"kind": "file"}})
    told = []
    for at, level in enumerate(("drift", "drift", "none", "drift", "none", "none", "none", "drift", "drift")):
        drifted(runtime, ("a", 0.3, level), on=at)
        raise_model_alerts(runtime, day(at))
        told += [at] * send_alerts(runtime)[0].rows
    assert told == [0, 7]  # a pause of a day, the model's horizon, is none
    drifted(runtime, ("a", 0.3, "drift"), on=5)  # a day that was left out is caught up: there was no pause at all
    raise_model_alerts(runtime, day(5))
    assert send_alerts(runtime)[0].rows == 0
    assert [row["opened_on"] for row in alerts_in(runtime)] == [day(0)]
    lines = [json.loads(line) for line in (tmp_path / "alerts.jsonl").read_text().splitlines()]
    assert [(line["first_day"], line["opened_on"]) for line in lines] == [
        (day(0).isoformat(), day(0).isoformat()),
        (day(0).isoformat(), day(7).isoformat()),
    ]


def test_what_an_older_version_sent_is_sent_again_only_when_it_comes_back(tmp_path):
    runtime = runtime_in(tmp_path, alert_sinks={"disk": {"kind": "file"}})
    drifted(runtime, ("a", 0.3, "drift"), on=0)
    raise_model_alerts(runtime, day(0))
    assert send_alerts(runtime)[0].rows == 1
    for table in (ALERTS, DELIVERIES):  # as they were before the day of opening was known
        rows = table.read(runtime).to_pylist()
        table.merge(runtime, [row | {"opened_on": None} for row in rows])
    assert send_alerts(runtime)[0].rows == 0
    for at, sent in ((1, 0), (9, 1), (10, 0)):
        drifted(runtime, ("a", 0.3, "drift"), on=at)
        raise_model_alerts(runtime, day(at))
        assert send_alerts(runtime)[0].rows == sent


def test_drift_that_a_person_closed_leaves_him_thirty_days_of_peace(runtime):
    for at in range(REOPENS + 3):
        drifted(runtime, ("a", 0.3, "drift"), on=at)
    raise_model_alerts(runtime, day(0))
    (row,) = alerts_in(runtime)
    verdicts.close(runtime, row["alert_id"], verdict="noise", by="on call")
    for at in range(1, REOPENS + 3):
        raise_model_alerts(runtime, day(at))
    found = alerts_in(runtime)
    assert [(row["first_day"], row["state"]) for row in found] == [
        (day(0), "resolved"),
        (day(REOPENS + 2), "open"),
    ]


def test_a_skill_far_under_its_promise_is_critical_while_the_version_serves(runtime):
    bad = {
        "model_name": JOBS, "model_version": 3, "skill": 0.1, "skill_low": 0.0, "skill_high": 0.2,
        "promised_skill": 0.3, "rows": 90, "window_days": 20, "first_day": day(-30), "last_day": day(-2),
    }  # fmt: skip
    for at, serving in enumerate((3, 3, 4, 4)):  # version 4 takes over
        SERVING.merge(runtime, [{"model_name": JOBS, "model_version": serving, "as_of_date": day(at)}])
        PERFORMANCE.merge(runtime, [bad | {"as_of_date": day(at)}])  # no outcome of version 4 is known yet
        raise_model_alerts(runtime, day(at))
    (row,) = alerts_in(runtime)
    assert (row["kind"], row["severity"], row["state"]) == ("skill", "critical", "resolved")
    assert row["reason"].startswith("skill +0.100 on 90 predictions of ")
    assert json.loads(row["days"]) == [day(0).isoformat(), day(1).isoformat()]


def test_a_skill_stays_an_alert_however_long_the_model_rests_from_training(runtime):
    bad = {
        "model_name": JOBS, "model_version": 3, "skill": 0.1, "skill_low": 0.0, "skill_high": 0.2,
        "promised_skill": 0.3, "rows": 90, "window_days": 20, "first_day": day(-30), "last_day": day(-2),
    }  # fmt: skip
    for at in range(4):
        SERVING.merge(runtime, [{"model_name": JOBS, "model_version": 3, "as_of_date": day(at)}])
        PERFORMANCE.merge(runtime, [bad | {"as_of_date": day(at)}])
        raise_model_alerts(runtime, day(at))
    (row,) = alerts_in(runtime)
    assert (row["state"], len(json.loads(row["days"]))) == ("open", 4)


def recorded(runtime, *results, on, minute=0):
    name = runtime.feature_table("run_ledger")
    book = Ledger(runtime.tables, name, run_id=f"{on}-{minute}", as_of=day(on), inputs={})
    for unit, status in results:
        stage, _, subject = unit.partition(":")
        reason = "it broke" if status is Status.FAILED else ""
        book.record(
            UnitResult(stage=stage, name=subject, status=status, reason=reason), NOW + timedelta(minutes=minute)
        )


def test_failed_units_alert_until_they_run_again(runtime):
    recorded(
        runtime, ("features:reliability_features", Status.FAILED), (f"train:{JOBS}", Status.FAILED),
        (f"score:{JOBS}", Status.FAILED), ("score:job_duration_forecaster", Status.DONE), on=0,
    )  # fmt: skip
    assert raise_model_alerts(runtime, day(0)) == 2
    rows = {row["model_name"]: row for row in alerts_in(runtime)}
    assert rows[JOBS]["reason"] == "score: it broke; train: it broke"
    assert (rows["reliability_features"]["domain"], rows["reliability_features"]["use_case"]) == ("reliability", "")
    recorded(runtime, (f"train:{JOBS}", Status.DONE), (f"score:{JOBS}", Status.DONE), on=0, minute=5)
    raise_model_alerts(runtime, day(0))
    assert [row["model_name"] for row in alerts_in(runtime)] == ["reliability_features"]


def test_model_alerts_leave_those_about_entities_alone(runtime):
    predict(runtime, JOBS, [job(1, on=0, chance=0.9)])
    raise_alerts(runtime, JOBS, day(0))
    drifted(runtime, ("a", 0.3, "drift"), on=0)
    raise_model_alerts(runtime, day(0))
    drifted(runtime, ("a", 0.0, "none"), on=1)
    raise_model_alerts(runtime, day(1))
    assert {row["kind"]: row["state"] for row in alerts_in(runtime)} == {"prediction": "open", "drift": "resolved"}


def test_the_thresholds_come_from_the_version_in_the_registry(tmp_path, monkeypatch):
    import mlflow

    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    registry = ModelRegistry("main.health_monitor")
    name = registry.full_name(JOBS)
    registry.client.create_registered_model(name)
    long = Contract(threshold=0.4, thresholds={f"l{at}": at / 7 for at in range(100)})
    tags = packed({"contract": long.tag(), "outputs": "[]"})
    for _ in range(3):
        version = registry.client.create_model_version(name, source=str(tmp_path), tags=tags)
    registry.client.set_registered_model_alias(name, "champion", version.version)
    runtime = runtime_in(tmp_path, served=registry)
    predict(runtime, JOBS, [job(1, on=0, chance=0.9)])
    assert raise_alerts(runtime, JOBS, day(0)) == 1
    assert alerts_in(runtime)[0]["reason"].endswith("from 0.40")


# ---------------------------------------------------------------- commands


@pytest.fixture
def home(tmp_path, monkeypatch):
    for name in list(os.environ):
        if name.startswith("HEALTH_MONITOR_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "240")
    runtime = runtime_in(tmp_path)
    predict(runtime, JOBS, [job(1, on=0, chance=0.9), job(2, on=0, chance=0.5)])
    raise_alerts(runtime, JOBS, day(0))
    return runtime


def call(runtime, *words):
    return CliRunner().invoke(app, ["alerts", *words, "--home", str(runtime.settings.home)])


def test_a_person_lists_acknowledges_and_closes(home):
    first, second = (row["alert_id"] for row in alerts_in(home))
    found = call(home, "list")
    assert found.exit_code == 0
    assert first in found.stdout
    assert second in found.stdout
    assert call(home, "ack", first[:8]).exit_code == 0
    assert call(home, "close", second, "--verdict", "noise", "--by", "on call").exit_code == 0
    assert first not in call(home, "list").stdout
    assert second in call(home, "list", "--state", "all").stdout
    states = {row["alert_id"]: (row["state"], row["verdict"], row["closed_by"]) for row in alerts_in(home)}
    assert states == {first: ("acknowledged", None, None), second: ("resolved", "noise", "on call")}
    assert precision_by_verdict(home, JOBS) == 0.0


@pytest.mark.parametrize(
    ("words", "description"),
    [
        (("close", "00000000", "--verdict", "real"), "there is no such alert"),
        (("close", "00000000", "--verdict", "maybe"), "no such verdict"),
        (("list", "--state", "shut"), "no state 'shut'"),
        (("close", "00000000"), "--verdict"),
    ],
)
def test_a_mistake_on_the_command_line_is_exit_2(home, words, description):
    found = call(home, *words)
    assert found.exit_code == 2
    assert description in found.output


def test_the_commands_start_no_engine_and_answer_quickly(home):
    program = (
        "import sys; from framework.ops.cli import app; "
        f"app(['alerts', 'list', '--home', {str(home.settings.home)!r}], standalone_mode=False); "
        "sys.exit(sorted({'mlflow', 'pyspark', 'sklearn', 'xgboost'} & set(sys.modules)) or 0)"
    )
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert alerts_in(home)[0]["alert_id"] in done.stdout
    assert time.perf_counter() - began < 20

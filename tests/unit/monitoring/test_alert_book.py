from __future__ import annotations

import dataclasses
import itertools
import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from framework.base.errors import ConfigError
from framework.declare.model import Task
from framework.declare.table import short_hash
from framework.monitoring.alerts import verdicts
from framework.monitoring.alerts.alerts import raise_alerts
from framework.monitoring.alerts.book import stretches
from framework.tables.declared import ALERTS, DELIVERIES
from framework.tables.verdicts import precision_by_verdict, verdict_events
from framework.training.contract import Contract
from tests.alerting import (
    ACCOUNTS,
    CONTRACTS,
    JOBS,
    NOW,
    OneVersion,
    account,
    alerts_in,
    day,
    job,
    predict,
    runtime_in,
)

DAYS = 9
ENTITIES = 3
GAP = 1
"""The horizon of the model that predicts the next day."""


def entity(number):
    return json.dumps({"workspace_id": "w", "job_id": str(number)})


def of_entity(runtime, number):
    return [row for row in alerts_in(runtime) if row["entity"] == entity(number)]


@pytest.fixture
def runtime(tmp_path):
    return runtime_in(tmp_path)


def on_days(runtime, chances, *, raised=True):
    """Write one job's predictions of consecutive days, and raise alerts of each."""
    for at, chance in enumerate(chances):
        predict(runtime, JOBS, [job(1, on=at, chance=chance)])
        if raised:
            raise_alerts(runtime, JOBS, day(at))


def twin(chances, cap):
    """The rows by brute force, from what was predicted alone: subject, days, state, severity, prediction."""
    listed, holding = {}, {}
    for at in range(DAYS):
        hits = sorted((-chance, entity(n)) for n, row in chances.items() if (chance := row.get(at, 0)) >= 0.4)
        listed[at] = {name: -minus for minus, name in hits[:cap]}
        if len(hits) > cap:
            listed[at][""] = None
        holding[at] = {name for _, name in hits} | set(listed[at])
    scored = [at for at in range(DAYS) if any(at in row for row in chances.values())]
    rows = []
    for name in {name for found in listed.values() for name in found}:
        days, runs = [at for at in range(DAYS) if name in listed[at]], []
        for at in days:
            if runs and at - runs[-1][-1] <= GAP + 1:
                runs[-1].append(at)
            else:
                runs.append([at])
        for run in runs:
            last = max(scored)
            is_open = run is runs[-1] and name in holding[last] and last - run[-1] <= GAP + 1
            ends = tuple(day(at).isoformat() for at in run)
            rows.append((name, ends, "open" if is_open else "resolved", listed[run[-1]][name]))
    return sorted(rows, key=str)


def as_twin(runtime):
    return sorted(
        (
            (row["entity"], tuple(json.loads(row["days"])), row["state"], row["prediction"])
            for row in ALERTS.read(runtime).to_pylist()
        ),
        key=str,
    )


CHANCES = st.sampled_from([0.1, 0.45, 0.6, 0.9])
PREDICTED = st.fixed_dictionaries(
    {number: st.dictionaries(st.integers(0, DAYS - 1), CHANCES) for number in range(ENTITIES)}
)


@settings(max_examples=10, deadline=None)
@given(chances=PREDICTED, cap=st.integers(1, ENTITIES), data=st.data())
def test_any_order_of_days_gives_the_rows_that_the_predictions_alone_imply(chances, cap, data):
    scored = sorted({at for row in chances.values() for at in row})
    order = data.draw(st.permutations(scored))
    again = data.draw(st.lists(st.sampled_from(order), max_size=3)) if order else []
    at_once = data.draw(st.booleans())
    with tempfile.TemporaryDirectory() as folder:
        runtime = runtime_in(Path(folder), alerts_per_day=cap)

        def write(at):
            predict(runtime, JOBS, [job(n, on=at, chance=row[at]) for n, row in chances.items() if at in row])

        if at_once:
            for at in order:
                write(at)
        for at in [*order, *again]:
            if not at_once:
                write(at)
            raise_alerts(runtime, JOBS, day(at))
        assert as_twin(runtime) == (twin(chances, cap) if scored else [])
        version = runtime.tables.version(runtime.feature_table("alerts"))
        for at in order:
            assert raise_alerts(runtime, JOBS, day(at)) == 0
        assert runtime.tables.version(runtime.feature_table("alerts")) == version


@settings(max_examples=8, deadline=None)
@given(
    first=st.dictionaries(st.integers(0, 6), CHANCES, min_size=1),
    second=st.dictionaries(st.integers(0, 6), CHANCES, min_size=1),
)
def test_a_day_that_is_scored_again_with_other_answers_leaves_no_trace_of_the_first(first, second):
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        twice, once = runtime_in(Path(one)), runtime_in(Path(two))
        for runtime, writes in ((twice, (first, second)), (once, (first | second,))):
            for chances in writes:
                for at, chance in chances.items():
                    predict(runtime, JOBS, [job(1, on=at, chance=chance)])
                    raise_alerts(runtime, JOBS, day(at))
        assert alerts_in(twice) == alerts_in(once)


@given(st.sets(st.integers(0, 40)), st.integers(1, 5))
def test_stretches_are_cut_at_long_gaps_only(numbers, gap):
    found = stretches([day(n) for n in numbers], gap)
    assert [d for run in found for d in run] == sorted(day(n) for n in numbers)
    for run in found:
        assert all((b - a).days <= gap + 1 for a, b in itertools.pairwise(run))
    for a, b in itertools.pairwise(found):
        assert (b[0] - a[-1]).days > gap + 1


def test_a_row_says_everything_that_a_person_needs(runtime):
    predict(runtime, JOBS, [job(1, on=0, chance=0.9)])
    assert raise_alerts(runtime, JOBS, day(0)) == 1
    (row,) = alerts_in(runtime)
    spec = runtime.plugins.trainers[JOBS].item.spec
    assert row == {
        "alert_id": short_hash(["prediction", entity(1), JOBS, day(0).isoformat()]),
        "kind": "prediction", "model_name": JOBS, "domain": "reliability", "use_case": "job_failure",
        "entity": entity(1), "severity": "critical", "reason": "probability 0.90, and 1 is the answer from 0.40",
        "action": spec.action, "prediction": 0.9, "model_version": 3, "first_day": day(0), "opened_on": day(0),
        "last_day": day(0), "days": json.dumps([day(0).isoformat()]), "state": "open", "verdict": None,
        "closed_by": None, "closed_at": None,
    }  # fmt: skip


def test_what_goes_away_is_resolved_by_the_monitor_and_opens_again_within_the_gap(runtime):
    on_days(runtime, [0.9, 0.1])
    (row,) = alerts_in(runtime)
    assert (row["state"], row["closed_by"], row["closed_at"], row["verdict"]) == ("resolved", "monitor", NOW, None)
    predict(runtime, JOBS, [job(1, on=2, chance=0.5)])
    raise_alerts(runtime, JOBS, day(2))
    (again,) = alerts_in(runtime)
    assert again["alert_id"] == row["alert_id"]
    assert (again["state"], again["closed_by"], again["severity"]) == ("open", None, "warning")


def test_after_the_gap_it_is_a_new_alert(runtime):
    on_days(runtime, [0.9, 0.1, 0.1, 0.9])
    old, new = alerts_in(runtime)
    assert old["alert_id"] != new["alert_id"]
    assert (old["state"], new["state"]) == ("resolved", "open")


def test_what_a_person_closed_never_changes_and_comes_back_after_the_gap_only(runtime):
    on_days(runtime, [0.9])
    closed = verdicts.close(runtime, alerts_in(runtime)[0]["alert_id"], "noise")
    on_days(runtime, [0.5, 0.9, 0.9])
    assert alerts_in(runtime) == [closed]
    on_days(runtime, [0.5, 0.9, 0.9, 0.9])
    first, second = alerts_in(runtime)
    assert first == closed
    assert (second["first_day"], second["state"]) == (day(3), "open")
    assert (closed["verdict"], closed["closed_by"], closed["closed_at"]) == ("noise", "person", NOW)


def test_what_a_person_looks_into_stays_so_until_closed(runtime):
    on_days(runtime, [0.9])
    verdicts.acknowledge(runtime, alerts_in(runtime)[0]["alert_id"])
    on_days(runtime, [0.9, 0.9])
    (row,) = alerts_in(runtime)
    assert (row["state"], row["last_day"]) == ("acknowledged", day(1))
    on_days(runtime, [0.9, 0.9, 0.1, 0.1])
    assert [row["state"] for row in alerts_in(runtime)] == ["acknowledged"]


def test_an_earlier_day_takes_acknowledgement_and_deliveries_along(runtime):
    on_days(runtime, [0.9, 0.9], raised=False)
    raise_alerts(runtime, JOBS, day(1))
    (late,) = alerts_in(runtime)
    verdicts.acknowledge(runtime, late["alert_id"])
    sent = {"alert_id": late["alert_id"], "sink": "team", "state": "sent", "attempts": 1, "last_error": ""}
    sent |= {"opened_on": day(1)}
    DELIVERIES.merge(runtime, [sent])
    raise_alerts(runtime, JOBS, day(0))
    (row,) = alerts_in(runtime)
    assert row["alert_id"] != late["alert_id"]
    assert (row["state"], row["first_day"], row["last_day"]) == ("acknowledged", day(0), day(1))
    (carried,) = DELIVERIES.read(runtime).to_pylist()
    assert carried == sent | {"alert_id": row["alert_id"], "sent_at": None}


def test_beyond_the_cap_the_rest_is_counted_and_an_open_alert_that_still_holds_is_not_resolved(tmp_path):
    runtime = runtime_in(tmp_path, alerts_per_day=2)
    predict(runtime, JOBS, [job(1, on=0, chance=0.5), job(2, on=0, chance=0.45)])
    raise_alerts(runtime, JOBS, day(0))
    predict(runtime, JOBS, [job(n, on=1, chance=chance) for n, chance in ((1, 0.5), (2, 0.6), (3, 0.9), (4, 0.41))])
    raise_alerts(runtime, JOBS, day(1))
    (rest,) = (row for row in alerts_in(runtime) if not row["entity"])
    assert rest["reason"] == f"more to look at than the 2 that are listed for {day(1)}: 2"
    (first,) = of_entity(runtime, 1)
    assert (first["state"], first["last_day"]) == ("open", day(0))
    assert not of_entity(runtime, 4)


def test_a_fallback_says_nothing_of_entities_and_once_that_it_is_one(tmp_path):
    runtime = runtime_in(tmp_path, served=OneVersion(CONTRACTS[Task.BINARY], is_fallback=True))
    on_days(runtime, [0.9, 0.9])
    (row,) = alerts_in(runtime)
    assert (row["kind"], row["entity"], row["severity"]) == ("fallback", "", "info")
    assert row["reason"].endswith("one class only")
    assert json.loads(row["days"]) == [day(0).isoformat(), day(1).isoformat()]
    real = runtime_in(tmp_path)
    predict(real, JOBS, [job(1, on=2, chance=0.1)])
    raise_alerts(real, JOBS, day(2))
    assert [row["state"] for row in alerts_in(real)] == ["resolved"]


def test_a_day_that_the_serving_version_did_not_score_is_left_alone(runtime):
    on_days(runtime, [0.9])
    predict(runtime, JOBS, [job(1, on=1, chance=0.1, model_version=2)])
    assert raise_alerts(runtime, JOBS, day(1)) == 0
    assert [row["state"] for row in alerts_in(runtime)] == ["open"]
    assert raise_alerts(runtime, ACCOUNTS, day(0)) == 0


def test_a_model_that_never_alerts_writes_nothing(runtime):
    keys = {"workspace_id": "w", "day": 0, "prediction": 0.9, "probability": 0.9, "predicted_class": "1"}
    predict(runtime, "commitment_recommender", [keys])
    assert raise_alerts(runtime, "commitment_recommender", day(0)) == 0
    assert not runtime.tables.exists(runtime.feature_table("alerts"))


@pytest.mark.parametrize("model", ["retry_success_predictor", "warehouse_optimizer", "query_optimization_recommender",
                                   "pipeline_health_scorer", ACCOUNTS])  # fmt: skip
def test_the_predictions_of_every_task_are_read(tmp_path, monkeypatch, model):
    contract = Contract(
        threshold=0.4, classes=3, abstain_below=0.0, score_threshold=0.9, label_range=(50.0, 100.0),
        thresholds={"spill": 0.5},
    )  # fmt: skip
    runtime = runtime_in(tmp_path, contract=contract)
    trainer = runtime.plugins.trainers[model].item
    if trainer.task is Task.MULTILABEL:  # the only one is a worklist, which alerts nobody; another team's might
        monkeypatch.setattr(trainer, "spec", dataclasses.replace(trainer.spec, alert_on=None))
    grain = runtime.plugins.table(trainer.spec.lookups[0].table)
    spread = {"prediction_p10": 1.0, "prediction_p90": 2.0}
    answers = {
        "retry_success_predictor": {"end_time": NOW, "probability": 0.1, "predicted_class": "0"},
        "warehouse_optimizer": {"probability": 0.9, "predicted_class": "undersized"},
        "query_optimization_recommender": {"flags": [("spill", 0.9)]},
        "pipeline_health_scorer": spread,
        ACCOUNTS: {"anomaly_score": 0.99, "is_anomaly": 1},
    }[model]
    quiet = {
        "retry_success_predictor": {"end_time": NOW, "probability": 0.9, "predicted_class": "1"},
        "warehouse_optimizer": {"probability": 0.3, "predicted_class": None},
        "query_optimization_recommender": {"flags": [("spill", 0.1)], "prediction": 0.0},
        "pipeline_health_scorer": {"prediction_p10": None, "prediction_p90": 2.0},
        ACCOUNTS: {"anomaly_score": 0.2, "is_anomaly": 0},
    }[model]
    predict(
        runtime,
        model,
        [
            {"prediction": 1.0, **dict.fromkeys(grain.keys, "loud"), **answers},
            {"prediction": 1.0, **dict.fromkeys(grain.keys, "quiet"), **quiet},
        ],
    )
    assert raise_alerts(runtime, model, day(0)) == 1
    (row,) = alerts_in(runtime)
    assert json.loads(row["entity"]) == dict.fromkeys(grain.keys, "loud")
    assert list(json.loads(row["entity"])) == list(grain.keys)


def test_verdicts_become_events_day_by_day_and_a_share(tmp_path):
    runtime = runtime_in(tmp_path, contract=CONTRACTS[Task.ANOMALY])
    grain = runtime.plugins.table("security_features")
    assert precision_by_verdict(runtime, ACCOUNTS) is None
    empty = verdict_events(runtime, ACCOUNTS, grain)
    assert [*empty.columns, len(empty)] == ["user_id", "event_date", "is_event", 0]
    for at in range(2):
        rows = [account(user, on=at, score=0.99) for user in ("ann@example.org", "bob@example.org", "eve@example.org")]
        predict(runtime, ACCOUNTS, rows)
        raise_alerts(runtime, ACCOUNTS, day(at))
    ann, bob, _ = alerts_in(runtime)
    verdicts.close(runtime, ann["alert_id"], "real", by="soc")
    verdicts.close(runtime, bob["alert_id"][:6], "noise")
    found = verdict_events(runtime, ACCOUNTS, grain)
    assert found.to_numpy().tolist() == [
        [user, day(at), event] for user, event in (("ann@example.org", 1), ("bob@example.org", 0)) for at in range(2)
    ]
    assert precision_by_verdict(runtime, ACCOUNTS) == 0.5
    verdicts.close(runtime, bob["alert_id"], "real")  # a person may think again
    assert precision_by_verdict(runtime, ACCOUNTS) == 1.0
    assert precision_by_verdict(runtime, JOBS) is None


def test_single_events_have_no_days_to_judge(runtime):
    grain = runtime.plugins.table("reliability_run_features")
    assert len(verdict_events(runtime, "retry_success_predictor", grain)) == 0


def test_mistakes_of_a_person_are_one_sentence(runtime):
    on_days(runtime, [0.9])
    alert = alerts_in(runtime)[0]["alert_id"]
    with pytest.raises(ConfigError, match="no such verdict"):
        verdicts.close(runtime, alert, "perhaps")
    with pytest.raises(ConfigError, match="no person's name"):
        verdicts.close(runtime, alert, "real", by="monitor")
    for wrong in ("nothing", "", alert[:3]):
        with pytest.raises(ConfigError, match="there is no such alert"):
            verdicts.find(runtime, wrong)
    with pytest.raises(ConfigError, match="no state 'opne'"):
        verdicts.listed(runtime, "opne")
    verdicts.close(runtime, alert, "real")
    with pytest.raises(ConfigError, match="the alert is resolved"):
        verdicts.acknowledge(runtime, alert)


def test_lists_are_by_state_and_newest_first(runtime):
    on_days(runtime, [0.9, 0.1, 0.1, 0.9])
    assert [row["first_day"] for row in verdicts.listed(runtime)] == [day(3), day(0)]
    assert [row["state"] for row in verdicts.listed(runtime, "open")] == ["open"]

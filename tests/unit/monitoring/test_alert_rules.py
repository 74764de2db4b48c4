from __future__ import annotations

import dataclasses
import json
import math

import pytest

from framework.base.errors import SpecError
from framework.declare.model import GroupPrior, Lookup, ModelSpec, Task, days
from framework.monitoring.alerts.rules import rule_of
from framework.registry.models import packed, tags_of
from framework.testing import _fit, example_data
from framework.training import AnomalyTrainer, ClassificationTrainer
from framework.training.alarm import NEVER
from framework.training.contract import Contract, contract_of
from framework.training.data import Fitted
from tests.alerting import plugins

SPEC = ModelSpec(
    name="the_model", use_case="the_case", question="?", action="act", label_description="", unit="day",
    lookups=(Lookup(table="t"),), horizon=days(1), baseline=GroupPrior(by=("k",)),
)  # fmt: skip


def found(task, contract, row, **spec):
    rule = rule_of(dataclasses.replace(SPEC, **spec), task, contract)
    return [] if rule is None else rule.findings([{"k": "a", "prediction": 1.0, "reasons": None} | row], ["k"], 3)


def severities(task, contract, row, **spec):
    return [one.severity for one in found(task, contract, row, **spec)]


BINARY = Contract(threshold=0.4)


@pytest.mark.parametrize(
    ("words", "answer", "chance", "severity"),
    [
        (None, "1", 0.4, ["warning"]),
        (None, "1", 0.69, ["warning"]),
        (None, "1", 0.71, ["critical"]),  # half of the way from 0.4 to 1
        (None, "0", 0.3, []),
        (None, "1", math.nan, []),
        (None, "1", None, []),
        (None, None, 0.9, []),
        (("0",), "1", 0.9, []),
        (("0",), "0", 0.3, ["warning"]),
        (("0",), "0", 0.1999, ["critical"]),  # half of the way from 0.4 to 0
        (("0",), "0", math.nan, []),  # a comparison with NaN says "0", which is no answer
        ((), "1", 0.9, []),
    ],
)
def test_binary_answers_alert_as_the_threshold_of_the_version_decided(words, answer, chance, severity):
    row = {"probability": chance, "predicted_class": answer}
    assert severities(Task.BINARY, BINARY, row, alert_on=words) == severity


def test_without_a_contract_a_binary_answer_is_a_warning():
    row = {"probability": 0.99, "predicted_class": "1"}
    (one,) = found(Task.BINARY, Contract(), row)
    assert (one.severity, one.reason) == ("warning", "probability 0.99, and 1 is the answer")


@pytest.mark.parametrize(
    ("row", "severity"),
    [
        ({"anomaly_score": 0.91, "is_anomaly": 1}, ["warning"]),
        ({"anomaly_score": 0.951, "is_anomaly": 1}, ["critical"]),
        ({"anomaly_score": 0.99, "is_anomaly": 0}, []),
        ({"anomaly_score": math.nan, "is_anomaly": 1}, []),
        ({"anomaly_score": None, "is_anomaly": None}, []),
    ],
)
def test_anomalies_alert_as_the_version_flagged_them(row, severity):
    assert severities(Task.ANOMALY, Contract(score_threshold=0.9), row) == severity


def test_a_threshold_beyond_all_of_training_cannot_grade():
    row = {"anomaly_score": 1.0, "is_anomaly": 1}
    assert severities(Task.ANOMALY, Contract(score_threshold=1.0), row) == ["warning"]


CLASSES = {"classes": ("bad", "good", "fair"), "alert_on": ("bad",)}


@pytest.mark.parametrize(
    ("answer", "chance", "severity"),
    [
        ("bad", 0.6, ["warning"]),
        ("bad", 0.67, ["critical"]),  # half of the way from a third to 1
        ("good", 0.9, []),
        (None, 0.3, []),  # it abstained
        ("bad", math.nan, []),
    ],
)
def test_only_the_named_classes_alert(answer, chance, severity):
    row = {"probability": chance, "predicted_class": answer}
    contract = Contract(classes=3, abstain_below=0.0)
    assert severities(Task.MULTICLASS, contract, row, **CLASSES) == severity
    assert severities(Task.MULTICLASS, contract, row, classes=CLASSES["classes"]) == []


def test_a_class_is_graded_from_where_the_model_stops_to_abstain():
    row = {"probability": 0.75, "predicted_class": "bad"}
    assert severities(Task.MULTICLASS, Contract(classes=3, abstain_below=0.6), row, **CLASSES) == ["warning"]


LABELS = {"labels": ("spill", "queue")}
BY_LABEL = Contract(thresholds={"spill": 0.5, "queue": 0.2})


@pytest.mark.parametrize(
    ("flags", "severity"),
    [
        ([("spill", 0.49), ("queue", 0.19)], []),
        ([("spill", 0.5), ("queue", 0.1)], ["warning"]),
        ([("spill", 0.1), ("queue", 0.61)], ["critical"]),
        ([("spill", math.nan), ("queue", None)], []),
        ([], []),
        (None, []),
    ],
)
def test_a_label_counts_from_its_own_threshold(flags, severity):
    assert severities(Task.MULTILABEL, BY_LABEL, {"flags": flags}, **LABELS) == severity


def test_labels_are_named_the_surest_first_and_only_those_that_the_spec_names():
    row = {"flags": [("spill", 0.6), ("queue", 0.9)]}
    (one,) = found(Task.MULTILABEL, BY_LABEL, row, **LABELS)
    assert one.reason == "queue 0.90 (from 0.20), spill 0.60 (from 0.50)"
    (one,) = found(Task.MULTILABEL, BY_LABEL, row, **LABELS, alert_on=("spill",))
    assert one.reason == "spill 0.60 (from 0.50)"
    assert not found(Task.MULTILABEL, Contract(), row, **LABELS)


RANGE = Contract(label_range=(10.0, 20.0))


@pytest.mark.parametrize(
    ("words", "low", "high", "severity"),
    [
        (None, 30.0, 40.0, []),
        (("high",), 20.0, 40.0, []),  # the interval touches what is usual
        (("high",), 20.1, 40.0, ["warning"]),
        (("high",), 25.0, 40.0, ["critical"]),
        (("high",), 1.0, 2.0, []),
        (("low",), 1.0, 9.9, ["warning"]),
        (("low",), 1.0, 5.0, ["critical"]),
        (("low", "high"), 1.0, 2.0, ["critical"]),
        (("high",), None, 40.0, []),
        (("high",), 30.0, None, []),
        (("high",), math.nan, 40.0, []),
        (("high",), 30.0, math.nan, []),
        (("high",), math.inf, math.inf, []),
    ],
)
def test_a_forecast_alerts_where_its_whole_interval_is_beyond_what_training_saw(words, low, high, severity):
    row = {"prediction_p10": low, "prediction_p90": high}
    assert severities(Task.REGRESSION, RANGE, row, alert_on=words) == severity
    assert severities(Task.REGRESSION, Contract(), row, alert_on=words) == []


def test_a_forecast_without_two_quantiles_never_alerts():
    assert not found(Task.REGRESSION, RANGE, {"prediction_p90": 99.0}, alert_on=("high",), quantiles=(0.9,))


def test_a_constant_label_leaves_a_warning():
    row = {"prediction_p10": 30.0, "prediction_p90": 40.0}
    assert severities(Task.REGRESSION, Contract(label_range=(5.0, 5.0)), row, alert_on=("high",)) == ["warning"]


def test_reasons_name_what_is_outside_its_usual_range():
    def reason(feature, value):
        return {"feature": feature, "value": value, "low": 0.0, "high": 1.0}

    reasons = [reason("a", 0.5), reason("b", 7.0), reason("c", None), reason("d", math.nan), reason("e", -1.0)]
    row = {"probability": 0.5, "predicted_class": "1", "reasons": reasons}
    (one,) = found(Task.BINARY, BINARY, row)
    assert one.reason == ("probability 0.50, and 1 is the answer from 0.40; b 7, usually 0 to 1; e -1, usually 0 to 1")
    assert one.action == "act"


def test_an_entity_with_several_rows_alerts_once_with_the_worst_and_the_worst_come_first():
    rule = rule_of(SPEC, Task.BINARY, BINARY)
    rows = [
        {"k": key, "prediction": chance, "probability": chance, "predicted_class": "1", "reasons": None}
        for key, chance in (("a", 0.5), ("b", 0.6), ("a", 0.9), ("c", 0.6))
    ]
    every = rule.findings(rows, ["k"], 3)
    assert [(json.loads(one.entity)["k"], one.prediction) for one in every] == [("a", 0.9), ("b", 0.6), ("c", 0.6)]


@pytest.mark.parametrize(
    ("task", "spec"),
    [
        (Task.BINARY, {"alert_on": ("2",)}),
        (Task.ANOMALY, {"alert_on": ("0",)}),
        (Task.MULTICLASS, {"alert_on": ("worse",), "classes": ("bad", "good")}),
        (Task.MULTILABEL, {"alert_on": ("spills",), "labels": ("spill", "queue")}),
        (Task.REGRESSION, {"alert_on": ("above",)}),
    ],
)
def test_an_answer_that_the_model_cannot_give_is_refused(task, spec):
    with pytest.raises(SpecError, match=f"'{spec['alert_on'][0]}' in alert_on is no answer of the model"):
        dataclasses.replace(SPEC, **spec).alert_condition(task)


def test_classes_that_training_names_are_taken_as_they_are():
    assert dataclasses.replace(SPEC, alert_on=("any",)).alert_condition(Task.MULTICLASS) == ("any",)


def test_it_is_refused_when_the_trainer_is_written():
    with pytest.raises(SpecError, match="'2' in alert_on"):
        type("Wrong", (ClassificationTrainer,), {"spec": dataclasses.replace(SPEC, alert_on=("2",))})
    assert type("Right", (AnomalyTrainer,), {"spec": dataclasses.replace(SPEC, alert_on=())})


def test_who_is_told_changes_no_training():
    assert dataclasses.replace(SPEC, alert_on=()).spec_hash() == SPEC.spec_hash()


def test_good_news_of_the_models_that_exist_wakes_nobody():
    def words(model):
        trainer = plugins().trainers[model].item
        return trainer.spec.alert_condition(trainer.task)

    assert words("retry_success_predictor") == ("0",)
    assert words("commitment_recommender") == words("cache_hit_predictor") == words("tag_recommender") == ()
    assert words("warehouse_optimizer") == ("undersized",)
    assert words("dbr_migration_risk_scorer") == ("high",)
    assert words("job_failure_predictor") == words("exfiltration_detector") == ("1",)


class Version:
    def __init__(self, tags):
        self.tags = tags


def test_a_contract_survives_the_tags_of_a_version_however_long():
    contract = Contract(
        threshold=0.1 + 0.2, thresholds={f"label_{at}": at / 997 for at in range(200)}, anomaly_rate=(0.0, 0.1),
        label_range=(-1.5, 1e9), classes=3, abstain_below=0.0, score_threshold=0.99, alert_budget=5.0,
    )  # fmt: skip
    tags = packed({"contract": contract.tag()})
    assert len(tags) > 1
    assert Contract.of(tags_of(Version(tags))) == contract
    assert Contract.of({}) == Contract()
    assert json.loads(Contract(threshold=0.5).tag()) == {"threshold": 0.5}


@pytest.mark.parametrize(
    ("model", "parts"),
    [
        ("schema_change_predictor", {"threshold", "alert_from"}),
        ("warehouse_optimizer", {"classes", "abstain_below"}),
        ("query_optimization_recommender", {"thresholds"}),
        ("cluster_capacity_planner", {"label_range"}),
        ("data_drift_detector", {"score_threshold", "anomaly_rate", "alert_budget"}),
    ],
)
@pytest.mark.parametrize("kind", ["usual", "one class"])
def test_a_real_fit_of_every_task_has_its_contract(model, parts, kind):
    trainer = plugins().trainers[model].item
    fitted = _fit(trainer, example_data(trainer, plugins(), kind))
    contract = contract_of(trainer.spec, trainer.task, fitted)
    unknown = {"alert_from"} if kind == "one class" else set()  # nothing on the days kept for it tells a score
    assert parts - unknown <= set(json.loads(contract.tag())) <= parts
    assert Contract.of({"contract": contract.tag()}) == contract
    assert set(contract.thresholds) == (set(trainer.spec.labels) if trainer.task is Task.MULTILABEL else set())
    if contract.label_range:
        assert contract.label_range[0] <= contract.label_range[1]


@pytest.mark.parametrize(
    ("task", "served", "extras", "contract"),
    [
        (Task.BINARY, {"threshold": 0.3}, {}, Contract(threshold=0.3)),
        (Task.MULTILABEL, {"thresholds": {"label_spill": 0.3}}, {}, Contract(thresholds={"spill": 0.3})),
        (
            Task.MULTICLASS,
            {"classes": ["a", "b"], "abstain_below": 1.01},
            {},
            Contract(classes=2, abstain_below=1.01),
        ),
        (Task.REGRESSION, {}, {"label_low": 1.0, "label_high": 2.0}, Contract(label_range=(1.0, 2.0))),
        (
            Task.ANOMALY,
            {"raw_threshold": 1.5, "score_steps": [1.0, 2.0, 3.0]},
            {"anomaly_rate_low": 0.0, "anomaly_rate_high": 0.1},
            Contract(score_threshold=0.25, anomaly_rate=(0.0, 0.1), alert_budget=5.0),
        ),
    ],
)
def test_the_contract_is_what_the_fit_decided(task, served, extras, contract):
    fitted = Fitted(estimators={}, served=served, outputs=(), evaluation=None, extras=extras)
    assert contract_of(SPEC, task, fitted) == contract


def test_an_alert_needs_the_score_that_past_rows_proved():
    spec = dataclasses.replace(SPEC, alert_on=None)
    day = [{"k": f"e{at}", "prediction": s, "anomaly_score": s, "is_anomaly": 1.0, "reasons": ()} for at, s in
           enumerate((0.96, 0.98, 0.999))]  # fmt: skip
    proven = dict.fromkeys((0.98, NEVER, None))
    for least in proven:
        rule = rule_of(spec, Task.ANOMALY, Contract(score_threshold=0.95, alert_from=least))
        proven[least] = [found.prediction for found in rule.findings(day, ["k"], 1)]
    assert proven == {0.98: [0.999, 0.98], NEVER: [], None: [0.999, 0.98, 0.96]}


def test_what_a_challenger_finds_is_an_information():
    day = [{"k": "e", "prediction": 1.0, "anomaly_score": 1.0, "is_anomaly": 1.0, "reasons": ()}]
    for proven, severity in ((True, "critical"), (False, "info")):
        rule = rule_of(SPEC, Task.ANOMALY, Contract(score_threshold=0.5), proven=proven)
        assert [found.severity for found in rule.findings(day, ["k"], 1)] == [severity]

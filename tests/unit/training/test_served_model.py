from __future__ import annotations

import json
import pickle
import pickletools
import subprocess
import sys
from types import SimpleNamespace

import mlflow
import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import HistGradientBoostingRegressor, IsolationForest, RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from xgboost import XGBClassifier

from framework.training.fitting import _calibrated
from framework.training.served_model import ServedModel
from framework.training.tracking import SERVED

INPUTS = ["runs", "failure_rate", "seconds", "age"]
CLASSES = ["small", "medium", "large"]
OURS = ("framework", "domains", "served_model", "tests", "test_")


def frame(rows=60, seed=1):
    rng = np.random.default_rng(seed)
    found = pd.DataFrame(rng.normal(size=(rows, 4)), columns=INPUTS)
    return found.mask(rng.random(found.shape) < 0.1)


TRAIN = frame(400, seed=0)
TRUTH = TRAIN.fillna(0).sum(axis=1).to_numpy() + np.random.default_rng(9).normal(0, 0.5, 400)
FLAG = (TRUTH > 1).astype(int)
USUAL = {name: [-1.6, 1.6, 1.0] for name in INPUTS}


def forest(**options):
    return make_pipeline(SimpleImputer(), RandomForestClassifier(20, max_depth=4, random_state=1, **options))


def boosted(quantile=None):
    loss = {} if quantile is None else {"loss": "quantile", "quantile": quantile}
    return HistGradientBoostingRegressor(max_iter=20, random_state=1, **loss).fit(TRAIN, TRUTH)


def trees(truth):
    return XGBClassifier(n_estimators=15, max_depth=3, n_jobs=1, random_state=1).fit(TRAIN, truth)


def regression():
    estimators = {"estimator": boosted(), "q10": boosted(0.1), "q90": boosted(0.9)}
    quantiles = {"q10": "prediction_p10", "q90": "prediction_p90"}
    return estimators, {"task": "regression", "quantiles": quantiles, "bounds": [-1.0, None]}


def binary():
    fitted = trees(FLAG)
    better = _calibrated(fitted, TRAIN, FLAG)
    return {"estimator": better}, {"task": "binary", "threshold": 0.3}


def multiclass():
    codes = np.digitize(TRUTH, [-1, 1])
    return {"estimator": forest().fit(TRAIN, codes)}, {"task": "multiclass", "classes": CLASSES, "abstain_below": 0.0}


def multilabel():
    never = DummyClassifier(strategy="prior").fit(TRAIN, np.zeros(len(TRAIN), int))
    estimators = {"label_slow": trees(FLAG), "label_spill": trees(1 - FLAG), "label_queue": never}
    thresholds = {"label_slow": 0.4, "label_spill": 0.6, "label_queue": 0.5}
    return estimators, {"task": "multilabel", "thresholds": thresholds}


def anomaly():
    isolation = IsolationForest(n_estimators=30, max_samples=64, random_state=1)
    estimator = make_pipeline(SimpleImputer(), isolation).fit(TRAIN)
    raw = -estimator.score_samples(TRAIN)
    steps = np.quantile(raw, np.linspace(0, 1, 101)).tolist()
    return {"estimator": estimator}, {
        "task": "anomaly",
        "score_steps": steps,
        "raw_threshold": float(np.quantile(raw, 0.9)),
    }


MODELS = {"regression": regression, "binary": binary, "multiclass": multiclass, "multilabel": multilabel}
MODELS["anomaly"] = anomaly


def write(folder, estimators, served):
    folder.mkdir(parents=True, exist_ok=True)
    files = {"estimators": folder / "estimators.pkl", "served": folder / "served.json"}
    files["estimators"].write_bytes(pickle.dumps(estimators, protocol=pickle.HIGHEST_PROTOCOL))
    files["served"].write_text(json.dumps({"inputs": INPUTS, "usual": USUAL} | served), encoding="utf-8")
    return {name: str(file) for name, file in files.items()}


def serve(folder, estimators, served):
    model = ServedModel()
    model.load_context(SimpleNamespace(artifacts=write(folder, estimators, served)))
    return model


@pytest.fixture(scope="module")
def fitted():
    return {task: make() for task, make in MODELS.items()}


@pytest.fixture(scope="module")
def logged(fitted, tmp_path_factory):
    """Each model as MLflow keeps it on disk."""
    root = tmp_path_factory.mktemp("logged")
    for task, (estimators, served) in fitted.items():
        mlflow.pyfunc.save_model(
            str(root / task),
            python_model=str(SERVED),
            artifacts=write(root / "files" / task, estimators, served),
            pip_requirements=["mlflow", "scikit-learn", "xgboost", "pandas", "numpy"],
        )
    return root


@pytest.fixture(scope="module")
def answers(logged):
    return {task: mlflow.pyfunc.load_model(str(logged / task)).predict(frame()) for task in MODELS}


def test_a_forecast_is_the_estimators_own_within_its_bounds(answers, fitted):
    estimators, _ = fitted["regression"]
    raw = estimators["estimator"].predict(frame())
    assert raw.min() < -1
    found = answers["regression"]["prediction"].to_numpy()
    assert found == pytest.approx(np.maximum(raw, -1.0))


def test_probability_class_and_threshold_of_a_binary_model(answers, fitted):
    found = answers["binary"]
    chance = fitted["binary"][0]["estimator"].predict_proba(frame())[:, 1]
    assert found["probability"].to_numpy() == pytest.approx(chance)
    assert (found["prediction"] == found["probability"]).all()
    assert found["predicted_class"].tolist() == ["1" if value >= 0.3 else "0" for value in chance]
    assert set(found["predicted_class"]) == {"0", "1"}


def test_classes_are_answered_by_name(answers, fitted):
    found = answers["multiclass"]
    every = fitted["multiclass"][0]["estimator"].predict_proba(frame())
    assert found[[f"probability_{at}" for at in range(3)]].to_numpy() == pytest.approx(every)
    assert found["prediction"].tolist() == every.argmax(axis=1).tolist()
    assert found["predicted_class"].tolist() == [CLASSES[at] for at in every.argmax(axis=1)]
    assert found["probability"].to_numpy() == pytest.approx(every.max(axis=1))


def test_a_class_that_is_not_likely_enough_is_not_given(tmp_path):
    estimators, served = multiclass()
    found = serve(tmp_path, estimators, served | {"abstain_below": 0.7}).predict(None, frame())
    given = found["predicted_class"].notna()
    assert (given == (found["probability"] >= 0.7)).all()
    assert given.any()
    assert not given.all()


@pytest.mark.parametrize("make", [multiclass, anomaly])
def test_threads_do_not_change_a_digit_from_call_to_call(tmp_path, make):
    estimators, served = make()
    estimators["estimator"].set_params(**{k: 4 for k in estimators["estimator"].get_params() if k.endswith("n_jobs")})
    model = serve(tmp_path, estimators, served)
    first = model.predict(None, frame(3_000))
    for _ in range(8):
        pd.testing.assert_frame_equal(model.predict(None, frame(3_000)), first, check_exact=True)


def test_a_missing_text_is_an_empty_one(tmp_path):
    names = ["orders", "claims", ""] * 40
    estimator = make_pipeline(
        ColumnTransformer([("name", TfidfVectorizer(), "job_name")]), RandomForestClassifier(10, random_state=1)
    ).fit(pd.DataFrame({"job_name": names}), np.arange(120) % 3)
    served = {"task": "multiclass", "classes": CLASSES, "abstain_below": 0.0, "inputs": ["job_name"], "usual": {}}
    found = serve(tmp_path, {"estimator": estimator}, served).predict(
        None, pd.DataFrame({"job_name": [None, "", "orders"]})
    )
    assert found["predicted_class"].tolist() == [CLASSES[2], CLASSES[2], CLASSES[0]]


def test_labels_are_counted_above_their_own_thresholds(answers, fitted):
    found, (estimators, served) = answers["multilabel"], fitted["multilabel"]
    flags = np.zeros(60)
    for at, (role, threshold) in enumerate(served["thresholds"].items()):
        chance = np.zeros(60) if role == "label_queue" else estimators[role].predict_proba(frame())[:, 1]
        assert found[f"probability_{at}"].to_numpy() == pytest.approx(chance)
        flags += chance >= threshold
    assert found["prediction"].tolist() == flags.tolist()


def test_anomaly_scores_rank_as_the_forest_does_between_0_and_1(answers, fitted):
    found, (estimators, served) = answers["anomaly"], fitted["anomaly"]
    raw = -estimators["estimator"].score_samples(frame())
    score = found["anomaly_score"].to_numpy()
    assert ((score >= 0) & (score <= 1)).all()
    order = np.argsort(raw, kind="stable")
    assert (np.diff(score[order]) >= 0).all()
    assert found["is_anomaly"].tolist() == (raw > served["raw_threshold"]).astype(float).tolist()
    assert 0 < found["is_anomaly"].sum() < 60
    # The score is the share of training rows that are less unusual.
    seen = -estimators["estimator"].score_samples(TRAIN)
    assert score == pytest.approx([(seen < value).mean() for value in raw], abs=0.02)


@pytest.mark.parametrize("task", MODELS)
def test_an_answer_is_one_row_of_flat_columns_per_row(task, answers):
    found = answers[task]
    assert len(found) == 60
    assert all(found[name].map(lambda value: isinstance(value, (str, float))).all() for name in found)
    numbers = [name for name in found if not name.endswith(("_feature", "_class", "_value"))]
    assert found[numbers].notna().all(axis=None)
    assert {f"reason_{rank}_{part}" for rank in (1, 2, 3) for part in ("feature", "value", "low", "high")} <= set(found)


@pytest.mark.parametrize("task", MODELS)
def test_rows_of_nothing_but_null_are_answered(task, fitted, tmp_path):
    nothing = pd.DataFrame(np.nan, index=[3, 4], columns=INPUTS)
    found = serve(tmp_path, *fitted[task]).predict(None, nothing)
    assert found.index.tolist() == [3, 4]
    assert found["prediction"].notna().all()
    assert found["reason_1_value"].isna().all()


@pytest.mark.parametrize("task", MODELS)
def test_no_rows_give_no_rows_with_the_same_columns(task, fitted, tmp_path):
    model = serve(tmp_path, *fitted[task])
    empty = model.predict(None, frame().head(0))
    assert len(empty) == 0
    assert list(empty) == list(model.predict(None, frame()))


def test_other_columns_and_their_order_do_not_matter(fitted, tmp_path):
    model = serve(tmp_path, *fitted["binary"])
    more = frame().assign(job_id="a")[["age", "job_id", *INPUTS[:3]]]
    pd.testing.assert_frame_equal(model.predict(None, more), model.predict(None, frame()))


@pytest.mark.parametrize("percents", [(10, 90), (90, 10), (5, 10, 90, 95), (10, 50, 90), (90,), (10,), ()])
def test_quantiles_never_cross(percents, tmp_path):
    # Constant forecasts in the worst order: the higher the quantile, the lower its fit.
    def constant(value):
        return DummyRegressor(strategy="constant", constant=value).fit(TRAIN, TRUTH)

    estimators = {f"q{q}": constant(-float(q)) for q in percents} | {"estimator": constant(-50.0)}
    quantiles = {f"q{q}": f"prediction_p{q}" for q in percents}
    served = {"task": "regression", "quantiles": quantiles, "bounds": [None, None]}
    found = serve(tmp_path, estimators, served).predict(None, frame())
    assert (found["prediction"] == -50.0).all()
    ordered = found[[f"prediction_p{q}" for q in sorted(percents)]].to_numpy()
    assert (np.diff(ordered, axis=1) >= 0).all()
    low, high = [q for q in percents if q < 50], [q for q in percents if q > 50]
    if low:
        assert (found[f"prediction_p{min(low)}"] <= found["prediction"]).all()
    if high:
        assert (found[f"prediction_p{max(high)}"] >= found["prediction"]).all()


def test_real_quantiles_lie_on_both_sides_of_the_forecast(answers):
    found = answers["regression"]
    assert (found["prediction_p10"] <= found["prediction"]).all()
    assert (found["prediction"] <= found["prediction_p90"]).all()
    assert (found["prediction_p10"] < found["prediction_p90"]).mean() > 0.8


@pytest.mark.parametrize("percents", [(10,), (90,)])
def test_one_quantile_alone_keeps_its_own_answer(percents, tmp_path):
    (q,) = percents
    estimators = {"estimator": DummyRegressor(strategy="median").fit(TRAIN, TRUTH), f"q{q}": boosted(q / 100)}
    served = {"task": "regression", "quantiles": {f"q{q}": f"prediction_p{q}"}, "bounds": [None, None]}
    found = serve(tmp_path, estimators, served).predict(None, frame())
    raw = estimators[f"q{q}"].predict(frame())
    limit = np.minimum if q < 50 else np.maximum
    assert found[f"prediction_p{q}"].to_numpy() == pytest.approx(limit(raw, found["prediction"]))
    assert (found[f"prediction_p{q}"] != found["prediction"]).any()


@pytest.mark.parametrize("value", [0, 1])
def test_a_dummy_that_saw_one_class_answers_it(value, tmp_path):
    dummy = DummyClassifier(strategy="prior").fit(TRAIN, np.full(len(TRAIN), value))
    model = serve(tmp_path, {"estimator": dummy}, {"task": "binary", "threshold": 0.5})
    found = model.predict(None, frame())
    assert (found["probability"] == float(value)).all()
    assert (found["predicted_class"] == str(value)).all()
    assert len(model.predict(None, frame().head(0))) == 0


def test_a_class_that_training_never_saw_has_probability_0(tmp_path):
    codes = np.where(FLAG == 1, 2, 0)
    served = {"task": "multiclass", "classes": CLASSES, "abstain_below": 0.0}
    found = serve(tmp_path, {"estimator": forest().fit(TRAIN, codes)}, served).predict(None, frame())
    assert (found["probability_1"] == 0).all()
    assert set(found["predicted_class"]) <= {"small", "large"}


def reasons_of(usual, tmp_path, **values):
    estimators, served = {"estimator": DummyRegressor().fit(TRAIN, TRUTH)}, {"task": "regression", "quantiles": {}}
    model = serve(tmp_path, estimators, served | {"bounds": [None, None], "usual": usual})
    row = pd.DataFrame([{name: values.get(name, 0.0) for name in INPUTS}])
    return model.predict(None, row).iloc[0]


def test_reasons_are_the_three_most_unusual_features(tmp_path):
    found = reasons_of(USUAL, tmp_path, runs=0.1, failure_rate=-9.0, seconds=3.0, age=4.0)
    assert [found[f"reason_{rank}_feature"] for rank in (1, 2, 3)] == ["failure_rate", "age", "seconds"]
    assert [found[f"reason_{rank}_value"] for rank in (1, 2, 3)] == [-9.0, 4.0, 3.0]
    assert (found["reason_1_low"], found["reason_1_high"]) == (-1.6, 1.6)


def test_reasons_are_measured_in_widths_of_the_usual_range(tmp_path):
    usual = USUAL | {"seconds": [0.0, 1000.0, 1.0]}
    found = reasons_of(usual, tmp_path, seconds=1500.0, age=4.8)
    assert [found[f"reason_{rank}_feature"] for rank in (1, 2)] == ["age", "seconds"]


def test_reasons_weigh_importance(tmp_path):
    usual = USUAL | {"age": [-1.6, 1.6, 0.1]}
    found = reasons_of(usual, tmp_path, age=1e6, seconds=2.0)
    assert found["reason_1_feature"] == "seconds"


def test_a_missing_value_is_the_last_reason(tmp_path):
    found = reasons_of(USUAL, tmp_path, runs=np.nan, failure_rate=np.nan, seconds=5.0)
    assert [found["reason_1_feature"], found["reason_2_feature"]] == ["seconds", "age"]


def test_there_are_no_more_reasons_than_features(tmp_path):
    found = reasons_of({"age": [0.0, 1.0, 1.0]}, tmp_path)
    assert found["reason_1_feature"] == "age"
    assert "reason_2_feature" not in found
    assert not [name for name in reasons_of({}, tmp_path).index if name.startswith("reason_")]


ELSEWHERE = """
import importlib.abc, json, sys

class Blocker(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("framework", "domains"):
            raise ImportError(name + " is not installed here")

sys.meta_path.insert(0, Blocker())
import mlflow, pandas
root, tasks = sys.argv[1], json.loads(sys.argv[2])
rows = pandas.read_json(root + "/rows.json", orient="split", dtype=float)
for task in tasks:
    found = mlflow.pyfunc.load_model(root + "/" + task).predict(rows)
    found.to_json(root + "/" + task + ".json", orient="split", double_precision=15)
ours = sorted(name for name in sys.modules if name.partition(".")[0] in ("framework", "domains"))
assert not ours, ours
"""


def test_a_process_without_this_project_answers_the_same(logged, answers, tmp_path):
    frame().to_json(logged / "rows.json", orient="split", double_precision=15)
    subprocess.run(
        [sys.executable, "-I", "-c", ELSEWHERE, str(logged), json.dumps(list(MODELS))],
        check=True, cwd=tmp_path, timeout=120, capture_output=True, text=True,
    )  # fmt: skip
    for task in MODELS:
        found = pd.read_json(logged / f"{task}.json", orient="split", dtype={"predicted_class": str})
        pd.testing.assert_frame_equal(found, answers[task], check_dtype=False, check_exact=False, rtol=1e-9)


def classes_in(content):
    """Modules and names that a pickle would import."""
    found, texts = set(), []
    for operation, argument, _ in pickletools.genops(content):
        if isinstance(argument, str) and operation.name != "GLOBAL":
            texts.append(argument)
        elif operation.name == "GLOBAL":
            found.add(argument.split()[0])
    # STACK_GLOBAL takes module and name from the stack, possibly by memo: any text may be a module.
    return found | set(texts)


@pytest.mark.parametrize("task", MODELS)
def test_no_pickle_holds_a_class_of_ours(task, logged):
    pickles = sorted(file for file in (logged / task).rglob("*") if file.suffix in (".pkl", ".pickle"))
    assert [file.name for file in pickles] == ["estimators.pkl"]
    names = classes_in(pickles[0].read_bytes())
    assert any(name.startswith("sklearn") for name in names)
    assert not [name for name in names if name.startswith(OURS)]
    assert list((logged / task).rglob(SERVED.name))

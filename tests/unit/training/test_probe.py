from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from framework.base.errors import LabelError, LeakageError
from framework.declare.model import TableSpec, Task, days, hours
from framework.training.leakage.probe import check_features, check_label_frame

ROWS, ENTITIES = 600, 20
DAILY = TableSpec(name="jobs", description="a job's day", keys=("workspace_id", "job_id"), time="run_date", columns=())
EVENTS = TableSpec(
    name="runs", description="a run", keys=("job_id",), time="end_time", columns=(), time_type="timestamp"
)


@pytest.fixture
def rng():
    return np.random.default_rng(11)


def entity():
    return np.arange(ROWS) % ENTITIES


def probe(label, task, **features):
    frame = pd.DataFrame({"label": label, **features})
    check_features(frame, features=list(features), label="label", task=task, entity=entity(), model="the_model")


@pytest.fixture
def forecast(rng):
    """A regression label: a level by entity, and noise."""
    return rng.normal(0, 100, ENTITIES)[entity()] + rng.normal(0, 10, ROWS)


@pytest.fixture
def flag(rng):
    return (rng.random(ROWS) < 0.2).astype(int)


def test_a_copy_of_a_regression_label_is_named(forecast, rng):
    with pytest.raises(LeakageError, match=r"equals the label in 100.0%.*column copy of the_model"):
        probe(forecast, Task.REGRESSION, noise=rng.normal(size=ROWS), copy=forecast)


@pytest.mark.parametrize("task", [Task.BINARY, Task.MULTILABEL])
def test_a_copy_of_a_class_label_is_named(flag, rng, task):
    with pytest.raises(LeakageError, match="column copy of the_model"):
        probe(flag, task, noise=rng.normal(size=ROWS), copy=flag.astype(float))


def test_a_copy_that_is_missing_here_and_there_is_still_named(flag, rng):
    copy = np.where(rng.random(ROWS) < 0.5, np.nan, flag)
    with pytest.raises(LeakageError, match="column copy"):
        probe(flag, Task.BINARY, copy=copy)


@pytest.mark.parametrize("change", [np.exp, np.negative, lambda x: 1e-9 * x + 5, lambda x: x**3])
def test_a_monotone_copy_of_a_class_label_separates_it(flag, rng, change):
    hidden = flag + 0.1 * rng.random(ROWS)
    with pytest.raises(LeakageError, match=r"alone separates class 1 with ROC AUC 1\.0000"):
        probe(flag, Task.BINARY, score=change(hidden))


@pytest.mark.parametrize("change", [lambda x: 60 * x, lambda x: -x / 3600 + 7, lambda x: x + 1e-3 * np.sin(x)])
def test_a_label_in_another_unit_follows_it_within_entities(forecast, change):
    with pytest.raises(LeakageError, match="follows the label within entities"):
        probe(forecast, Task.REGRESSION, other_unit=change(forecast))


def test_a_label_of_many_bytes_is_found_in_a_feature_of_few_terabytes(rng):
    size = rng.gamma(2, 2e12, ROWS)
    with pytest.raises(LeakageError, match="column terabytes"):
        probe(size, Task.REGRESSION, terabytes=size / 1e12)


def test_a_copy_is_named_before_what_only_goes_with_it(flag, forecast):
    with pytest.raises(LeakageError, match="column copy"):
        probe(flag, Task.BINARY, doubled=2.0 * flag, copy=flag.astype(float))
    with pytest.raises(LeakageError, match="column copy"):
        probe(forecast, Task.REGRESSION, doubled=2 * forecast, copy=forecast)


def test_one_class_of_many_given_away_is_named(rng):
    codes = rng.integers(0, 3, ROWS)
    with pytest.raises(LeakageError, match="separates class 2"):
        probe(codes, Task.MULTICLASS, tell=np.where(codes == 2, 1.0, 0.0))


def test_a_middle_class_given_away_by_a_flag_is_named(rng):
    codes = rng.integers(0, 3, ROWS)
    with pytest.raises(LeakageError, match="separates class 1"):
        probe(codes, Task.MULTICLASS, tell=np.where(codes == 1, -1.0, 0.0))


def test_a_class_of_few_entities_is_set_apart_by_their_levels_and_that_is_no_leak(rng):
    level = np.arange(ENTITIES, dtype=float)[entity()]
    few = np.where(level < 3, 2, rng.integers(0, 2, ROWS))
    probe(few, Task.MULTICLASS, level=level)
    many = np.where(level < 6, 2, rng.integers(0, 2, ROWS))
    with pytest.raises(LeakageError, match="separates class 2"):
        probe(many, Task.MULTICLASS, level=level)


def test_noise_and_good_features_are_no_leak(forecast, flag, rng):
    probe(forecast, Task.REGRESSION, noise=rng.normal(size=ROWS), good=forecast + rng.normal(0, 2, ROWS))
    probe(flag, Task.BINARY, noise=rng.normal(size=ROWS), good=flag + rng.normal(0, 0.7, ROWS))


def test_a_level_of_the_entity_is_no_leak_however_well_it_predicts(rng):
    level = rng.normal(0, 1e6, ENTITIES)[entity()]
    label = level + rng.normal(0, 1, ROWS)
    assert np.corrcoef(level, label)[0, 1] > 0.999
    probe(label, Task.REGRESSION, level=level)


def test_a_feature_that_equals_a_rarely_changing_label_by_chance_is_no_leak(rng):
    label = np.where(rng.random(ROWS) < 0.02, rng.normal(size=ROWS), 0.0)
    probe(label, Task.REGRESSION, zero=np.zeros(ROWS))


def test_missing_features_and_a_label_of_one_class_tell_nothing(flag):
    probe(flag, Task.BINARY, missing=np.full(ROWS, np.nan))
    probe(np.ones(ROWS), Task.BINARY, copy=np.ones(ROWS))


def test_few_rows_tell_nothing():
    frame = pd.DataFrame({"label": [0, 1] * 20, "copy": [0.0, 1.0] * 20})
    check_features(frame, features=["copy"], label="label", task=Task.BINARY, entity=np.zeros(40, int), model="m")


def daily_labels(count=30, jobs=("a", "b")):
    rows = [
        {
            "workspace_id": "w",
            "job_id": job,
            "run_date": date(2025, 1, 1) + timedelta(days=number),
            "label": number % 2,
            # Known when the window (t, t + 7] is over.
            "label_known_at": pd.Timestamp("2025-01-01", tz="UTC") + pd.Timedelta(days=number + 8),
        }
        for job in jobs
        for number in range(count)
    ]
    return pd.DataFrame(rows)


WEEK = days(7)


def check(frame, grain=DAILY, horizon=WEEK):
    check_label_frame(frame, grain=grain, labels=("label",), horizon=horizon, model="the_model")


def test_a_label_known_the_moment_its_window_ends_is_right_and_any_earlier_is_not():
    frame = daily_labels()
    check(frame)
    frame.loc[3, "label_known_at"] -= pd.Timedelta(seconds=1)
    with pytest.raises(LeakageError, match=r"1 of 60 labels were known before their window ended.*column run_date"):
        check(frame)


def test_labels_that_have_not_settled_are_right():
    frame = daily_labels()
    frame.loc[5:, "label_known_at"] = pd.NaT
    check(frame)


def test_shuffled_dates_are_caught(rng):
    frame = daily_labels(jobs=("a",))
    frame["run_date"] = rng.permutation(frame["run_date"].to_numpy())
    with pytest.raises(LeakageError, match="run_date the day the features describe"):
        check(frame)


def test_labels_that_look_back_are_caught():
    frame = daily_labels()
    frame["label_known_at"] -= pd.Timedelta(days=7)
    with pytest.raises(LeakageError, match="60 of 60"):
        check(frame)


def test_an_events_window_starts_at_the_event():
    end = pd.to_datetime(["2025-01-01 10:00", "2025-01-01 11:00"])
    frame = pd.DataFrame(
        {"job_id": ["a", "a"], "end_time": end, "label": 0, "label_known_at": (end + hours(24)).tz_localize("UTC")}
    )
    check(frame, EVENTS, hours(24))
    with pytest.raises(LeakageError, match="2 of 2"):
        check(frame, EVENTS, hours(25))


def test_a_repeated_key_is_refused():
    frame = daily_labels()
    with pytest.raises(LabelError, match=r"2 rows repeat a \(keys, run_date\)"):
        check(pd.concat([frame, frame.head(2)]))


@pytest.mark.parametrize("broken", [{"runs_7d": 1.0}, {"prediction": 0.5}])
def test_a_column_too_many_is_refused(broken):
    with pytest.raises(LabelError, match="return keys, time, label and label_known_at, and nothing else"):
        check(daily_labels().assign(**broken))


@pytest.mark.parametrize("column", ["label", "job_id", "run_date", "label_known_at"])
def test_a_missing_column_is_refused(column):
    with pytest.raises(LabelError, match="expected exactly"):
        check(daily_labels().drop(columns=column))

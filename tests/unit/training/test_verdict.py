from __future__ import annotations

import pandas as pd
import pytest

from framework.declare.model import Task
from framework.training.verdict import judge

CLASSES = [Task.BINARY, Task.MULTICLASS, Task.MULTILABEL]


def labels(**columns):
    return pd.DataFrame(columns)


@pytest.mark.parametrize("task", list(Task))
def test_no_rows_are_skipped_whatever_the_task(task):
    found = judge(labels(label=[]), task)
    assert (found.kind, found.reason) == ("skip", "no rows with a settled label")


@pytest.mark.parametrize("task", CLASSES)
def test_one_class_falls_back_and_names_it(task):
    found = judge(labels(label=[1] * 500), task)
    assert found.kind == "fallback"
    assert "one class (1) in all 500 rows" in found.reason


@pytest.mark.parametrize("task", CLASSES)
@pytest.mark.parametrize("rare", [0, 1])
def test_nine_rows_of_the_rarer_class_are_too_few_and_ten_are_enough(task, rare):
    poor = judge(labels(label=[rare] * 9 + [1 - rare] * 500), task)
    assert poor.kind == "fallback"
    assert f"9 rows of its rarer class {rare}, 10 are needed" in poor.reason
    enough = judge(labels(label=[rare] * 10 + [1 - rare] * 500), task)
    assert (enough.kind, enough.reason) == ("learnable", "")


def test_a_rare_third_class_does_not_spoil_two_that_can_be_learnt():
    assert judge(labels(label=[0] * 50 + [1] * 20 + [2]), Task.MULTICLASS).kind == "learnable"
    assert judge(labels(label=[0] * 50 + [1] * 9 + [2] * 9), Task.MULTICLASS).kind == "fallback"


def test_many_labels_fall_back_only_together():
    good, one, rare = [0, 1] * 50, [0] * 100, [1] * 3 + [0] * 97
    assert judge(labels(spill=one, queue=good, slow=rare), Task.MULTILABEL).kind == "learnable"
    found = judge(labels(spill=one, slow=rare), Task.MULTILABEL)
    assert found.kind == "fallback"
    assert found.reason == (
        "spill has one class (0) in all 100 rows; slow has 3 rows of its rarer class 1, 10 are needed"
    )


def test_a_constant_regression_label_falls_back_and_two_values_do_not():
    found = judge(labels(label=[2.5] * 30), Task.REGRESSION)
    assert (found.kind, found.reason) == ("fallback", "the label is 2.5 in all 30 rows")
    assert judge(labels(label=[2.5] * 29 + [2.6]), Task.REGRESSION).kind == "learnable"


def test_anomalies_have_no_label_to_judge():
    assert judge(labels(label=[0] * 30), Task.ANOMALY).kind == "learnable"

"""Plots of a training: which ones a kind of model gets, what they hold, and that they cost little."""

from __future__ import annotations

import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest

from framework.declare.model import Task
from framework.training.data import Fitted, Judged

pytest.importorskip("matplotlib", reason="matplotlib is not installed: it is in the extra plots")

from framework.training import plots

ROWS = 5_000
WEIGHTS = {f"feature_{n}": 1 / (n + 1) for n in range(40)}


def judged(task, rows=ROWS):
    rng = np.random.default_rng(3)
    chance = rng.uniform(size=rows)
    truth, answer = {
        Task.REGRESSION: (chance + rng.normal(size=rows), chance),
        Task.BINARY: ((rng.uniform(size=rows) < chance).astype(int), chance),
        Task.ANOMALY: ((rng.uniform(size=rows) < chance / 9).astype(int), chance * 7),
        Task.MULTICLASS: (rng.integers(0, 3, rows), rng.dirichlet([1, 1, 1], rows)),
        Task.MULTILABEL: (rng.integers(0, 2, (rows, 4)), rng.uniform(size=(rows, 4))),
    }[task]
    day = pd.Series(np.arange(rows))
    known = np.ones(rows, dtype=bool)
    return Judged(
        truth=truth,
        answer=answer,
        baseline=answer * 0.5,
        day=day,
        rows=np.arange(rows),
        answered=known,
        threshold=0.7,
    )


def fitted(found, weights=WEIGHTS):
    return Fitted(estimators={}, served={"importance": weights}, outputs=(), evaluation=None, judged=found)


def drawn(task, found, weights=WEIGHTS, classes=()):
    return dict(plots.draw(task, fitted(found, weights), classes))


@pytest.mark.parametrize(
    ("task", "names"),
    [
        (Task.REGRESSION, ["importance", "residuals"]),
        (Task.BINARY, ["importance", "calibration", "precision_recall", "confusion"]),
        (Task.ANOMALY, ["importance", "precision_recall"]),
        (Task.MULTICLASS, ["importance", "calibration", "precision_recall", "confusion"]),
        (Task.MULTILABEL, ["importance", "calibration", "precision_recall"]),
    ],
)
def test_each_task_has_its_plots_and_they_cost_little(task, names, tmp_path):
    drawn(task, judged(task))["importance"].savefig(tmp_path / "warm.png")
    began = time.process_time()
    found = drawn(task, judged(task))
    for name, figure in found.items():
        figure.savefig(tmp_path / f"{name}.png")
    assert time.process_time() - began < 1  # a third of that on an idle core
    assert list(found) == names
    assert all(1_000 < (tmp_path / f"{name}.png").stat().st_size < 40_000 for name in names)


def test_what_teaches_nothing_is_not_drawn():
    flat = dict.fromkeys(WEIGHTS, 1.0)
    assert drawn(Task.BINARY, None, flat) == {}
    assert drawn(Task.REGRESSION, judged(Task.REGRESSION, rows=0), {}) == {}
    assert list(drawn(Task.REGRESSION, None)) == ["importance"]
    quiet = judged(Task.ANOMALY)
    quiet.truth[:] = 0
    assert drawn(Task.ANOMALY, quiet, flat) == {}


def test_the_confusion_counts_every_row_at_the_model_s_own_threshold():
    found = judged(Task.BINARY)
    figure = drawn(Task.BINARY, found)["confusion"]
    shown = [int(text.get_text().replace(",", "")) for text in figure.axes[0].texts]
    answer = (found.answer >= 0.7).astype(int)
    assert shown == [int(((found.truth == t) & (answer == a)).sum()) for t in (0, 1) for a in (0, 1)]


def test_classes_are_named_and_an_unknown_one_has_its_code():
    found = judged(Task.MULTICLASS)
    axes = drawn(Task.MULTICLASS, found, classes=("low", "high"))["confusion"].axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["low", "high", "2"]


def test_the_most_important_features_are_named():
    axes = drawn(Task.REGRESSION, judged(Task.REGRESSION))["importance"].axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == [f"feature_{n}" for n in reversed(range(12))]


WITHOUT = """
import sys
sys.modules["matplotlib"] = None
from framework.declare.model import Task
from framework.training import plots
from framework.training.data import Fitted
found = Fitted(estimators={}, served={"importance": {"a": 1.0, "b": 0.5}}, outputs=(), evaluation=None)
assert [*plots.draw(Task.REGRESSION, found), *plots.draw(Task.REGRESSION, found)] == []
"""


def test_without_matplotlib_there_are_no_plots_and_one_line_says_so():
    done = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=True, timeout=60)
    assert (done.stdout + done.stderr).count("plots_skipped") == 1


def test_no_window_and_no_global_state():
    drawn(Task.BINARY, judged(Task.BINARY))
    assert "matplotlib.pyplot" not in sys.modules or not sys.modules["matplotlib.pyplot"].get_fignums()

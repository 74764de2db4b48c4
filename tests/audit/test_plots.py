"""A training leaves its plots beside its figures."""

from __future__ import annotations

import pytest

pytest.importorskip("matplotlib", reason="matplotlib is not installed: it is in the extra plots")


def test_each_training_leaves_the_plots_of_its_kind(clean_home):
    found = {
        model: {file.stem for file in (clean_home / "artifacts" / model).rglob("plots/*.png")}
        for model in ("late_jobs", "job_seconds", "odd_jobs")
    }
    assert found["late_jobs"] == {"importance", "calibration", "precision_recall", "confusion"}
    assert found["job_seconds"] == {"importance", "residuals"}
    assert found["odd_jobs"] == set()  # no event judges it, and forests of anomalies have no importance

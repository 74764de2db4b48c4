"""Drift: what is counted, how far counts lie apart, and when that is a finding."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2_contingency, ks_2samp

from framework.declare.model import Feature, TableSpec
from framework.monitoring.drift import levels
from framework.monitoring.drift.columns import Column
from framework.monitoring.drift.counting import count_columns
from framework.monitoring.drift.distance import chi_square_p, deviation, ks, ks_p, median, psi
from framework.monitoring.drift.histogram import MAX_BINS, Counted, Sketch, hashed, sketch_numbers, sketch_text
from framework.monitoring.drift.reference import sketch_columns
from framework.monitoring.drift.series import label_row, prediction_row
from framework.monitoring.drift.weeks import Usual, Weeks
from tests.panels import START, panel, wander

SPEC = TableSpec(
    name="panel",
    description="x",
    keys=("entity",),
    time="day",
    columns=(Feature(name="f0", sql="1", description="a number"),),
)
QUIET = Usual(weeks=30, psi=0.0, ks=0.0, missing_low=0.0, missing_high=0.0, new=0.0)

# ------------------------------------------------------------------ counting, beside a twin that walks through rows

NUMBERS = st.one_of(
    st.none(),
    st.sampled_from([0.0, -0.0, 1.0, 2.0, 2.5, math.inf, -math.inf, math.nan]),
    st.floats(-3, 3, width=16),
)
ROWS = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(0, 3), NUMBERS, st.sampled_from([None, "", "x", "y", "é", "new"])),
    max_size=40,
)


def twin_bucket(sketch: Sketch, value: float | str | None) -> int:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return -1
    if sketch.kind == "text":
        name = hashed(value)
        return sketch.categories.index(name) if name in sketch.categories else len(sketch.categories)
    below = sum(point < value for point in sketch.points)
    return 2 * below + (value in sketch.points)


def frame_of(rows) -> pa.Table:
    return pa.table(
        {
            "entity": pa.array([r[0] for r in rows], pa.string()),
            "day": pa.array([START + timedelta(days=r[1]) for r in rows], pa.date32()),
            "number": pa.array([r[2] for r in rows], pa.float64()),
            "text": pa.array([r[3] for r in rows], pa.string()),
        }
    )


@settings(max_examples=200, deadline=None)
@given(seen=ROWS, rows=ROWS, least=st.one_of(st.none(), st.sampled_from([0.0, 1.0])))
def test_counts_are_those_of_a_walk_through_the_rows(seen, rows, least):
    numbers = np.array([np.nan if r[2] is None else r[2] for r in seen], dtype=float)
    sketches = {"number": sketch_numbers(numbers, 3), "text": sketch_text([r[3] for r in seen], 3)}
    where = () if least is None else (("number", ">=", least),)
    columns = [Column(key=n, column=n, sketch=s, where=where) for n, s in sketches.items()]
    found = count_columns(frame_of(rows), columns, keys=["entity"], day="day")
    kept = [r for r in rows if least is None or (r[2] is not None and r[2] >= least)]
    for place, name in ((2, "number"), (3, "text")):
        buckets = Counter(twin_bucket(sketches[name], r[place]) for r in kept)
        one = found[name]
        assert one.missing == buckets.pop(-1, 0)
        assert {at: int(n) for at, n in enumerate(one.counts) if n} == dict(buckets)
        assert one.entities == len({r[0] for r in kept})
        assert one.rows == len(kept)
        for day in {r[1] for r in kept}:
            today = [r[place] for r in kept if r[1] == day]
            counts, missing, total = one.daily[START + timedelta(days=day)]
            assert counts.sum() + missing == len(today)
            if place == 2:
                assert total == pytest.approx(sum(v for v in today if v is not None and math.isfinite(v)))


def test_no_rows_count_as_nothing():
    sketch = sketch_numbers(np.array([1.0, 2.0]), 2)
    found = count_columns(frame_of([]), [Column(key="n", column="number", sketch=sketch)], keys=["entity"], day="day")
    assert (found["n"].rows, found["n"].entities, found["n"].daily) == (0, 0, {})
    assert count_columns(frame_of([]), [], keys=["entity"]) == {}


# ------------------------------------------------------------------ distances


@settings(max_examples=100, deadline=None)
@given(
    before=st.lists(st.integers(0, 20).map(float), min_size=1, max_size=80),
    now=st.lists(st.one_of(st.integers(-3, 25).map(float), st.floats(-5, 30)), min_size=1, max_size=80),
)
def test_the_ks_distance_is_exact_where_every_training_value_is_a_point(before, now):
    sketch = sketch_numbers(np.array(before), 10)
    counts = count_columns(
        frame_of([("a", 0, v, None) for v in now]), [Column(key="n", column="number", sketch=sketch)], keys=["entity"]
    )["n"].counts
    assert ks(counts, sketch.array) == pytest.approx(farthest(before, now))


def farthest(before, now) -> float:
    """The largest distance of two empirical distribution functions."""
    steps = sorted({*before, *now})
    return max(
        abs(sum(v <= step for v in before) / len(before) - sum(v <= step for v in now) / len(now)) for step in steps
    )


def test_the_ks_distance_of_many_values_is_within_a_hundredth():
    rng = np.random.default_rng(1)
    before, now = rng.lognormal(size=20_000), rng.lognormal(0.4, 1.2, size=5_000)
    sketch = sketch_numbers(before, 500)
    counts = np.bincount(sketch.bucket(now), minlength=len(sketch.counts))
    exact = ks_2samp(before, now, method="asymp")
    assert ks(counts, sketch.array) == pytest.approx(exact.statistic, abs=0.01)
    assert ks_p(0.1, 200, 300) == pytest.approx(ks_2samp([0] * 200, [0] * 180 + [1] * 20).pvalue, abs=0.2)


def test_p_values_are_scipys():
    before, now = np.array([60, 30, 10]), np.array([30, 45, 25])
    assert chi_square_p(now, before, 100, 100) == pytest.approx(chi2_contingency([now, before]).pvalue)
    assert chi_square_p(now * 9, before * 7, 100, 100) == pytest.approx(chi_square_p(now, before, 100, 100))
    assert chi_square_p(np.array([5, 0]), np.array([9, 0]), 5, 9) == 1.0
    assert levels.corrected(0.01, 30) == pytest.approx(0.3)
    assert levels.corrected(0.2, 30) == 1.0


def test_psi_is_the_textbooks_but_for_half_an_entity():
    now, before = np.array([50, 30, 20]), np.array([20, 30, 50])
    p, q = now / 100, before / 100
    assert psi(now * 1_000, before * 1_000, 10**9, 10**9) == pytest.approx(((p - q) * np.log(p / q)).sum(), rel=0.02)
    p, q = (now + 0.5) / 101.5, (before + 0.5) / 101.5
    assert psi(now * 7, before * 7, 100, 100) == pytest.approx(((p - q) * np.log(p / q)).sum())
    assert psi(np.array([0, 0]), np.array([1, 1]), 0, 5) is None
    assert psi(np.array([7, 0]), np.array([0, 7]), 1, 1) < psi(np.array([700, 0]), np.array([0, 700]), 100, 100)


@settings(max_examples=200, deadline=None)
@given(
    values=st.lists(st.one_of(st.integers(0, 4).map(float), st.floats(-100, 100)), min_size=1, max_size=300),
    entities=st.integers(1, 400),
)
def test_bins_hold_every_row_once_and_are_few(values, entities):
    sketch = sketch_numbers(np.array(values), entities)
    binned = sketch.binned(sketch.counts)
    assert binned.sum() == len(values)
    assert sketch.bins <= max(3, min(MAX_BINS, entities // 10))
    assert sorted(set(sketch.cuts)) == list(sketch.cuts)
    assert all(0 < cut < len(sketch.counts) for cut in sketch.cuts)
    if len(set(values)) > 1:
        assert np.count_nonzero(binned) == sketch.bins  # only beside a constant is there room for what never came


def test_quantile_bins_are_even_and_a_heavy_value_is_a_bin_of_its_own():
    rng = np.random.default_rng(1)
    even = sketch_numbers(rng.normal(size=5_000), 500)
    assert even.bins == 10
    assert (even.binned(even.counts) / 5_000).round(2).tolist() == [pytest.approx(0.1, abs=0.03)] * 10
    zeros = sketch_numbers(np.concatenate([np.zeros(6_000), rng.uniform(1, 2, 4_000)]), 500)
    assert zeros.binned(zeros.counts)[0] == 6_000


@pytest.mark.parametrize("values", [np.arange(500.0), np.repeat([1.0, 1.0, 7.0], 40), np.full(30, 2.0)])
def test_a_deviation_is_read_off_the_buckets(values):
    assert deviation(sketch_numbers(values, 30)) == pytest.approx(values.std(), rel=0.02, abs=1e-12)


def test_what_is_no_number_has_no_deviation():
    assert deviation(sketch_text(["a", "b"], 2)) == 0.0
    assert deviation(sketch_numbers(np.full(3, np.nan), 3)) == 0.0


def test_a_median_is_read_off_the_buckets():
    sketch = sketch_numbers(np.arange(1.0, 102.0), 50)
    assert median(sketch, sketch.array) == 51.0
    assert median(sketch, np.zeros(len(sketch.counts))) is None
    beyond = np.zeros(len(sketch.counts))
    beyond[-1] = 4
    assert median(sketch, beyond) == 101.0  # all that is known is that it is beyond


# ------------------------------------------------------------------ levels


def entry(sketch: Sketch, usual: Usual = QUIET) -> dict:
    return {"sketch": dataclasses.asdict(sketch), "usual": dataclasses.asdict(usual)}


def counted(sketch: Sketch, values, entities: int) -> Counted:
    counts = np.bincount(sketch.bucket(values) + 1, minlength=len(sketch.counts) + 1)
    return Counted(counts=counts[1:], missing=int(counts[0]), entities=entities)


def row_of(before, now, *, entities=200, usual=QUIET, text=False, **more):
    make = sketch_text if text else sketch_numbers
    sketch = make(np.array(before, dtype=object if text else float), entities)
    seen = counted(sketch, np.array(now, dtype=object if text else float), more.pop("seen", entities))
    return levels.column_row(entry(sketch, usual), seen, name="seconds", **more)


NORMAL = np.random.default_rng(5).normal(10, 2, 2_000)


def test_the_same_rows_are_no_drift():
    row = row_of(NORMAL, NORMAL)
    assert (row["level"], row["says"], row["psi"], row["ks"]) == ("none", "", 0.0, 0.0)


def test_a_shift_is_told_with_its_figures():
    row = row_of(NORMAL, NORMAL + 3, unit="s", usual=dataclasses.replace(QUIET, psi=0.08))
    assert row["level"] == "drift"
    assert row["says"].startswith("seconds: median 10.1 -> 13 s; ")
    assert f"PSI {row['psi']:.2f}; usual up to 0.08" in row["says"]


def test_between_the_bands_is_watched():
    row = row_of(NORMAL, NORMAL + 0.8)
    assert 0.1 < row["psi"] < 0.25
    assert row["level"] == "watch"


def test_what_weeks_do_here_by_themselves_is_no_drift():
    assert row_of(NORMAL, NORMAL + 1.5)["level"] == "drift"
    assert row_of(NORMAL, NORMAL + 1.5, usual=dataclasses.replace(QUIET, psi=0.4))["level"] == "none"


def test_few_entities_do_not_cry_wolf():
    assert row_of(NORMAL, NORMAL + 1.0, entities=4)["level"] == "too_little"
    assert row_of(NORMAL, NORMAL + 1.0, seen=1)["level"] == "too_little"
    assert row_of(NORMAL, [])["level"] == "too_little"


def test_a_constant_that_changes_is_seen_on_either_side():
    for now in (3.0, 1.0):
        row = row_of([2.0] * 500, [now] * 100)
        assert row["level"] == "drift"
        assert row["ks"] == 1.0
    assert row_of([2.0] * 500, [2.0] * 100)["level"] == "none"
    assert row_of([2.0] * 500, [2.0] * 99 + [3.0])["level"] == "none"


def test_a_feature_that_vanished_is_drift_and_one_that_never_was_is_not():
    row = row_of(NORMAL, [np.nan] * 100)
    assert row["level"] == "drift"
    assert "vanished" in row["says"]
    assert (row["psi"], row["missing_rate"]) == (None, 1.0)
    rare = dataclasses.replace(QUIET, missing_high=0.99)
    assert row_of(NORMAL, [np.nan] * 100, usual=rare)["level"] == "too_little"
    assert row_of(NORMAL, [np.nan] * 3)["level"] == "too_little"


def test_more_missing_values_raise_the_level_unless_that_is_usual():
    now = NORMAL.copy()
    now[: len(now) // 2] = np.nan
    assert row_of(NORMAL, now)["level"] == "drift"
    assert "missing 0% -> 50%" in row_of(NORMAL, now)["says"]
    assert row_of(NORMAL, now, usual=dataclasses.replace(QUIET, missing_high=0.45))["level"] == "none"
    assert row_of(NORMAL, now, entities=5)["level"] == "too_little"


def test_new_categories_raise_the_level():
    before = list("abcd") * 200
    row = row_of(before, list("abcd") * 10 + list("wxyz") * 10, text=True)
    assert row["new_category_share"] == 0.5
    assert row["level"] == "drift"
    assert "50% in categories" in row["says"]
    assert row_of(before, before, text=True)["level"] == "none"
    assert row_of([None] * 9 + ["a"] * 91, [None] * 9 + ["a"] * 91, text=True)["level"] == "none"


def test_a_rare_category_of_training_is_not_new():
    before = [f"c{at}" for at in range(200)] * 5
    assert row_of(before, before, text=True)["new_category_share"] == pytest.approx(0.0)


def test_no_category_stands_in_the_reference_in_clear_text():
    sketch = sketch_text(np.array(["jane.doe@example.org"] * 9, dtype=object), 9)
    assert "jane" not in str(dataclasses.asdict(sketch))


@pytest.mark.parametrize(
    ("flagged", "rows", "level"),
    [(3, 100, "none"), (0, 30, "none"), (1, 4, "none"), (12, 100, "watch"), (300, 1_000, "drift"), (0, 2_000, "drift")],
)
def test_the_anomaly_rate_is_held_against_its_own_band(flagged, rows, level):
    assert levels.rate_level(flagged, rows, 0.02, 0.05)[0] == level


def test_no_rows_tell_no_rate():
    assert levels.rate_level(0, 0, 0.0, 0.0)[0] == "too_little"


# ------------------------------------------------------------------ labels and predictions


def labels_now(sketch: Sketch, values, entities: int) -> Counted:
    daily = {START + timedelta(days=at): (np.zeros(1), 0, 0.0) for at in range(7)}
    return dataclasses.replace(counted(sketch, values, entities), daily=daily)


def test_labels_drift_only_if_certain_unusual_and_large():
    rng = np.random.default_rng(4)
    sketch = sketch_numbers(rng.lognormal(size=20_000), 300)

    def of(values, entities=300, usual=QUIET, tests=30):
        seen = labels_now(sketch, values, entities)
        return label_row(entry(sketch, usual), seen, name="label", tests=tests, classes=False)

    far = rng.lognormal(math.log(4), size=2_000)
    assert of(far)["level"] == "drift"
    assert of(far)["ks_p"] < 0.05
    assert of(far, usual=dataclasses.replace(QUIET, ks=0.3))["level"] == "none"
    assert of(far, entities=6)["level"] == "none" or of(far, entities=6)["ks_p"] > 0.05
    assert of(rng.lognormal(size=2_000))["level"] == "none"
    sketch = dataclasses.replace(sketch, entities=20_000)
    near = rng.lognormal(0.25, size=20_000)  # certain with so many entities, but small
    assert of(near, entities=20_000)["level"] == "watch"
    one_day = dataclasses.replace(labels_now(sketch, far, 300), daily={START: (np.zeros(1), 0, 0.0)})
    assert label_row(entry(sketch), one_day, name="label", tests=1, classes=False)["level"] == "too_little"


def test_class_labels_are_tested_by_chi_square():
    sketch = sketch_numbers(np.array([0.0] * 900 + [1.0] * 100), 200, [0.0, 1.0])

    def of(rate):
        seen = labels_now(sketch, np.array([1.0] * int(1_000 * rate) + [0.0] * int(1_000 * (1 - rate))), 200)
        return label_row(entry(sketch), seen, name="label", tests=10, classes=True)

    assert of(0.1)["level"] == "none"
    assert of(0.5)["level"] == "drift"
    assert of(0.5)["ks"] == pytest.approx(0.4)


def prediction_panel(seed: int, shift_from: int | None = None, entities: int = 40) -> pa.Table:
    """42 held-back days and 90 days after them of a forecast that the fleet's mood moves."""
    rng = np.random.default_rng(seed)
    days = 132
    log = rng.normal(size=(entities, 1)) + wander(rng, (entities, days), 0.8, 0.4) + wander(rng, (1, days), 0.8, 0.15)
    log += np.array([0, 0, 0, 0, 0, -0.4, -0.4])[np.arange(days) % 7]
    if shift_from is not None:
        log[:, shift_from:] += np.log(4)
    calendar = [START + timedelta(days=at) for at in range(days)]
    columns = {"entity": np.repeat(np.arange(entities), days).astype(str), "prediction": np.exp(log).ravel()}
    return pa.table(columns | {"day": pa.array(calendar * entities, pa.date32())})


def prediction_entry(rows: pa.Table) -> dict:
    from framework.monitoring.drift.predictions import spread

    held = between(rows, 0, 41)
    weeks = Weeks.of(held, ["entity"], "day", START + timedelta(days=41))
    sketch = sketch_numbers(held["prediction"].to_numpy(), weeks.training_entities)
    seen = count_columns(held, [Column(key="p", column="prediction", sketch=sketch)], keys=["entity"], day="day")["p"]
    usual = [dataclasses.asdict(weeks.usual(sketch, seen, width)) for width in range(1, 8)]
    return {"sketch": dataclasses.asdict(sketch), "usual": usual, **spread(seen, None)}


def between(rows: pa.Table, first: int, last: int) -> pa.Table:
    day = np.array([(d - START).days for d in rows["day"].to_pylist()])
    return rows.filter((day >= first) & (day <= last))


def prediction_levels(rows: pa.Table, stored: dict, *, young: bool = False) -> list[str]:
    column = [Column(key="p", column="prediction", sketch=Sketch.load(stored["sketch"]))]
    found = []
    for last in range(42, 132):
        first = max(last - 6, 42 + 7 * ((last - 42) // 7)) if young else last - 6
        seen = count_columns(between(rows, first, last), column, keys=["entity"], day="day")["p"]
        found.append(prediction_row(stored, seen, name="prediction", tests=1)["level"])
    return found


@pytest.mark.parametrize("young", [False, True])
def test_predictions_of_a_quarter_without_a_change_do_not_drift(young):
    """``young``: a new version answers each week, so that windows hold one to seven days."""
    days = 0
    for seed in range(4):
        rows = prediction_panel(seed)
        days += prediction_levels(rows, prediction_entry(rows), young=young).count("drift")
    assert days <= 3  # of 360


@pytest.mark.parametrize(("days", "level"), [(84, "drift"), (21, "watch")])
def test_a_shift_of_the_mean_counts_where_enough_weeks_tell_how_far_it_wanders(days, level):
    """PSI alone is below its upper band: the mean decides, four to sixteen deviations of a week away."""
    rows = prediction_panel(0, shift_from=62)
    stored = prediction_entry(rows) | {"days": days}
    column = [Column(key="p", column="prediction", sketch=Sketch.load(stored["sketch"]))]
    seen = count_columns(between(rows, 57, 63), column, keys=["entity"], day="day")["p"]
    row = prediction_row(stored, seen, name="prediction", tests=1)
    assert 0.1 < row["psi"] < 0.25
    assert row["level"] == level


def test_a_shift_is_measured_by_what_other_entities_would_have_given():
    """Scores that look months back hardly move from day to day; a dozen of them still wander far by themselves."""
    rng = np.random.default_rng(4)
    shifts = {}
    for entities in (12, 1200):
        level = rng.uniform(0, 1, size=(entities, 1)) + rng.normal(0, 0.001, size=(entities, 49))
        level[:, 42:] += 0.1
        calendar = [START + timedelta(days=at) for at in range(49)]
        columns = {"entity": np.repeat(np.arange(entities), 49).astype(str), "prediction": level.ravel()}
        rows = pa.table(columns | {"day": pa.array(calendar * entities, pa.date32())})
        stored = prediction_entry(rows)
        column = [Column(key="p", column="prediction", sketch=Sketch.load(stored["sketch"]))]
        seen = count_columns(between(rows, 42, 48), column, keys=["entity"], day="day")["p"]
        shifts[entities] = prediction_row(stored, seen, name="prediction", tests=1)["shift"]
    assert abs(shifts[12]) < 2 < abs(shifts[1200])
    assert shifts[1200] == pytest.approx(0.1 / (1.5 * math.sqrt(1 / 12) * math.sqrt(2 / 1200)), rel=0.1)


def test_a_version_that_answered_for_two_days_is_only_watched():
    rows = prediction_panel(0, shift_from=42)
    stored = prediction_entry(rows)
    column = [Column(key="p", column="prediction", sketch=Sketch.load(stored["sketch"]))]
    found = []
    for last in (42, 43, 44):
        seen = count_columns(between(rows, 42, last), column, keys=["entity"], day="day")["p"]
        found.append(prediction_row(stored, seen, name="prediction", tests=1)["level"])
    assert found == ["watch", "watch", "drift"]


def test_predictions_of_a_changed_fleet_drift_within_three_days_and_stay_so():
    for seed in range(3):
        rows = prediction_panel(seed, shift_from=62)
        found = prediction_levels(rows, prediction_entry(rows))
        assert "drift" in found[20:24]
        assert set(found[27:]) == {"drift"}


# ------------------------------------------------------------------ a simulated quarter

TRAINED, HELD_BACK, QUARTER = 60, 42, 90


def monitor(rows: pa.Table, features: int, days: int) -> list[dict[str, str]]:
    """Return the level of each feature on each day after a training and its held-back days."""
    names = [f"f{at}" for at in range(features)]
    known = TRAINED + HELD_BACK
    train_end = START + timedelta(days=TRAINED - 1)
    stored = sketch_columns(between(rows, 0, known - 1), dict.fromkeys(names, "double"), SPEC, train_end)
    columns = [Column(key=n, column=n, sketch=Sketch.load(stored[n]["sketch"])) for n in names]
    day = np.array([(d - START).days for d in rows["day"].to_pylist()])
    found = []
    for last in range(known, known + days):
        seen = count_columns(rows.filter((day > last - 7) & (day <= last)), columns, keys=["entity"])
        found.append({n: levels.column_row(stored[n], seen[n], name=n, tests=features)["level"] for n in names})
    return found


def alerts(found: list[dict[str, str]]) -> int:
    """Count the stretches of days on which any feature drifts."""
    drifts = [any(level == "drift" for level in day.values()) for day in found]
    return sum(now and not before for before, now in zip([False, *drifts], drifts, strict=False))


@pytest.mark.parametrize(("entities", "fleet"), [(5, 0.1), (50, 0.1), (50, 0.25), (200, 0.1)])
def test_a_quarter_without_a_change_raises_no_false_alarm(entities, fleet):
    """The aim: at most one alert a month and model, and never the three features that ask for a new training."""
    rows = panel(entities=entities, days=TRAINED + HELD_BACK + QUARTER, features=30, seed=11, fleet=fleet)
    found = monitor(rows, 30, QUARTER)
    assert alerts(found) <= 3
    assert max(list(day.values()).count("drift") for day in found) < 3


@pytest.mark.parametrize("entities", [20, 50, 200])
def test_a_change_of_regime_is_seen_within_three_days(entities):
    change = TRAINED + HELD_BACK + 20
    rows = panel(entities=entities, days=change + 10, features=30, seed=12, shift_from=change)
    found = monitor(rows, 30, 30)
    assert alerts(found[:20]) <= 1
    assert list(found[23].values()).count("drift") >= 3  # the third day after it asks for a new training


def test_five_entities_tell_a_change_of_regime_later_but_they_do():
    change = TRAINED + HELD_BACK + 20
    rows = panel(entities=5, days=change + 10, features=30, seed=13, shift_from=change)
    found = monitor(rows, 30, 30)
    assert set(found[10].values()) <= {"too_little"}
    assert list(found[27].values()).count("drift") >= 3

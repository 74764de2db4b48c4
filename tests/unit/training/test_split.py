from __future__ import annotations

import itertools
from datetime import date, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from framework.core.results import Skip
from framework.declare.model import days, hours
from framework.training.split import Split, held_back_windows, split_by_time

START = date(2025, 1, 1)


def moment(number, hour=0):
    return datetime(2025, 1, 1) + timedelta(days=number, hours=hour)  # noqa: DTZ001 - the split works without zone


def cut(rows, calibrate, test):
    """Split rows of (day number, hours from the day's end until the label is known, or None)."""
    day = pd.Series([moment(number) for number, _ in rows])
    known = pd.Series([pd.NaT if delay is None else moment(number + 1, delay) for number, delay in rows])
    return split_by_time(
        day.astype("datetime64[ns]"), known.astype("datetime64[ns]"), calibrate=days(calibrate), test=days(test)
    )


def twin(rows, calibrate, test):
    """The same rules, row by row."""
    numbers = sorted({number for number, _ in rows})
    full = []
    for number in numbers:
        delays = [delay for n, delay in rows if n == number]
        if sum(delay is not None for delay in delays) / len(delays) >= 0.95:
            full.append(number)
    if not full:
        return None
    c3 = full[-1]
    c2 = c3 - test

    def known_by(row, last):
        number, delay = row
        return delay is not None and moment(number + 1, delay) <= moment(last + 1)

    for c1 in (c2 - calibrate, c2):
        train = [at for at, row in enumerate(rows) if row[0] <= c1 and known_by(row, c1)]
        fitted_days = [rows[at][0] for at in train]
        span = max(fitted_days) - min(fitted_days) + 1 if train else 0
        if span >= 30:
            break
    if span < 20:
        return None
    tuned = [at for at, row in enumerate(rows) if c1 < row[0] <= c2 and known_by(row, c2)]
    judged = [at for at, row in enumerate(rows) if c2 < row[0] <= c3 and row[1] is not None]
    return c1, c2, c3, train, tuned, judged


DELAYS = st.sampled_from([0, 0, 0, 0, 1, 24, 25, 24 * 7, 24 * 40, None])
ROWS = st.lists(st.tuples(st.integers(0, 90), DELAYS), min_size=1, max_size=150)


@settings(max_examples=150, deadline=None)
@given(ROWS, st.integers(0, 25), st.integers(0, 25))
@example([(number, 0) for number in range(72)], 21, 21)
@example([(number, 24 * 7) for number in range(90)], 21, 21)
@example([(number, None if number > 60 else 0) for number in range(80)], 10, 10)
def test_the_split_is_what_the_rules_say_row_by_row(rows, calibrate, test):
    found = cut(rows, calibrate, test)
    expected = twin(rows, calibrate, test)
    if expected is None:
        assert isinstance(found, Skip)
        return
    assert isinstance(found, Split)
    ends = [(end - START).days for end in (found.train_end, found.calibrate_end, found.test_end)]
    parts = [part.tolist() for part in (found.train, found.calibrate, found.test)]
    assert (*ends, *parts) == expected


@settings(max_examples=100, deadline=None)
@given(ROWS, st.integers(1, 25), st.integers(1, 25))
@example([(number, delay) for number in range(90) for delay in (0, 24 * 7)], 21, 21)
def test_no_row_stands_twice_and_none_is_lost(rows, calibrate, test):
    found = cut(rows, calibrate, test)
    if isinstance(found, Skip):
        return
    parts = [set(part.tolist()) for part in (found.train, found.calibrate, found.test)]
    assert sum(map(len, parts)) == len(set.union(*parts))
    c3 = (found.test_end - START).days
    too_new = sum(number > c3 and delay is not None for number, delay in rows)
    assert found.too_new == too_new
    assert sum(map(len, parts)) + found.embargoed + found.unsettled + too_new == len(rows)
    assert found.unsettled == sum(delay is None for _, delay in rows)


def test_a_label_known_at_the_very_end_of_the_cut_is_fitted_and_one_known_an_hour_later_is_not():
    # 80 days, known at the end of their own day: c3 = 79, c2 = 58, c1 = 37.
    rows = [(number, 0) for number in range(80)]
    found = cut(rows, 21, 21)
    assert (found.train_end, found.calibrate_end, found.test_end) == (
        START + days(37),
        START + days(58),
        START + days(79),
    )
    assert found.train.tolist() == list(range(38))
    assert found.calibrate.tolist() == list(range(38, 59))
    assert found.test.tolist() == list(range(59, 80))
    assert found.train_days == 38
    late = [(number, 1 if number in (37, 58) else 0) for number in range(80)]
    found = cut(late, 21, 21)
    assert 37 not in found.train
    assert 58 not in found.calibrate
    assert found.embargoed == 2
    assert found.train_days == 37


def test_a_label_that_settles_late_is_not_moved_into_the_part_behind_its_cut():
    rows = [(number, 0) for number in range(80)] + [(30, 24 * 10)]
    found = cut(rows, 21, 21)
    assert 80 not in np.concatenate([found.train, found.calibrate, found.test])
    assert found.embargoed == 1


def test_calibration_is_dropped_first_when_there_are_under_thirty_days():
    kept = cut([(number, 0) for number in range(72)], 21, 21)
    assert (len(kept.train), len(kept.calibrate), len(kept.test)) == (30, 21, 21)
    dropped = cut([(number, 0) for number in range(71)], 21, 21)
    assert (len(dropped.train), len(dropped.calibrate), len(dropped.test)) == (50, 0, 21)
    assert dropped.train_end == dropped.calibrate_end


def test_under_twenty_days_there_is_no_split_and_the_reason_can_be_checked():
    assert isinstance(cut([(number, 0) for number in range(41)], 21, 21), Split)
    found = cut([(number, 0) for number in range(40)], 21, 21)
    assert isinstance(found, Skip)
    for fact in ("19 days to train on", "20 are needed", "2025-01-01", "2025-02-09", "21 days", "2025-01-19"):
        assert fact in found.reason


def test_nothing_settled_is_said_so():
    found = cut([(number, None) for number in range(7)], 21, 21)
    assert found == Skip("none of 7 labels has settled")


@pytest.mark.parametrize(("settled", "end"), [(19, 70), (18, 69)])
def test_the_test_ends_on_the_newest_day_of_which_95_percent_have_settled(settled, end):
    rows = [(number, 0) for number in range(70)]
    rows += [(70, 0)] * settled + [(70, None)] * (20 - settled)
    found = cut(rows, 10, 10)
    assert found.test_end == START + days(end)
    assert found.unsettled == 20 - settled


def test_rows_in_any_order_give_the_same_parts():
    rows = [(number, 24 * (number % 5)) for number in range(90)]
    order = np.random.default_rng(1).permutation(len(rows))
    shuffled = cut([rows[at] for at in order], 21, 21)
    plain = cut(rows, 21, 21)
    for part in ("train", "calibrate", "test"):
        assert sorted(order[getattr(shuffled, part)]) == getattr(plain, part).tolist()


def most_windows(numbers, step):
    """The largest choice of days whose windows do not overlap, by trying all choices."""
    for size in range(len(numbers), 0, -1):
        for chosen in itertools.combinations(sorted(numbers), size):
            if all(later - earlier >= step for earlier, later in itertools.pairwise(chosen)):
                return size
    return 0


@settings(max_examples=100, deadline=None)
@given(
    st.dictionaries(st.integers(0, 3), st.sets(st.integers(0, 25), min_size=1, max_size=8), min_size=1),
    st.sampled_from([(hours(1), 1), (hours(24), 1), (hours(25), 2), (days(3), 3), (days(7), 7), (days(28), 28)]),
)
def test_held_back_windows_counts_the_most_windows_that_do_not_overlap(entities, horizon):
    rows = [(entity, number) for entity, numbers in entities.items() for number in numbers]
    rows += rows[:1]
    day = pd.Series([moment(number) for _, number in rows]).astype("datetime64[ns]")
    found = held_back_windows(day, pd.Series([entity for entity, _ in rows]), horizon[0])
    assert found == sum(most_windows(numbers, horizon[1]) for numbers in entities.values())

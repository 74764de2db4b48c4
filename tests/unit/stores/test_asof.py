from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from framework.base.errors import FeatureStoreError
from framework.stores.local import asof
from framework.stores.local.asof import asof_indices

DAY0 = date(2025, 1, 1)
NOON0 = datetime(2025, 1, 1, tzinfo=UTC)
STAMP = pa.timestamp("us", tz="UTC")


def column(values, kind):
    return pa.chunked_array([pa.array(values, type=kind)])


def brute_force(left, right, lookback):
    """The rule in words: among rows of the same known key that are not later, the latest; last wins a tie."""
    found = []
    for *key, at in left:
        best = -1
        for position, (*other, then) in enumerate(right):
            if None in key or None in other or at is None or then is None or key != other or then > at:
                continue
            if lookback is not None and at - then > lookback:
                continue
            if best < 0 or then >= right[best][-1]:
                best = position
        found.append(best)
    return found


names = st.sampled_from(["a", "b", "", "é", None])
numbers = st.one_of(st.none(), st.integers(-2, 2))
ticks = st.one_of(st.none(), st.integers(-3, 6))
rows = st.lists(st.tuples(names, numbers, ticks), max_size=25)
windows = st.one_of(st.none(), st.integers(0, 4))


def as_dates(values):
    return column([None if one is None else DAY0 + timedelta(days=one) for one in values], pa.date32())


def as_times(values):
    return column([None if one is None else NOON0 + timedelta(seconds=one) for one in values], STAMP)


@given(left=rows, right=rows, window=windows)
def test_dates_follow_the_rule_in_words(left, right, window):
    got = asof_indices(
        [column([one[0] for one in left], pa.string()), column([one[1] for one in left], pa.int64())],
        as_dates([one[2] for one in left]),
        [column([one[0] for one in right], pa.string()), column([one[1] for one in right], pa.int64())],
        as_dates([one[2] for one in right]),
        None if window is None else timedelta(days=window),
    )
    assert got.tolist() == brute_force(left, right, window)


@given(left=rows, right=rows, window=windows)
@pytest.mark.parametrize("room", [2**62, 1])
def test_times_follow_it_with_and_without_room_to_pack(left, right, window, room):
    before = asof._ROOM
    asof._ROOM = room  # 1 forces the ranks that a very long history would need
    try:
        got = asof_indices(
            [column([one[1] for one in left], pa.int32()), column([one[0] for one in left], pa.string())],
            as_times([one[2] for one in left]),
            [column([one[1] for one in right], pa.int64()), column([one[0] for one in right], pa.string())],
            as_times([one[2] for one in right]),
            None if window is None else timedelta(seconds=window),
        )
    finally:
        asof._ROOM = before
    assert got.tolist() == brute_force([(b, a, t) for a, b, t in left], [(b, a, t) for a, b, t in right], window)


@given(left=st.lists(names, max_size=10), right=st.lists(names, unique=True, max_size=5))
def test_keys_alone_match_exactly(left, right):
    got = asof_indices([column(left, pa.string())], None, [column(right, pa.string())], None)
    assert got.tolist() == [right.index(one) if one is not None and one in right else -1 for one in left]


def test_the_time_of_a_label_is_cast_to_the_days_of_the_table():
    late = column([datetime(2025, 1, 2, 23, 59, tzinfo=UTC)], STAMP)
    got = asof_indices([column(["a"], pa.string())], late, [column(["a"] * 3, pa.string())], as_dates([0, 1, 2]))
    assert got.tolist() == [1]


def test_a_date_means_the_start_of_its_day():
    got = asof_indices(
        [column(["a"], pa.string())], as_dates([1]), [column(["a"] * 2, pa.string())], as_times([0, 86_401])
    )
    assert got.tolist() == [0]


def test_a_window_of_zero_takes_only_the_same_time():
    left, right = as_times([0, 1, 2]), as_times([0, 2])
    key = column(["a"] * 3, pa.string())
    assert asof_indices([key], left, [key.slice(0, 2)], right, timedelta(0)).tolist() == [0, -1, 1]


def test_repeated_left_rows_each_get_the_answer():
    key = column(["a"] * 4, pa.string())
    assert asof_indices([key], as_dates([3] * 4), [key.slice(0, 1)], as_dates([1])).tolist() == [0] * 4


def test_many_chunks_are_one_column():
    right = pa.chunked_array([pa.array(["a"]), pa.array([], pa.string()), pa.array(["b"])])
    assert asof_indices([column(["b", "a"], pa.string())], None, [right], None).tolist() == [1, 0]


def test_a_large_history_agrees_with_a_loop_over_keys():
    rng = np.random.default_rng(3)
    left_key, left_at = rng.integers(0, 50, 2_000), rng.integers(0, 10**9, 2_000)
    right_key, right_at = rng.integers(0, 50, 3_000), rng.integers(0, 10**9, 3_000)
    got = asof_indices(
        [column(left_key, pa.int64())],
        column(left_at, pa.int64()).cast(STAMP),
        [column(right_key, pa.int64())],
        column(right_at, pa.int64()).cast(STAMP),
    )
    for place, found in enumerate(got):
        before = np.where((right_key == left_key[place]) & (right_at <= left_at[place]), right_at, -1)
        assert found == (-1 if before.max() < 0 else before.argmax())


def test_keys_of_two_kinds_are_refused():
    with pytest.raises(FeatureStoreError, match="cast the frame's key"):
        asof_indices([column(["1"], pa.string())], None, [column([1], pa.int64())], None)

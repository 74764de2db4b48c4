"""The exact as-of join: for each left row, the latest right row of its key that is not later than it.

Keys become one integer code each, code and time one integer, and a single binary search answers all
rows. Nothing here knows of features: it returns row positions, so the values of one row stay together
(never the last non-NULL value per column).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from framework.base.errors import FeatureStoreError
from framework.stores.arrow import pc

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from numpy.typing import NDArray

    Positions = NDArray[np.int64]

# Products below this leave room for one more addition in 64 bits.
_ROOM = 2**62
_NARROW = 2**31


def asof_indices(
    left_keys: Sequence[pa.ChunkedArray],
    left_time: pa.ChunkedArray | None,
    right_keys: Sequence[pa.ChunkedArray],
    right_time: pa.ChunkedArray | None,
    lookback: timedelta | None = None,
) -> Positions:
    """Find for each left row the right row that was valid at its time.

    Args:
        left_keys: Key columns of the left side; a NULL matches nothing.
        left_time: As-of time of each left row, or ``None`` to join on keys alone.
        right_keys: Key columns of the right side, in the same order.
        right_time: Time of each right row; the left time is cast to its type.
        lookback: How old a match may be: 0 for the exact time only, ``None`` for any age.

    Returns:
        Positions in the right side, -1 where there is no match. Of several right rows with one key
        and time the last one counts.

    Raises:
        FeatureStoreError: If a key has not the same type on both sides.
    """
    left, right = _codes(left_keys, right_keys)
    if left_time is None or right_time is None:
        return _latest(left, right, np.zeros(len(left), np.int64), np.zeros(len(right), np.int64), None)
    unit = right_time.type
    left_at, left_known = _ticks(left_time, unit)
    right_at, right_known = _ticks(right_time, unit)
    left = np.where(left_known, left, -1)
    right = np.where(right_known, right, -1)
    return _latest(left, right, left_at, right_at, _ticks_of(lookback, unit))


def _latest(
    left: Positions, right: Positions, left_at: Positions, right_at: Positions, lookback: int | None
) -> Positions:
    """Search on (code, time) packed into one integer."""
    found = np.full(len(left), -1, np.int64)
    usable = np.flatnonzero(right >= 0)
    asking = np.flatnonzero(left >= 0)
    if not len(usable) or not len(asking):
        return found
    code, at = right[usable], right_at[usable]
    low, high = int(at.min()), int(at.max())
    ask_code, ask_at = left[asking], left_at[asking]
    if (int(code.max()) + 1) * (high - low + 1) < _ROOM:
        # A time after the newest row means the newest; one before the oldest means none.
        ask_tick, ticks, span = np.clip(ask_at, low - 1, high) - low, at - low, high - low + 1
    else:
        # Many keys times a long history of microseconds overflow: use the rank of each key and time instead.
        ask_code, code, _ = _dense(ask_code, code)
        known, ticks = np.unique(at, return_inverse=True)
        ask_tick, span = np.searchsorted(known, ask_at, side="right") - 1, len(known)
    packed = code * span + ticks
    order = None if bool(np.all(packed[1:] >= packed[:-1])) else np.argsort(packed, kind="stable")
    ordered = packed if order is None else packed[order]
    slot = _search(ordered, ask_code * span + ask_tick)
    row = slot if order is None else order[slot]
    hit = (slot >= 0) & (ask_code >= 0) & (ask_tick >= 0) & (code[row] == ask_code)
    if lookback is not None:
        hit &= ask_at - at[row] <= lookback
    found[asking[hit]] = usable[row[hit]]
    return found


def _search(ordered: Positions, asked: Positions) -> Positions:
    """Return the last slot that is not above each asked value; -1 if all are."""
    return np.searchsorted(ordered, asked, side="right").astype(np.int64, copy=False) - 1


def _codes(left: Sequence[pa.ChunkedArray], right: Sequence[pa.ChunkedArray]) -> tuple[Positions, Positions]:
    """Return one integer per row and side, equal where all keys are equal; -1 where a key matches nothing."""
    total_left, total_right, total = _code(left[0], right[0])
    for one_left, one_right in zip(left[1:], right[1:], strict=True):
        codes_left, codes_right, size = _code(one_left, one_right)
        if total * size >= _ROOM:
            total_left, total_right, total = _dense(total_left, total_right)
        total_left = np.where((total_left < 0) | (codes_left < 0), -1, total_left * size + codes_left)
        total_right = np.where((total_right < 0) | (codes_right < 0), -1, total_right * size + codes_right)
        total *= size
    return total_left, total_right


def _dense(left: Positions, right: Positions) -> tuple[Positions, Positions, int]:
    known, codes = np.unique(right, return_inverse=True)
    slot = np.minimum(np.searchsorted(known, left), max(len(known) - 1, 0))
    matched = (left >= 0) & (known[slot] == left) if len(known) else np.zeros(len(left), bool)
    return np.where(matched, slot, -1), np.where(right >= 0, codes, -1), max(len(known), 1)


def _code(left: pa.ChunkedArray, right: pa.ChunkedArray) -> tuple[Positions, Positions, int]:
    """Code one key column by the right side's dictionary: only what can match needs a code."""
    left, right = _same_type(left, right)
    if pa.types.is_integer(right.type) and (dense := _integer_code(left, right)) is not None:
        return dense
    coded = _dictionary(right)
    ours = _dictionary(left)
    known = pc.index_in(ours.dictionary, coded.dictionary)
    translate = np.append(_filled(known), -1)  # the last entry serves NULL keys, whose index is -1
    return translate[_filled(ours.indices)], _filled(coded.indices), max(len(coded.dictionary), 1)


def _integer_code(left: pa.ChunkedArray, right: pa.ChunkedArray) -> tuple[Positions, Positions, int] | None:
    """Integers of a narrow range are their own codes, several times faster than a dictionary."""
    bounds = pc.min_max(right).as_py()
    if bounds["min"] is None or bounds["max"] - bounds["min"] >= _NARROW:
        return None
    low, high = bounds["min"], bounds["max"]
    codes = []
    for column in (left, right):
        inside = pc.and_(pc.greater_equal(column, low), pc.less_equal(column, high))
        moved = pc.subtract(pc.if_else(inside, column, low).cast(pa.int64()), low)
        codes.append(_filled(_one(pc.if_else(pc.fill_null(inside, fill_value=False), moved, -1))))
    return codes[0], codes[1], high - low + 1


def _same_type(left: pa.ChunkedArray, right: pa.ChunkedArray) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
    if left.type == right.type:
        return left, right
    if pa.types.is_integer(left.type) and pa.types.is_integer(right.type):
        return left.cast(pa.int64()), right.cast(pa.int64())
    if pa.types.is_null(left.type):
        return left.cast(right.type), right
    raise FeatureStoreError(
        what=f"a key has type {left.type} in the frame and {right.type} in the feature table",
        where="a feature lookup",
        fix="cast the frame's key column to the table's type",
    )


def _dictionary(column: pa.ChunkedArray) -> pa.DictionaryArray:
    whole = _one(column)
    return whole.dictionary_encode()


def _one(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    if not isinstance(column, pa.ChunkedArray):
        return column
    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks or [_empty(column.type)])


def _empty(kind: pa.DataType) -> pa.Array:
    return pa.array([], type=kind)


def _filled(codes: pa.Array) -> Positions:
    filled = pc.fill_null(codes, -1) if codes.null_count else codes
    return np.asarray(filled.to_numpy(zero_copy_only=False), np.int64)


def _ticks(column: pa.ChunkedArray, kind: pa.DataType) -> tuple[Positions, NDArray[np.bool_]]:
    """Return times as integers of the table's unit, and which of them are known."""
    whole = _one(column if column.type == kind else pc.cast(column, kind, safe=False))
    width = pa.int32() if pa.types.is_date32(kind) else pa.int64()
    known = np.asarray(pc.is_valid(whole).to_numpy(zero_copy_only=False), np.bool_)
    ticks = pc.fill_null(whole.cast(width), 0).to_numpy(zero_copy_only=False)
    return np.asarray(ticks, np.int64), known


def _ticks_of(lookback: timedelta | None, kind: pa.DataType) -> int | None:
    if lookback is None:
        return None
    day = 86_400
    seconds = lookback.total_seconds()
    # Dates: a window of 36 hours reaches one day back, as 48 hours would be too old.
    return int(seconds // day) if pa.types.is_date32(kind) else round(seconds * 1_000_000)

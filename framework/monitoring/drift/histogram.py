"""Sketches of columns: the buckets that values are counted in.

A number's buckets are the points of its training quantiles and the gaps between them, so that a value which many
rows share has a bucket of its own. The population stability index (PSI) is taken over *bins*, runs of buckets that
hold about the same share of training rows; the Kolmogorov-Smirnov distance over all buckets. Days of one entity hang
together, so what a count weighs is the number of its entities, not of its rows.
"""

from __future__ import annotations

import dataclasses
import hashlib
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    import numpy as np

QUANTILES = 101
CATEGORIES = 50
MAX_BINS = 10
ENTITIES_PER_BIN = 10
"""Fewer would make PSI noisier than the change that it is to show."""
HASH_LENGTH = 12


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Sketch:
    """How training's values of one column are spread.

    Args:
        kind: ``number`` or ``text``.
        points: Of numbers: values between and on which rows are counted, ascending.
        categories: Of text: hashes of the most frequent values, most frequent first; names of people and jobs
            have no business in an artefact.
        cuts: First bucket of each bin but the first.
        counts: Training rows per bucket.
        missing: Training rows without a value.
        entities: Distinct entities of the training rows.
    """

    kind: Literal["number", "text"]
    points: tuple[float, ...] = ()
    categories: tuple[str, ...] = ()
    cuts: tuple[int, ...]
    counts: tuple[int, ...]
    missing: int
    entities: int

    @classmethod
    def load(cls, stored: Mapping[str, Any]) -> Sketch:
        """Return a sketch from its JSON form, which is ``dataclasses.asdict``."""
        parts: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in stored.items()}
        return cls(**parts)

    @property
    def constant(self) -> bool:
        """Whether training knew one value only."""
        return len(self.points) + len(self.categories) == 1 and (self.kind == "number" or self.counts[-1] == 0)

    @property
    def bins(self) -> int:
        """Number of bins."""
        return len(self.cuts) + 1

    @property
    def filled(self) -> int:
        """Training rows that have a value."""
        return sum(self.counts)

    @property
    def missing_rate(self) -> float:
        """Share of training rows without a value."""
        return self.missing / max(self.missing + self.filled, 1)

    @property
    def array(self) -> np.ndarray:
        """Training rows per bucket, as an array."""
        import numpy as np

        return np.asarray(self.counts)

    def bucket(self, values: np.ndarray) -> np.ndarray:
        """Return each value's bucket; -1 where there is none.

        Args:
            values: Floats with NaN for a missing one, or strings with ``None``.
        """
        import numpy as np

        if self.kind == "number":
            points = np.asarray(self.points)
            found = np.searchsorted(points, values, side="left") + np.searchsorted(points, values, side="right")
            return np.where(np.isnan(values), -1, found)
        place = {name: at for at, name in enumerate(self.categories)}
        known = [-1 if v is None else place.get(hashed(v), len(place)) for v in values]
        return np.array(known, dtype=np.int64)

    def binned(self, counts: np.ndarray | Sequence[int]) -> np.ndarray:
        """Return counts per bin from counts per bucket."""
        import numpy as np

        return np.add.reduceat(np.asarray(counts, dtype=float), [0, *self.cuts])

    def against(self, counts: np.ndarray) -> Sketch:
        """Return the sketch of all rows but those counted; what a week of training itself is compared with."""
        left = [have - int(taken) for have, taken in zip(self.counts, counts, strict=True)]
        return dataclasses.replace(self, counts=tuple(left))


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Counted:
    """Rows of one column, counted in the buckets of a sketch.

    Args:
        counts: ``(buckets,)`` rows with a value.
        missing: Rows without one.
        entities: Distinct entities of all rows.
        daily: By day, where it was asked for: rows per bucket, missing rows, and the sum of finite values.
    """

    counts: np.ndarray
    missing: int
    entities: int
    daily: dict[date, tuple[np.ndarray, int, float]] = dataclasses.field(default_factory=dict)

    @property
    def filled(self) -> int:
        """Rows that have a value."""
        return int(self.counts.sum())

    @property
    def rows(self) -> int:
        """Rows."""
        return self.filled + self.missing

    @property
    def missing_rate(self) -> float:
        """Share of rows without a value; 0 if there are no rows."""
        return self.missing / self.rows if self.rows else 0.0


def hashed(value: str) -> str:
    """Return what stands for a category."""
    return hashlib.sha256(value.encode()).hexdigest()[:HASH_LENGTH]


def sketch_numbers(values: np.ndarray, entities: int, points: Sequence[float] | None = None) -> Sketch:
    """Return the sketch of numbers.

    Args:
        values: Training values, NaN where one is missing; infinite ones count, but are no point.
        entities: Distinct entities of the rows.
        points: The values themselves, where they are codes of a few classes; each is a bin then.
    """
    import numpy as np

    finite = values[np.isfinite(values)]
    if points is not None:
        chosen = tuple(float(p) for p in points)
    elif len(finite):
        steps = np.linspace(0.0, 1.0, QUANTILES)
        chosen = tuple(float(p) for p in np.unique(np.quantile(finite, steps, method="inverted_cdf")))
    else:
        chosen = ()
    bare = Sketch(kind="number", points=chosen, cuts=(), counts=(0,) * (2 * len(chosen) + 1), missing=0, entities=0)
    cuts = tuple(2 * at for at in range(1, len(chosen))) if points is not None else None
    return _filled(bare, values, entities, cuts)


def sketch_text(values: np.ndarray, entities: int) -> Sketch:
    """Return the sketch of strings; ``None`` is a missing one."""
    from collections import Counter

    frequent = Counter(hashed(v) for v in values if v is not None)
    names = sorted(frequent, key=lambda name: (-frequent[name], name))[:CATEGORIES]
    bare = Sketch(kind="text", categories=tuple(names), cuts=(), counts=(0,) * (len(names) + 1), missing=0, entities=0)
    return _filled(bare, values, entities, None)


def _filled(bare: Sketch, values: np.ndarray, entities: int, cuts: tuple[int, ...] | None) -> Sketch:
    import numpy as np

    counts = np.bincount(bare.bucket(values) + 1, minlength=len(bare.counts) + 1)
    full = dataclasses.replace(
        bare, counts=tuple(int(c) for c in counts[1:]), missing=int(counts[0]), entities=entities
    )
    if cuts is None and full.constant:  # on the only value and off it: otherwise no change of it could be seen
        cuts = (1, 2) if full.kind == "number" else (1,)
    if cuts is None:
        cuts = _cuts(full.counts, max(2, min(MAX_BINS, entities // ENTITIES_PER_BIN)))
    return dataclasses.replace(full, cuts=cuts)


def _cuts(counts: Sequence[int], bins: int) -> tuple[int, ...]:
    """Return where to cut buckets so that each bin holds about the same share; a heavy bucket stays whole.

    A cut is made on that side of the bucket which is nearer to the share that is due, and none where all rows would
    lie on one side of it.
    """
    total = sum(counts)
    share = total / bins
    cuts: list[int] = []
    passed = inside = 0
    due = 1
    for at, count in enumerate(counts):
        after = passed + count
        nearer = due * share - passed < after - due * share
        if count and nearer and after >= due * share and inside >= share / 2:
            cuts.append(at)
            inside, due = 0, max(due, int(passed / share)) + 1
        passed, inside = after, inside + count
        if passed >= due * share and inside >= share / 2 and passed < total:
            cuts.append(at + 1)
            inside, due = 0, max(due, int(passed / share)) + 1
    if len(cuts) > 1 and inside < share / 2:
        cuts.pop()
    if not cuts:  # one value outweighs all others: it is told from them
        heavy = max(range(len(counts)), key=counts.__getitem__)
        cuts = [cut for cut in (heavy, heavy + 1) if 0 < sum(counts[:cut]) < total]
    return tuple(cuts)

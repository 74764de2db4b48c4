"""Pieces of a drawing: scales, ticks, paths. Colours are classes, so that the page's style decides them."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

from markupsafe import Markup

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date

    Spot = tuple[float, float]

WIDTH = 360
"""Units across: a phone shows them one to one, so that letters keep their size."""


@dataclasses.dataclass(frozen=True, slots=True)
class Frame:
    """Where values land: a linear scale each way.

    Args:
        left: Left edge of the plot.
        right: Right edge.
        top: Upper edge.
        bottom: Lower edge.
        first: Value at the left edge.
        last: Value at the right edge.
        low: Value at the lower edge.
        high: Value at the upper edge.
    """

    left: float
    right: float
    top: float
    bottom: float
    first: float
    last: float
    low: float
    high: float

    def x(self, value: float) -> float:
        """Return the horizontal place of a value."""
        return self.left + (value - self.first) / ((self.last - self.first) or 1.0) * (self.right - self.left)

    def y(self, value: float) -> float:
        """Return the vertical place of a value."""
        return self.bottom - (value - self.low) / ((self.high - self.low) or 1.0) * (self.bottom - self.top)


TINY = 1e-300
"""Below it, numbers have no digits left to divide."""


def ticks(low: float, high: float, count: int = 3) -> list[float]:
    """Return round values that cover a range, about ``count`` steps apart."""
    span = high - low
    if not math.isfinite(span) or span < TINY:
        around = abs(low) if abs(low) >= TINY else 1.0
        low, high, span = low - around / 2, high + around / 2, around
    rough = span / count
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * factor for factor in (1, 2, 2.5, 5, 10) if size * factor >= rough * 0.999)
    start = math.floor(low / step + 1e-9)
    digits = max(12, 3 - math.floor(math.log10(step)))  # no more than the step's own, however small it is
    return [round((start + at) * step, digits) for at in range(math.ceil(high / step - 1e-9) - start + 1)]


def spot(x: float, y: float) -> str:
    """Return a point with one decimal: what a screen can show."""
    return f"{round(x, 1):g} {round(y, 1):g}"


def path(spots: Iterable[Spot | None]) -> str:
    """Return path data through points; ``None`` lifts the pen."""
    parts, down = [], False
    for one in spots:
        if one is None:
            down = False
            continue
        parts.append(("L" if down else "M") + spot(*one))
        down = True
    return "".join(parts)


def area(upper: Sequence[Spot], lower: Sequence[Spot]) -> str:
    """Return path data of the area between two lines."""
    if not upper:
        return ""
    return path([*upper, *reversed(lower)]) + "Z"


def box(x: float, y: float, width: float, height: float) -> str:
    """Return path data of a rectangle."""
    return f"M{spot(x, y)}h{round(width, 1):g}v{round(height, 1):g}h{round(-width, 1):g}Z"


def draw(kind: str, data: str) -> Markup:
    """Return a path with a class; nothing for no data."""
    return Markup('<path class="{}" d="{}"/>').format(kind, data) if data else Markup()


def label(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> Markup:
    """Return a text."""
    end = Markup(' text-anchor="{}"').format(anchor) if anchor != "start" else ""
    name = Markup(' class="{}"').format(kind) if kind else ""
    return Markup('<text x="{:g}" y="{:g}"{}{}>{}</text>').format(round(x, 1), round(y, 1), name, end, text)


def ordinal(value: date) -> float:
    """Return a day as a number, for a scale."""
    return float(value.toordinal())

"""The charts, drawn as inline SVG: each has a title, a description, and is readable without colour."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import TYPE_CHECKING

from markupsafe import Markup

from framework.ops.report import readable
from framework.ops.report.svg import WIDTH, Frame, area, box, draw, label, ordinal, path, ticks

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date

    from framework.ops.report.card_facts import HeatMap, Line
    from framework.ops.report.facts import Forecast, Point, Timeline

HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 180, 50, 8, 20, 22
LETTERS, LONG = 24, 50
"""Letters that fit beside the heat-map, and across a chart."""


class Figures:
    """Draws the charts of one page, with ids that are unique on it."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)

    def forecast(self, found: Forecast) -> Markup:
        """Draw past outcomes, past forecasts with their band, and the newest forecast with its interval."""
        points = [*found.past, found.newest]
        values = [v for p in points for v in (p.prediction, p.low, p.high, p.outcome) if v is not None]
        frame = _frame([p.day for p in points], values)
        band = [p for p in points if p.low is not None and p.high is not None]
        body = [_grid(frame, found.unit, points[0].day, found.newest.day)]
        for run in _runs(band):
            upper = [(frame.x(ordinal(p.day)), frame.y(p.high or 0.0)) for p in run]
            lower = [(frame.x(ordinal(p.day)), frame.y(p.low or 0.0)) for p in run]
            body.append(draw("band", area(upper, lower)))
        body.append(draw("line model", _line(frame, [(p.day, p.prediction) for p in points])))
        body.append(draw("line outcome", _line(frame, [(p.day, p.outcome) for p in found.past])))
        body.append(_newest(frame, found.newest))
        known = [p for p in found.past if p.outcome is not None]
        desc = f"Newest forecast: {found.description}."
        if known:
            last = readable.quantity(known[-1].outcome, found.unit)
            desc += f" {readable.plural(len(known), 'known outcome')}, the last {last}."
        return self._svg(f"Forecast of {found.about}", desc, HEIGHT, body)

    def performance(self, lines: Sequence[Line], unit: str, description: str) -> Markup:
        """Draw the metric by version beside baseline and promise."""
        days = [day for line in lines for day, _ in line.points]
        frame = _frame(days, [value for line in lines for _, value in line.points])
        body = [_grid(frame, unit, min(days), max(days))]
        for line in lines:
            body.append(draw(f"line {line.kind}", _line(frame, line.points)))
            if line.kind == "model":
                day, value = line.points[-1]
                x, y = frame.x(ordinal(day)), frame.y(value)
                body.append(draw("dot", box(x - 2, y - 2, 4, 4)))
                body.append(label(x, y - 5, line.name.replace("version ", "v"), "mark", "end"))
        return self._svg("Metric against baseline and promise over time", description, HEIGHT, body)

    def timeline(self, found: Timeline) -> Markup:
        """Draw how many entities were flagged on each day, and on which days the most recent ones were."""
        strip, top, plot = 27, 8, 70
        high = max([*found.counts.values(), 1])
        last = ordinal(found.last) + 1
        frame = Frame(LEFT, WIDTH - RIGHT, top, top + plot, ordinal(found.first), last, 0, ticks(0, high, 2)[-1])
        wide = max(1.5, frame.x(frame.first + 1) - frame.left - 0.6)
        bars = "".join(
            box(frame.x(ordinal(day)), frame.y(count), wide, frame.bottom - frame.y(count))
            for day, count in found.counts.items()
        )
        body = [_levels(frame, ticks(0, high, 2), ""), draw("bar", bars)]
        at = frame.bottom + 20
        body.append(_days(frame, at - 6, found.first, found.last))
        for one in found.strips:
            body.append(label(frame.left, at + 10, _cut(one.about, LONG - 4), "small"))
            body.append(draw("rail", f"M{frame.left:g} {at + 17:g}H{frame.right:g}"))
            body.append(draw("bar", "".join(box(frame.x(ordinal(day)), at + 13, wide, 8) for day in one.days)))
            at += strip
        return self._svg("Flagged entities by day", found.description, int(at + 6), body)

    def bars(self, values: Sequence[tuple[str, float]]) -> Markup:
        """Draw the importance of features, the most important first."""
        step, body = 24, []
        for at, (name, value) in enumerate(values):
            y = at * step
            body += [label(0, y + 11, _cut(name, LONG), "small"), draw("rail", box(0, y + 14, WIDTH, 5))]
            body.append(draw("bar", box(0, y + 14, max(0.0, min(1.0, value)) * WIDTH, 5)))
        top = ", ".join(f"{readable.spoken(name)} {value:.2f}" for name, value in values[:3])
        return self._svg("Importance of the features", f"The most important ones: {top}.", len(values) * step, body)

    def calibration(self, tenths: Sequence[tuple[float, float, float]], description: str) -> Markup:
        """Draw the observed rate over the mean forecast of each tenth, beside the diagonal."""
        size, most = 240, max(rows for _, _, rows in tenths)
        frame = Frame(LEFT, LEFT + size - 60, TOP, size - 52, 0, 1, 0, 1)
        body = [_levels(frame, [0, 0.25, 0.5, 0.75, 1], "share")]
        body += [label(frame.x(at), frame.bottom + 13, f"{at:.0%}", "small", "middle") for at in (0, 0.5, 1)]
        body.append(label(frame.x(0.5), frame.bottom + 27, "forecast", "small", "middle"))
        body.append(draw("line baseline", path([(frame.x(0), frame.y(0)), (frame.x(1), frame.y(1))])))
        spots = [(frame.x(said), frame.y(seen)) for said, seen, _ in tenths]
        body.append(draw("line model", path(spots)))
        for (x, y), (_, _, rows) in zip(spots, tenths, strict=True):
            radius = 2 + 4 * (rows / most) ** 0.5
            body.append(Markup('<circle class="dot" cx="{:.1f}" cy="{:.1f}" r="{:.1f}"/>').format(x, y, radius))
        return self._svg("Calibration: observed rate over forecast", description, size - 20, body)

    def heat_map(self, found: HeatMap) -> Markup:
        """Draw the drift level of each feature on each day; a drifting cell is filled, a watched one half."""
        left, tall = 152, 15
        wide = (WIDTH - left - 2) / len(found.days)
        cells: dict[str, list[str]] = {}
        for row, feature in enumerate(found.features):
            levels = [found.levels.get((feature, day)) for day in found.days]
            start = 0
            for level, run in itertools.groupby(levels):  # days alike in one piece: a page of 25 models stays small
                length = len(list(run))
                if level is not None:
                    top, height = {"drift": (0, 13), "watch": (5, 8)}.get(level, (10, 3))
                    cells.setdefault(level, []).append(
                        box(left + start * wide, row * tall + top, length * wide, height)
                    )
                start += length
        names = [_cut(name, LETTERS) for name in found.features]
        body = [label(left - 6, row * tall + 10, name, "small", "end") for row, name in enumerate(names)]
        body += [draw(f"cell {level}", "".join(boxes)) for level, boxes in sorted(cells.items())]
        bottom = len(found.features) * tall
        between = (left + column * wide for column in range(1, len(found.days)))
        body.append(draw("gap", "".join(f"M{x:.1f} 0V{bottom}" for x in between)))
        bottom += 12
        body.append(label(left, bottom, readable.short_day(found.days[0]), "small"))
        body.append(label(WIDTH, bottom, readable.short_day(found.days[-1]), "small", "end"))
        drifting = sum(row[3] != "0" for row in found.rows)
        description = (
            f"{readable.plural(len(found.features), 'feature')} over {readable.plural(len(found.days), 'day')}"
        )
        return self._svg("Drift by feature and day", f"{description}; {drifting} drifted.", bottom + 4, body)

    def _svg(self, title: str, desc: str, height: int, body: Iterable[Markup]) -> Markup:
        number = next(self._numbers)
        return Markup(
            '<svg class="figure" role="img" viewBox="0 0 {w} {h}" aria-labelledby="t{n} d{n}">'
            '<title id="t{n}">{title}</title><desc id="d{n}">{desc}</desc>{body}</svg>'
        ).format(w=WIDTH, h=height, n=number, title=title, desc=desc, body=Markup().join(body))


def _cut(text: str, letters: int) -> str:
    return text if len(text) <= letters else text[: letters - 1] + "…"


def _frame(days: Sequence[date], values: Sequence[float]) -> Frame:
    steps = ticks(min(values), max(values)) if values else [0.0, 1.0]
    first, last = min(days), max(days)
    if first == last:
        first -= timedelta(days=1)
    room = (WIDTH - RIGHT - 4, TOP, HEIGHT - BOTTOM)
    return Frame(LEFT, room[0], room[1], room[2], ordinal(first), ordinal(last), steps[0], steps[-1])


def _grid(frame: Frame, unit: str, first: date, last: date) -> Markup:
    named = label(0, 10, unit, "small") if unit not in ("", "share") else Markup()
    return named + _levels(frame, ticks(frame.low, frame.high), unit) + _days(frame, frame.bottom + 15, first, last)


def _levels(frame: Frame, levels: Sequence[float], unit: str) -> Markup:
    lines = "".join(f"M{frame.left:g} {frame.y(at):.1f}H{frame.right:g}" for at in levels)
    texts = [label(frame.left - 5, frame.y(at) + 3.5, _tick(at, unit), "small", "end") for at in levels]
    return draw("grid", lines) + Markup().join(texts)


def _tick(value: float, unit: str) -> str:
    """Return a value as an axis shows it; its unit stands above the axis unless it changes the figure."""
    if unit == "share":
        return f"{value:.3g}" if 0 < abs(value) < 0.01 else f"{value:.0%}"  # noqa: PLR2004 - per cent would be 0
    for least, short in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= least:
            return f"{value / {'G': 1e9, 'M': 1e6, 'k': 1e3}[short]:g}{short}"
    return f"{value:.6g}"


def _days(frame: Frame, y: float, first: date, last: date) -> Markup:
    if first == last:
        return label(frame.right, y, readable.short_day(last), "small", "end")
    return label(frame.left, y, readable.short_day(first), "small") + label(
        frame.right, y, readable.short_day(last), "small", "end"
    )


def _line(frame: Frame, points: Iterable[tuple[date, float | None]]) -> str:
    return path((frame.x(ordinal(day)), frame.y(value)) if value is not None else None for day, value in points)


def _runs(points: Sequence[Point], gap: int = 7) -> list[list[Point]]:
    """Return points in runs, so that a band does not bridge a week without forecasts."""
    runs: list[list[Point]] = []
    for point in points:
        if runs and (point.day - runs[-1][-1].day).days <= gap:
            runs[-1].append(point)
        else:
            runs.append([point])
    return runs


def _newest(frame: Frame, point: Point) -> Markup:
    """The newest forecast: a dot, and its interval as a bar with caps."""
    if point.prediction is None:
        return Markup()
    x, y = frame.x(ordinal(point.day)), frame.y(point.prediction)
    found = Markup()
    if point.low is not None and point.high is not None:
        low, high = frame.y(point.low), frame.y(point.high)
        found += draw("whisker", f"M{x:.1f} {low:.1f}V{high:.1f}M{x - 4:.1f} {low:.1f}h8M{x - 4:.1f} {high:.1f}h8")
    return found + Markup('<circle class="dot" cx="{:.1f}" cy="{:.1f}" r="3.5"/>').format(x, y)

"""Words and drawings: any figure can be said, any series can be drawn."""

from __future__ import annotations

import math
import re
from datetime import date, timedelta
from xml.etree import ElementTree as ET

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from framework.ops.report import readable
from framework.ops.report.card_facts import HeatMap, Line
from framework.ops.report.facts import Forecast, Point, Strip, Timeline
from framework.ops.report.figures import Figures
from framework.ops.report.svg import path, ticks

DAY = date(2026, 3, 1)
UNITS = ["", "share", "0/1", "seconds", "ms", "bytes", "list price"]
values = st.floats(-1e12, 1e12, allow_subnormal=False)


def plain(text):
    return text.replace(readable.JOINT, " ")


@pytest.mark.parametrize(
    ("value", "unit", "description"),
    [
        (None, "seconds", "not known"),
        (math.nan, "", "not known"),
        (0.125, "share", "12 %"),
        (0.0312, "share", "3.1 %"),
        (0, "share", "0 %"),
        (1, "0/1", "yes"),
        (0.4, "0/1", "0.4"),
        (90, "seconds", "90 seconds"),
        (1240, "seconds", "20.7 minutes"),
        (3 * 86_400, "seconds", "3 days"),
        (2_500, "ms", "2.5 seconds"),
        (3.2e9, "bytes", "3.2 GB"),
        (1234.5, "list price", "1,234 list price"),
        (0.00001, "", "1e-05"),
        (5, "", "5"),
    ],
)
def test_quantities(value, unit, description):
    assert plain(readable.quantity(value, unit)) == description


def test_a_range_names_its_unit_once():
    assert plain(readable.span(386, 603, "list price")) == "386 to 603 list price"
    assert plain(readable.span(30, 600, "seconds")) == "30 seconds to 10 minutes"
    assert plain(readable.span(0.1, 0.5, "share")) == "10 to 50 %"
    assert readable.span(2, 2, "") == "2"
    assert readable.span(1, 2, "") == "1 to 2"
    assert readable.span(None, 2, "") == "not known to 2"


@given(values | st.none() | st.sampled_from([math.inf, -math.inf, math.nan]), st.sampled_from(UNITS))
def test_any_figure_can_be_said(value, unit):
    assert readable.quantity(value, unit)


def test_entities_are_spoken_narrowest_first():
    assert readable.entity({"workspace_id": "w1", "job_id": "7"}) == "job 7, workspace w1"
    table = {"table_catalog": "main", "table_schema": "sales", "table_name": "orders"}
    assert readable.entity(table) == "table main.sales.orders"


def test_a_reason_without_figures_is_still_a_sentence():
    found = {"feature": "gone_feature", "value": None, "low": math.nan, "high": 2.0}
    assert readable.reason(found, {}) == ("gone feature: not known, usually not known to 2", False)


@given(values, values)
@example(0.0, 5.488257508181394e-15)
@example(0.0, 5e-324)
def test_ticks_cover_the_range_in_even_steps(one, other):
    low, high = min(one, other), max(one, other)
    found = ticks(low, high)
    room = 1e-6 * max(abs(low), abs(high), 1e-9)
    assert 2 <= len(found) <= 12
    assert found[0] <= low + room
    assert found[-1] >= high - room
    assert found == sorted(found)


def test_a_gap_lifts_the_pen():
    assert path([(0, 0), (1, 1), None, (2, 2)]) == "M0 0L1 1M2 2"


def parsed(svg):
    found = ET.fromstring(str(svg))  # noqa: S314 - our own drawing
    assert not re.search(r"nan|inf", " ".join(e.get("d", "") + e.get("cy", "") for e in found.iter()))
    assert found.get("role") == "img"
    title, desc = found.find("title"), found.find("desc")
    assert title.text
    assert desc.text
    assert found.get("aria-labelledby") == f"{title.get('id')} {desc.get('id')}"
    return found


def paths(svg, kind):
    return [e.get("d") for e in svg.iter("path") if kind in e.get("class").split()]


figure = values | st.none()
points = st.lists(st.tuples(figure, figure, figure, figure), max_size=12)


@given(points, st.tuples(figure, figure, figure), st.sampled_from(UNITS), st.text(max_size=20))
def test_any_forecast_can_be_drawn(past, newest, unit, about):
    spots = tuple(
        Point(day=DAY + timedelta(days=n), prediction=p, low=a, high=b, outcome=o)
        for n, (p, a, b, o) in enumerate(past)
    )
    last = Point(day=DAY + timedelta(days=20), prediction=newest[0], low=newest[1], high=newest[2])
    clean = "".join(c for c in about if c.isprintable())
    svg = parsed(Figures().forecast(Forecast(about=clean, unit=unit, description="it", past=spots, newest=last)))
    outcomes = sum(o is not None for *_, o in past)
    drawn = "".join(paths(svg, "outcome"))
    assert drawn.count("M") + drawn.count("L") == outcomes
    assert len(paths(svg, "whisker")) == (None not in newest)


def test_a_band_does_not_bridge_two_weeks_of_silence():
    spots = tuple(Point(day=DAY + timedelta(days=n), prediction=1.0, low=0.5, high=2.0) for n in (0, 1, 2, 20, 21))
    found = Forecast(about="a", unit="", description="it", past=spots[:-1], newest=spots[-1])
    assert len(paths(parsed(Figures().forecast(found)), "band")) == 2


def test_each_drawing_has_ids_of_its_own():
    figures = Figures()
    ids = [e.get("id") for _ in range(3) for e in parsed(figures.bars([("a", 1.0), ("b", 0.2)])).iter() if e.get("id")]
    assert len(ids) == len(set(ids)) == 6


@given(st.dictionaries(st.integers(0, 89), st.integers(1, 10**6), min_size=1))
def test_a_timeline_has_one_bar_a_day(counts):
    days = {DAY + timedelta(days=n): count for n, count in counts.items()}
    strips = (Strip(about="<b>&", days=tuple(sorted(days))),)
    found = Timeline(
        model="m", question="q", marks=(), description="s", first=DAY, last=DAY + timedelta(days=89), counts=days,
        strips=strips, more=0,
    )  # fmt: skip
    bars, strip = paths(parsed(Figures().timeline(found)), "bar")
    assert bars.count("M") == strip.count("M") == len(days)


def test_lines_of_several_versions_are_named():
    lines = [
        Line(name="version 2", kind="model", points=((DAY, 1.0), (DAY + timedelta(days=1), 2.0))),
        Line(name="baseline", kind="baseline", points=((DAY, 3.0),)),
    ]
    svg = parsed(Figures().performance(lines, "hours", "says"))
    texts = [e.text for e in svg.iter("text")]
    assert "v2" in texts
    assert "hours" in texts


def test_days_of_one_level_are_one_piece_and_unmeasured_ones_a_gap():
    days = tuple(DAY + timedelta(days=n) for n in range(5))
    levels = {("f", days[0]): "drift", ("f", days[1]): "drift", ("f", days[3]): "drift", ("f", days[4]): "watch"}
    found = HeatMap(days=days, features=("f",), levels=levels, rows=(("f", "0.3", "0.3", "3"),), more=0)
    svg = parsed(Figures().heat_map(found))
    assert "".join(paths(svg, "drift")).count("M") == 2
    assert "".join(paths(svg, "watch")).count("M") == 1


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(1, 1e6)), min_size=1, max_size=10))
def test_a_calibration_plot_has_a_dot_for_each_tenth(tenths):
    svg = parsed(Figures().calibration(tenths, "says"))
    assert len(list(svg.iter("circle"))) == len(tenths)

"""Calendar windows over Spark against a twin in plain Python that looks at every row anew."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from datetime import date, timedelta

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from framework.declare.formulas import (
    calendar,
    daily,
    days_since,
    derived,
    lagged,
    mean,
    quantile,
    rate,
    smoothed_rate,
    sorted_values,
    total,
    values,
    zscore,
)
from framework.declare.gold import Days
from framework.declare.model import TableSpec, days
from framework.features.builder import DailyFeatures

# Shrinking would ask Spark for minutes; the examples are small enough to read.
AS_DRAWN = (Phase.explicit, Phase.reuse, Phase.generate)
FIRST = date(2026, 2, 20)
EVENT = (("shop", "string"), ("day", "date"), ("amount", "double"), ("bad", "int"))

SHOPS = TableSpec(
    name="shop_features",
    description="one row per shop and day",
    keys=("shop",),
    time="shop_day",
    columns=(
        daily("events", "count(*)", empty=0, description="events"),
        daily("bad_events", "coalesce(sum(bad), 0)", empty=0, description="bad events"),
        daily("level", "avg(amount)", description="mean amount"),
        values("amounts", "amount"),
        total("events_3d", "events", window=days(3), description="events"),
        rate("bad_rate_3d", "bad_events", "events", window=days(3), description="share of bad"),
        smoothed_rate("bad_smooth_3d", "bad_events", "events", window=days(3), description="smoothed share of bad"),
        mean("level_mean_4d", "level", window=days(4), description="mean of daily means"),
        zscore("level_z_5d", "level", window=days(5), description="today against the days before"),
        sorted_values("amounts_4d", "amounts", window=days(4)),
        quantile("median_4d", 0.5, "amounts_4d", description="median"),
        quantile("p95_4d", 0.95, "amounts_4d", description="P95"),
        days_since("days_since_bad", "bad_events", window=days(6), description="days since a bad event"),
        lagged("events_2d_ago", "events", by=days(2), description="events two days ago"),
        lagged("median_a_day_ago", "median_4d", by=days(1), description="median as of yesterday", hidden=True),
        derived("median_step", "median_4d - median_a_day_ago", description="today's median less yesterday's"),
        derived("ratio", "level / nullif(level_mean_4d, 0)", description="level over its mean"),
        *calendar("shop_day"),
    ),
)


class ShopFeatures(DailyFeatures):
    """Its gold is the frame of events itself."""

    table = SHOPS

    def events(self, gold):
        return gold


def rows_of(events, idle_days, wanted):
    builder = ShopFeatures()
    builder.idle_days = idle_days
    names = [*SHOPS.primary_key, *(c.name for c in SHOPS.features)]
    found = builder.features(events, wanted).select(*names).collect()
    assert len(found) == len({(row["shop"], row["shop_day"]) for row in found})
    return {(row["shop"], row["shop_day"]): row.asDict() for row in found}


class Twin:
    """One shop's rows, each value straight from its definition."""

    def __init__(self, events, idle_days, last_day):
        self.by_day = defaultdict(list)
        for event in events:
            self.by_day[event["day"]].append(event)
        span = range((last_day - FIRST).days + 1)
        self.days = [d for d in (FIRST + timedelta(n) for n in span) if self._has_row(d, idle_days)]

    def _has_row(self, day, idle_days):
        return any(day - timedelta(idle_days) <= seen <= day for seen in self.by_day)

    def amounts(self, day):
        return [e["amount"] for e in self.by_day.get(day, []) if e["amount"] is not None]

    def measure(self, name, day):
        events, amounts = self.by_day.get(day, []), self.amounts(day)
        if name == "events":
            return len(events)
        if name == "bad_events":
            return sum(e["bad"] or 0 for e in events)
        return statistics.fmean(amounts) if amounts else None

    def window(self, day, length):
        """The rows of the last days, the day's own included."""
        return [d for d in self.days if day - timedelta(length) < d <= day]

    def level_values(self, days_of):
        return [v for v in (self.measure("level", d) for d in days_of) if v is not None]

    def nearest_rank(self, day, q):
        pool = sorted(v for d in self.window(day, 4) for v in self.amounts(d))
        return pool[max(math.ceil(q * len(pool)), 1) - 1] if pool else None

    def zscore(self, day):
        past, now = self.level_values(self.window(day, 6)[:-1]), self.measure("level", day)
        if now is None or len(past) < 3 or len(set(past)) == 1:
            return None
        return (now - statistics.fmean(past)) / statistics.stdev(past)

    def row(self, day):
        events, bad = (sum(self.measure(m, d) for d in self.window(day, 3)) for m in ("events", "bad_events"))
        levels, level = self.level_values(self.window(day, 4)), self.measure("level", day)
        level_mean = statistics.fmean(levels) if levels else None
        since = [(day - d).days for d in self.window(day, 6) if self.measure("bad_events", d) > 0]
        two_ago, yesterday = day - timedelta(2), day - timedelta(1)
        medians = [self.nearest_rank(d, 0.5) for d in (yesterday, day) if d in self.days]
        stepped = len(medians) == 2 and None not in medians
        angle = 2 * math.pi * day.weekday() / 7
        return {
            "events": self.measure("events", day),
            "bad_events": self.measure("bad_events", day),
            "level": level,
            "events_3d": events,
            "bad_rate_3d": bad / events if events else None,
            "bad_smooth_3d": (bad + 1) / (events + 2),
            "level_mean_4d": level_mean,
            "level_z_5d": self.zscore(day),
            "median_4d": self.nearest_rank(day, 0.5),
            "p95_4d": self.nearest_rank(day, 0.95),
            "days_since_bad": min(since) if since else None,
            "events_2d_ago": self.measure("events", two_ago) if two_ago in self.days else None,
            "median_step": medians[1] - medians[0] if stepped else None,
            "ratio": level / level_mean if level is not None and level_mean else None,
            "weekday_sin": math.sin(angle),
            "weekday_cos": math.cos(angle),
            "is_weekend": float(day.weekday() >= 5),
        }


def twin_rows(events, idle_days, last_day):
    shops = defaultdict(list)
    for event in events:
        if event["day"] is not None:
            shops[event["shop"]].append(event)
    twins = {shop: Twin(own, idle_days, last_day) for shop, own in shops.items()}
    return {
        (shop, day): {"shop": shop, "shop_day": day} | twin.row(day)
        for shop, twin in twins.items()
        for day in twin.days
    }


def assert_same(found, expected):
    assert sorted(found) == sorted(expected)
    for key, row in expected.items():
        assert sorted(found[key]) == sorted(row)
        wrong = {c: (found[key][c], v) for c, v in row.items() if not same(found[key][c], v)}
        assert not wrong, f"{key}: found, expected: {wrong}"


def same(found, expected):
    if isinstance(found, float) and expected is not None:
        return math.isclose(found, expected, rel_tol=1e-9, abs_tol=1e-9)
    return found == expected


# Quarters, so that sums of them are exact; few values, so that days repeat and deviations vanish.
amounts = st.none() | st.sampled_from([0.0, 0.25, 1.0, 1.0, 2.5, 7.75, -3.0])
gaps = st.sampled_from([0, 0, 0, 1, 1, 1, 1, 2, 3, 5, 9, 14])


@st.composite
def histories(draw):
    """Events of several shops: bursts, silences longer than any window, one-event shops, a row without a day."""
    events = []
    for shop in range(draw(st.integers(4, 8))):
        day = FIRST + timedelta(draw(st.integers(0, 10)))
        for gap, amount, bad in draw(st.lists(st.tuples(gaps, amounts, st.sampled_from([None, 0, 1])), max_size=14)):
            day += timedelta(gap)
            events.append({"shop": f"s{shop}", "day": day, "amount": amount, "bad": bad})
        events.append({"shop": f"s{shop}", "day": day, "amount": draw(amounts), "bad": 0})
    events.append({"shop": "s0", "day": None, "amount": 1.0, "bad": 1})
    return draw(st.permutations(events))


@settings(max_examples=12, deadline=None, phases=AS_DRAWN)
@given(events=histories(), idle_days=st.integers(1, 8), beyond=st.integers(-6, 6), cut=st.integers(2, 30))
def test_every_value_is_the_twins_and_none_changes_when_later_events_go(frame_of, events, idle_days, beyond, cut):
    last_day = max(e["day"] for e in events if e["day"]) + timedelta(beyond)
    found = rows_of(frame_of(events, EVENT), idle_days, Days(None, last_day))
    assert_same(found, twin_rows(events, idle_days, last_day))

    day = min(FIRST + timedelta(cut), last_day)
    known = [e for e in events if e["day"] is None or e["day"] <= day]
    before = rows_of(frame_of(known, EVENT), idle_days, Days(None, day))
    assert_same(before, {key: row for key, row in found.items() if key[1] <= day})


def test_a_silent_shop_leaves_after_its_idle_days_and_comes_back_as_new(frame_of):
    events = [{"shop": "a", "day": FIRST + timedelta(n), "amount": 1.0, "bad": 1} for n in (0, 10)]
    found = rows_of(frame_of(events, EVENT), 2, Days(None, FIRST + timedelta(30)))
    assert [(day - FIRST).days for _, day in sorted(found)] == [0, 1, 2, 10, 11, 12]
    silent = found["a", FIRST + timedelta(2)]
    assert (silent["events"], silent["level"], silent["median_4d"], silent["days_since_bad"]) == (0, None, 1.0, 2)


def test_only_wanted_days_come_back_with_the_past_in_their_windows(frame_of):
    events = [{"shop": "a", "day": FIRST + timedelta(n), "amount": float(n), "bad": 0} for n in range(9)]
    wanted = Days(FIRST + timedelta(6), FIRST + timedelta(7))
    found = rows_of(frame_of(events, EVENT), 3, wanted)
    assert [day for _, day in sorted(found)] == [wanted.start, wanted.end]
    assert found["a", wanted.start]["level_mean_4d"] == pytest.approx(4.5)


def test_facts_are_the_tables_own_columns_with_hidden_ones_as_well(frame_of):
    events = [{"shop": "a", "day": FIRST + timedelta(n), "amount": float(n), "bad": 0} for n in range(4)]

    class Held:
        days = Days(None, FIRST + timedelta(3))

    class FromHeld(ShopFeatures):
        def events(self, gold):
            return frame_of(events, EVENT)

    facts = FromHeld().facts(Held(), "median_a_day_ago", "events_3d")
    assert facts.columns == ["shop", "shop_day", "median_a_day_ago", "events_3d"]
    last = facts.where(f"shop_day = DATE'{FIRST + timedelta(3)}'").collect()
    assert [(row["median_a_day_ago"], row["events_3d"]) for row in last] == [(1.0, 3.0)]

"""Cost features and labels against brute-force twins: corrections, units, late and unpriced records, tags, prices."""

from __future__ import annotations

import math
import random
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from statistics import mean

import pytest

from domains.cost.allocation_features import CostAllocationFeatures
from domains.cost.job_features import CostJobFeatures
from domains.cost.options import CostOptions
from domains.cost.remarks import near_duplicates, unpriced_pairs
from domains.cost.trainers import (
    BudgetForecaster,
    ChargebackAttribution,
    CommitmentRecommender,
    JobCostOptimizer,
    TagRecommender,
)
from domains.cost.usage import savings
from domains.cost.workspace_features import CostFeatures
from framework.core.plugins import discover
from framework.declare.gold import Days
from framework.testing import label_rows

PLUGINS = discover(strict=True)
FIRST, COUNT = date(2026, 3, 1), 75
LAST = FIRST + timedelta(days=COUNT - 1)
AP, JOBS = "PREMIUM_ALL_PURPOSE_COMPUTE", "PREMIUM_JOBS_COMPUTE"
OPTIONS = {"budgets": {"w0": 100.0}}
SETTLE = 1


def day(number):
    return FIRST + timedelta(days=number)


def at(number, hour=0):
    return datetime(FIRST.year, FIRST.month, FIRST.day, tzinfo=UTC) + timedelta(days=number, hours=hour)


def record(number, name, **values):
    late = values.pop("late", 0)
    return {
        "record_id": name, "workspace_id": "w0", "usage_date": day(number), "usage_start_time": at(number, 8),
        "usage_end_time": at(number, 12), "sku_name": JOBS, "usage_unit": "DBU", "usage_quantity": Decimal(2),
        "list_cost": Decimal(1), "record_type": "ORIGINAL", "ingestion_date": day(number + late),
    } | values  # fmt: skip


@pytest.fixture(scope="module")
def records():
    """Two workspaces with all that is odd; w1 ends after seven weeks."""
    rng = random.Random(3)  # noqa: S311 -- no secret
    found = []
    for number in range(COUNT):
        for workspace, job in (("w0", "j1"), ("w0", "j2"), ("w0", None), ("w1", "j1"), ("w1", None)):
            if (workspace == "w1" and number > 50) or rng.random() < 0.2:
                continue
            tag = None if job == "j2" and number < 40 else rng.choice(("a", "b", " a ", " "))
            sku = AP if job == "j1" and number < 45 else JOBS
            found.append(
                record(
                    number, f"{workspace}-{job}-{number}", workspace_id=workspace, usage_metadata_job_id=job,
                    sku_name=sku,
                    usage_quantity=Decimal(rng.randint(1, 50)), late=rng.choice((0, 0, 0, 1, 2)),
                    list_cost=None if rng.random() < 0.08 else Decimal(rng.randint(-3, 90)) / 4,
                    usage_unit=rng.choice(("DBU", "DBU", "DBU", "GB", None)),
                    usage_metadata_warehouse_id=None if job else "wh",
                    custom_tags=None if tag is None else {"cost_center": tag},
                )
            )  # fmt: skip
            if rng.random() < 0.06:
                kind = rng.choice(("RETRACTION", "RESTATEMENT"))
                found.append(found[-1] | {"record_id": f"{kind}-{workspace}-{job}-{number}", "record_type": kind,
                                          "list_cost": Decimal(rng.randint(-40, 40)) / 4,
                                          "ingestion_date": day(number + rng.randint(2, 6))})  # fmt: skip
    return found


PRICES = [
    {"sku_name": AP, "price_start_time": at(-90), "price_end_time": at(30), "pricing_default": Decimal("0.50")},
    {"sku_name": AP, "price_start_time": at(30), "pricing_default": Decimal("0.40")},
    {"sku_name": JOBS, "price_start_time": at(-90), "price_end_time": at(60), "pricing_default": Decimal("0.15")},
    {"sku_name": JOBS, "price_start_time": at(60), "pricing_default": Decimal("0.45")},
]
NAMES = [
    {"workspace_id": "w0", "job_id": "j1", "name": "old", "change_time": at(-300)},
    {"workspace_id": "w0", "job_id": "j1", "name": None, "change_time": at(20, 5)},
    {"workspace_id": "w0", "job_id": "j1", "name": "new", "change_time": at(33, 23)},
    {"workspace_id": "w0", "job_id": "j2", "name": "late", "change_time": at(10)},
]


@pytest.fixture(scope="module")
def gold(records, gold_view):
    # A copy of a record is quarantined: it must not count twice.
    tables = {"fact_usage": [*records, records[0]], "fact_list_prices": PRICES, "dim_job": NAMES}
    return gold_view(tables, LAST, options=OPTIONS)


def saved(number):
    """The share that jobs compute saves as of a day."""
    return 1 - min(max((0.45 if number >= 60 else 0.15) / (0.40 if number >= 30 else 0.50), 0), 1)


def known(row):
    return (row["ingestion_date"] - FIRST).days


def used(row):
    return (row["usage_date"] - FIRST).days


def money(rows):
    return float(sum(row["list_cost"] or 0 for row in rows))


def centre(row):
    return ((row["custom_tags"] or {}).get("cost_center") or "").strip() or None


def within(rows, number, span, when=known):
    return [row for row in rows if number - span < when(row) <= number]


def table(builder, gold):
    """Features by keys and number of the day."""
    keys, names = builder.table.keys, [*builder.table.primary_key, *(c.name for c in builder.table.features)]
    rows = builder().features(gold, Days(None, LAST)).select(*names).collect()
    return {(*(row[key] for key in keys), (row["usage_date"] - FIRST).days): row for row in rows}


@pytest.fixture(scope="module")
def built(gold):
    """The three feature tables: planning them takes longer than computing them, so each is built once."""
    return {builder: table(builder, gold) for builder in (CostFeatures, CostJobFeatures, CostAllocationFeatures)}


def same(found, expected):
    if expected is None or found is None:
        return found is expected
    return found == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_workspace_features_equal_their_twin(built, records):
    found = built[CostFeatures]
    assert max(number for workspace, number in found if workspace == "w0") == COUNT - 1
    for (workspace, number), row in found.items():
        ours = [r for r in records if r["workspace_id"] == workspace]
        booked = [r for r in ours if r["record_type"] == "ORIGINAL"]
        today, now = within(ours, number, 1), within(booked, number, 1)
        assert same(row.cost, money(today))
        assert same(row.booked, money(now))
        assert same(row.corrections, money([r for r in today if r["record_type"] != "ORIGINAL"]))
        assert same(row.dbu, float(sum(r["usage_quantity"] for r in today if r["usage_unit"] == "DBU")))
        assert row.records == len(today)
        assert row.unpriced_records == sum(r["list_cost"] is None for r in today)
        assert same(row.cost_28d, money(within(ours, number, 28)))
        assert same(row.tagged_cost_28d, money([r for r in within(ours, number, 28) if centre(r)]))
        assert row.budget == (100.0 if workspace == "w0" and today else None)
        first = min(known(r) for r in ours)
        past = [money(within(booked, n, 1)) for n in range(number - 56, number, 7) if n >= first]
        if len(past) < 4:
            assert row.cost_weekday_z is None
            continue
        middle = sorted(past)[math.ceil(len(past) / 2) - 1]
        spread = sorted(abs(value - middle) for value in past)[math.ceil(len(past) / 2) - 1]
        scale = max(1.4826 * spread, 0.05 * abs(middle))
        assert same(row.cost_weekday_z, (money(now) - middle) / scale if scale else None)


def test_an_item_jumps_above_its_own_past(built, records):
    found = built[CostFeatures]
    items = defaultdict(lambda: defaultdict(float))
    for row in records:
        item = row["workspace_id"], row["usage_metadata_job_id"] or "wh"
        items[item][known(row)] += float(row["list_cost"] or 0) * (row["record_type"] == "ORIGINAL")
    for (workspace, number), row in found.items():
        jumps = [0.0]
        for (where, _), costs in items.items():
            if where == workspace and number in costs:
                past = [costs[n] for n in range(number - 42, number - 7) if n in costs]
                jumps.append(max(costs[number] - max(past, default=0.0), 0.0))
        assert same(row.largest_jump, max(jumps))
        assert same(row.jumps, sum(jumps))


def test_job_features_equal_their_twin(built, records):
    found = built[CostJobFeatures]
    names = {("w0", "j1"): lambda n: "old" if n < 20 else ("" if n < 33 else "new"),
             ("w0", "j2"): lambda n: "" if n < 10 else "late", ("w1", "j1"): lambda _: ""}  # fmt: skip
    for (workspace, job, number), row in found.items():
        ours = [r for r in records if (r["workspace_id"], r["usage_metadata_job_id"]) == (workspace, job)]
        month = within(ours, number, 28)
        on_all_purpose = [r for r in month if r["sku_name"] == AP]
        assert same(row.cost_28d, money(month))
        assert same(row.all_purpose_28d, money(on_all_purpose))
        assert same(row.avoidable_28d, money(on_all_purpose) * saved(number))
        assert row.tagged_records_28d == sum(centre(r) is not None for r in month)
        assert row.job_name == names[workspace, job](number)
    assert {key[:2] for key in found} == set(names)


def test_shares_of_cost_centres_equal_their_twin(built, records):
    found = built[CostAllocationFeatures]
    assert {key[1] for key in found} == {"a", "b"}
    for (workspace, name, number), row in found.items():
        spent = defaultdict(float)
        for r in within([r for r in records if r["workspace_id"] == workspace and centre(r)], number, 28):
            spent[centre(r)] += float(r["list_cost"] or 0)
        whole = sum(max(value, 0) for value in spent.values())
        assert same(row.share_28d, max(spent[name], 0) / whole if whole else None)


def test_a_past_day_does_not_change_when_later_days_arrive(built, gold):
    for builder, whole in built.items():
        cut = {key: row for key, row in table(builder, gold.until(day(52))).items() if key[-1] <= 52}
        assert cut.keys() == {key for key in whole if key[-1] <= 52}
        for key, row in cut.items():
            for name, value in row.asDict().items():
                other = whole[key][name]
                assert same(value, other) if isinstance(value, float) else value == other, (builder, name)


def labels(trainer, gold):
    rows = label_rows(trainer(), PLUGINS, gold).collect()
    keys = trainer.spec.lookups[0].table
    assert len({tuple(v for k, v in r.asDict().items() if k not in ("label", "label_known_at")) for r in rows}) == len(
        rows
    ), keys
    return rows


def arrived(rows, end):
    """When a window's label was known: the last arrival, never before the window's end and a day."""
    latest = [at(known(r) + 1) - timedelta(microseconds=1) for r in rows]
    return max([at(end + 1 + SETTLE), *latest])


def check_known(row, rows, end):
    expected = arrived(rows, end)
    found = row.label_known_at and row.label_known_at.replace(tzinfo=UTC)
    assert found == (expected if expected <= at(COUNT) else None)


def test_budget_label_is_the_cost_of_the_next_seven_days(gold, records):
    found = labels(BudgetForecaster, gold)
    assert {r.workspace_id for r in found} == {"w0", "w1"}
    for row in found:
        number = (row.usage_date - FIRST).days
        ours = [r for r in records if r["workspace_id"] == row.workspace_id]
        week = [r for r in within(ours, number + 7, 7, used) if known(r) < COUNT]
        assert same(row.label, money(week))
        check_known(row, week, number + 7)
    assert any(r.label == 0 and r.workspace_id == "w1" for r in found)  # wound down: it costs nothing


def test_commitment_label_asks_for_the_lowest_week(gold, records):
    found = labels(CommitmentRecommender, gold)
    for row in found:
        number = (row.usage_date - FIRST).days
        ours = [r for r in records if r["workspace_id"] == row.workspace_id and known(r) < COUNT]
        level = money(within(ours, number, 28)) / 28
        lowest = min(money(within(ours, end, 7, used)) / 7 for end in range(number + 7, number + 29))
        assert level > 0
        assert row.label == (1 if lowest >= 0.8 * level - 1e-12 else 0)
    assert {r.label for r in found} == {0, 1}


def test_avoidable_cost_label_uses_the_ratio_known_on_the_day(gold, records):
    found = labels(JobCostOptimizer, gold)
    for row in found:
        number = (row.usage_date - FIRST).days
        ours = [r for r in records if (r["workspace_id"], r["usage_metadata_job_id"]) == (row.workspace_id, row.job_id)]
        ours = [r for r in ours if r["sku_name"] == AP and known(r) < COUNT]
        assert money(within(ours, number, 28)) > 0
        assert same(row.label, max(money(within(ours, number + 28, 28, used)) * saved(number), 0))
    assert any(r.label == 0 for r in found)  # moved, or gone: nothing is left to avoid


def test_chargeback_label_is_a_share_of_what_follows(gold, records):
    found = labels(ChargebackAttribution, gold)
    for row in found:
        number = (row.usage_date - FIRST).days
        spent = defaultdict(float)
        ours = [r for r in records if r["workspace_id"] == row.workspace_id and centre(r) and known(r) < COUNT]
        for r in within(ours, number + 28, 28, used):
            spent[centre(r)] += float(r["list_cost"] or 0)
        whole = sum(max(value, 0) for value in spent.values())
        assert same(row.label, max(spent[row.cost_center], 0) / whole)
    by_day = defaultdict(float)
    for row in found:
        by_day[row.workspace_id, row.usage_date] += row.label
    assert mean(by_day.values()) == pytest.approx(1.0, abs=0.05)


def test_tag_label_is_the_first_that_comes_one_row_a_week(gold, records):
    found = labels(TagRecommender, gold)
    assert found
    for row in found:
        number = (row.usage_date - FIRST).days
        ours = [r for r in records if (r["workspace_id"], r["usage_metadata_job_id"]) == (row.workspace_id, row.job_id)]
        tagged = [r for r in ours if centre(r)]
        assert not within(tagged, number, 28)
        later = [r for r in within(tagged, number + 28, 28, used) if known(r) < COUNT]
        first = min(used(r) for r in later)
        assert row.label == min(centre(r) for r in later if used(r) == first)
    days = defaultdict(set)
    for row in found:
        days[row.workspace_id, row.job_id].add((row.usage_date - FIRST).days % 7)
    assert all(len(of_week) == 1 for of_week in days.values())


def test_prices_that_are_not_known_save_nothing_and_are_named(gold, gold_view):
    shares = {r.sku_name: [(p.since, p.share) for p in r.saved] for r in savings(gold).collect()}
    assert shares == {AP: [(day(-90), pytest.approx(0.7)), (day(30), pytest.approx(0.625)), (day(60), 0.0)]}
    assert unpriced_pairs(gold) == [f"no price ratio is known for {AP}_(PHOTON): nothing counts as avoidable there"]
    assert len(CostOptions().sku_pairs) == 2


def test_near_duplicates_of_keys_and_values_are_reported(gold_view):
    tags = [
        {"cost_center": "CC1"},
        {"cost_center": "cc1 "},
        {"Cost_Center": "CC2"},
        {" cost_center": "CC2"},
        {"team": "x"},
    ]
    rows = [record(n, f"r{n}", custom_tags=tag) for n, tag in enumerate(tags)]
    remarks = near_duplicates(gold_view({"fact_usage": rows}, LAST))
    assert remarks == [
        "tag keys that look like 'cost_center' are not read: ' cost_center' (1), 'Cost_Center' (1)",
        "values of 'cost_center' that differ in spelling only count as different: 'CC1' = 'cc1'",
    ]


def test_a_key_that_no_record_has_is_named_with_what_looks_like_it(gold_view):
    rows = [record(n, f"r{n}", custom_tags=tag) for n, tag in enumerate([{"CostCenter": "CC1"}, None, {"team": "x"}])]
    assert near_duplicates(gold_view({"fact_usage": rows}, LAST)) == [
        "no record has the key 'cost_center' in fact_usage.custom_tags",
        "tag keys that look like 'cost_center' are not read: 'CostCenter' (1)",
    ]


def test_without_prices_names_and_runs_the_rest_stands(gold_view, records):
    job = CostJobFeatures().features(gold_view({"fact_usage": records}, LAST), Days(None, LAST))
    row = job.where("workspace_id = 'w0' AND job_id = 'j1'").orderBy("usage_date").collect()[-1]
    assert row.cost_28d is not None
    assert row.job_name == ""
    assert row.avoidable_28d == 0
    empty = gold_view({"fact_usage": [], "fact_list_prices": [], "dim_job": []}, LAST)
    for builder in (CostFeatures, CostJobFeatures, CostAllocationFeatures):
        assert builder().features(empty, Days(None, LAST)).count() == 0
    assert label_rows(BudgetForecaster(), PLUGINS, empty).count() == 0

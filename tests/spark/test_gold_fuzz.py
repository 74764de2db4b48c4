"""Values as they come, drawn over the whole gold contract: read as what they mean, or named; never silent."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from tests.fuzz.gold_values import Drawn, counts, draw, means, read


def test_two_hundred_drawn_values_are_read_or_named(spark):
    outcomes = read(spark, draw(200, seed=20260901))
    found = counts(outcomes)
    assert [one for one in outcomes if one[1] in ("silent", "traceback")] == []
    assert set(found) == {"read", "named", "quarantine", "says nothing"}
    assert sum(found.values()) == 200


@pytest.mark.parametrize(
    ("declared", "identifies", "value", "right", "wrong"),
    [
        ("BIGINT", False, 7.0, 7, 8),
        ("DECIMAL(18,6)", False, "12.5", Decimal("12.5"), Decimal(0)),
        ("BOOLEAN", False, 1, True, False),
        ("BOOLEAN", False, "no", False, None),
        ("STRING", True, 7001.0, "7001", "7001.5"),
        ("DATE", False, 20260901, date(2026, 9, 1), date(1970, 8, 23)),
    ],
)
def test_the_judge_knows_right_from_wrong(declared, identifies, value, right, wrong):
    case = Drawn("t.c", declared, identifies, "any", value)
    assert means(case, right)
    assert not means(case, wrong)


@pytest.mark.parametrize("found", ["date", "map<string,string>", "array<string>", "binary", "struct<a:string>"])
def test_no_type_costs_a_table_its_flags_and_the_table_itself(spark, found):
    drawn = [
        Drawn("t.c", declared, False, found, None) for declared in ("BOOLEAN", "BIGINT", "DOUBLE", "MAP<STRING,INT>")
    ]
    assert {outcome for _, outcome, _ in read(spark, drawn)} <= {"named", "says nothing"}

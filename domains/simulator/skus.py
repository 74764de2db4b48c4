"""What is sold, in which unit, at which price since when."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from domains.simulator.calendar import DAY, Floats
from domains.simulator.rows import Rows

if TYPE_CHECKING:
    from domains.simulator.world import World


@dataclasses.dataclass(frozen=True, slots=True)
class Sku:
    """One thing that is sold; prices are (day of the world from which it holds, price of one unit)."""

    name: str
    unit: str
    product: str
    prices: tuple[tuple[int, float], ...] = ()
    serverless: bool = False


SKUS = (
    Sku("PREMIUM_ALL_PURPOSE_COMPUTE", "DBU", "ALL_PURPOSE", ((-400, 0.55), (260, 0.57))),
    Sku("PREMIUM_ALL_PURPOSE_COMPUTE_(PHOTON)", "DBU", "ALL_PURPOSE", ((-400, 0.55), (260, 0.57))),
    Sku("PREMIUM_JOBS_COMPUTE", "DBU", "JOBS", ((-400, 0.15), (180, 0.18))),
    Sku("PREMIUM_JOBS_COMPUTE_(PHOTON)", "DBU", "JOBS", ((-400, 0.15), (180, 0.18), (370, 0.17))),
    Sku("PREMIUM_JOBS_SERVERLESS_COMPUTE", "DBU", "JOBS", ((-400, 0.35), (300, 0.39)), serverless=True),
    Sku("PREMIUM_SQL_PRO_COMPUTE", "DBU", "SQL", ((-400, 0.55),)),
    Sku("PREMIUM_SERVERLESS_SQL_COMPUTE", "DBU", "SQL", ((-400, 0.70), (220, 0.74)), serverless=True),
    Sku("PREMIUM_DATABRICKS_STORAGE", "DSU", "DEFAULT_STORAGE", ((-400, 0.023),)),
    Sku("PREMIUM_INTERNET_EGRESS", "GB", "NETWORKING", ((-400, 0.09),)),
    Sku("PREMIUM_FOUNDATION_MODEL_TOKENS", "TOKEN", "MODEL_SERVING", ((-400, 0.000004),), serverless=True),
    Sku("PREVIEW_AGENT_ANSWERS", "ANSWER", "AGENT_BRICKS", (), serverless=True),  # a preview has no price yet
    Sku("PREVIEW_VECTOR_CORES", "VCPU_HOUR", "VECTOR_SEARCH", ((-400, 0.08),), serverless=True),
    Sku("PREMIUM_CREDIT", "DBU", "CREDIT", ((-400, 0.55),)),
)
ALL_PURPOSE, ALL_PURPOSE_PHOTON, JOBS, JOBS_PHOTON, SERVERLESS, SQL_PRO, SERVERLESS_SQL = range(7)
STORAGE, EGRESS, TOKENS, ANSWERS, CORES, CREDIT = range(7, 13)


def price_by_day(days: int) -> Floats:
    """Return the price of one unit by SKU and day; NaN where there is none."""
    prices = np.full((len(SKUS), days), np.nan)
    for at, sku in enumerate(SKUS):
        for since, price in sku.prices:
            prices[at, max(since, 0) :] = price
    return prices


def fact_list_prices(world: World) -> Rows:
    """Return all list prices with the spans in which they hold."""
    spans = [
        (sku, since, price, until)
        for sku in SKUS
        for (since, price), until in zip(sku.prices, [*(s for s, _ in sku.prices[1:]), None], strict=False)
    ]
    starts = np.array([since * DAY for _, since, _, _ in spans], dtype=np.int64)
    ends = [None if until is None else until * DAY for *_, until in spans]
    micros = world.calendar.micros
    columns = {
        "sku_name": [sku.name for sku, *_ in spans],
        "price_start_time": micros(starts).tolist(),
        "price_end_time": [None if end is None else int(micros(np.array([end]))[0]) for end in ends],
        "usage_unit": [sku.unit for sku, *_ in spans],
        "currency_code": ["USD"] * len(spans),
        "pricing_default": [_decimal(price) for _, _, price, _ in spans],
    }
    return Rows(columns, arrival=starts)


def _decimal(price: float) -> object:
    from decimal import Decimal

    return Decimal(f"{price:.6f}")

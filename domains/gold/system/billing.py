"""Usage and list prices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from domains.gold.system.view import Join, SystemView

if TYPE_CHECKING:
    from domains.gold.system.options import SystemOptions

PRICE_KEY = ("cloud", "sku_name", "usage_unit")
PRICE_THEN = (
    "try_element_at(filter(p.prices, one -> one.since <= s.usage_start_time"
    " AND (one.until IS NULL OR s.usage_start_time < one.until)), -1).price"
)
"""Of the prices that hold when the usage begins, the one that began last; NULL if none does."""
# All prices of a SKU in one row: however their spans overlap, no record is joined twice.
_PRICES = """  SELECT cloud, sku_name, usage_unit, sort_array(collect_list(named_struct(
    'since', price_start_time, 'until', price_end_time, 'price', CAST(pricing.default AS DECIMAL(38, 10))))) AS prices
  FROM {table} WHERE {currency} AND pricing.default IS NOT NULL
  GROUP BY cloud, sku_name, usage_unit"""


def billing_views(options: SystemOptions) -> tuple[SystemView, ...]:
    """Return the views of what is used and what it costs."""
    currency = f"currency_code = '{options.currency}'"
    return (_usage(currency), _list_prices(currency))


def _usage(currency: str) -> SystemView:
    prices = Join(
        alias="p",
        table="billing.list_prices",
        needs=(*PRICE_KEY, "currency_code", "price_start_time", "price_end_time", "pricing.default"),
        gives=(*PRICE_KEY, "prices"),
        sql=_PRICES.replace("{currency}", currency),
        on=" AND ".join(f"p.{name} = s.{name}" for name in PRICE_KEY),
    )
    return SystemView(
        name="fact_usage",
        source="billing.usage",
        joins=(prices,),
        columns={
            "record_id": "s.record_id",
            "workspace_id": "s.workspace_id",
            "usage_date": "s.usage_date",
            "usage_start_time": "s.usage_start_time",
            "usage_end_time": "s.usage_end_time",
            "sku_name": "s.sku_name",
            "usage_unit": "s.usage_unit",
            "usage_quantity": "s.usage_quantity",
            "list_cost": f"CAST(s.usage_quantity AS DECIMAL(38, 10)) * {PRICE_THEN}",
            "record_type": "s.record_type",
            "billing_origin_product": "s.billing_origin_product",
            "usage_metadata_job_id": "s.usage_metadata.job_id",
            "usage_metadata_warehouse_id": "s.usage_metadata.warehouse_id",
            "usage_metadata_cluster_id": "s.usage_metadata.cluster_id",
            "identity_metadata_run_as": "s.identity_metadata.run_as",
            "product_features_is_serverless": "s.product_features.is_serverless",
            "is_tagged": "coalesce(size(s.custom_tags) > 0, false)",
            "custom_tags": "s.custom_tags",
            "ingestion_date": "s.ingestion_date",
        },
    )


def _list_prices(currency: str) -> SystemView:
    # The contract's prices have no cloud: those of clouds that the account does not use are left out.
    used = Join(
        alias="u",
        table="billing.usage",
        needs=("cloud",),
        gives=("cloud",),
        sql="  SELECT DISTINCT cloud FROM {table}",
        on="u.cloud = s.cloud",
        kind="LEFT SEMI",
    )
    return SystemView(
        name="fact_list_prices",
        source="billing.list_prices",
        joins=(used,),
        where=f"s.{currency}",
        columns={
            "sku_name": "s.sku_name",
            "price_start_time": "s.price_start_time",
            "price_end_time": "s.price_end_time",
            "usage_unit": "s.usage_unit",
            "currency_code": "s.currency_code",
            "pricing_default": "s.pricing.default",
        },
    )

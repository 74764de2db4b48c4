"""What is used, and what it costs."""

from __future__ import annotations

from domains.gold.contract.columns import column, end_of
from framework import GoldTable

USAGE_UNITS = ("DBU", "DSU", "GB", "HOUR", "TOKEN", "ANSWER", "API_OPERATION", "NETWORK_BYTE", "NETWORK_HOUR")

FACT_USAGE = GoldTable(
    name="fact_usage",
    description="one billing record",
    grain=("record_id",),
    known_at=f"coalesce({end_of('ingestion_date')}, usage_end_time)",
    start="usage_start_time",
    end="usage_end_time",
    columns=(
        column("record_id", "STRING", "identifier"),
        column("workspace_id", "STRING", "workspace; NULL for account-wide records"),
        column("usage_date", "DATE", "day of the usage"),
        column("usage_start_time", "TIMESTAMP", "start of the usage, UTC"),
        column("usage_end_time", "TIMESTAMP", "end of the usage, UTC"),
        column("sku_name", "STRING", "what was used"),
        column("usage_unit", "STRING", "unit of the quantity; units are never added up", USAGE_UNITS),
        column("usage_quantity", "DECIMAL(38,10)", "how much, negative in a retraction"),
        column("list_cost", "DECIMAL(18,6)", "quantity x list price; NULL if unpriced, negative in a credit"),
        column("record_type", "STRING", "what the record is", ("ORIGINAL", "RETRACTION", "RESTATEMENT")),
        column("billing_origin_product", "STRING", "product that caused it"),
        column("usage_metadata_job_id", "STRING", "job"),
        column("usage_metadata_warehouse_id", "STRING", "SQL warehouse"),
        column("usage_metadata_cluster_id", "STRING", "cluster"),
        column("identity_metadata_run_as", "STRING", "identity that used it"),
        column("product_features_is_serverless", "BOOLEAN", "serverless compute"),
        column("is_tagged", "BOOLEAN", "carries a custom tag"),
        column("custom_tags", "MAP<STRING,STRING>", "custom tags"),
        column("ingestion_date", "DATE", "day on which the record reached gold"),
    ),
)

FACT_LIST_PRICES = GoldTable(
    name="fact_list_prices",
    description="one list price over a span of time",
    grain=("sku_name", "price_start_time"),
    known_at="price_start_time",
    start="price_start_time",
    end="price_end_time",
    history=True,
    columns=(
        column("sku_name", "STRING", "what is priced"),
        column("price_start_time", "TIMESTAMP", "from when the price holds"),
        column("price_end_time", "TIMESTAMP", "until when; NULL for the present price", planned=True),
        column("usage_unit", "STRING", "unit that is priced"),
        column("currency_code", "STRING", "currency"),
        column("pricing_default", "DECIMAL(38,6)", "price of one unit"),
    ),
)

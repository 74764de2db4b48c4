"""What the operator should know of the tags and prices that the models rest on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from domains.cost.options import CostOptions
from domains.cost.usage import savings, usage

if TYPE_CHECKING:
    from framework import GoldView

SHOWN = 5
PLAIN = "lower(regexp_replace(spelt, '[ _-]', ''))"


def near_duplicates(gold: GoldView) -> list[str]:
    """Return whether the tag's key is missing, and what looks like it or like another value but for case and blanks."""
    from pyspark.sql import functions as F

    key = gold.options(CostOptions).tag_key
    found = []
    keys = gold.fact_usage.selectExpr("explode(map_keys(custom_tags)) AS spelt").groupBy("spelt").count()
    exact = F.col("spelt") == key
    alike = keys.where(F.expr(PLAIN) == plain(key)).orderBy(F.desc(exact), F.desc("count"), "spelt")
    spellings = {row["spelt"]: row["count"] for row in alike.limit(SHOWN + 1).collect()}
    if spellings.pop(key, None) is None:
        found.append(f"no record has the key '{key}' in fact_usage.custom_tags")
    if others := [f"'{spelt}' ({count})" for spelt, count in spellings.items()]:
        found.append(f"tag keys that look like '{key}' are not read: {', '.join(others)}")
    values = usage(gold).where("cost_center IS NOT NULL").selectExpr("cost_center AS spelt").distinct()
    groups = values.groupBy(F.expr(PLAIN).alias("plain")).agg(F.sort_array(F.collect_list("spelt")).alias("spellings"))
    twice = groups.where("size(spellings) > 1").orderBy("plain")
    if several := [" = ".join(f"'{name}'" for name in row["spellings"]) for row in twice.limit(SHOWN).collect()]:
        found.append(f"values of '{key}' that differ in spelling only count as different: {'; '.join(several)}")
    return found


def plain(text: str) -> str:
    """Return a text without case, blanks, underscores and dashes, as ``PLAIN`` does in SQL."""
    return "".join(letter for letter in text.lower() if letter not in " _-")


def unpriced_pairs(gold: GoldView) -> list[str]:
    """Return the all-purpose SKUs whose saving cannot be told, for want of a price."""
    wanted = set(gold.options(CostOptions).sku_pairs)
    lacking = sorted(wanted - {row.sku_name for row in savings(gold).select("sku_name").collect()})
    return [f"no price ratio is known for {', '.join(lacking)}: nothing counts as avoidable there"] if lacking else []

"""Options of the cost domain, section ``cost`` of the settings."""

from __future__ import annotations

from pydantic import Field

from framework import DomainOptions

SKU_PAIRS = {
    "PREMIUM_ALL_PURPOSE_COMPUTE": "PREMIUM_JOBS_COMPUTE",
    "PREMIUM_ALL_PURPOSE_COMPUTE_(PHOTON)": "PREMIUM_JOBS_COMPUTE_(PHOTON)",
}


class CostOptions(DomainOptions):
    """What only the platform's owners know.

    Args:
        tag_key: The custom tag that names who pays; its near-duplicates (case, blanks) are reported, not read.
        sku_pairs: For each all-purpose SKU, the jobs SKU that the same work would run on.
        budgets: Monthly budget by ``workspace_id``, in the currency of the list prices.
    """

    section = "cost"
    tag_key: str = "cost_center"
    sku_pairs: dict[str, str] = Field(default_factory=lambda: dict(SKU_PAIRS))
    budgets: dict[str, float] = Field(default_factory=dict)

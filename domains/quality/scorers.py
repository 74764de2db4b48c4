"""Who is scored: every table with a feature row on the day, or every table that was seen."""

from __future__ import annotations

from framework import BatchScorer

SEEN = (("seen", ">", 0),)


class DataDriftScorer(BatchScorer):
    """Tables that were seen on the day."""

    model = "data_drift_detector"
    where = SEEN


class DataFreshnessScorer(BatchScorer):
    """Every table of the day."""

    model = "data_freshness_predictor"


class SchemaChangeScorer(BatchScorer):
    """Tables that were seen on the day."""

    model = "schema_change_predictor"
    where = SEEN

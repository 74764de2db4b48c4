"""SQL statements, made comparable once for the whole domain: fingerprint, numbers, day on which they were known."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from framework import GoldView

WAREHOUSE = ("workspace_id", "warehouse_id")
QUERY = ("workspace_id", "query_fingerprint")
HISTORY = "fact_query_history"
NEEDS = (f"{HISTORY}.workspace_id", f"{HISTORY}.end_time", f"{HISTORY}.total_duration_ms")
WAREHOUSE_NEEDS = (*NEEDS, f"{HISTORY}.compute_warehouse_id")
QUERY_NEEDS = (*NEEDS, f"{HISTORY}.statement_text")

LITERAL = r"'(?:[^']++|'')*+'|\"[^\"]*+\""
COMMENT = r"(?s:/\*.*?\*/)|--[^\n]*"
NUMBER = r"\b\d+(?:\.\d+)?(?:e[+-]?\d+)?\b"


def statements(gold: GoldView) -> DataFrame:
    """Return one row per statement, made once per run of ours; see :func:`comparable`."""
    return gold.staged("statements", lambda: comparable(gold))


def comparable(gold: GoldView) -> DataFrame:
    """Return statements with the columns that features and labels are made of.

    Args:
        gold: Gold as known at the end of its last day.

    Returns:
        Keys, ``query_fingerprint`` (NULL without text), ``executed_by``, times, ``day`` (of the end: a statement is
        known when it ends), ``known_at``, durations in milliseconds, bytes, files, ``cached`` (0/1 or NULL), and
        ``finished`` and ``failed`` (0/1).
    """
    from pyspark.sql import functions as F

    return gold.fact_query_history.select(
        "workspace_id",
        F.col("compute_warehouse_id").alias("warehouse_id"),
        fingerprint(F.col("statement_text")).alias("query_fingerprint"),
        "executed_by",
        "start_time",
        "end_time",
        F.to_date("end_time").alias("day"),
        "known_at",
        F.col("total_duration_ms").cast("double").alias("total_ms"),
        F.col("compilation_duration_ms").cast("double").alias("compile_ms"),
        F.col("waiting_at_capacity_duration_ms").cast("double").alias("queue_ms"),
        F.col("waiting_for_compute_duration_ms").cast("double").alias("start_ms"),
        F.col("execution_duration_ms").cast("double").alias("work_ms"),
        F.col("read_bytes").cast("double").alias("read_bytes"),
        F.col("spilled_local_bytes").cast("double").alias("spilled_bytes"),
        F.col("read_files").cast("double").alias("read_files"),
        F.col("pruned_files").cast("double").alias("pruned_files"),
        F.col("from_result_cache").cast("int").alias("cached"),
        (F.col("execution_status") == "FINISHED").cast("int").alias("finished"),
        (F.col("execution_status") == "FAILED").cast("int").alias("failed"),
    )


def fingerprint(text: Column) -> Column:
    """Return the md5 of a statement without what differs from call to call.

    Comments go; literals and numbers become ``?``, and a list of them one ``?``; case and blanks do not count.
    Whichever of a quote and a comment sign comes first wins, as in a parser.
    """
    from pyspark.sql import functions as F

    bare = F.regexp_replace(text, f"({LITERAL})|{COMMENT}", "$1 ")
    masked = F.regexp_replace(F.lower(bare), f"{LITERAL}|{NUMBER}", "?")
    listed = F.regexp_replace(masked, r"\?(?:\s*,\s*\?)+", "?")
    tight = F.regexp_replace(listed, r"\s*([^\w\s])\s*", "$1")
    return F.md5(F.trim(F.regexp_replace(tight, r"\s+", " ")))

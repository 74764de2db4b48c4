"""Gold in a schema of a catalog, read by three-level name."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pyarrow.parquet as pq
import pytest
from structlog.testing import capture_logs

from domains.gold.contract import DIM_JOB, FACT_JOB_RUN_TIMELINE, FACT_USAGE
from framework.base.errors import GoldError, MissingInputError
from framework.gold.catalog import CatalogSource, open_table

SCHEMA = "spark_catalog.gold_layer"
END = datetime(2026, 5, 6, 13, tzinfo=UTC)
ROWS = {
    FACT_JOB_RUN_TIMELINE.name: [{"workspace_id": "1", "job_id": "2", "run_id": "3", "period_end_time": END}],
    DIM_JOB.name: [{"workspace_id": "1", "job_id": "2", "change_time": datetime(2026, 7, 1, tzinfo=UTC)}],
}


@pytest.fixture
def schema(spark, write_gold, tmp_path):
    """A schema with a fact table, a view of a dimension, and a table that is none of ours."""
    folder = write_gold(tmp_path / "gold", ROWS)
    spark.sql(f"CREATE DATABASE {SCHEMA} LOCATION '{(tmp_path / 'db').as_uri()}'")
    for name, source in (
        (FACT_JOB_RUN_TIMELINE.name, FACT_JOB_RUN_TIMELINE.name),
        ("jobs_of_theirs", DIM_JOB.name),
    ):
        file = folder / f"{source}.parquet"
        assert pq.read_table(file).num_rows == 1
        spark.sql(f"CREATE TABLE {SCHEMA}.{name} USING parquet LOCATION '{file.as_uri()}'")
    spark.sql(f"CREATE VIEW {SCHEMA}.{DIM_JOB.name} AS TABLE {SCHEMA}.jobs_of_theirs")
    yield SCHEMA
    spark.sql(f"DROP DATABASE {SCHEMA} CASCADE")


def test_tables_and_views_are_read_and_the_newest_day_is_that_of_the_facts(schema, make_runtime):
    runtime = make_runtime("simulate")
    reader = CatalogSource(()).open(runtime, schema)
    assert [row["run_id"] for row in reader.read(FACT_JOB_RUN_TIMELINE).collect()] == ["3"]
    assert [row["job_id"] for row in reader.read(DIM_JOB).collect()] == ["2"]
    assert reader.read(FACT_USAGE) is None
    assert reader.newest_day() == date(2026, 5, 6)


def test_a_table_that_can_no_longer_be_read_is_named_and_left_out(schema, spark, make_runtime):
    reader = CatalogSource(()).open(make_runtime("simulate"), schema)
    spark.sql(f"DROP TABLE {SCHEMA}.jobs_of_theirs")
    with capture_logs() as logs:
        assert reader.read(DIM_JOB) is None
    assert [(log["event"], log["table"]) for log in logs] == [("gold_table_unreadable", f"{SCHEMA}.dim_job")]


def test_a_schema_that_is_none_or_holds_nothing_is_refused(schema, spark, make_runtime):
    runtime, source = make_runtime("simulate"), CatalogSource(())
    with pytest.raises(GoldError, match=r"--gold catalog\.schema"):
        source.open(runtime, "catalog")
    with pytest.raises(GoldError, match="cannot be listed"):
        source.open(runtime, "spark_catalog.nowhere")
    for name in (FACT_JOB_RUN_TIMELINE.name, "jobs_of_theirs"):
        spark.sql(f"DROP TABLE {SCHEMA}.{name}")
    spark.sql(f"DROP VIEW {SCHEMA}.{DIM_JOB.name}")
    with pytest.raises(GoldError, match=r"none of the declared gold tables.*--gold system"):
        source.open(runtime, schema)


def test_an_absent_table_is_missing_input_whichever_level_is_absent(spark):
    for name in ("spark_catalog.default.nothing", "spark_catalog.nowhere.x", "nowhere.default.x"):
        with pytest.raises(MissingInputError, match="absent or may not be read"):
            open_table(spark, name)

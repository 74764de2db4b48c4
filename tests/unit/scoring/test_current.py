"""The latest predictions: real Delta tables, two versions, a rollback, and the statements of the view."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from framework.base.errors import TableError
from framework.scoring.current import _matching, latest_predictions, latest_view
from framework.scoring.scorer import prediction_key
from framework.stores.databricks import sql
from framework.tables.declared import SERVING
from tests.alerting import JOBS, day, runtime_in

if TYPE_CHECKING:
    from framework.gold.runtime import Runtime

USE_CASE = "job_failure"
REASON = pa.struct([("feature", pa.string()), ("value", pa.float64())])


def write(runtime: Runtime, version: int, on: date, chances: dict[str, float]) -> None:
    """Write a version's predictions of a day, as the scorer does: lists, maps and all."""
    trainer = runtime.plugins.trainers[JOBS].item
    assert trainer.spec.use_case == USE_CASE
    grain = runtime.plugins.table(trainer.spec.lookups[0].table)
    size = len(chances)
    rows = {
        "workspace_id": pa.array(["w"] * size),
        "job_id": pa.array(list(chances)),
        "prediction": pa.array(chances.values(), pa.float64()),
        "reasons": pa.array([[{"feature": "load", "value": 1.0}]] * size, pa.list_(REASON)),
        "flags": pa.array([[("slow", 0.5)]] * size, pa.map_(pa.string(), pa.float64())),
        "model_name": pa.array([JOBS] * size),
        "model_version": pa.array([version] * size, pa.int32()),
        "as_of_date": pa.array([on] * size, pa.date32()),
    }
    runtime.tables.merge(latest_view(runtime, USE_CASE).rows, pa.table(rows), keys=prediction_key(grain))


def serve(runtime: Runtime, version: int, on: date, *, model: str = JOBS) -> None:
    """Note who answered for a day last, as the scorer does."""
    row = {"model_name": model, "as_of_date": on, "model_version": version, "served_as": "champion"}
    SERVING.merge(runtime, [row | {"scored_at": datetime(2025, 6, 1, tzinfo=UTC)}])


def answers(table: pa.Table) -> set[tuple[Any, ...]]:
    return {(row["job_id"], row["as_of_date"], row["model_version"], row["prediction"]) for row in table.to_pylist()}


def test_a_rollback_brings_back_the_old_versions_rows(tmp_path):
    runtime = runtime_in(tmp_path)
    for version, chance in ((3, 0.1), (4, 0.9)):
        for number in (0, 1):
            write(runtime, version, day(number), {"7": chance, "8": chance / 2})
            serve(runtime, version, day(number))
    old = {(job, day(1), 3, chance) for job, chance in (("7", 0.1), ("8", 0.05))}
    new = {(job, day(number), 4, chance) for number in (0, 1) for job, chance in (("7", 0.9), ("8", 0.45))}
    assert answers(latest_predictions(runtime, USE_CASE)) == new
    serve(runtime, 3, day(1))  # rolled back, and the day scored again
    assert answers(latest_predictions(runtime, USE_CASE, day(1))) == old
    assert answers(latest_predictions(runtime, USE_CASE)) == {row for row in new if row[1] == day(0)} | old


def test_columns_are_those_of_the_table(tmp_path):
    runtime = runtime_in(tmp_path)
    write(runtime, 3, day(0), {"7": 0.1})
    serve(runtime, 3, day(0))
    found = latest_predictions(runtime, USE_CASE)
    assert found.schema == runtime.tables.schema(latest_view(runtime, USE_CASE).rows)
    assert found["reasons"].to_pylist() == [[{"feature": "load", "value": 1.0}]]
    assert found["flags"].to_pylist() == [[("slow", 0.5)]]


def test_another_models_row_lets_nothing_through(tmp_path):
    runtime = runtime_in(tmp_path)
    write(runtime, 3, day(0), {"7": 0.1})
    serve(runtime, 3, day(0), model="another")
    serve(runtime, 2, day(0))
    assert len(latest_predictions(runtime, USE_CASE)) == 0


def test_before_the_first_scoring_it_says_so(tmp_path):
    with pytest.raises(TableError, match="no such table"):
        latest_predictions(runtime_in(tmp_path), USE_CASE)


def test_a_folder_has_no_views(tmp_path):
    runtime = runtime_in(tmp_path)
    write(runtime, 3, day(0), {"7": 0.1})
    view = latest_view(runtime, USE_CASE)
    runtime.tables.keep_view(f"{view.rows}_latest", view)
    assert runtime.tables.names(runtime.settings.schema_path) == ["job_failure_predictions"]


PAIRS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=12)


@given(rows=PAIRS, among=PAIRS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_matching_is_what_a_loop_finds(rows, among):
    def table(pairs: list[tuple[int, int]], version: pa.DataType) -> pa.Table:
        days = [date(2025, 1, 1) + timedelta(days=number) for number, _ in pairs]
        return pa.table({"as_of_date": pa.array(days, pa.date32()), "model_version": pa.array(
            [number for _, number in pairs], version), "at": pa.array(range(len(pairs)), pa.int64())})  # fmt: skip

    found = _matching(table(rows, pa.int32()), table(among, pa.int64()), ("as_of_date", "model_version"))
    assert found["at"].to_pylist() == [at for at, pair in enumerate(rows) if pair in among]


def test_the_views_statements_are_sql_of_the_platform_and_name_what_exists(tmp_path):
    sqlglot = pytest.importorskip("sqlglot", reason="sqlglot is not installed: it is in the extras contract and floor")
    from sqlglot.optimizer.qualify import qualify

    view = latest_view(runtime_in(tmp_path), USE_CASE)
    columns = ["job_id", "prediction", *view.on]
    query = sql.matching(view.rows, columns, view.among, view.on)
    made = sqlglot.parse_one(sql.create_view(f"{view.rows}_latest", query, "what it's for"), dialect="databricks")
    changed = sqlglot.parse_one(sql.alter_view(f"{view.rows}_latest", query), dialect="databricks")
    assert (made.kind, made.args["exists"], made.args["replace"]) == ("VIEW", True, False)
    assert (changed.args["kind"], changed.args["actions"]) == ("VIEW", [made.expression])
    catalog, schema, rows = view.rows.split(".")
    tables = {rows: dict.fromkeys(columns, "string"), SERVING.name: {c: "string" for c, _, _ in SERVING.columns}}
    known = {catalog: {schema: tables}}
    assert qualify(made.expression.copy(), schema=known, dialect="databricks").named_selects == columns
    del tables[SERVING.name]["as_of_date"]
    with pytest.raises(sqlglot.errors.OptimizeError, match="as_of_date"):
        qualify(made.expression.copy(), schema=known, dialect="databricks")

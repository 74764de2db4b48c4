"""The view of the latest predictions, through the production adapter over the stand-in."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from framework.core.ports import View
from tests.contract.conftest import opened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pyspark.sql import SparkSession

    from tests.contract.conftest import Side

pytestmark = pytest.mark.usefixtures("needs_client")

ROWS, AMONG, NAME = "main.ml.sizes_predictions", "main.ml.model_serving", "main.ml.sizes_predictions_latest"
VIEW = View(rows=ROWS, among=AMONG, on=("as_of_date", "model_version"), description="what to act on")
DAY = date(2025, 1, 1)


@pytest.fixture
def client(tmp_path: Path, lazy_spark: Callable[[], SparkSession]) -> Iterator[Side]:
    with opened("client", tmp_path / "tables", lazy_spark) as found:
        yield found


def predict(side: Side, version: int, **more: float) -> None:
    row = {"job": "a", "as_of_date": DAY, "model_version": version, "prediction": version / 10} | more
    side.tables.merge(ROWS, pa.Table.from_pylist([row]), keys=["job", "as_of_date", "model_version"])


def serve(side: Side, version: int) -> None:
    row = {"as_of_date": DAY, "model_version": version}
    side.tables.merge(AMONG, pa.Table.from_pylist([row]), keys=["as_of_date"])


def test_a_view_follows_the_version_that_answered_last_and_the_tables_columns(client: Side) -> None:
    predict(client, 3)
    predict(client, 4)
    serve(client, 4)
    client.tables.keep_view(NAME, VIEW)
    assert client.tables.read(NAME)["prediction"].to_pylist() == [0.4]
    serve(client, 3)
    client.tables.keep_view(NAME, VIEW)
    assert client.tables.read(NAME)["prediction"].to_pylist() == [0.3]
    predict(client, 5, prediction_p10=0.1)  # widens the table
    client.tables.keep_view(NAME, VIEW)
    assert "prediction_p10" in client.tables.read(NAME).column_names
    assert client.tables.names("main.ml") == ["model_serving", "sizes_predictions"]


def test_a_view_that_is_in_line_is_left_alone(client: Side) -> None:
    predict(client, 3)
    serve(client, 3)
    statements = client.tables._spark().statements
    client.tables.keep_view(NAME, VIEW)
    client.tables.keep_view(NAME, VIEW)
    assert [text for text in statements if " VIEW " in text and not text.startswith("SHOW")] == [
        next(text for text in statements if text.startswith("CREATE VIEW IF NOT EXISTS"))
    ]

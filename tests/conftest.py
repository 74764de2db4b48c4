"""What tests share: one Spark session for the whole process, small gold, and the embedded runtime."""

from __future__ import annotations

import os
import socket
import sys
import warnings
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from domains.gold.contract import TABLES
from domains.simulator.rows import arrow_type
from framework.base.clock import Clock
from framework.core.config import Settings
from framework.core.plugins import discover
from framework.declare.gold import Days, GoldTable
from framework.gold.view import GoldReader, GoldView
from framework.stores.local import sail
from framework.stores.local.opening import local_engine
from framework.stores.spark_frames import to_spark

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from pyspark.sql import DataFrame, SparkSession

    from framework.gold.runtime import Runtime

    PlainRows = Mapping[str, Iterable[Mapping[str, Any]]]

DECLARED = {table.name: table for table in TABLES}
NOW = datetime(2026, 11, 1, 6, tzinfo=UTC)
SPARK = os.environ.get("HEALTH_MONITOR_TEST_SPARK", "")
"""What the tests' one session is: the product's own by default, ``jvm`` for Spark, ``connect`` for Spark Connect."""
CONNECT = SPARK == "connect"
ENGINE = "spark" if SPARK else "auto"
if SPARK:  # a process has one engine: whoever opens a runtime by itself gets the same
    sail.is_there = lambda: False


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test that reaches the session: ``-m "not spark"`` then never starts a JVM."""
    for item in items:
        if "spark" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.spark)


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    """The product's own local session; a JVM takes seconds to start, so there is one for all tests.

    With ``HEALTH_MONITOR_TEST_SPARK=jvm`` it is Spark's own, with ``connect`` one of Spark Connect, which is what
    serverless compute speaks.
    """
    session = _connect() if CONNECT else local_engine(ENGINE).session()
    yield session
    session.stop()


def _connect() -> SparkSession:
    from pyspark.sql import SparkSession
    from pyspark.sql.connect.client.core import DefaultChannelBuilder

    from framework.stores.local.opening import spark_conf

    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    master = "local[2]"
    # Two lanes may run at once, and the server's usual port can be had only once; a local client knows no other.
    port = _free_port()
    DefaultChannelBuilder.default_port = staticmethod(lambda: port)  # type: ignore[method-assign]
    # Connect analyses each plan anew, so here the optimising compiler pays; collector threads do not.
    builder = SparkSession.builder.remote(master).config("spark.driver.extraJavaOptions", "-XX:+UseSerialGC")
    builder = builder.config("spark.connect.grpc.binding.port", str(port))
    for key, value in spark_conf(2).items():
        if key != "spark.master":
            builder = builder.config(key, value)
    with warnings.catch_warnings():
        # The server takes all of them; the client then tries those again that cannot change any more.
        warnings.filterwarnings("ignore", message=".*CANNOT_MODIFY_", category=UserWarning)
        session: SparkSession = builder.getOrCreate()
    os.environ["SPARK_REMOTE"] = master  # the client asks for the session anew, and finds this one
    return session


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def frame_of(spark: SparkSession) -> Callable[..., DataFrame]:
    """Make a DataFrame of plain dicts; fields are ``(name, Spark type)`` or the name of a gold table."""

    def make(rows: Iterable[Mapping[str, Any]], fields: str | Iterable[tuple[str, str]]) -> DataFrame:
        if isinstance(fields, str):
            return to_spark(spark, arrow_rows(DECLARED[fields], rows))
        pairs = list(fields)
        values = [tuple(row.get(name) for name, _ in pairs) for row in rows]
        return spark.createDataFrame(values, ", ".join(f"{name} {kind}" for name, kind in pairs))

    return make


@pytest.fixture(scope="session")
def gold_view(frame_of: Callable[..., DataFrame]) -> Callable[..., GoldView]:
    """Make a view of gold held in memory: plain rows (or frames) by table, known up to a day."""

    def make(
        tables: Mapping[str, Any],
        end: date,
        *,
        start: date | None = None,
        declared: Mapping[str, GoldTable] = DECLARED,
        options: Mapping[str, Any] | None = None,
        time_zone: str = "UTC",
    ) -> GoldView:
        frames = {n: frame_of(rows, n) if isinstance(rows, list) else rows for n, rows in tables.items()}
        return GoldView(
            Frames(frames),
            declared,
            Days(start, end),
            lambda kind: kind.parse(options or {}, "options"),
            lambda _, compute: compute(),
            time_zone,
        )

    return make


@pytest.fixture(scope="session")
def write_gold() -> Callable[..., Path]:
    """Write plain rows as ``<table>.parquet``, in the declared types; a column that a row lacks is NULL."""

    def write(folder: Path, tables: PlainRows) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        for name, rows in tables.items():
            pq.write_table(arrow_rows(DECLARED[name], rows), folder / f"{name}.parquet")
        return folder

    return write


@pytest.fixture(scope="session")
def open_runtime(spark: SparkSession) -> Callable[..., Runtime]:
    """Open an embedded runtime at a fixed time, below any folder; see :func:`make_runtime`."""
    from framework.run.opening import with_monitor
    from framework.stores.local import opening

    def make(gold: Path | str, home: Path, plugins: Any = None, **options: Any) -> Runtime:
        settings = Settings.parse({"gold": str(gold), "home": home, "engine": ENGINE} | options, "test")
        # The product opens MLflow in the background and imports the learners; most tests need neither,
        # and two cores are few. The registry still opens when a test asks for it.
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(opening, "_in_background", lambda make: make)
            patch.setattr(opening, "_import_learners", lambda: None)
            return with_monitor(opening.open_local(settings, plugins or discover(strict=True), Clock(NOW)))

    return make


@pytest.fixture
def make_runtime(open_runtime: Callable[..., Runtime], tmp_path: Path) -> Callable[..., Runtime]:
    """Open embedded runtimes below a folder of the test's own: ``make_runtime(gold, as_of=..., ...)``."""

    def make(gold: Path | str, *, home: str = "home", **options: Any) -> Runtime:
        return open_runtime(gold, tmp_path / home, **options)

    return make


class Frames(GoldReader):
    """Gold tables that are frames already."""

    def __init__(self, frames: Mapping[str, DataFrame]) -> None:
        self._frames = frames

    def read(self, table: GoldTable) -> DataFrame | None:
        return self._frames.get(table.name)

    def newest_day(self) -> date:
        return NOW.date()


def arrow_rows(table: GoldTable, rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    """Return plain rows in a gold table's declared types, refusing a column that it does not declare."""
    found = list(rows)
    stray = sorted({name for row in found for name in row} - set(table.names))
    if stray:
        raise ValueError(f"{table.name} declares no {', '.join(stray)}")
    schema = pa.schema([(column.name, arrow_type(column.type)) for column in table.columns])
    return pa.Table.from_pylist([{name: row.get(name) for name in table.names} for row in found], schema=schema)


@pytest.fixture(scope="session")
def report_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with three months of all models, and the report of its newest day in ``report.html``."""
    import mlflow

    from framework.ops.report.page import write_report
    from tests.browser.home import fill, open_home

    home = tmp_path_factory.mktemp("report") / "home"
    before = mlflow.get_tracking_uri(), mlflow.get_registry_uri()
    runtime = open_home(home)
    fill(runtime)
    write_report(runtime, home / "report.html")
    mlflow.set_tracking_uri(before[0])
    mlflow.set_registry_uri(before[1])
    return home

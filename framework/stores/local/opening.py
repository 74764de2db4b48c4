"""Opens the embedded runtime: Spark booting in the background, Delta tables, MLflow on SQLite."""

from __future__ import annotations

import atexit
import contextlib
import functools
import importlib
import itertools
import os
import shutil
import threading
import uuid
import weakref
from typing import TYPE_CHECKING

from framework.base.clock import Clock
from framework.base.errors import RuntimeSetupError
from framework.base.logging import get_logger
from framework.base.paths import literal_path
from framework.core.services import Services
from framework.stores.local import sail
from framework.stores.local.home import made_home
from framework.stores.local.sail import LocalSail

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pyspark.sql import DataFrame, SparkSession

    from framework.core.config import Settings
    from framework.core.plugins import Registry
    from framework.core.ports import Frame
    from framework.registry.versions import ModelRegistry
    from framework.stores.local.jvm import Gateway

MEMORY = "2g"
_QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "GIT_PYTHON_REFRESH": "quiet"}
_SHARING = {"OMP_WAIT_POLICY": "PASSIVE"}
"""Learners' threads that wait must not spin: the JVM, and whatever else runs, needs the same cores."""


def spark_conf(cores: int) -> dict[str, str]:
    """Return the settings of a local session, tuned for many small queries on few cores."""
    return {
        "spark.master": f"local[{cores}]",
        "spark.app.name": "health-monitor",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": str(cores),
        "spark.sql.adaptive.enabled": "true",
        # Small shuffles would become one partition, and so one core.
        "spark.sql.adaptive.coalescePartitions.enabled": "false",
        "spark.sql.execution.arrow.pyspark.enabled": "true",
        "spark.sql.catalogImplementation": "in-memory",
        "spark.driver.maxResultSize": "0",
        # Otherwise each column function sends its line of Python code to the JVM, in several calls.
        "spark.python.sql.dataFrameDebugging.enabled": "false",
    }


REMOTE = ("SPARK_REMOTE", "SPARK_CONNECT_MODE_ENABLED", "SPARK_API_MODE")
"""Variables that would make pyspark look for a server elsewhere: the embedded mode has a session of its own."""


class LocalSpark:
    """The process's one Spark session; its JVM boots while Python goes on."""

    def __init__(self, memory: str = MEMORY) -> None:
        self._memory = memory
        self._gateway: Gateway | None = None

    def boot(self) -> None:
        """Start the JVM, unless a session or a JVM is there already."""
        from framework.stores.local.jvm import start_gateway

        if self._gateway is None and not _active():
            self._gateway = start_gateway(spark_conf(max(1, min(os.cpu_count() or 1, 8))), self._memory)

    def session(self) -> SparkSession:
        """Return the session, waiting for the JVM if it still boots."""
        import logging

        from pyspark.sql import SparkSession

        # pyspark logs each failed query with its whole plan as JSON; the error itself carries the plan already.
        logging.getLogger("SQLQueryContextLogger").setLevel(logging.CRITICAL)
        if not _active():
            for name in REMOTE:
                os.environ.pop(name, None)
            self.boot()
            if self._gateway is not None:
                self._gateway.connect()
        return SparkSession.builder.getOrCreate()


def is_sail(name: str) -> bool:
    """Tell whether a setting means Sail here.

    Args:
        name: ``sail``, ``spark``, or ``auto`` for Sail where it is installed.

    Raises:
        RuntimeSetupError: If Sail is asked for by name and not installed.
    """
    if name == "spark" or (name == "auto" and not sail.is_there()):
        return False
    if sail.is_there():
        return True
    raise RuntimeSetupError(
        what="pysail is not installed",
        where="the setting engine = 'sail'",
        fix="pip install 'health-monitor-ml[local]', or set engine = 'spark' where no build fits the machine",
    )


def local_engine(name: str) -> LocalSpark | LocalSail:
    """Return the engine that a setting names; see :func:`is_sail`."""
    if is_sail(name):
        return LocalSail()
    if name == "auto":
        get_logger().info("engine_is_spark", reason="pysail is not installed")
    return LocalSpark()


def open_local(settings: Settings, plugins: Registry, clock: Clock | None = None, *, engines: bool = True) -> Services:
    """Open the embedded runtime below ``settings.home``; returns at once, the rest happens when needed.

    Args:
        settings: The settings.
        plugins: What the loaded domains offer.
        clock: A frozen clock for tests; the machine's by default.
        engines: Whether to start Spark and MLflow at once; a command that only reads tables needs neither.

    Returns:
        The runtime.

    Raises:
        ConfigError: If the home cannot hold what a run writes.
    """
    from framework.stores.arrow import to_arrow
    from framework.stores.local.delta import open_delta
    from framework.stores.local.store import LocalFeatureStore
    from framework.stores.local.tables import LocalTables

    os.environ.update(_QUIET | _SHARING)
    home = made_home(settings.home)
    spark = local_engine(settings.engine)
    registry: Callable[[], ModelRegistry] = functools.cache(lambda: _open_registry(home, settings))
    if engines:
        spark.boot()
        registry = _in_background(registry)
        threading.Thread(target=_import_learners, name="import-learners", daemon=True).start()
    tables = LocalTables(home / "tables", spark.session)
    staging = Staging(home / "staging", spark.session)
    return Services(
        settings=settings,
        plugins=plugins,
        clock=clock or Clock(),
        tables=tables,
        store=LocalFeatureStore(tables, spark.session),
        open_registry=registry,
        open_spark=spark.session,
        to_arrow=to_arrow,
        stage=to_arrow,
        open_delta=lambda path: open_delta(spark.session(), path),
        keep=staging.keep,
        settle=staging.settle if isinstance(spark, LocalSail) else None,
        run_id=uuid.uuid4().hex[:12],
    )


class Staging:
    """Frames kept for the rest of the process as parquet files, in a folder of their own.

    Args:
        root: Folder of all processes' stagings; what ended processes left there is removed.
        spark: The session.
    """

    def __init__(self, root: Path, spark: Callable[[], SparkSession]) -> None:
        self._spark = spark
        self._folder = root / str(os.getpid())
        self._kept: dict[str, Path] = {}
        self._numbers = itertools.count()
        for left in root.glob("*"):
            ours = left.name.isdecimal()  # anything else was put there by somebody else
            if ours and (left.name == str(os.getpid()) or not _lives(int(left.name))):
                shutil.rmtree(left, ignore_errors=True)

    def keep(self, name: str, make: Callable[[], Frame]) -> DataFrame:
        """Return a frame, computed on the first call with its name."""
        if name not in self._kept:
            self._kept[name] = self._written(make())
        return self._spark().read.parquet(literal_path(self._kept[name]))

    def settle(self, frame: DataFrame) -> DataFrame:
        """Return a frame that is computed; its file goes when nothing is read from it any more."""
        file = self._written(frame)
        found = self._spark().read.parquet(literal_path(file))
        # Frames that rest on it hold its plan.
        weakref.finalize(found._plan, file.unlink, missing_ok=True)  # noqa: SLF001 - the frame itself may go before
        return found

    def _written(self, frame: Frame) -> Path:
        import pyarrow.parquet as pq

        from framework.stores.arrow import to_arrow

        table = to_arrow(frame)  # which may write frames of its own
        if not self._folder.is_dir():
            self._folder.mkdir(parents=True)
            atexit.register(shutil.rmtree, self._folder, ignore_errors=True)
        file = self._folder / f"{next(self._numbers)}.parquet"
        pq.write_table(table, file)
        return file


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)  # signal 0 only asks
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _open_registry(home: Path, settings: Settings) -> ModelRegistry:
    import logging

    import mlflow

    from framework.registry.versions import ModelRegistry

    # MLflow reports each table migration and each registered version at INFO; our own log says what matters.
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    _make_database(home / "mlflow.db")
    uri = f"sqlite:///{home / 'mlflow.db'}"
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    registry = ModelRegistry(settings.schema_path, (home / "artifacts").as_uri())
    registry.client.search_experiments(max_results=1)  # opens the database now, while Spark boots
    return registry


def _make_database(file: Path) -> None:
    """Make MLflow's database beside its place, and put it there whole, unless there is one.

    MLflow makes its tables one after the other: killed in between, it leaves a file that it can neither use nor go on
    with. Of two first runs at once the first one's stays.
    """
    from mlflow import MlflowClient

    if file.exists():
        return
    for left in file.parent.glob(f".{file.stem}-*{file.suffix}*"):  # its journal among them
        number = left.stem.rpartition("-")[2]
        if number.isdecimal() and (int(number) == os.getpid() or not _lives(int(number))):
            left.unlink()
    made = file.with_name(f".{file.stem}-{os.getpid()}{file.suffix}")
    uri = f"sqlite:///{made}"
    MlflowClient(tracking_uri=uri, registry_uri=uri).search_experiments(max_results=1)
    try:
        os.link(made, file)
    except FileExistsError:  # another first run was faster: its file stays
        pass
    except OSError:  # a file system without hard links: of two at once the last one's stays
        made.replace(file)
    made.unlink(missing_ok=True)


def _import_learners() -> None:
    """Import what training and scoring import anyway, while the main thread waits for Spark."""
    for name in ("sklearn.ensemble", "sklearn.calibration", "sklearn.inspection", "xgboost"):
        with contextlib.suppress(ImportError, RuntimeError):  # whoever needs it raises it; a short run ends meanwhile
            importlib.import_module(name)


def _in_background(make: Callable[[], ModelRegistry]) -> Callable[[], ModelRegistry]:
    """Start making something in a thread; the returned function waits for it, and raises what it raised."""
    made: list[ModelRegistry] = []
    failed: list[BaseException] = []

    def work() -> None:
        try:
            made.append(make())
        except BaseException as error:  # noqa: BLE001 - handed to whoever asks for the result
            failed.append(error)

    thread = threading.Thread(target=work, name="open-registry", daemon=True)
    thread.start()

    def wait() -> ModelRegistry:
        thread.join()
        if failed:
            raise failed[0]
        return made[0]

    return wait


def _active() -> bool:
    import sys

    if "pyspark" not in sys.modules:
        return False
    from pyspark.sql import SparkSession

    return SparkSession.getActiveSession() is not None

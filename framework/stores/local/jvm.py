"""The Java side of a local Spark: find a Java, start the gateway process early, attach to it later.

The process is started directly (no shell script), so that it boots while Python imports its own libraries, and it
uses a class archive when ``warm_up`` has recorded one: loading Spark's classes is half of a cold start. Its standard
input is a pipe held by this process. When the pipe closes, for whatever reason, the Java process ends.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from importlib import util
from pathlib import Path
from typing import TYPE_CHECKING

from framework.base.errors import RuntimeSetupError
from framework.stores.local.java import Archive, Java, find_java, plan_archive

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Gateway", "Java", "find_java", "start_gateway", "warm_up"]

# What Spark reaches into by reflection.
_OPENED = {
    "java.base": (
        *("java.io", "java.lang", "java.lang.invoke", "java.lang.reflect", "java.net", "java.nio", "java.util"),
        *("java.util.concurrent", "java.util.concurrent.atomic", "jdk.internal.ref", "sun.nio.ch", "sun.nio.cs"),
        *("sun.security.action", "sun.util.calendar"),
    ),
    "java.security.jgss": ("sun.security.krb5",),
}

_FLAGS = (
    "-XX:+IgnoreUnrecognizedVMOptions",  # one list for every supported Java
    "-XX:TieredStopAtLevel=1",  # short jobs end before the optimising compiler pays
    "-XX:+UseSerialGC",  # no collector threads beside two worker threads
    "-XX:-UsePerfData",
    "-Xshare:auto",  # a class archive of another Java or other jars is ignored; a damaged one is never passed
    *(f"--add-opens={module}/{name}=ALL-UNNAMED" for module, names in _OPENED.items() for name in names),
    "--enable-native-access=ALL-UNNAMED",
    "-Djdk.reflect.useDirectMethodHandle=false",
    "-Dio.netty.tryReflectionSetAccessible=true",
    "-Dio.netty.allocator.type=pooled",
    "-Dfile.encoding=UTF-8",
    "-Duser.timezone=UTC",
)

_EXIT_SECONDS = 10.0
_RECORDING_SECONDS = 60.0


@dataclass
class Gateway:
    """A Java process that is booting or up, owned by the Python process that started it.

    Attributes:
        process: The Java process.
        java: The Java that it runs.
        folder: A private temporary folder: the connection file and the log.
    """

    process: subprocess.Popen[bytes]
    java: Java
    folder: Path
    _archive: Archive = field(default_factory=Archive)
    _owner: int = field(default_factory=os.getpid)
    _port: str = ""
    _stopped: bool = False

    @property
    def log(self) -> Path:
        """What the Java process wrote to its standard output and error."""
        return self.folder / "jvm.log"

    def connect(self, timeout: float = 120.0) -> None:
        """Wait until the process answers, then point pyspark at it: the next session attaches to it.

        Args:
            timeout: Seconds to wait.

        Raises:
            RuntimeSetupError: The process ended or stayed silent; the message holds the end of its log.
        """
        info = self.folder / "connection"
        deadline = time.monotonic() + timeout
        while not info.is_file():
            if self.process.poll() is not None:
                self._fail(f"the Java process ended at once with code {self.process.returncode}")
            if time.monotonic() > deadline:
                self._fail(f"the Java process did not answer within {timeout:.0f} seconds")
            time.sleep(0.02)
        raw = info.read_bytes()
        port, length = struct.unpack_from(">ii", raw)
        self._port = os.environ["PYSPARK_GATEWAY_PORT"] = str(port)
        os.environ["PYSPARK_GATEWAY_SECRET"] = raw[8 : 8 + length].decode()
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)

    def stop(self) -> None:
        """End the process and remove its temporary folder; twice is once, and a forked child does nothing."""
        if self._stopped or os.getpid() != self._owner:
            return
        self._stopped = True
        atexit.unregister(self.stop)
        if self._port and os.environ.get("PYSPARK_GATEWAY_PORT") == self._port:
            del os.environ["PYSPARK_GATEWAY_PORT"], os.environ["PYSPARK_GATEWAY_SECRET"]
            _detach_pyspark()
        exit_code = _end(self.process, _RECORDING_SECONDS if self._archive.recording else _EXIT_SECONDS)
        self._archive.publish(exit_code)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _fail(self, what: str) -> None:
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        tail = "\n".join(lines[-15:]) or "(it wrote nothing)"
        self.stop()
        raise RuntimeSetupError(
            what=f"{what}; the end of its log:\n{tail}\n",
            where=f"Java at {self.java.executable}",
            fix="read the log above; a smaller driver memory, or JAVA_HOME set to a JDK 17 or 21, mends most cases",
        )


def start_gateway(conf: Mapping[str, str], memory: str, *, record: bool = False) -> Gateway:
    """Start Spark's Java process and return while it boots.

    Args:
        conf: Spark settings that must stand before the session exists.
        memory: The largest heap, as Java writes it: ``2g``.
        record: Write a class archive when this process stops. It doubles the time of this one run; see ``warm_up``.

    Returns:
        The process; call ``connect`` on it before the first session, and import what you need in between.

    Raises:
        RuntimeSetupError: There is no Java or no pyspark.
    """
    java, spark_home = find_java(), _spark_home()
    archive = plan_archive(java, spark_home, record=record)
    folder = Path(tempfile.mkdtemp(prefix="health-monitor-"))
    settings = [part for key, value in conf.items() for part in ("--conf", f"{key}={value}")]
    command = [
        str(java.executable),
        f"-Xmx{memory}",
        *_FLAGS,
        *archive.flags,
        *("-cp", f"{spark_home / 'jars'}{os.sep}*"),
        *("org.apache.spark.deploy.SparkSubmit", *settings, "pyspark-shell"),
    ]
    gateway = Gateway(_launch(command, folder, spark_home), java, folder, archive)
    atexit.register(gateway.stop)
    return gateway


def warm_up(memory: str = "2g") -> bool:
    """Record the class archive of this Java and Spark, if there is none: about half a minute, once.

    Args:
        memory: The largest heap of the recording process.

    Returns:
        Whether an archive is there now, so that later sessions start in half the time.
    """
    if plan_archive(find_java(), _spark_home(), record=False).path is not None:
        return True
    gateway = start_gateway({"spark.master": "local[2]", "spark.ui.enabled": "false"}, memory, record=True)
    try:
        gateway.connect()
        _exercise(gateway.folder / "data")
    finally:
        gateway.stop()
    return plan_archive(find_java(), _spark_home(), record=False).path is not None


def _exercise(folder: Path) -> None:
    """Load the classes that most jobs load: parquet, Arrow both ways, joins, windows, aggregates."""
    from pyspark.sql import SparkSession

    spark = SparkSession.builder.getOrCreate()
    days = "SELECT id, id % 7 AS k, date_add(DATE '2024-01-01', CAST(id AS INT)) AS day, id / 3.0 AS x FROM range(500)"
    spark.sql(days).write.parquet(str(folder))
    data = spark.read.parquet(str(folder))
    query = """
        SELECT a.k, a.day, sum(a.x) OVER w AS s, lag(b.n) OVER w AS n FROM {data} a
        LEFT JOIN (SELECT k, count(DISTINCT id) AS n, percentile_approx(x, 0.5) AS p, max_by(x, day) AS m FROM {data}
                   WHERE day > DATE '2024-02-01' GROUP BY k) b ON a.k = b.k
        WINDOW w AS (PARTITION BY a.k ORDER BY a.day) ORDER BY a.day LIMIT 100
    """
    spark.createDataFrame(spark.sql(query, data=data).toArrow()).collect()


def _spark_home() -> Path:
    spark = util.find_spec("pyspark")
    if spark is None or not spark.submodule_search_locations:
        raise RuntimeSetupError(
            what="pyspark is not installed", where="this Python", fix="pip install 'health-monitor-ml[local]'"
        )
    return Path(spark.submodule_search_locations[0]).resolve()


def _launch(command: list[str], folder: Path, spark_home: Path) -> subprocess.Popen[bytes]:
    ours = {
        "_PYSPARK_DRIVER_CONN_INFO_PATH": str(folder / "connection"),
        "SPARK_CONNECT_MODE": "0",
        "SPARK_HOME": str(spark_home),
        "SPARK_LOCAL_IP": "127.0.0.1",
    }
    with (folder / "jvm.log").open("wb") as log:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            env={**os.environ, **ours},
            start_new_session=True,  # an interrupt from the keyboard is for Python
        )


def _detach_pyspark() -> None:
    """End the live session, whose helper threads complain otherwise, and let pyspark forget the gateway."""
    if "pyspark" not in sys.modules:
        return
    from pyspark import SparkContext

    held = ("_active_spark_context", "_gateway", "_jvm")
    context, gateway, _ = (getattr(SparkContext, name) for name in held)
    with contextlib.suppress(Exception):  # a Java process that is gone already cannot say goodbye
        if context is not None:
            context.stop()
    with contextlib.suppress(Exception):
        if gateway is not None:
            gateway.shutdown()
    for name in held:
        setattr(SparkContext, name, None)


def _end(process: subprocess.Popen[bytes], seconds: float) -> int | None:
    if process.stdin is not None:
        process.stdin.close()  # the process ends itself when its input does
    for patience, insist in ((seconds, process.terminate), (5.0, process.kill), (5.0, None)):
        try:
            return process.wait(patience)
        except subprocess.TimeoutExpired:
            if insist is not None:
                insist()
    return None

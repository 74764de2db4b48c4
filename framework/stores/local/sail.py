"""Sail: an engine in Rust that speaks the protocol of Spark Connect, within this process and without Java.

It answers as Spark does, but for a few functions; docs/performance.md says which, and how they are spelt instead.
"""

from __future__ import annotations

import atexit
import functools
import os
from importlib import util
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_OURS = {
    "RUST_LOG": "error",  # it tells of each session that comes and goes
    # Sums of several partitions would be put together as they come, and differ in their last digits from run to run:
    # the same gold would give other models.
    "SAIL_EXECUTION__DEFAULT_PARALLELISM": "1",
}
LOOPBACK = "127.0.0.1"


def is_there() -> bool:
    """Tell whether Sail is installed: there are builds for the usual platforms, not for all."""
    return util.find_spec("pysail") is not None


class LocalSail:
    """The process's one session on Sail."""

    def boot(self) -> None:
        """Do nothing: it stands in a second, when somebody asks for it."""

    def session(self) -> SparkSession:
        """Return the session; the first call starts the server, on a port of this machine alone."""
        return _session()


@functools.cache
def _session() -> SparkSession:
    for name, value in _OURS.items():
        os.environ.setdefault(name, value)
    from pysail.spark import SparkConnectServer
    from pyspark.sql.connect import session as connect
    from pyspark.sql.connect.client.core import DefaultChannelBuilder

    server = SparkConnectServer(LOOPBACK, 0)
    server.start(background=True)
    _, port = server.listening_address
    os.environ["SPARK_CONNECT_MODE_ENABLED"] = "1"  # column functions are those of Connect from now on
    # A proxy that the environment names is for other machines than this one.
    channel = DefaultChannelBuilder(f"sc://{LOOPBACK}:{port}", [("grpc.enable_http_proxy", 0)])
    session: Any = connect.SparkSession.builder.channelBuilder(channel).create()
    session.conf.set("spark.sql.session.timeZone", "UTC")
    atexit.register(server.stop)
    atexit.register(session.stop)
    found: SparkSession = session
    return found

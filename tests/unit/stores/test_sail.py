"""The embedded engine in a process of its own: whatever the environment says, it answers, and the process ends well."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from framework.stores.local import sail

pytestmark = pytest.mark.skipif(not sail.is_there(), reason="pysail is not installed")

PROGRAM = """
from framework.stores.local.opening import local_engine
from pyspark.sql import functions as F
session = local_engine("sail").session()
frame = session.range(3).withColumn("day", F.to_date(F.lit("2026-03-01")))
print(frame.agg(F.sum("id")).collect()[0][0], session.conf.get("spark.sql.session.timeZone"))
"""
ELSEWHERE = "http://127.0.0.1:9"


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"http_proxy": ELSEWHERE, "https_proxy": ELSEWHERE, "grpc_proxy": ELSEWHERE},
        {"SPARK_REMOTE": "sc://nowhere.invalid:1"},
        {"SPARK_API_MODE": "classic", "SPARK_CONNECT_MODE_ENABLED": "0"},
        {"JAVA_HOME": "/nowhere", "SPARK_HOME": "/nowhere"},
    ],
    ids=["plain", "proxies", "remote", "modes", "no Java"],
)
def test_it_answers_and_ends_well_whatever_the_environment_says(environment):
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "3 UTC\n", "")

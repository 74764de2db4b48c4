"""Alerts of a real run: a dead endpoint costs nothing but time, and neither secret nor e-mail address gets out."""

from __future__ import annotations

import json
import re
import shutil
import socket
from typing import TYPE_CHECKING

import pytest
from deltalake import DeltaTable

from tests.alerting import Receiver
from tests.e2e.command import AS_OF, finish

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.conftest import Run

pytestmark = pytest.mark.slow
SECRET = "T0KEN-that-nobody-may-see"  # noqa: S105 - planted, to be searched for
MODELS = "security_threat_detector,exfiltration_detector"
ADDRESS = re.compile(rb"[\w.+-]+@[\w-]+\.[\w.]+")


def dead_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def users(home: Path) -> set[str]:
    """E-mail addresses among the people whom the features describe."""
    rows = DeltaTable(str(home / "tables/main/health_monitor/security_features")).to_pandas(columns=["user_id"])
    return {user for user in rows["user_id"] if "@" in user}


def table(home: Path, name: str):
    return DeltaTable(str(home / "tables/main/health_monitor" / name)).to_pandas()


def test_a_dead_endpoint_keeps_alerts_queued_and_they_go_out_once(finished_run: Run, tmp_path: Path) -> None:
    home, config = tmp_path / "home", tmp_path / "settings.toml"
    shutil.copytree(finished_run.home, home)
    config.write_text('[alert_sinks.ops]\nkind = "webhook"\nurl = "env:OPS_HOOK"\nshape = "slack"\ntries = 1\n')
    words = ["monitor", "--gold", str(finished_run.gold), "--home", str(home), "--as-of", AS_OF.isoformat(),
             "--models", MODELS, "--config", str(config)]  # fmt: skip

    dead = finish(words, OPS_HOOK=f"http://127.0.0.1:{dead_port()}/services/{SECRET}")
    assert dead.code == 0, dead.err[-2000:]
    assert "stay queued" in re.sub(r"[\s│]+", " ", dead.out)
    queued = table(home, "alert_deliveries")
    assert len(queued)
    assert set(queued["state"]) == {"queued"}

    with Receiver(200) as receiver:
        hook = receiver.url(f"/services/{SECRET}")
        alive, again = finish(words, OPS_HOOK=hook), finish(words, OPS_HOOK=hook)
    assert (alive.code, again.code) == (0, 0)
    assert set(table(home, "alert_deliveries")["state"]) == {"sent"}
    told = json.dumps(receiver.bodies)
    for alert in queued["alert_id"]:
        assert told.count(alert) == 1

    for text in (dead.out, dead.err, alive.out, alive.err, told, table(home, "run_ledger").to_json()):
        assert SECRET not in text
    people = users(home)
    assert people
    assert not [user for user in people if user in told]
    for result in (dead, alive):
        assert not [user for user in people if user in result.err]


def test_nothing_that_training_leaves_in_mlflow_names_a_person(finished_run: Run) -> None:
    people = {user.encode() for user in users(finished_run.home)}
    files = [f for f in (finished_run.home / "artifacts").rglob("*") if f.is_file()]
    assert len(files) > 100
    for file in [*files, finished_run.home / "mlflow.db"]:
        found = people & set(ADDRESS.findall(file.read_bytes()))
        assert not found, file
    assert not people & set(ADDRESS.findall(finished_run.result.err.encode()))

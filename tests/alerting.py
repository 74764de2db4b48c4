"""A runtime without Spark and MLflow, whose predictions a test writes down: what the tests of alerts share."""

from __future__ import annotations

import functools
import json
import threading
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pyarrow as pa

from framework.base.clock import Clock
from framework.core.config import Settings
from framework.core.plugins import discover
from framework.core.versions import Served
from framework.declare.model import Task
from framework.gold.runtime import Runtime
from framework.scoring.scorer import prediction_key
from framework.stores.local.tables import LocalTables
from framework.tables.declared import ALERTS
from framework.training.contract import Contract

FIRST = date(2025, 3, 3)
NOW = datetime(2025, 6, 1, 7, tzinfo=UTC)
ACCOUNTS = "security_threat_detector"
JOBS = "job_failure_predictor"
CONTRACTS = {
    Task.ANOMALY: Contract(score_threshold=0.9, anomaly_rate=(0.0, 0.1), alert_budget=5.0),
    Task.BINARY: Contract(threshold=0.4),
}
plugins = functools.cache(lambda: discover(strict=True))


def day(number: int) -> date:
    return FIRST + timedelta(days=number)


class OneVersion:
    """Answers with one version, as the registry would: the tests of the registry itself are elsewhere."""

    def __init__(self, contract: Contract, **changes: Any) -> None:
        self.facts = {
            "name": "m", "version": 3, "alias": "champion", "is_fallback": False, "training_run_id": "", "outputs": (),
            "classes": (), "facts": {"contract": contract.tag(), "reason": "one class only"},
        } | changes  # fmt: skip

    def served(self, model: str) -> Served:
        return Served(**self.facts)


def runtime_in(folder: Any, *, contract: Contract | None = None, served: Any = None, **settings: Any) -> Runtime:
    def none() -> Any:
        raise AssertionError("no Spark is needed here")

    registry = served or OneVersion(contract or CONTRACTS[Task.BINARY])
    return Runtime(
        settings=Settings(home=folder, **settings),
        plugins=plugins(),
        clock=Clock(NOW),
        tables=LocalTables(folder / "tables", none),
        store=None,
        open_registry=lambda: registry,
        open_spark=none,
        to_arrow=none,
        stage=none,
        open_delta=none,
        keep=none,
        run_id="run",
    )


def predict(runtime: Runtime, model: str, rows: list[dict[str, Any]]) -> None:
    """Write predictions: keys, ``day`` (a number) and answers; what a row leaves out is NULL."""
    trainer = runtime.plugins.trainers[model].item
    grain = runtime.plugins.table(trainer.spec.lookups[0].table)
    answers = {
        Task.ANOMALY: {"anomaly_score": pa.float64(), "is_anomaly": pa.int32()},
        Task.BINARY: {"probability": pa.float64(), "predicted_class": pa.string()},
        Task.MULTICLASS: {"probability": pa.float64(), "predicted_class": pa.string()},
        Task.MULTILABEL: {"flags": pa.map_(pa.string(), pa.float64())},
        Task.REGRESSION: dict.fromkeys(trainer.spec.quantile_columns, pa.float64()),
    }[trainer.task]
    reason = pa.struct([("feature", pa.string()), *((part, pa.float64()) for part in ("value", "low", "high"))])
    moment = {} if grain.time_type == "date" else {grain.time: pa.timestamp("us", tz="UTC")}
    kinds = dict.fromkeys(grain.keys, pa.string()) | moment
    kinds |= {"prediction": pa.float64(), **answers, "reasons": pa.list_(reason)}
    kinds |= {"model_version": pa.int32(), "as_of_date": pa.date32()}
    full = [{"model_version": 3, "as_of_date": day(row.get("day", 0)), **row} for row in rows]
    columns = {name: pa.array([row.get(name) for row in full], kind) for name, kind in kinds.items()}
    name = runtime.feature_table(f"{trainer.spec.use_case}_predictions")
    runtime.tables.merge(name, pa.table(columns), keys=prediction_key(grain))


def job(number: int, *, on: int, chance: float, **more: Any) -> dict[str, Any]:
    answer = "1" if chance >= 0.4 else "0"
    keys = {"workspace_id": "w", "job_id": str(number), "day": on}
    return keys | {"prediction": chance, "probability": chance, "predicted_class": answer} | more


def account(user: str, *, on: int, score: float, **more: Any) -> dict[str, Any]:
    found = {"prediction": score, "anomaly_score": score, "is_anomaly": int(score > 0.9)}
    return {"user_id": user, "day": on} | found | more


def alerts_in(runtime: Runtime) -> list[dict[str, Any]]:
    return sorted(ALERTS.read(runtime).to_pylist(), key=lambda row: (row["kind"], row["entity"], row["first_day"]))


class Receiver:
    """An HTTP server on this machine that answers as told, and keeps what it was sent.

    Args:
        answers: Status codes in turn, the last one for good; ``None`` answers after half a second only.
        headers: Headers of every answer.
        port: Port; 0 for a free one.
    """

    def __init__(self, *answers: int | None, headers: dict[str, str] | None = None, port: int = 0) -> None:
        self.bodies: list[Any] = []
        self.paths: list[str] = []
        left, released = list(answers) or [200], threading.Event()
        self._released = released
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver.paths.append(self.path)
                receiver.bodies.append(
                    json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or "null")
                )
                answer = left.pop(0) if len(left) > 1 else left[0]
                if answer is None:
                    released.wait(5)
                    return
                self.send_response(answer)
                for name, value in (headers or {}).items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def do_GET(self) -> None:
                self.do_POST()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def url(self, path: str = "/hook") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def __enter__(self) -> Receiver:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._released.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

"""The endpoints of a workspace that the client calls, on loopback."""

from __future__ import annotations

import contextlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlparse

from framework.stores.ddl import spark_name
from tests.contract.standin.feature_spec import feature_spec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.contract.standin.catalog import UnityCatalog

Answer = tuple[int, dict[str, Any]]
NOTED = ("feature-tables/delete", "log-client-event", "feature-tables/add-producer", "features/add-consumer")
"""Calls that a workspace only writes down."""
MISSING: Answer = (404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no such table"})


class Endpoints:
    """Answers by path, over the tables of a catalog.

    Args:
        catalog: The tables.
    """

    def __init__(self, catalog: UnityCatalog) -> None:
        self._catalog = catalog
        self.unknown: list[str] = []
        """Paths that nothing here answers; a test that finds one must be taught it."""

    def answer(self, path: str, body: dict[str, Any]) -> Answer:
        """Return status and body."""
        if path == "/.well-known/databricks-config":  # asked whenever credentials are looked up
            return 200, {"workspace_id": "0"}
        for prefix, respond in (
            ("/api/2.1/unity-catalog/tables/", self._table),
            ("/api/2.0/unity-catalog/securable-tags/TABLE/", self._tags),
        ):
            if path.startswith(prefix):
                name = path.removeprefix(prefix)
                return respond(name) if self._catalog.exists(name) else MISSING
        if path.startswith("/api/2.0/feature-store/"):
            return self._feature_store(path.removeprefix("/api/2.0/feature-store/"), body)
        self.unknown.append(path)
        return MISSING

    def _table(self, name: str) -> Answer:
        facts = self._catalog.facts(name)
        constraint = {
            "name": f"{name.rpartition('.')[2]}_pk",
            "child_columns": facts["key"],
            "timeseries_columns": [facts["time"]] if facts["time"] else [],
        }
        return 200, {
            "full_name": name,
            "securable_kind": "TABLE_DELTA",
            "table_type": "MANAGED",
            "table_id": facts["id"],
            "comment": facts["comment"],
            "created_at": facts["created_at"],
            "columns": [{"name": field.name} for field in self._catalog.schema(name)],
            "table_constraints": [{"primary_key_constraint": constraint}] if facts["key"] else [],
        }

    def _tags(self, name: str) -> Answer:
        tags = [{"key": key, "value": value} for key, value in self._catalog.facts(name)["tags"].items()]
        return 200, {"tag_assignments": [{"tag_key_value_pairs": tags}]} if tags else {}

    def _features(self, name: str) -> Answer:
        if not self._catalog.exists(name):
            return MISSING
        keys = self._catalog.facts(name)["key"]
        fields = sorted(self._catalog.schema(name), key=lambda field: (field.name not in keys, field.name))
        return 200, {"features": [_feature(name, field) for field in fields]}

    def _feature_store(self, call: str, body: dict[str, Any]) -> Answer:
        if call == "features/get":
            return self._features(body["feature_table"])
        if call == "feature-tables/get-online-stores":
            tables = [{"feature_table": table, "online_stores": []} for table in body.get("feature_tables", [])]
            return 200, {"feature_table_online_stores": tables}
        if call == "feature-tables/create":
            return 200, {"feature_table": {"name": body["name"], "id": self._catalog.facts(body["name"])["id"]}}
        if call == "feature-spec/generate-yaml":
            return 200, {"feature_spec_yaml": feature_spec(self._catalog, body)}
        if call in (
            "feature-tables/delete",
            "log-client-event",
            "feature-tables/add-producer",
            "features/add-consumer",
        ):
            return 200, {}
        self.unknown.append(call)
        return MISSING


def _feature(table: str, field: Any) -> dict[str, Any]:
    from databricks.ml_features.constants import DATA_TYPES_REQUIRES_DETAILS
    from databricks.ml_features.entities.data_type import DataType
    from pyspark.sql import SparkSession

    kind = SparkSession.active().createDataFrame([], f"x {spark_name(field.type)}").schema["x"].dataType
    known = DataType.from_spark_type(kind)
    found = {"table": table, "name": field.name, "data_type": DataType.to_string(known)}
    return found | ({"data_type_details": kind.json()} if known in DATA_TYPES_REQUIRES_DETAILS else {})


@contextlib.contextmanager
def serve(endpoints: Endpoints) -> Iterator[str]:
    """Serve the endpoints; yields the address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that the base gives it
            """Say nothing: a failing test shows what was asked."""

        def do_GET(self) -> None:
            """Answer any method alike."""
            asked = urlparse(self.path)
            length = int(self.headers.get("Content-Length") or 0)
            query = {key: values[0] for key, values in parse_qs(asked.query).items()}
            status, body = endpoints.answer(
                unquote(asked.path), json.loads(self.rfile.read(length)) if length else query
            )
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_DELETE = do_PATCH = do_GET  # noqa: N815 - the names that the base looks for

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

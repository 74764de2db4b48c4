"""Which columns form a table's primary key, told by the metadata of its Arrow schema."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

PRIMARY_KEY = "primary_key"
"""Field metadata: the 1-based place of a column in the primary key."""
TIMESERIES = "timeseries"
"""Field metadata: ``"1"`` on the time column of a time-series feature table."""


def metadata_of(field: pa.Field) -> dict[str, str]:
    """Return a field's metadata as text."""
    return {key.decode(): value.decode() for key, value in (field.metadata or {}).items()}


def primary_key(schema: pa.Schema) -> list[str]:
    """Return the primary key that a schema's metadata declares, in its order."""
    places = {field.name: metadata_of(field).get(PRIMARY_KEY) for field in schema}
    return sorted((name for name, place in places.items() if place), key=lambda name: int(places[name] or 0))


def timeseries_column(schema: pa.Schema) -> str | None:
    """Return the time column that a schema's metadata declares."""
    return next((field.name for field in schema if metadata_of(field).get(TIMESERIES) == "1"), None)

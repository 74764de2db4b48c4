"""The predictions to act on: of each model and day, the rows of the version that answered last.

Where the platform has views, it is the view ``{use_case}_predictions_latest``; everywhere it can be read from here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from framework.core.ports import View
from framework.tables.declared import SERVING

if TYPE_CHECKING:
    from datetime import date

    import pyarrow as pa

    from framework.gold.runtime import Runtime


def latest_view(runtime: Runtime, use_case: str) -> View:
    """Return what the latest predictions of a use case are: those whose version ``model_serving`` names for the day."""
    return View(
        rows=runtime.feature_table(f"{use_case}_predictions"),
        among=runtime.feature_table(SERVING.name),
        on=("model_name", "as_of_date", "model_version"),
        description="Of each day, the predictions of the version that answered last: the rows to act on.",
    )


def keep_current(runtime: Runtime, use_case: str) -> None:
    """Keep the view of the latest predictions in line with its table, where the platform has views."""
    view = latest_view(runtime, use_case)
    runtime.tables.keep_view(f"{view.rows}_latest", view)


def latest_predictions(runtime: Runtime, use_case: str, day: date | None = None) -> pa.Table:
    """Return the predictions to act on.

    Args:
        runtime: The runtime.
        use_case: Use case of the model, as in the name of its prediction table.
        day: Day of the predictions; ``None`` for all days.

    Returns:
        Rows of the prediction table, all columns, in the table's order.

    Raises:
        TableError: If nothing was ever scored.
    """
    view = latest_view(runtime, use_case)
    where = [] if day is None else [("as_of_date", "=", day)]
    rows = runtime.tables.read(view.rows, where=where)
    return _matching(rows, SERVING.read(runtime, where, columns=view.on), view.on)


def _matching(rows: pa.Table, among: pa.Table, on: tuple[str, ...]) -> pa.Table:
    """Return the rows whose values in some columns stand together in a row of another table."""
    import pyarrow as pa

    place = "__row"  # lists and maps cannot go through a join, so only places do
    asked = rows.select(list(on)).append_column(place, pa.array(range(len(rows)), pa.int64()))
    known = among.select(list(on)).cast(pa.schema([rows.schema.field(name) for name in on]))
    found = asked.join(known, keys=list(on), join_type="left semi")
    return rows.take(found.sort_by(place)[place])

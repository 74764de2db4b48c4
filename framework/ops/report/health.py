"""Whether the input was sound, and what did not run."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from framework.core.results import Status
from framework.declare.labels import KNOWN_AT
from framework.ops.report import readable
from framework.ops.report.facts import Data, NotRun

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date

    from framework.ops.report.reading import Reader

WORST_FIRST = (Status.FAILED, Status.SKIPPED, Status.FALLBACK)


def data(reader: Reader, scrub: Callable[[str], str]) -> Data:
    """Return what is in quarantine, and what the newest run remarked about its input.

    Args:
        reader: The tables.
        scrub: Takes this machine's folders out of a text.
    """
    rows: dict[tuple[str, str], int] = defaultdict(int)
    newest: dict[tuple[str, str], date] = {}
    for row in reader.quarantine:
        group = (row["table_name"], row["reason"])
        rows[group] += row["copies"]
        if row[KNOWN_AT] is not None:
            newest[group] = max(newest.get(group, row[KNOWN_AT].date()), row[KNOWN_AT].date())
    total = sum(rows.values())
    description = "No gold row is in quarantine."
    if total:
        tables = {table for table, _ in rows}
        description = f"{readable.plural(total, 'gold row')} of {readable.plural(len(tables), 'table')} in quarantine."
    return Data(
        rows=total,
        quarantine=tuple(
            (table, reason, f"{rows[table, reason]:,}", readable.day(newest.get((table, reason))))
            for table, reason in sorted(rows, key=lambda group: -rows[group])
        ),
        oddities=tuple(
            f"{row['unit'].partition(':')[2]}: {scrub(remark)}"
            for row in reader.ledger
            if row["unit"].startswith("features:") and row["status"] == Status.DONE
            for remark in (row["reason"] or "").split("; ")
            if remark
        ),
        description=description,
    )


def not_run(reader: Reader, scrub: Callable[[str], str]) -> NotRun:
    """Return the units of the day that failed, were skipped, or were answered by a dummy, the worst first.

    Args:
        reader: The tables.
        scrub: Takes this machine's folders out of a text.
    """
    if not reader.ledger:
        return NotRun(rows=(), description=f"No run is recorded for {readable.day(reader.day)}.")
    poor = [row for row in reader.ledger if row["status"] != Status.DONE]
    poor.sort(key=lambda row: WORST_FIRST.index(Status(row["status"])))
    rows = [(*row["unit"].split(":", 1), row["status"], scrub(row["reason"] or "")) for row in poor]
    total = readable.plural(len(reader.ledger), "unit")
    description = f"{total} ran, none failed or was skipped."
    if rows:
        counts = [(status, sum(row["status"] == status for row in poor)) for status in WORST_FIRST]
        description = f"Of {total}: {', '.join(f'{count:,} {status}' for status, count in counts if count)}."
    broken = [("plugin", name, "failed", scrub(error)) for name, error in reader.runtime.plugins.broken.items()]
    return NotRun(rows=(*broken, *rows), description=description)


def why_not(reader: Reader, scrub: Callable[[str], str]) -> dict[str, str]:
    """Return why a model gave no prediction, where the ledger knows."""
    found = {}
    for row in reader.ledger:
        stage, _, name = row["unit"].partition(":")
        if stage in ("train", "score") and row["status"] in (Status.FAILED, Status.SKIPPED) and row["reason"]:
            found[name] = f"{row['status']}: {scrub(row['reason'])}"
    return found

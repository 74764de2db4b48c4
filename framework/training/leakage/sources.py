"""Evidence in gold itself: a row whose own times lie after its ``known_at`` was written, or filled in, later."""

from __future__ import annotations

from typing import TYPE_CHECKING

from framework.training.leakage.finding import Finding, Verdict

if TYPE_CHECKING:
    from framework.declare.model import ModelSpec
    from framework.gold.runtime import Runtime

CHECK = "known_at"
SHARE = 0.01
"""Share of a table's rows from which a time after ``known_at`` is no odd row but how the table is made."""


def late_sources(spec: ModelSpec, runtime: Runtime) -> list[Finding]:
    """Return the gold columns that show that a table's rows are known later than its ``known_at`` says.

    A run that is known at its start and carries its end and its status is the usual case. A time that is set in
    advance, such as a deadline, is declared as ``planned`` in the gold contract and is no evidence.

    Args:
        spec: The model; the tables that its features and labels rest on are looked at.
        runtime: The runtime, for the profiles of gold, which a run makes anyway.
    """
    tables = {need.partition(".")[0] for need in spec.needs}
    for lookup in spec.lookups:
        tables.update(runtime.plugins.table(lookup.table).gold_tables())
    found = []
    for table in sorted(tables):
        profile = runtime.profiler.profile(table)
        for column, rows in profile.later.items():
            if rows <= SHARE * profile.rows:
                continue
            name = f"{table}.{column}"
            evidence = (
                f"is later than known_at in {rows} of {profile.rows} rows, so they were known later than the contract "
                "says: let known_at wait for it, or declare the column as planned"
            )
            verdict = Verdict.PASS if name in spec.honest else Verdict.ASK
            found.append(Finding(check=CHECK, column=name, evidence=evidence, verdict=verdict))
    return found

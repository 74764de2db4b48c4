"""Results of units of work, as frozen data, and the ledger they are written to as they happen."""

from __future__ import annotations

import dataclasses
import json
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date, datetime

    import pyarrow as pa

    from framework.core.ports import Tables


class Status(StrEnum):
    """How a unit of work ended."""

    DONE = "done"
    FALLBACK = "fallback"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclasses.dataclass(frozen=True, slots=True)
class Skip:
    """Why there is nothing to do; it stands in the place of what would be worked on.

    Args:
        reason: One sentence for the operator: which input is missing, or too little of it.
    """

    reason: str


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class UnitResult:
    """One unit of work: a feature table built, a model trained, a model's day scored.

    Args:
        stage: ``features``, ``train`` or ``score``.
        name: Table or model.
        status: How it ended.
        reason: Why, for anything but a plain ``done``; for ``done`` a remark or nothing.
        rows: Rows written, trained on, or scored.
        metric: Name of the primary metric.
        value: The model's value of it on the held-back days.
        baseline: The baseline's value on the same rows.
        skill: Skill against the baseline, with ``skill_low`` and ``skill_high`` as its 90 % interval.
        skill_low: Lower bound.
        skill_high: Upper bound.
        rule: The plain rule that did best on the training rows.
        rule_value: Its value of the metric on the held-back days.
        rule_skill: Skill of the model against it.
        version: Registered model version; ``None`` where there is none.
        seconds: Wall time.
        scored_with: URI of the version that ``score_batch`` answered with; empty if nothing went through it.
        made_of: Hash of all that the result depends on; empty where that cannot be told.
    """

    stage: str
    name: str
    status: Status
    reason: str = ""
    rows: int = 0
    metric: str = ""
    value: float | None = None
    baseline: float | None = None
    skill: float | None = None
    skill_low: float | None = None
    skill_high: float | None = None
    rule: str = ""
    rule_value: float | None = None
    rule_skill: float | None = None
    version: int | None = None
    seconds: float = 0.0
    scored_with: str = ""
    made_of: str = ""

    @property
    def unit(self) -> str:
        """``stage:name``, the unit's identity within a run."""
        return f"{self.stage}:{self.name}"


class Ledger:
    """Append-only record of results; what a resumed run need not repeat.

    Args:
        tables: Where it is kept.
        name: Three-level table name.
        run_id: This run.
        as_of: The run's day.
        inputs: What a run's results depend on; only runs with the same inputs resume each other.
    """

    def __init__(self, tables: Tables, name: str, *, run_id: str, as_of: date, inputs: Mapping[str, Any]) -> None:
        self._tables = tables
        self._name = name
        self.run_id = run_id
        self._as_of = as_of
        self._inputs = json.dumps(dict(inputs), sort_keys=True)

    def record(self, result: UnitResult, at: datetime, log: Sequence[Mapping[str, Any]] = ()) -> None:
        """Append one result, in one commit.

        Args:
            result: The result.
            at: When it was reached, UTC.
            log: The events that were logged on the way.
        """
        import pyarrow as pa

        row = {
            "run_id": self.run_id,
            "unit": result.unit,
            "as_of_date": self._as_of,
            "inputs": self._inputs,
            "recorded_at": at,
            "status": str(result.status),
            "reason": result.reason,
            "result": json.dumps(dataclasses.asdict(result)),
            "log": json.dumps(list(log), default=str),
        }
        self._tables.append(self._name, pa.Table.from_pylist([row], schema=_schema()))

    def finished(self) -> dict[str, UnitResult]:
        """Return each unit's newest result of this day and these inputs, if it needs no second try.

        Failed units are not among them.
        """
        if not self._tables.exists(self._name):
            return {}
        where = [("as_of_date", "=", self._as_of), ("inputs", "=", self._inputs)]
        columns = ["unit", "recorded_at", "result"]
        rows = self._tables.read(self._name, columns=columns, where=where).to_pylist()
        rows.sort(key=lambda row: row["recorded_at"])
        kept: dict[str, UnitResult] = {}
        for row in rows:
            found = json.loads(row["result"])
            result = UnitResult(**found | {"status": Status(found["status"])})
            kept[result.unit] = result
        return {unit: r for unit, r in kept.items() if r.status is not Status.FAILED}


def _schema() -> pa.Schema:
    import pyarrow as pa

    moment = pa.timestamp("us", tz="UTC")
    kinds = {"as_of_date": pa.date32(), "recorded_at": moment}
    order = ("run_id", "unit", "as_of_date", "inputs", "recorded_at", "status", "reason", "result", "log")
    return pa.schema([pa.field(name, kinds.get(name, pa.string())) for name in order])

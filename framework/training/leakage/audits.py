"""Audits against gold that ends on a past day: feature tables once per run, labels once per model."""

from __future__ import annotations

from datetime import date, timedelta
from functools import reduce
from typing import TYPE_CHECKING

from framework.core.services import Memo
from framework.declare.labels import KNOWN_AT, LABEL_KNOWN_AT, Label
from framework.training.assemble import cast_labels, is_built, rows_of
from framework.training.leakage.label_audit import check_events, check_settled, check_unknown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from framework.declare.model import ModelSpec
    from framework.gold.runtime import Runtime
    from framework.training.data import TrainingData
    from framework.training.leakage.finding import Finding
    from framework.training.steps import SupervisedSteps

AUDITED: Memo[dict[str, date]] = Memo(dict)
"""Feature tables whose as-of audit passed in a run, with the day that was audited."""
LABELS: Memo[set[str]] = Memo(set)
"""Models whose labels were audited in a run."""
CUTS = 2
"""Past days, a week apart, on which gold is cut: on one, a rare label may say nothing at all."""
WEEK = timedelta(days=7)


def audit_labels(trainer: SupervisedSteps, runtime: Runtime, as_of: date, data: TrainingData) -> list[Finding]:
    """Audit a model's labels, once per run.

    Of a declared label it is enough to look at its events: the rest is the framework's own. Labels that a trainer
    makes itself are made again from gold that ends on past days.

    Args:
        trainer: The trainer.
        runtime: The runtime.
        as_of: Newest day that may be known.
        data: The labelled rows.

    Returns:
        Labels that are told beforehand; none in a replayed day, whose labels are those of the replay's last.

    Raises:
        LeakageError: If a label is known on its own day, or changes after it settled.
    """
    spec, grain = data.spec, data.grain
    if runtime.later is not None or grain.time_type != "date" or spec.name in LABELS.of(runtime):
        return []
    label = trainer.labels(runtime.gold().until(as_of), as_of)
    if isinstance(label, Label):
        counts = label.events.selectExpr("count(1) AS events", f"count_if({KNOWN_AT} < {label.day}) AS early")
        (row,) = runtime.collect(counts).to_pylist()
        found = check_events(row["events"], row["early"], spec.labels, model=spec.name, honest=spec.honest)
    else:
        last = AUDITED.of(runtime).get(grain.name, data.split.train_end)
        found = _audit_rows(trainer, runtime, as_of, data, [last - back * WEEK for back in range(CUTS)])
    LABELS.of(runtime).add(spec.name)
    return found


def _audit_rows(
    trainer: SupervisedSteps, runtime: Runtime, as_of: date, data: TrainingData, days: Sequence[date]
) -> list[Finding]:
    """Make the labels again from gold that ends on past days, and compare."""
    spec, grain = data.spec, data.grain
    time, span = grain.time, timedelta(days=max(1, spec.horizon.days))
    parts = []
    for day in days:
        made = rows_of(trainer.labels(runtime.gold().until(day), as_of), spec, grain, as_of)
        settled = f"coalesce({LABEL_KNOWN_AT} <= DATE '{day + timedelta(days=1)}', false)"
        recent = f"{time} > DATE '{day - 3 * span}' AND (__settled OR {time} = DATE '{day}')"
        cast = cast_labels(made, spec, trainer.task, grain)
        parts.append(cast.selectExpr("*", f"{settled} AS __settled", f"DATE '{day}' AS __cut").where(recent))
    found = runtime.collect(reduce(lambda one, other: one.unionByName(other), parts)).to_pandas()
    if data.classes and not spec.classes:
        found[spec.labels[0]] = found[spec.labels[0]].map({name: at for at, name in enumerate(data.classes)})
    rows = data.frame[data.frame[LABEL_KNOWN_AT].notna()]
    columns = [*grain.primary_key, *spec.labels]
    for day in days:
        then = found.loc[found["__settled"] & (found["__cut"] == day), columns]
        check_settled(then, rows[columns], keys=grain.primary_key, day=day, model=spec.name)
    before = rows[columns].assign(**{time: rows[time] + span})
    early = found.loc[found[time] == found["__cut"], columns]
    return check_unknown(early, rows[columns], before, keys=grain.primary_key, model=spec.name, honest=spec.honest)


def audit_tables(spec: ModelSpec, runtime: Runtime, day: date) -> list[Finding]:
    """Audit each looked-up table once per run: its rows of a past day must not need later gold.

    Raises:
        LeakageError: If one does.
    """
    audited = AUDITED.of(runtime.later or runtime)  # the days of a replay share one
    for lookup in spec.lookups:
        if lookup.table not in audited and is_built(lookup.table, runtime):
            runtime.plugins.builders[lookup.table].item().audit(runtime, day)
            audited[lookup.table] = day
    return []

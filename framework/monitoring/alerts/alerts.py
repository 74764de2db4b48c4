"""Raises alerts about entities: from the day's predictions of the version that serves."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING

from framework.base.logging import get_logger
from framework.core.versions import CHAMPION
from framework.monitoring.alerts.book import Page, update
from framework.monitoring.alerts.rules import Finding, Rule, rule_of
from framework.training.contract import Contract

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from framework.core.versions import Served
    from framework.declare.model import ModelSpec
    from framework.gold.runtime import Runtime

KINDS = ("prediction", "fallback")
ASK_FOR_LABELS = "wait for more labels, or look why there are so few"
LOOK_AT_TABLE = "look at the prediction table of the day"


def raise_alerts(runtime: Runtime, model: str, as_of: date) -> int:
    """Raise, prolong and resolve the alerts that a model's predictions of a day give rise to.

    Any day may be judged again, and in any order: the rows are the same.

    Args:
        runtime: The runtime.
        model: The model.
        as_of: The day; nothing happens if the version that serves has not scored it.

    Returns:
        Alerts inserted or changed.
    """
    offer = runtime.plugins.trainers[model]
    served = runtime.registry.served(model)
    if served is None:
        return 0
    spec: ModelSpec = offer.item.spec
    rule = rule_of(spec, offer.item.task, Contract.of(served.facts), proven=served.alias == CHAMPION)
    scored = _Scored(runtime, spec, served, rule)
    newest = scored.newest(as_of)
    if newest is None:
        return 0
    found = scored.capped(as_of)
    changed = update(
        runtime,
        Page(
            name=model,
            domain=offer.domain,
            use_case=spec.use_case,
            kinds=KINDS,
            gap=gap_of(spec),
            pause=gap_of(spec),
            day=as_of,
            newest=newest,
            found=found,
            holding={one.subject for one in (*scored.every(newest), *scored.capped(newest))},
            look_back=scored.capped,
        ),
    )
    get_logger().info("alerts_raised", model=model, found=len(found), changed=changed)
    return changed


def gap_of(spec: ModelSpec) -> int:
    """Return the days without a finding after which it counts as a new one: the model's horizon, at least one."""
    return max(1, spec.horizon.days)


class _Scored:
    """The predictions of one version, by day.

    Args:
        runtime: The runtime.
        spec: The model's declaration.
        served: The version.
        rule: Its rule; ``None`` if no answer of it raises an alert.
    """

    def __init__(self, runtime: Runtime, spec: ModelSpec, served: Served, rule: Rule | None) -> None:
        self._runtime, self._spec, self._served, self._rule = runtime, spec, served, rule
        self._table = runtime.feature_table(f"{spec.use_case}_predictions")
        self._keys = runtime.plugins.table(spec.lookups[0].table).keys
        self.every = functools.cache(self._every)

    def newest(self, as_of: date) -> date | None:
        """Return the newest day that the version scored; ``None`` if it did not score ``as_of``."""
        if not self._runtime.tables.exists(self._table):
            return None
        where = [("model_version", "=", self._served.version), ("as_of_date", ">=", as_of)]
        days = self._runtime.tables.read(self._table, columns=["as_of_date"], where=where)["as_of_date"].unique()
        known = days.to_pylist()
        return max(known) if as_of in known else None

    def _every(self, day: date) -> Sequence[Finding]:
        """Return all that a day raises about entities, the worst first."""
        rule = self._rule
        if rule is None or self._served.is_fallback:  # a dummy knows nothing of one entity
            return ()
        where = [("model_version", "=", self._served.version), ("as_of_date", "=", day), *rule.where]
        rows = self._runtime.tables.read(self._table, columns=[*self._keys, *rule.columns], where=where)
        return rule.findings(rows.to_pylist(), self._keys, self._served.version)

    def capped(self, day: date) -> list[Finding]:
        """Return what a day puts into the table: the worst, and one line about the rest or about the model."""
        if self._served.is_fallback:
            return [self._fallback()] if self._rule else []
        found, cap = self.every(day), self._runtime.settings.alerts_per_day
        rest = found[cap:]
        if not rest:
            return list(found)
        summary = dataclasses.replace(
            rest[0],
            entity="",
            reason=f"more to look at than the {cap} that are listed for {day}: {len(rest)}",
            action=LOOK_AT_TABLE,
            prediction=None,
        )
        return [*found[:cap], summary]

    def _fallback(self) -> Finding:
        return Finding(
            kind="fallback",
            entity="",
            severity="info",
            reason=f"a dummy answers, so no entity raises an alert: {self._served.facts.get('reason', '')}",
            action=ASK_FOR_LABELS,
            model_version=self._served.version,
        )

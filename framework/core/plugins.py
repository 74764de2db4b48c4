"""Domains are plugins: hooks that return data, found through entry points.

Built-in domains load exactly as a stranger's do. Each loads in its own try: a broken one is named
with its error and skipped.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib.metadata
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import pluggy

from framework.base.errors import ConfigError, PluginError, nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from framework.declare.gold import GoldTable
    from framework.declare.model import ModelSpec, TableSpec, Task

GROUP = "health_monitor.domains"
PROJECT = "health_monitor"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class Source(Protocol):
    """A place where gold tables come from; :class:`framework.GoldSource` is the base."""

    name: str
    tables: tuple[GoldTable, ...]
    incomplete_days: int

    def open(self, runtime: Any, where: str) -> Any:
        """Open the source."""


class Builder(Protocol):
    """Builds a feature table; :class:`framework.FeatureBuilder` is the base."""

    table: ClassVar[TableSpec]


class Trainer(Protocol):
    """Trains a model; :class:`framework.ModelTrainer` is the base."""

    spec: ClassVar[ModelSpec]
    task: ClassVar[Task]


class Scorer(Protocol):
    """Scores a model's entities; :class:`framework.BatchScorer` is the base."""

    model: ClassVar[str]


class Sink(Protocol):
    """A place that alerts are sent to."""

    name: str

    def send(self, alerts: Any) -> None:
        """Send some alerts."""


class Hooks:
    """What a domain may offer; each hook returns data and none depends on order."""

    @hookspec
    def gold_sources(self) -> Iterable[Source]:  # type: ignore[empty-body]
        """Return places where gold tables come from, with the tables they declare."""

    @hookspec
    def gold_tables(self) -> Iterable[GoldTable]:  # type: ignore[empty-body]
        """Return gold tables of the domain's own, which any source may hold."""

    @hookspec
    def feature_builders(self) -> Iterable[type[Builder]]:  # type: ignore[empty-body]
        """Return the domain's feature builders."""

    @hookspec
    def model_trainers(self) -> Iterable[type[Trainer]]:  # type: ignore[empty-body]
        """Return the domain's trainers."""

    @hookspec
    def batch_scorers(self) -> Iterable[type[Scorer]]:  # type: ignore[empty-body]
        """Return the domain's scorers."""

    @hookspec
    def alert_sinks(self) -> Iterable[Sink]:  # type: ignore[empty-body]
        """Return places that alerts are sent to."""


@dataclasses.dataclass(frozen=True, slots=True)
class Offer:
    """Something that a domain offers.

    Args:
        domain: Entry point name of the domain.
        item: The class or object.
    """

    domain: str
    item: Any


@dataclasses.dataclass(frozen=True, slots=True)
class Registry:
    """Everything that the loaded domains offer, by name.

    Args:
        domains: Loaded domains and the distribution that each comes from.
        broken: Domains that could not be loaded, with the reason.
        sources: Gold sources.
        builders: Feature builders by table name.
        trainers: Trainers by model name.
        scorers: Scorers by model name.
        sinks: Alert sinks by name.
        tables: Gold tables that domains declare beside those of the sources, by name.
    """

    domains: Mapping[str, str]
    broken: Mapping[str, str]
    sources: Mapping[str, Offer]
    builders: Mapping[str, Offer]
    trainers: Mapping[str, Offer]
    scorers: Mapping[str, Offer]
    sinks: Mapping[str, Offer]
    tables: Mapping[str, Offer] = dataclasses.field(default_factory=dict)

    def table(self, name: str) -> TableSpec:
        """Return a feature table's declaration, whichever domain builds it.

        Raises:
            ConfigError: If no loaded domain builds it, naming the nearest.
        """
        if name not in self.builders:
            raise ConfigError(
                what=f"no domain builds a feature table '{name}'", where="lookups", fix=nearest(name, self.builders)
            )
        spec: TableSpec = self.builders[name].item.table
        return spec

    def gold_tables(self) -> dict[str, GoldTable]:
        """Return all declared gold tables by name.

        Raises:
            PluginError: If a domain declares a table that a source has under the same name.
        """
        found = {t.name: t for offer in self.sources.values() for t in offer.item.tables}
        for name, offer in self.tables.items():
            if name in found:
                raise PluginError(
                    what=f"the gold table '{name}' is declared already",
                    where=offer.domain,
                    fix="give yours another name",
                )
        return found | {name: offer.item for name, offer in self.tables.items()}

    def select_models(self, domains: Iterable[str], models: Iterable[str]) -> list[str]:
        """Return the trainers' names that two filters leave, in declared order.

        Raises:
            ConfigError: If a filter names something unknown, naming the nearest.
        """
        known, wanted = tuple(domains), tuple(models)
        for domain in known:
            if domain not in self.domains:
                raise ConfigError(what=f"no domain '{domain}'", where="--domains", fix=nearest(domain, self.domains))
        for model in wanted:
            if model not in self.trainers:
                raise ConfigError(what=f"no model '{model}'", where="--models", fix=nearest(model, self.trainers))
        return [
            name
            for name, offer in self.trainers.items()
            if (not known or offer.domain in known) and (not wanted or name in wanted)
        ]

    def select_tables(self, models: Iterable[str], tables: Iterable[str]) -> list[str]:
        """Return the feature tables that some models read, each once, in lookup order; a filter may leave fewer.

        Raises:
            ConfigError: If the filter names a table that none of the models reads, naming the nearest.
        """
        read = list(dict.fromkeys(k.table for m in models for k in self.trainers[m].item.spec.lookups))
        wanted = tuple(tables)
        for table in wanted:
            if table not in read:
                raise ConfigError(what=f"no chosen model reads '{table}'", where="--tables", fix=nearest(table, read))
        return [table for table in read if not wanted or table in wanted]


def discover(*, strict: bool = False, extra: Mapping[str, Any] | None = None) -> Registry:
    """Load every domain and collect what they offer.

    Args:
        strict: Raise on the first broken domain instead of naming it in ``broken``.
        extra: More plugins by name, as a test or a notebook brings them.

    Returns:
        The registry.

    Raises:
        PluginError: If two domains offer the same name; under ``strict`` also if one is broken.
    """
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(Hooks)
    loaded: dict[str, str] = {}
    broken: dict[str, str] = {}
    offers: dict[str, dict[str, Offer]] = {hook: {} for hook in _NAMING}
    for name, origin, load in _candidates(extra or {}):
        try:
            found = _collect(manager, name, load())
        except (Exception, SystemExit) as error:  # a stranger's module may raise anything; it is named below
            if strict:
                raise PluginError(
                    what=f"domain '{name}' cannot be loaded: {error}", where=origin, fix="mend or uninstall it"
                ) from error
            broken[name] = f"{type(error).__name__}: {error}"
            continue
        loaded[name] = origin
        _merge(offers, found, name)
    return Registry(
        domains=loaded,
        broken=broken,
        sources=offers["gold_sources"],
        builders=offers["feature_builders"],
        trainers=offers["model_trainers"],
        scorers=offers["batch_scorers"],
        sinks=offers["alert_sinks"],
        tables=offers["gold_tables"],
    )


def _candidates(extra: Mapping[str, Any]) -> Iterator[tuple[str, str, Callable[[], Any]]]:
    """Yield name, origin and loader of each plugin: entry points by name, then those given."""
    for entry in sorted(importlib.metadata.entry_points(group=GROUP), key=lambda e: e.name):
        yield entry.name, entry.dist.name if entry.dist else "unknown", entry.load
    for name, plugin in extra.items():
        yield name, "given", functools.partial(_given, plugin)


def _given(plugin: Any) -> Any:
    return plugin


_NAMING: dict[str, Callable[[Any], str]] = {
    "gold_sources": lambda source: source.name,
    "gold_tables": lambda table: table.name,
    "feature_builders": lambda builder: builder.table.name,
    "model_trainers": lambda trainer: trainer.spec.name,
    "batch_scorers": lambda scorer: scorer.model,
    "alert_sinks": lambda sink: sink.name,
}


def _collect(manager: pluggy.PluginManager, name: str, plugin: Any) -> dict[str, list[tuple[str, Any]]]:
    """Register one plugin, call its hooks, and take it out again if any of them fails."""
    try:
        manager.register(plugin, name=name)
        manager.check_pending()
        callers = {c.name: c for c in manager.get_hookcallers(plugin) or []}
        found = {hook: list(_offered(hook, caller, plugin)) for hook, caller in callers.items()}
    except BaseException:
        if manager.is_registered(plugin):
            manager.unregister(plugin)
        raise
    if not found:
        fix = f"mark at least one of {', '.join(sorted(_NAMING))} with @hookimpl"
        raise PluginError(what="it implements none of the hooks", where=name, fix=fix)
    return found


def _offered(hook: str, caller: pluggy.HookCaller, plugin: Any) -> Iterator[tuple[str, Any]]:
    """Yield name and item of everything that a plugin returns for a hook."""
    for impl in caller.get_hookimpls():
        if impl.plugin is plugin:
            items: Any = impl.function()
            yield from ((_NAMING[hook](item), item) for item in items)


def _merge(offers: dict[str, dict[str, Offer]], found: dict[str, list[tuple[str, Any]]], domain: str) -> None:
    for hook, items in found.items():
        for key, item in items:
            if key in offers[hook]:
                raise PluginError(
                    what=f"'{key}' is offered twice, by '{offers[hook][key].domain}' and '{domain}'",
                    where=hook,
                    fix="rename one of them, or uninstall one of the two",
                )
            offers[hook][key] = Offer(domain, item)

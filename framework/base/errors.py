"""One error root; every message says what happened, where, and how to mend it."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class HealthMonitorError(Exception):
    """Root of all errors that this project raises on purpose.

    Args:
        what: What is wrong, as a short sentence without a full stop.
        where: The object it was found in: a table, a column, a model, an option.
        fix: What the reader can do about it.
    """

    def __init__(self, *, what: str, where: str, fix: str) -> None:
        self.what = what
        self.where = where
        self.fix = fix
        super().__init__(f"{what} (in {where}). Fix: {fix}")

    def __reduce__(self) -> tuple[object, ...]:
        """Survive pickling: the arguments are keyword-only, which Exception cannot restore."""
        return (_rebuild, (type(self), self.what, self.where, self.fix))


def _rebuild(kind: type[HealthMonitorError], what: str, where: str, fix: str) -> HealthMonitorError:
    return kind(what=what, where=where, fix=fix)


class ConfigError(HealthMonitorError):
    """An option is unknown, missing or has a value that cannot be used."""


class SpecError(HealthMonitorError):
    """A declaration (table, feature, model, subclass) contradicts itself or another one."""


class PluginError(HealthMonitorError):
    """A domain package cannot be loaded, or two of them offer the same name."""


class GoldError(HealthMonitorError):
    """Gold data breaks the contract in a way that quarantine cannot hold."""


class MissingInputError(GoldError):
    """A gold table or column that something needs is absent or wholly NULL."""


class TableError(HealthMonitorError):
    """A plain Delta table cannot be read or written as asked."""


class FeatureStoreError(HealthMonitorError):
    """A call on the feature store is refused: keys, names, modes or types."""


class LabelError(HealthMonitorError):
    """A label or population frame breaks its contract."""


class LeakageError(HealthMonitorError):
    """A feature knows what only the future can know."""


class RegistryError(HealthMonitorError):
    """A model version, alias or signature is not what the caller needs."""


class ScoringError(HealthMonitorError):
    """A batch cannot be scored: no model, no population, stale features."""


class DeliveryError(HealthMonitorError):
    """A sink did not take the alerts that it was handed."""


class PrivilegeError(HealthMonitorError):
    """The workspace does not let this principal do what a run needs."""


class RuntimeSetupError(HealthMonitorError):
    """The machine lacks something that a run needs."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a hint that names the known word closest to ``name``, or lists what there is.

    Args:
        name: The unknown word.
        known: All words that would have been right.

    Returns:
        A sentence for the ``fix`` of an error.
    """
    words = sorted(known)
    close = difflib.get_close_matches(name, words, n=1, cutoff=0.5)
    if close:
        return f"did you mean '{close[0]}'?"
    return f"known are: {', '.join(words) or 'none'}"

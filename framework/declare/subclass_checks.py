"""Checks made when a subclass is created, so that a mistake is a sentence at import time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from framework.base.errors import SpecError
from framework.declare.outside import outside_read

if TYPE_CHECKING:
    from collections.abc import Sequence

FRAMEWORK = __name__.partition(".")[0]


def check_subclass(
    cls: type, *, base: type, final: Sequence[str], needs: Sequence[str], sketch: str, steps: Sequence[str] = ()
) -> None:
    """Refuse a subclass that overrides what the framework owns, lacks its declaration, or reads from outside of gold.

    Args:
        cls: The class being created.
        base: The framework class that owns the verbs.
        final: Methods that must stay the base's own.
        needs: Class attributes that a concrete subclass must set.
        sketch: What to write, shown in the error.
        steps: Methods that the framework's own kinds define, and nobody else.

    Raises:
        SpecError: Saying which rule is broken and what to write instead.
    """
    where = f"{cls.__module__}.{cls.__qualname__}"
    for verb in final:
        if getattr(cls, verb) is not getattr(base, verb):
            raise SpecError(
                what=f"'{verb}' is final: {base.__name__} owns order, tracking and errors", where=where, fix=sketch
            )
    for step in steps:
        if not getattr(cls, step).__module__.startswith(f"{FRAMEWORK}."):
            raise SpecError(what=f"'{step}' is a step of the framework, and no hole to fill", where=where, fix=sketch)
    if not cls.__module__.startswith(f"{FRAMEWORK}.") and (read := outside_read(cls)):
        raise SpecError(
            what=f"{read} reads what no day can be cut from, so it may know the future",
            where=where,
            fix="declare it as a gold table (`gold_tables` of the plugin) and read it from `gold`",
        )
    for attribute in needs:
        if getattr(cls, attribute, None) is None:
            raise SpecError(what=f"the class attribute '{attribute}' is missing", where=where, fix=sketch)

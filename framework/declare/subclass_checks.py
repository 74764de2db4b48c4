"""Checks made when a subclass is created, so that a mistake is a sentence at import time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from framework.base.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Sequence


def check_subclass(cls: type, *, base: type, final: Sequence[str], needs: Sequence[str], sketch: str) -> None:
    """Refuse a subclass that overrides a final verb or lacks its declaration.

    Args:
        cls: The class being created.
        base: The framework class that owns the verbs.
        final: Methods that must stay the base's own.
        needs: Class attributes that a concrete subclass must set.
        sketch: What to write, shown in the error.

    Raises:
        SpecError: Saying which rule is broken and what to write instead.
    """
    where = f"{cls.__module__}.{cls.__qualname__}"
    for verb in final:
        if getattr(cls, verb) is not getattr(base, verb):
            raise SpecError(
                what=f"'{verb}' is final: {base.__name__} owns order, tracking and errors", where=where, fix=sketch
            )
    for attribute in needs:
        if getattr(cls, attribute, None) is None:
            raise SpecError(what=f"the class attribute '{attribute}' is missing", where=where, fix=sketch)

"""The conditions of a read, as Arrow takes them."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from framework.base.errors import TableError, nearest
from framework.stores.arrow import pc

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_OPERATORS: Mapping[str, Callable[[Any, Any], Any]] = {
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def check_column(column: str, schema: pa.Schema, name: str) -> None:
    """Refuse a column that a table does not have.

    Raises:
        TableError: If there is no such column, naming the nearest.
    """
    if column not in schema.names:
        raise TableError(what=f"no column '{column}'", where=name, fix=nearest(column, schema.names))


def is_text(schema: pa.Schema, column: str) -> bool:
    """Tell whether a column holds text or bytes."""
    kind = schema.field(column).type
    return bool(pa.types.is_string(kind) or pa.types.is_binary(kind))


def matching(where: Sequence[Any], schema: pa.Schema, name: str) -> object:
    """Return a conjunction of ``(column, op, value)`` as an Arrow expression; ``None`` for none.

    Raises:
        TableError: If an operator is unknown.
    """
    result = None
    for column, sign, value in where:
        field, kind = pc.field(column), schema.field(column).type
        if sign == "in":
            one = field.isin(pa.array(list(value), type=kind))
        elif sign in _OPERATORS:
            one = _OPERATORS[sign](field, pa.scalar(value, type=kind))
        else:
            raise TableError(what=f"unknown operator '{sign}'", where=name, fix=nearest(sign, [*_OPERATORS, "in"]))
        result = one if result is None else result & one
    return result

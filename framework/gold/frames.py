"""What every engine does alike with frames, where their own ways differ."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def stack(one: DataFrame, more: DataFrame) -> DataFrame:
    """Return the rows of two frames, columns matched by name; a column that one of them lacks is NULL in its rows.

    Args:
        one: A frame.
        more: Another; columns of one name have one type, or types that Spark turns into one.

    Returns:
        All rows, with the columns of the first before those that only the second has.
    """
    here, there = dict(one.dtypes), dict(more.dtypes)
    left = [f"CAST(NULL AS {kind}) AS `{name}`" for name, kind in there.items() if name not in here]
    right = [f"CAST(NULL AS {kind}) AS `{name}`" for name, kind in here.items() if name not in there]
    return one.selectExpr("*", *left).unionByName(more.selectExpr("*", *right))

"""The page of formulas: its example gives the rows that stand there, and no word is missing."""

from __future__ import annotations

import inspect
import re
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from framework import DailyFeatures, formulas
from framework.declare.gold import Days, GoldColumn, GoldTable
from framework.declare.reading import WINDOWS
from framework.gold.view import GoldView
from tests.conftest import Frames

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

PAGE = (Path(__file__).parents[2] / "docs" / "formulas.md").read_text(encoding="utf-8")
LAST = date(2026, 3, 5)
OPENINGS = GoldTable(
    name="door_openings",
    description="One row per opening.",
    columns=(
        GoldColumn(name="door", type="string"),
        GoldColumn(name="opened_at", type="timestamp"),
        GoldColumn(name="seconds", type="double"),
    ),
    known_at="opened_at",
)


def rows_below(words: str) -> list[list[str]]:
    """Return the cells of the first table after some words, without its heads."""
    lines = PAGE[PAGE.index(words) :].splitlines()
    start = next(at for at, line in enumerate(lines) if line.startswith("|"))
    end = next((at for at, line in enumerate(lines[start:], start) if not line.startswith("|")), len(lines))
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[start + 2 : end]]


def example() -> Any:
    """Return the page's feature builder."""
    (body,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    space: dict[str, Any] = {"__name__": "docs_formulas"}
    exec(compile(body, "docs/formulas.md", "exec"), space)  # noqa: S102 - the page's own code
    (made,) = (one for one in space.values() if isinstance(one, type) and one.__module__ == "docs_formulas")
    assert issubclass(made, DailyFeatures)
    return made()


def cell(value: Any) -> str:
    if value is None:
        return "NULL"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def test_the_rows_of_the_example_are_those_of_the_page(spark: SparkSession) -> None:
    events = [(door, datetime.fromisoformat(f"{day}T12:00"), float(s)) for door, day, s in rows_below("With these")]
    frame = spark.createDataFrame(events, "door string, opened_at timestamp, seconds double")
    tables = {OPENINGS.name: OPENINGS}
    days = Days(None, LAST)
    gold = GoldView(Frames({OPENINGS.name: frame}), tables, days, lambda kind: kind, lambda _name, make: make())
    builder = example()
    names = [*builder.table.primary_key, *(column.name for column in builder.table.features)]
    found = builder.features(gold, days).select(*names).orderBy(*builder.table.primary_key).collect()
    page = [names, *rows_below("<!-- rows: begin -->")]
    made = [names, *([cell(value) for value in row] for row in found)]
    assert page == made, "\n".join(f"| {' | '.join(row)} |" for row in made)


def test_every_word_is_explained() -> None:
    public = {
        name
        for name, one in vars(formulas).items()
        if inspect.isfunction(one) and one.__module__ == formulas.__name__ and not name.startswith("_")
    }
    explained = {row[0].strip("`") for words in ("## Words", "Four more words") for row in rows_below(words)}
    assert explained == public


def test_every_window_is_explained() -> None:
    assert {row[0].strip("`").partition("(")[0] for row in rows_below("## Windows")} == {*WINDOWS, "peers_within"}

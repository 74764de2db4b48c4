"""The text of statements: one template, many literals, spellings and comments."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from domains.simulator.calendar import DAY

if TYPE_CHECKING:
    import numpy as np

    from domains.simulator.requests import Requests
    from domains.simulator.templates import Template
    from domains.simulator.world import World

P_ONE_OFF = 0.015
"""Share of people's statements that nobody asks a second time."""
ONE_OFF = " AND EXISTS (SELECT k{one}_{two} FROM scratch.t{three})"
PATTERNS = {
    "SELECT": (
        "SELECT {group}, sum({measure}) AS total FROM {table} WHERE day >= '{day}' AND store IN ({stores}) "
        "AND {measure} > {limit:.2f} GROUP BY {group} LIMIT {top}"
    ),
    "MERGE": (
        "MERGE INTO {table} t USING updates_{name} s ON t.id = s.id AND s.batch = {one} WHEN MATCHED THEN UPDATE SET *"
    ),
    "UPDATE": "UPDATE {table} SET {measure} = {measure} * {limit:.2f} WHERE batch = {one} AND day = '{day}'",
    "INSERT": "INSERT INTO {table} SELECT * FROM staging.{group} WHERE batch = {one} AND note = 'it''s {two}'",
}


def texts(world: World, asked: Requests, rng: np.random.Generator) -> list[str]:
    """Return what was written, literal by literal different."""
    count = len(asked.time)
    numbers = rng.integers(1, 99_999, size=(3, count)).tolist()
    style = rng.integers(0, 6, size=count).tolist()
    odd = (rng.random(count) < P_ONE_OFF).tolist() if asked.source.startswith("p") else [False] * count
    days = [(world.calendar.first_day + timedelta(days=int(day))).isoformat() for day in range(world.calendar.days)]
    found = []
    for at, (template, day) in enumerate(zip(asked.template.tolist(), (asked.time // DAY).tolist(), strict=True)):
        one, two, three = numbers[0][at], numbers[1][at], numbers[2][at]
        text = _text(asked.templates[template], days[min(day, len(days) - 1)], one, two)
        if odd[at]:
            text += ONE_OFF.format(one=one, two=two, three=three)
        found.append(_spelt(text, style[at], three))
    return found


def _text(template: Template, day: str, one: int, two: int) -> str:
    return PATTERNS[template.verb].format(
        measure=template.measure,
        group=template.group,
        table=template.table,
        name=template.name,
        day=day,
        one=one,
        two=two,
        stores=", ".join(str(one + more) for more in range(1 + two % 4)),
        limit=two / 100,
        top=10 * (1 + one % 50),
    )


def _spelt(text: str, style: int, number: int) -> str:
    """Spell a statement as one of several tools does."""
    if style == 0:
        return f"/* dashboard {number:x}-{number % 97} */ {text}"
    if style == 1:
        return text.replace(" FROM ", "\n  FROM ").replace(" WHERE ", "\n WHERE  ")
    if style == 2:  # noqa: PLR2004 -- one of six tools
        return f"{text}\n-- run {number}"
    if style == 3:  # noqa: PLR2004
        return text.replace("SELECT", "select").replace(" AND ", " and ")
    return text

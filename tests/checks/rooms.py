"""The picture of the rooms in ``docs/architecture.md``: drawn from the imports as they are.

``python -m tests.checks.rooms --write`` draws it anew; without the option it says whether the page is current.
"""

from __future__ import annotations

import ast
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from tests.checks.circles import PACKAGES, imports_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

ROOT = Path(__file__).resolve().parents[2]
PAGE = Path("docs/architecture.md")
BEGIN, END = "<!-- rooms: begin -->", "<!-- rooms: end -->"
WRITE = "python -m tests.checks.rooms --write"


def room_of(module: str) -> str:
    """Return the room that a module stands in; the front door and what stands beside it are the package itself."""
    parts = module.split(".")
    return ".".join(parts[:2]) if (ROOT / Path(*parts[:2])).is_dir() else parts[0]


def between_rooms(imports: Mapping[str, AbstractSet[str]]) -> dict[str, set[str]]:
    """Return which rooms each room imports."""
    found: dict[str, set[str]] = {}
    for module, imported in imports.items():
        own = room_of(module)
        found.setdefault(own, set()).update(room_of(other) for other in imported)
    return {room: {other for other in others if other != room} for room, others in sorted(found.items())}


def reduced(graph: Mapping[str, AbstractSet[str]]) -> dict[str, set[str]]:
    """Leave out what another way says already: if a imports b and b imports c, the line from a to c is not drawn."""

    def reach(room: str) -> set[str]:
        found: set[str] = set()
        for other in graph.get(room, ()):
            found |= {other, *reach(other)}
        return found

    below = {room: reach(room) for room in graph}
    return {
        room: {other for other in others if not any(other in below[between] for between in others)}
        for room, others in graph.items()
    }


def _floors() -> list[list[str]]:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (layers,) = (contract["layers"] for contract in declared if contract["type"] == "layers")
    return [[f"framework.{room.strip()}" for room in layer.split("|")] for layer in layers]


def _says(room: str) -> str:
    text = ast.get_docstring(ast.parse((ROOT / Path(*room.split(".")) / "__init__.py").read_text())) or ""
    return text.partition("\n")[0].rstrip(".")


def block() -> str:
    """Return the picture and the table of the rooms."""
    imports = imports_of(*PACKAGES)
    graph = between_rooms(imports)
    domains = sorted(room for room in graph if room.startswith("domains."))
    whole = {"the domains": {other for room in domains for other in graph[room] if not other.startswith("domains")}}
    lines = reduced({room: others - {"framework"} for room, others in graph.items() if room.startswith("framework.")})
    rooms = [room for floor in _floors() for room in floor]
    drawn = ["```mermaid", "flowchart TD", '    domains["domains"] --> door["framework: the front door"]']
    drawn += [f"    door --> {room.partition('.')[2]}" for room in rooms if room in _offered()]
    drawn += [f"    {a.partition('.')[2]} --> {b.partition('.')[2]}" for a in rooms for b in rooms if b in lines[a]]
    drawn += ["```", "", "| room | what it holds |", "|---|---|"]
    for room in [*rooms, *domains]:
        drawn.append(f"| `{room.replace('.', '/')}` | {_says(room)} |")
    assert whole["the domains"] <= {"framework", *rooms}, whole
    return "\n".join(drawn)


def _offered() -> set[str]:
    """Return the rooms whose names the front door offers."""
    return {room_of(module) for module in imports_of(*PACKAGES)["framework"]}


def page(text: str) -> str:
    """Return the page with the picture as it should be."""
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n\n{block()}\n\n{END}{rest.split(END)[1]}"


def main(words: list[str]) -> int:
    """Draw the picture, or say whether the page has it."""
    text = (ROOT / PAGE).read_text(encoding="utf-8")
    wanted = page(text)
    if "--write" in words:
        (ROOT / PAGE).write_text(wanted, encoding="utf-8")
        return 0
    sys.stdout.write(f"{PAGE} shows the rooms as they are\n" if text == wanted else f"{PAGE}: run {WRITE}\n")
    return int(text != wanted)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

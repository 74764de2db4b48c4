"""No circle of modules: an import for an annotation ties two modules as any other does."""

from __future__ import annotations

import graphlib
import sys
from typing import TYPE_CHECKING

import grimp

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

PACKAGES = ("framework", "domains")


def imports_of(*packages: str) -> dict[str, set[str]]:
    """Return what each module of some importable packages imports of them; annotations and functions count."""
    graph = grimp.build_graph(*packages, exclude_type_checking_imports=False, cache_dir=None)
    return {module: graph.find_modules_directly_imported_by(module) for module in sorted(graph.modules)}


def first_circle(imports: Mapping[str, AbstractSet[str]]) -> list[str]:
    """Return the modules of one circle, each imported by the one after it and the first again at the end, or none."""
    try:
        graphlib.TopologicalSorter(imports).prepare()
    except graphlib.CycleError as found:
        return list(found.args[1])
    return []


def main(*packages: str) -> int:
    """Print a circle if there is one, and return the exit code."""
    imports = imports_of(*packages)
    circle = first_circle(imports)
    said = f"a circle of modules: {' <- '.join(circle)}" if circle else f"no circle among {len(imports)} modules"
    sys.stdout.write(f"{said}\n")
    return 1 if circle else 0


if __name__ == "__main__":
    sys.exit(main(*PACKAGES))

"""What identifies a training: the day, the data, the declaration, and the code that shapes the model."""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from framework.declare.table import short_hash

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from framework.gold.runtime import Runtime
    from framework.training.steps import Steps

ROOMS = ("base", "core", "declare", "features", "gold", "registry", "stores", "tables", "training")
"""Rooms of the framework that shape a model: training itself and all below it. A report or a command does not."""


def fingerprint(trainer: Steps, runtime: Runtime, as_of: date) -> str:
    """Return what identifies a training: equal fingerprints give equal models."""
    spec = trainer.spec
    tables = sorted({lookup.table for lookup in spec.lookups})
    parts = [
        as_of.isoformat(),
        spec.spec_hash(),
        str(runtime.settings.seed),
        f"{runtime.settings.gold} {runtime.settings.time_zone} {runtime.settings.max_rows}",
        str(sorted(runtime.settings.options.items())),
    ]
    for table in tables:
        name = runtime.feature_table(table)
        declared = runtime.plugins.table(table)
        parts += [f"{name}@{runtime.tables.version(name)}", *(declared.formula_hash(c.name) for c in declared.features)]
    builders = (runtime.plugins.builders[table].item for table in tables)
    return short_hash([*parts, code_version(type(trainer), *builders)])


@functools.cache
def code_version(*classes: type) -> str:
    """Return a hash of the code that may shape a training.

    That is the framework up to its training, and of each class its module with all that it imports of its own package,
    directly or not. An edit of anything else, such as a report, changes nothing.

    Args:
        classes: The trainer, and the builders of the tables that it looks up.
    """
    files = dict(_framework_files())
    at_a_prompt = []
    for one in classes:
        if getattr(sys.modules.get(one.__module__), "__file__", None) is None:  # of a notebook or a console
            at_a_prompt.append(repr(one))
        else:
            files |= _reached(one.__module__)
    hashes = [hashlib.sha256(files[name].read_bytes()).hexdigest() for name in sorted(files)]
    return short_hash([*hashes, *at_a_prompt])


def _framework_files() -> Iterator[tuple[str, Path]]:
    root = Path(__file__).resolve().parents[1]
    for room in ROOMS:
        for file in sorted((root / room).rglob("*.py")):
            yield f"framework.{file.relative_to(root).as_posix()}", file


def _reached(module: str) -> dict[str, Path]:
    """Return a module and all that it imports of its own package, by name; imports inside functions count."""
    package = module.partition(".")[0]
    found: dict[str, Path] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in found or name.partition(".")[0] != package or package == "framework":
            continue
        file = _file_of(name)
        if file is not None:
            found[name] = file
            waiting += _imports(file, name)
    return found


def _file_of(name: str) -> Path | None:
    """Return a module's source file; ``None`` if the name is no module, but a name within one."""
    try:
        spec = importlib.util.find_spec(name)
    except ModuleNotFoundError:  # its parent is a module and no package
        return None
    origin = spec.origin if spec else None
    return Path(origin) if origin and origin.endswith(".py") else None


def _imports(file: Path, name: str) -> Iterator[str]:
    """Yield the names that a file may import: modules, and names within them that may be modules."""
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parent = name if file.name == "__init__.py" else name.rpartition(".")[0]
            dots = "." * node.level
            base = importlib.util.resolve_name(f"{dots}{node.module or ''}", parent)
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)

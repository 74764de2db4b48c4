"""Finds reads that no gold view can cut: a file, a table or a query opened by hand inside a declaration.

What a class does is read from its source, with the functions of its module that it calls. It is a lint and no wall:
its purpose is that a read which goes round the cut at the day is a sentence at import time, and not a leak at night.
"""

from __future__ import annotations

import ast
import inspect
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# fmt: off
CALLS = frozenset((
    "open", "urlopen", "read_csv", "read_parquet", "read_json", "read_excel", "read_pickle", "read_feather",
    "read_orc", "read_sql", "read_sql_query", "read_sql_table", "read_delta", "read_table", "read_text",
    "read_bytes", "scan_parquet", "scan_csv", "scan_delta", "fromfile", "loadtxt", "genfromtxt", "DeltaTable",
    "forName", "forPath", "load_table", "getActiveSession", "getOrCreate",
))
# fmt: on
"""Calls that open something, whatever they are called on."""
READER = frozenset(("read", "readStream"))
"""Attributes of a Spark session that open something, whatever follows."""
SESSION = frozenset(("sql", "table"))
"""Calls that open something when they are made on a Spark session."""


def outside_read(cls: type) -> str:
    """Return the first call in a class that reads from outside of gold, with its line; empty if there is none."""
    tree = _tree(cls)
    if tree is None:
        return ""
    bodies = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    for node in _reached(cls.__name__, bodies):
        if name := _opens(node):
            return f"{name} in line {node.lineno}"  # type: ignore[attr-defined]
    return ""


def _tree(cls: type) -> ast.Module | None:
    """Return the parsed module of a class; ``None`` where it has no source, as in a session typed by hand."""
    try:
        file = inspect.getsourcefile(cls)
    except (OSError, TypeError):
        return None
    return _parsed(file) if file else None


@cache
def _parsed(file: str) -> ast.Module | None:
    try:
        return ast.parse(Path(file).read_bytes())  # bytes: the file may name its encoding
    except (OSError, SyntaxError):
        return None


def _reached(start: str, bodies: Mapping[str, ast.AST]) -> Iterator[ast.AST]:
    """Yield the nodes of a class and of the module's functions that it names, in turn."""
    open_ones, seen = [start], {start}
    while open_ones:
        body = bodies.get(open_ones.pop())
        for node in ast.walk(body) if body is not None else ():
            yield node
            if isinstance(node, ast.Name) and isinstance(bodies.get(node.id), ast.FunctionDef) and node.id not in seen:
                seen.add(node.id)
                open_ones.append(node.id)


def _opens(node: ast.AST) -> str:
    """Return what a node opens, as it is written; empty if nothing."""
    if isinstance(node, ast.Attribute) and node.attr in READER and _is_session(node.value):
        return ast.unparse(node)
    if not isinstance(node, ast.Call):
        return ""
    called = node.func
    name = called.attr if isinstance(called, ast.Attribute) else called.id if isinstance(called, ast.Name) else ""
    on_session = isinstance(called, ast.Attribute) and name in SESSION and _is_session(called.value)
    return ast.unparse(called) if name in CALLS or on_session else ""


def _is_session(node: ast.AST) -> bool:
    name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
    return "spark" in name.lower()

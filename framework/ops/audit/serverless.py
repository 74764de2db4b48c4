"""What Databricks serverless compute refuses, found in source code without running it.

The house rules of this repository and the audit of an installation share this one list.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# Spark Connect, which is what serverless speaks, has none of these; the engine folder of local mode may use them.
REFUSED = {
    *("cache", "persist", "unpersist", "rdd", "sparkContext", "_jvm", "_jdf", "_jsparkSession"),
    *("createOrReplaceTempView", "createTempView", "createGlobalTempView", "createOrReplaceGlobalTempView"),
}
ENGINE = "framework/stores/local"
# The one setting of ours that serverless takes.
SUPPORTED_CONF = {"spark.sql.session.timeZone"}


def refused(tree: ast.AST, *, job: bool = False) -> Iterator[tuple[int, str]]:
    """Yield line and word of each use that serverless refuses.

    Args:
        tree: A module's syntax tree.
        job: Whether the module is a job entry point, which has no ``__file__`` there.
    """
    for node in ast.walk(tree):
        if word := _refused(node, job=job):
            yield getattr(node, "lineno", 0), word


def refused_in(packages: Iterable[str]) -> list[str]:
    """Return the places of installed packages that serverless refuses.

    Args:
        packages: Top-level names of imported packages; one without files (a console) is passed over.

    Returns:
        ``file:line: word`` per place, the engine of local mode aside.
    """
    found = []
    for package in sorted(set(packages)):
        file = getattr(sys.modules.get(package), "__file__", None)
        if file is None:
            continue
        root = Path(file).parent if Path(file).name == "__init__.py" else Path(file)
        for source in sorted(root.rglob("*.py")) if root.is_dir() else [root]:
            name = source.relative_to(root.parent).as_posix()
            if not name.startswith(f"{ENGINE}/"):
                tree = ast.parse(source.read_text(encoding="utf-8"))
                found += [f"{name}:{line}: {word}" for line, word in refused(tree)]
    return found


def _refused(node: ast.AST, *, job: bool) -> str:
    if isinstance(node, ast.Attribute):
        if node.attr in REFUSED and not (isinstance(node.value, ast.Name) and node.value.id == "functools"):
            return f".{node.attr}"
        if node.attr == "widgets":
            return ".widgets"
    if isinstance(node, ast.Call) and (key := _configured(node)) is not None and key not in SUPPORTED_CONF:
        return f".conf.set of {key or 'a key that cannot be read here'}"
    if isinstance(node, ast.Name) and node.id == "__file__" and job:
        return "__file__ in a job"
    return ""


def _configured(node: ast.Call) -> str | None:
    """Return the key of ``….conf.set("key", …)`` or ``unset``; empty where it is no literal."""
    call = node.func
    if not (isinstance(call, ast.Attribute) and call.attr in {"set", "unset"}):
        return None
    if not (isinstance(call.value, ast.Attribute) and call.value.attr == "conf"):
        return None
    first = node.args[0] if node.args else None
    return str(first.value) if isinstance(first, ast.Constant) else ""

"""Puts a class on the list that a plugin's hook returns."""

from __future__ import annotations

import ast
import importlib.metadata
import importlib.util
from pathlib import Path

from framework.base.errors import ConfigError
from framework.core.plugins import GROUP

HOOK = "model_trainers"


def imported_package(domain: str) -> tuple[Path, str]:
    """Return the folder and the dotted name of the package whose plugin an installed domain is."""
    (entry,) = importlib.metadata.entry_points(group=GROUP, name=domain)
    spec = importlib.util.find_spec(entry.module)
    if spec is None or spec.origin is None:
        raise ConfigError(
            what=f"{entry.module} has no file", where=domain, fix="install the domain as a package of files"
        )
    return Path(spec.origin).parent, entry.module.rpartition(".")[0]


def add_to_list(plugin: Path, module: str, name: str) -> Path:
    """Import a class in the hook of a plugin's trainers, and return it with the others.

    Args:
        plugin: The plugin's file.
        module: Where the class is.
        name: The class.

    Returns:
        The file.

    Raises:
        ConfigError: If there is no such hook that returns a list; it says which lines to write.
    """
    text = plugin.read_text(encoding="utf-8")
    line = f"from {module} import {name}"
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef) and node.name == HOOK and isinstance(node.body[-1], ast.Return):
            returned = node.body[-1].value
            if isinstance(returned, ast.List) and returned.elts:
                plugin.write_text(_changed(text, node, returned, line, name), encoding="utf-8")
                return plugin
    raise ConfigError(
        what=f"no hook {HOOK} that returns a list",
        where=plugin.name,
        fix=f"write `{line}` and return {name} from {HOOK}",
    )


def _changed(text: str, hook: ast.FunctionDef, returned: ast.List, line: str, name: str) -> str:
    lines = text.splitlines(keepends=True)
    last = returned.elts[-1]
    at, end = (last.end_lineno or last.lineno) - 1, last.end_col_offset or 0
    if returned.lineno == last.lineno:
        lines[at] = f"{lines[at][:end]}, {name}{lines[at][end:]}"
    else:
        lines.insert(at + 1, f"{' ' * last.col_offset}{name},\n")
    imports = [node for node in hook.body if isinstance(node, ast.ImportFrom)]
    indent = " " * hook.body[-1].col_offset
    later = [node for node in imports if (node.module or "") > line.split()[1]]
    if later:
        lines.insert(later[0].lineno - 1, f"{indent}{line}\n")
    elif imports:
        lines.insert(imports[-1].end_lineno or imports[-1].lineno, f"{indent}{line}\n")
    else:
        lines.insert(hook.body[-1].lineno - 1, f"{indent}{line}\n\n")
    return "".join(lines)

"""The rules of this repository that no off-the-shelf linter knows.

Each rule is a function from a repository's root to the places that break it. ``make check`` runs all of them.
"""

from __future__ import annotations

import ast
import re
import sys
import textwrap
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from framework.ops.audit.serverless import ENGINE, refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MAX_MODULE = 400
MAX_FUNCTION = 40
CODE = ("framework", "domains", "jobs")
LIBRARY = ("framework", "domains")
TEXTS = {".py", ".md", ".toml", ".yml", ".yaml", ".lock", ".txt", ".cfg", ".json", ".sql", ".sh", ""}
PLATFORM = ("gold", "simulator")
"""Packages beside the domains that are part of the platform: where gold comes from."""
DOORS = ("framework.testing",)
LOCKED_EXTRAS = ("local", "plots", "dev")
_PYTHON = re.compile(r"(?ms)^ *```python[^\n]*\n(.*?)^ *```")
# Spelled in two parts, so that this file passes its own rule.
_MACHINE = re.compile(
    r"(?<![\w.:/~$}<-])/" + r"(?:work|tmp|root|home|Users|opt|mnt|farm|private)/[\w.-]+"
    "|" + r"(?<!\w)file:/" + "//"
)
_INDEX = re.compile(
    r"--(?:extra-)?index-" + r"url|--find-" + r"links|--trusted-" + r"host|python" + r"hosted|pypi\.org/" + "simple"
)


def python_files(root: Path, folders: tuple[str, ...]) -> Iterator[tuple[str, ast.Module, str]]:
    """Yield name, syntax tree and text of each Python file under the folders."""
    for folder in folders:
        for file in sorted((root / folder).rglob("*.py")):
            text = file.read_text(encoding="utf-8")
            yield file.relative_to(root).as_posix(), ast.parse(text), text


def text_files(root: Path) -> Iterator[tuple[str, str]]:
    """Yield name and text of each file that a commit would hold: no environments, caches, builds or run results."""
    skipped = {line.strip("/") for line in _lines(root / ".gitignore") if line.endswith("/")} | {".git"}
    for file in sorted(root.rglob("*")):
        parts = file.relative_to(root).parts
        hidden = any(part in skipped or part.endswith(".egg-info") for part in parts)
        if not hidden and file.suffix in TEXTS and file.is_file():
            yield "/".join(parts), file.read_text(encoding="utf-8", errors="replace")


def _lines(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8").splitlines() if file.is_file() else []


def module_length(root: Path) -> Iterator[str]:
    """No module grows past the length that one reads in a sitting."""
    for name, _, text in python_files(root, CODE):
        if (length := len(text.splitlines())) > MAX_MODULE:
            yield f"{name}: {length} lines, at most {MAX_MODULE}"


def function_length(root: Path) -> Iterator[str]:
    """No function grows past one screen."""
    for name, tree, _ in python_files(root, CODE):
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1 - _docstring_lines(node)
                if length > MAX_FUNCTION:
                    yield f"{name}:{node.lineno}: {node.name} has {length} lines, at most {MAX_FUNCTION}"


def _docstring_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """A docstring says what to expect; only the code has to fit one screen."""
    first = node.body[0]
    if ast.get_docstring(node) is None or first.end_lineno is None:
        return 0
    return first.end_lineno - first.lineno + 1


def no_print(root: Path) -> Iterator[str]:
    """The library logs or returns; it never prints."""
    for name, tree, _ in python_files(root, LIBRARY):
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
                yield f"{name}:{node.lineno}: print() in the library"


def serverless(root: Path) -> Iterator[str]:
    """Nothing that Databricks serverless refuses, outside the engine of local mode."""
    for name, tree, _ in python_files(root, CODE):
        if name.startswith(f"{ENGINE}/"):
            continue
        for line, word in refused(tree, job=name.startswith("jobs/")):
            yield f"{name}:{line}: {word} is refused on serverless"


def thin_jobs(root: Path) -> Iterator[str]:
    """A job entry point imports the framework and the standard library, nothing else."""
    for name, tree, _ in python_files(root, ("jobs",)):
        for node in ast.walk(tree):
            for module in _imported(node):
                if module not in sys.stdlib_module_names and module != "framework":
                    yield f"{name}: imports {module}"


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name.partition(".")[0] for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [(node.module or "").partition(".")[0]]
    return []


def front_door(root: Path) -> Iterator[str]:
    """A domain, and the code of a page, imports from the framework's front door and from its tests' helpers only."""
    for name, tree, _ in python_files(root, ("domains",)):
        if Path(name).parts[1] not in PLATFORM:
            yield from (f"{name}:{line}: imports {module}" for line, module in _inside(tree))
    for page in [root / "README.md", *sorted((root / "docs").rglob("*.md"))]:
        for code in _PYTHON.findall(page.read_text(encoding="utf-8")) if page.is_file() else ():
            yield from (
                f"{page.relative_to(root)}: imports {module}" for _, module in _inside(ast.parse(textwrap.dedent(code)))
            )


def _inside(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield line and name of each module inside the framework that is imported."""
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        for name in names:
            if name.startswith("framework.") and name not in DOORS:
                yield node.lineno, name  # type: ignore[attr-defined] # an import has a line


def no_machine_paths(root: Path) -> Iterator[str]:
    """No committed file names a folder of one machine."""
    for name, text in text_files(root):
        for number, line in enumerate(text.splitlines(), 1):
            if not line.startswith("#!") and (found := _MACHINE.search(line)):
                yield f"{name}:{number}: a path of one machine: {found.group(0)}"


def no_index_urls(root: Path) -> Iterator[str]:
    """No committed file says which package index was used."""
    for name, text in text_files(root):
        for number, line in enumerate(text.splitlines(), 1):
            if found := _INDEX.search(line):
                yield f"{name}:{number}: a package index: {found.group(0)}"


def lock(root: Path) -> Iterator[str]:
    """The lock holds only pins and hashes, and satisfies what pyproject.toml asks for."""
    pins = {}
    for number, line in enumerate(_lines(root / "requirements.lock"), 1):
        if re.search(r"://|^\s*#|^-|/", line):
            yield f"requirements.lock:{number}: neither a pin nor a hash: {line.strip()[:60]}"
        elif pin := re.match(r"([\w.-]+)(?:\[[\w,-]+\])?==([^\s;]+)", line):
            pins[canonicalize_name(pin[1])] = pin[2]
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project.get("optional-dependencies", {})
    wanted = [*project.get("dependencies", []), *(item for extra in LOCKED_EXTRAS for item in extras.get(extra, []))]
    for text in wanted:
        need = Requirement(text)
        version = pins.get(canonicalize_name(need.name))
        if version is None or version not in need.specifier:
            yield f"requirements.lock: {text} is asked for, {version or 'nothing'} is locked: run make lock"


RULES: tuple[Callable[[Path], Iterator[str]], ...] = (
    module_length,
    function_length,
    no_print,
    serverless,
    thin_jobs,
    front_door,
    no_machine_paths,
    no_index_urls,
    lock,
)


def main(root: Path) -> int:
    """Print each broken place and return the exit code."""
    broken = [f"{rule.__name__}: {place}" for rule in RULES for place in rule(root)]
    sys.stdout.write("".join(f"{line}\n" for line in broken) or f"{len(RULES)} house rules hold\n")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(Path.cwd()))

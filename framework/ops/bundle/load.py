"""Reads a bundle as the CLI does, as far as that needs no workspace: includes, targets, variables."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Any

import yaml

from framework.base.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

ROOT_FILE = "databricks.yml"
OPTIONAL = "jobs/optional"
"""Files that are ready for a bundle and no part of it until it includes them."""
REFERENCE = re.compile(r"\$\{([^{}]+)\}")


@dataclasses.dataclass(frozen=True, slots=True)
class Document:
    """One file of a bundle.

    Args:
        file: Where it is; relative paths in it start at its folder.
        name: Its path below the bundle's folder, for messages.
        data: Its content.
    """

    file: Path
    name: str
    data: Mapping[str, Any]

    @property
    def folder(self) -> Path:
        """The bundle's folder."""
        return self.file.parents[self.name.count("/")]

    def resources(self, kind: str) -> dict[str, Any]:
        """Return the file's resources of one kind."""
        return dict((self.data.get("resources") or {}).get(kind) or {})

    def at(self, path: str) -> Path:
        """Return what a relative path in this file means: it starts at the file's own folder."""
        return (self.file.parent / path).resolve()


@dataclasses.dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle's files.

    Args:
        folder: Folder of ``databricks.yml``.
        documents: The root file, then those that it includes.
        empty: Include patterns that match no file.
        optional: Files that it could include and does not.
    """

    folder: Path
    documents: tuple[Document, ...]
    empty: tuple[str, ...]
    optional: tuple[Document, ...] = ()

    @property
    def whole(self) -> Bundle:
        """The bundle as it would be with all that it could include."""
        return Bundle(self.folder, self.documents + self.optional, self.empty)

    @property
    def root(self) -> Document:
        """``databricks.yml``."""
        return self.documents[0]

    @property
    def variables(self) -> dict[str, Any]:
        """All declared variables."""
        return {name: v or {} for d in self.documents for name, v in (d.data.get("variables") or {}).items()}

    @property
    def targets(self) -> dict[str, dict[str, Any]]:
        """All targets."""
        return {name: target or {} for name, target in (self.root.data.get("targets") or {}).items()}

    def resource_names(self) -> set[tuple[str, str]]:
        """Return kind and key of each resource."""
        return {
            (kind, key)
            for document in self.documents
            for kind, found in (document.data.get("resources") or {}).items()
            for key in found or {}
        }

    def resolved(self, target: str) -> dict[str, Any]:
        """Return all resources as one target has them: merged, its variables put in.

        References to resources and to the workspace stay: only a deployment knows them.
        """
        merged: dict[str, Any] = {}
        for part in (*(d.data for d in self.documents), self.targets[target]):
            merged = _merge(merged, part.get("resources") or {})
        found: dict[str, Any] = _resolve(merged, self._values(target), ())
        return found

    def job(self, document: Document, key: str, target: str) -> dict[str, Any]:
        """Return one job of a file as a target has it."""
        changed = ((self.targets[target].get("resources") or {}).get("jobs") or {}).get(key) or {}
        found: dict[str, Any] = _resolve(_merge(document.resources("jobs")[key], changed), self._values(target), ())
        return found

    def _values(self, target: str) -> dict[str, Any]:
        own = dict(self.targets[target].get("variables") or {})
        # What is looked up by its name stays a reference: only a deployment knows the id.
        known = {name: variable for name, variable in self.variables.items() if "lookup" not in variable}
        values = {f"var.{name}": variable.get("default") for name, variable in known.items()}
        values |= {f"var.{k}": v.get("default") if isinstance(v, dict) else v for k, v in own.items()}
        return values | {"bundle.target": target, "bundle.name": (self.root.data.get("bundle") or {}).get("name")}


def read_bundle(folder: Path) -> Bundle:
    """Read a bundle's files.

    Args:
        folder: Folder of ``databricks.yml``.

    Returns:
        The bundle.

    Raises:
        ConfigError: If a file is missing, is no YAML, or says a key twice.
    """
    folder = folder.resolve()
    root = _document(folder, folder / ROOT_FILE)
    patterns = list(root.data.get("include") or [])
    matches = {pattern: sorted(folder.glob(pattern)) for pattern in patterns}
    files = dict.fromkeys(file for found in matches.values() for file in found)
    documents = (root, *(_document(folder, file) for file in files))
    optional = [file for file in sorted((folder / OPTIONAL).rglob("*.yml")) if file not in files]
    return Bundle(
        folder,
        documents,
        tuple(pattern for pattern, found in matches.items() if not found),
        tuple(_document(folder, file) for file in optional),
    )


def walk(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Yield path and value of each leaf, the keys of mappings by their own name."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from walk(inner, (*path, str(key)))
    elif isinstance(value, list):
        for at, inner in enumerate(value):
            yield from walk(inner, (*path, _named(inner, at)))
    else:
        yield "/".join(path), value


def _named(item: Any, at: int) -> str:
    """A task or parameter is known by its key rather than by its place."""
    if isinstance(item, dict):
        for key in ("task_key", "environment_key", "name"):
            if isinstance(item.get(key), str):
                return str(item[key])
    return str(at)


def _merge(one: Any, other: Any) -> Any:
    """Merge as the CLI does: by key what has keys, tasks and parameters too; lists end to end; the rest is replaced."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one | {key: _merge(one[key], value) if key in one else value for key, value in other.items()}
    if not (isinstance(one, list) and isinstance(other, list)):
        return other
    for key in ("task_key", "name"):
        if all(isinstance(item, dict) and key in item for item in one + other):
            return list(_merge({i[key]: i for i in one}, {i[key]: i for i in other}).values())
    return one + other


def _resolve(value: Any, values: Mapping[str, Any], seen: tuple[str, ...]) -> Any:
    if isinstance(value, dict):
        return {key: _resolve(inner, values, seen) for key, inner in value.items()}
    if isinstance(value, list):
        return [_resolve(inner, values, seen) for inner in value]
    if not isinstance(value, str):
        return value
    whole = REFERENCE.fullmatch(value)
    if whole and whole[1] in values and whole[1] not in seen:
        return _resolve(values[whole[1]], values, (*seen, whole[1]))  # a list or a mapping stays one

    def put_in(found: re.Match[str]) -> str:
        name = found[1]
        if name not in values or name in seen:
            return found[0]
        return str(_resolve(values[name], values, (*seen, name)))

    return REFERENCE.sub(put_in, value)


_SafeLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast where libyaml is built in


class _Loader(_SafeLoader):  # type: ignore[misc]
    """YAML lets a key stand twice, and drops the first without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode) and key.value != "<<"]
        for key in sorted({key for key in keys if keys.count(key) > 1}):
            raise yaml.constructor.ConstructorError(None, None, f"the key '{key}' stands twice", node.start_mark)
        found: dict[Any, Any] = super().construct_mapping(node, deep)
        return found


def _document(folder: Path, file: Path) -> Document:
    name = file.relative_to(folder).as_posix()
    try:
        data = yaml.load(file.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506 - a SafeLoader
    except OSError as error:
        raise ConfigError(
            what=f"cannot read it: {error.strerror}", where=str(file), fix="give the bundle's folder with --folder"
        ) from error
    except yaml.YAMLError as error:
        raise ConfigError(what=f"it is no YAML: {error}", where=name, fix="mend the file") from error
    if not isinstance(data, dict):
        raise ConfigError(what="it holds no mapping", where=name, fix="begin with a key such as resources:")
    return Document(file, name, data)

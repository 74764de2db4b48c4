"""What must hold for a bundle as a whole. ``bundle validate`` needs a login, and lets most of this pass.

Each rule is a function from a bundle to the places that break it, as in the house rules of this repository.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from framework.ops.bundle.load import REFERENCE, walk

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from framework.ops.bundle.load import Bundle, Document

TOP_LEVEL = {
    *("artifacts", "bundle", "experimental", "include", "permissions", "presets", "python", "resources", "run_as"),
    *("scripts", "sync", "targets", "variables", "workspace"),
}
MODES = ("development", "production")
# Spelled with care: a reference, or a path of the workspace with one, is no address.
_HOST = re.compile(r"https?://|\.(?:cloud\.databricks|azuredatabricks|gcp\.databricks)\.", re.IGNORECASE)
_MAIL = re.compile(r"[\w.+-]+@[\w-]+\.\w+")
_ID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b|\b\d{10,}\b", re.IGNORECASE)


def top_level_keys(bundle: Bundle) -> Iterator[str]:
    """The CLI ignores a key that it does not know, with all that stands below it."""
    for document in bundle.documents:
        for key in document.data:
            if key not in TOP_LEVEL:
                yield f"{document.name}: unknown top-level key '{key}'"
            elif document is not bundle.root and key in ("bundle", "include", "targets", "workspace"):
                yield f"{document.name}: '{key}' belongs into {bundle.root.name}"


def includes(bundle: Bundle) -> Iterator[str]:
    """A pattern that matches nothing leaves out what it was meant to bring."""
    for pattern in bundle.empty:
        yield f"{bundle.root.name}: include '{pattern}' matches no file"


def resource_keys(bundle: Bundle) -> Iterator[str]:
    """The same resource in two files is refused at deployment."""
    seen: dict[tuple[str, str], str] = {}
    for document in bundle.documents:
        for kind, found in (document.data.get("resources") or {}).items():
            for key in found or {}:
                if (kind, key) in seen:
                    yield f"{document.name}: {kind}.{key} stands in {seen[kind, key]} too"
                seen[kind, key] = document.name


def modes(bundle: Bundle) -> Iterator[str]:
    """A misspelt mode is no mode; a production copy must say where it is and who runs it."""
    for name, target in bundle.targets.items():
        place = f"{bundle.root.name}: targets/{name}"
        mode = target.get("mode")
        if mode not in MODES:
            yield f"{place}: mode is {mode!r}, not one of {', '.join(MODES)}"
        if mode != "production":
            continue
        path = str((target.get("workspace") or {}).get("root_path") or "")
        if not path:
            yield f"{place}: production needs a workspace/root_path, or each deployer makes a copy"
        elif "${bundle.target}" not in path and name not in path.split("/"):
            yield f"{place}: its root_path does not name the target, so two targets would share it"
        if not target.get("run_as"):
            yield f"{place}: production needs a run_as, or jobs run as whoever deployed last"


def variables(bundle: Bundle) -> Iterator[str]:
    """Every reference leads somewhere, and every variable is used."""
    for place, name in _references(bundle.documents):
        if fault := _dangling(bundle, name):
            yield f"{place}: {fault}"
    everywhere = _references(bundle.documents + bundle.optional)
    used = {re.split(r"[.\[]", name.removeprefix("var."))[0] for _, name in everywhere}
    for name in bundle.variables:
        if name not in used:
            yield f"{bundle.root.name}: variables/{name}: nothing uses it"
    for target, settings in bundle.targets.items():
        for name in settings.get("variables") or {}:
            if name not in bundle.variables:
                yield f"{bundle.root.name}: targets/{target}: sets a variable '{name}' that is not declared"


def _references(documents: Sequence[Document]) -> Iterator[tuple[str, str]]:
    for document in documents:
        for path, value in walk(document.data):
            for name in REFERENCE.findall(value) if isinstance(value, str) else ():
                yield f"{document.name}: {path}", name


def _dangling(bundle: Bundle, name: str) -> str:
    first, *rest = name.split(".")
    if first == "var":
        known = bool(rest) and rest[0].split("[")[0] in bundle.variables
        return "" if known else f"undeclared variable ${{{name}}}"
    if first == "resources":
        known = len(rest) > 2 and (rest[0], rest[1]) in bundle.resource_names()  # noqa: PLR2004 - kind, key, field
        return "" if known else f"no resource ${{{name}}}"
    return "" if first in ("bundle", "workspace") else f"unknown reference ${{{name}}}"


def whole_lists(bundle: Bundle) -> Iterator[str]:
    """A complex variable is a whole value: inside a list it makes a list of lists, inside a text it is refused."""
    complex_ones = {name for name, v in bundle.variables.items() if v.get("type") == "complex"}
    for document in bundle.documents:
        for path, value in walk(document.data):
            if not isinstance(value, str):
                continue
            names = [n.removeprefix("var.") for n in REFERENCE.findall(value)]
            whole = REFERENCE.fullmatch(value.strip()) is not None
            for name in names:
                if name in complex_ones and (not whole or path.rpartition("/")[2].isdigit()):
                    yield f"{document.name}: {path}: the list ${{var.{name}}} can only be a whole value"
    for name, variable in bundle.variables.items():
        odd = isinstance(variable.get("default"), list | dict)
        if odd != (name in complex_ones) and "default" in variable:
            yield f"{bundle.root.name}: variables/{name}: type: complex goes with a list or mapping, and only with it"


def nothing_of_one_workspace(bundle: Bundle) -> Iterator[str]:
    """No host, address or id is committed: the same files deploy anywhere."""
    for document in bundle.documents:
        for path, value in walk(document.data):
            text = str(value)
            for what, pattern in (("a host", _HOST), ("an address", _MAIL), ("an id", _ID)):
                if found := pattern.search(text):
                    yield f"{document.name}: {path}: {what}: {found[0]}"
            if path.endswith("workspace/host"):
                yield f"{document.name}: {path}: the login brings the host"


def grants(bundle: Bundle) -> Iterator[str]:
    """A grant without a principal or without privileges is refused at deployment."""
    for target in bundle.targets:
        for kind, found in bundle.resolved(target).items():
            for key, resource in found.items():
                for grant in _dicts(resource, "grants"):
                    for part in ("principal", "privileges"):
                        if not grant.get(part):
                            yield f"{target}: {kind}.{key}: a grant has no {part}"


def schemas(bundle: Bundle) -> Iterator[str]:
    """Development mode renames schemas: whoever needs the name must ask the resource for it."""
    names = {str(s.get("name")) for d in bundle.documents for s in d.resources("schemas").values()}
    for document in bundle.documents:
        for path, value in walk(document.data.get("resources") or {}):
            if not path.startswith("schemas/") and any(name and name in str(value) for name in names):
                yield f"{document.name}: {path}: development mode renames the schema: use ${{resources.schemas...name}}"


def wheel(bundle: Bundle) -> Iterator[str]:
    """The artifact gets a new version each time; otherwise environments keep the code that they have."""
    artifacts = bundle.root.data.get("artifacts") or {}
    if not artifacts:
        yield f"{bundle.root.name}: no artifact builds the wheel"
    for name, artifact in artifacts.items():
        if artifact.get("dynamic_version") is not True:
            yield f"{bundle.root.name}: artifacts/{name}: dynamic_version is not true"


def _dicts(resource: Any, key: str) -> list[dict[str, Any]]:
    found = resource.get(key) if isinstance(resource, dict) else None
    return [item for item in found or [] if isinstance(item, dict)] if isinstance(found, list) else []


RULES = (
    *(top_level_keys, includes, resource_keys, modes, variables, whole_lists),
    *(nothing_of_one_workspace, grants, schemas, wheel),
)

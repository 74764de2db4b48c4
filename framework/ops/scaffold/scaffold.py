"""Writes a new domain as a package of its own, or a new model into a domain's package."""

from __future__ import annotations

import keyword
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import jinja2

from framework.base.errors import ConfigError, nearest
from framework.declare.table import NAME
from framework.ops.scaffold.kinds import KINDS, Kind
from framework.ops.scaffold.listing import add_to_list, imported_package

if TYPE_CHECKING:
    from collections.abc import Mapping

    from framework.core.plugins import Registry

DOMAIN = {
    "pyproject.toml": "pyproject.toml.j2",
    "README.md": "README.md.j2",
    "{package}/__init__.py": "__init__.py.j2",
    "{package}/gold.py": "gold.py.j2",
    "{package}/features.py": "features.py.j2",
    "{package}/models.py": "models.py.j2",
    "{package}/plugin.py": "plugin.py.j2",
    "tests/test_{name}.py": "test_domain.py.j2",
}
"""Files of a new domain, each with the template that it is made of."""
LONGEST = 24
"""Letters of a name: tables and classes are called after it, and lines have an end."""


def new_domain(name: str, folder: Path, plugins: Registry) -> list[Path]:
    """Write a package with one gold table, one feature table, one model and their tests.

    Args:
        name: Name of the domain, in snake_case.
        folder: Where the package's own folder goes.
        plugins: What the loaded domains offer; the name must be free among them.

    Returns:
        The files that were written.

    Raises:
        ConfigError: If the name cannot be used, or is taken.
    """
    _check_name(name, "new domain")
    if name in plugins.domains:
        raise ConfigError(what=f"a domain '{name}' is installed already", where="new domain", fix="choose another name")
    package = f"{name}_health"
    known = {"name": name, "package": package, "camel": _camel(name), "table": f"fact_{name}"}
    root = folder / package.replace("_", "-")
    return _write(root, {to.format(**known): f"domain/{template}" for to, template in DOMAIN.items()}, known)


def new_model(name: str, domain: str, kind: str, plugins: Registry, tests: Path | None = None) -> list[Path]:
    """Write a model into the package of a domain, put it on the plugin's list, and write its test.

    Args:
        name: Name of the model, in snake_case.
        domain: An installed domain that builds a daily feature table.
        kind: ``regression``, ``classification`` or ``anomaly``.
        plugins: What the loaded domains offer.
        tests: Folder for the test; by default ``tests`` beside the domain's package.

    Returns:
        The files that were written or changed.

    Raises:
        ConfigError: If a name cannot be used, or the domain has no daily feature table or no list of trainers.
    """
    _check_name(name, "new model")
    if kind not in get_args(Kind):
        raise ConfigError(what=f"no kind '{kind}'", where="--kind", fix=nearest(kind, get_args(Kind)))
    if domain not in plugins.domains:
        raise ConfigError(what=f"no domain '{domain}'", where="--domain", fix=nearest(domain, plugins.domains))
    if name in plugins.trainers:
        raise ConfigError(what=f"a model '{name}' exists already", where="new model", fix="choose another name")
    builder = _daily_builder(domain, plugins)
    folder, package = imported_package(domain)
    root = folder.parents[len(package.split(".")) - 1]
    known = KINDS[kind] | _of_builder(builder)
    known |= {"name": name, "kind": kind, "camel": _camel(name), "module": f"{package}.{name}"}
    # A linter sorts what stands beside the framework with it, and any other package after it.
    known["together"] = root == Path(__file__).resolve().parents[3]
    beside = tests or root / "tests"
    files = _write(folder, {f"{name}.py": "model/model.py.j2"}, known)
    files += _write(beside, {f"test_{name}.py": "model/test_model.py.j2"}, known)
    return [*files, add_to_list(folder / "plugin.py", f"{package}.{name}", _camel(name))]


def _check_name(name: str, where: str) -> None:
    if not NAME.match(name) or keyword.iskeyword(name) or len(name) > LONGEST:
        fix = f"use a-z, 0-9 and _, from a letter on, at most {LONGEST} of them"
        raise ConfigError(what=f"'{name}' is no name in snake_case", where=where, fix=fix)


def _camel(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("_"))


def _daily_builder(domain: str, plugins: Registry) -> Any:
    """Return the first builder of a domain whose table has one row per entity and day."""
    from framework.features.builder import DailyFeatures

    own = [offer.item for offer in plugins.builders.values() if offer.domain == domain]
    daily = [builder for builder in own if issubclass(builder, DailyFeatures)]
    if not daily:
        raise ConfigError(
            what=f"'{domain}' builds no table with one row per entity and day",
            where="--domain",
            fix="subclass DailyFeatures there first, or write the model by hand: docs/add_a_model.md",
        )
    return daily[0]


def _of_builder(builder: Any) -> dict[str, str]:
    """Return what a model says of the table that it looks up."""
    table = builder.table
    counted = next(c for c in table.features if c.type == "double" and not c.calendar)
    entity = "-".join(re.sub(r"_(id|name)$", "", key) for key in table.keys)
    return {
        "table": table.name,
        "builder": builder.__name__,
        "builder_module": builder.__module__,
        "column": counted.name,
        "unit": f"{entity}-day",
    }


def _write(folder: Path, files: Mapping[str, str], known: Mapping[str, Any]) -> list[Path]:
    """Write files from their templates, and none of them if one is there already."""
    there = [name for name in files if (folder / name).exists()]
    if there:
        raise ConfigError(
            what=f"{there[0]} exists already", where=folder.name, fix="move it away, or choose another name"
        )
    engine = jinja2.Environment(
        loader=jinja2.PackageLoader("framework.ops.scaffold"),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - Python and TOML, and nothing of it is shown in a browser
    )
    written = []
    for name, template in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(engine.get_template(template).render(known), encoding="utf-8")
        written.append(file)
    return written

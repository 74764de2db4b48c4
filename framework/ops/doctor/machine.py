"""Where the run happens: Python, libraries, runtime, Java, the home folder."""

from __future__ import annotations

import importlib.metadata
import platform
import shutil
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from framework.base.errors import RuntimeSetupError
from framework.ops.doctor.check import Check

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

DISTRIBUTION = "health-monitor-ml"
CLIENT = "databricks-feature-engineering"
SERVERLESS_CLIENT = SpecifierSet(">=0.16")
"""From this version on the client scores on serverless compute."""
OLDEST_RUNTIME = Version("15.4")
ENOUGH_BYTES = 2_000_000_000
_SAME_IMPORT = {"xgboost": "xgboost-cpu", "xgboost-cpu": "xgboost", "pyspark": "databricks-connect"}


def installed(name: str) -> str | None:
    """Return the installed version of a distribution, or ``None``."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def declared() -> tuple[str, list[str]]:
    """Return what our own distribution asks for: the Python versions, and its requirements with their markers.

    Raises:
        RuntimeSetupError: If it is not installed.
    """
    try:
        found = importlib.metadata.metadata(DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError as problem:
        raise RuntimeSetupError(
            what=f"{DISTRIBUTION} is not installed, so what it asks for is unknown",
            where="this Python",
            fix="pip install the wheel, or `make run` in the repository",
        ) from problem
    return found["Requires-Python"], importlib.metadata.requires(DISTRIBUTION) or []


def python(wanted: str, version: str | None = None) -> Check:
    """Check the Python version.

    Args:
        wanted: Versions that are supported.
        version: The version; ``None`` for the one that runs.
    """
    found = version or platform.python_version()
    ok = Version(found) in SpecifierSet(wanted)
    fix = "" if ok else f"use a Python {wanted}; on Databricks, a newer runtime or environment version"
    return Check(name="python", ok=ok, detail=f"{found}, {wanted} is supported", fix=fix)


def libraries(
    requires: Sequence[str], extra: str, find: Callable[[str], str | None] = installed, *, serverless: bool = False
) -> Check:
    """Check every library that an installation with an extra asks for.

    Args:
        requires: Requirements of the distribution, markers included.
        extra: ``local`` or ``databricks``.
        find: Returns the installed version of a distribution.
        serverless: Whether the run happens on serverless compute.
    """
    wrong, count = [], 0
    for need in _needs(requires, extra):
        count += 1
        wanted = need.specifier & SERVERLESS_CLIENT if serverless and need.name == CLIENT else need.specifier
        name = canonicalize_name(need.name)
        version = find(name) or (find(_SAME_IMPORT[name]) if name in _SAME_IMPORT else None)
        if version is None or version not in wanted:
            wrong.append((f"{need.name} is {version or 'absent'}", f"{need.name}{wanted}"))
    steps = " ".join(f"'{step}'" for _, step in wrong)
    return Check(
        name="libraries",
        ok=not wrong,
        detail="; ".join(what for what, _ in wrong) or f"{count} libraries in their supported ranges",
        fix=f"pip install {steps}" if wrong else "",
    )


def _needs(requires: Sequence[str], extra: str) -> Iterator[Requirement]:
    for text in requires:
        need = Requirement(text)
        if need.marker is None or need.marker.evaluate({"extra": extra}):
            yield need


def workspace_runtime(environment: Mapping[str, str]) -> Check:
    """Check the Databricks runtime that runs us.

    Args:
        environment: Environment variables.
    """
    found = environment.get("DATABRICKS_RUNTIME_VERSION", "")
    if is_serverless(environment):
        return Check(name="runtime", ok=True, detail=f"serverless, {found or 'version unknown'}")
    try:
        ok = Version(".".join(found.split(".")[:2])) >= OLDEST_RUNTIME
    except InvalidVersion:
        detail = f"this is no Databricks runtime ('{found}')"
        fix = "run it as a job or notebook in the workspace: this machine's libraries say nothing about it"
        return Check(name="runtime", ok=False, detail=detail, fix=fix)
    fix = "" if ok else f"use the ML runtime {OLDEST_RUNTIME} or newer, or serverless"
    return Check(name="runtime", ok=ok, detail=f"{found}, {OLDEST_RUNTIME} or newer is supported", fix=fix)


def is_serverless(environment: Mapping[str, str]) -> bool:
    """Tell whether the environment is that of serverless compute."""
    runtime = environment.get("DATABRICKS_RUNTIME_VERSION", "")
    return environment.get("IS_SERVERLESS", "").lower() == "true" or runtime.startswith("client.")


def engine(name: str) -> Check:
    """Check what the embedded runtime computes with.

    Args:
        name: The setting: ``auto``, ``sail`` or ``spark``.

    Raises:
        RuntimeSetupError: If Sail is asked for and not installed, or Spark is meant and there is no Java for it.
    """
    from framework.stores.local.java import find_java
    from framework.stores.local.opening import is_sail

    if is_sail(name):
        return Check(name="engine", ok=True, detail=f"Sail {importlib.metadata.version('pysail')}, which needs no Java")
    found = find_java()
    return Check(name="engine", ok=True, detail=f"Spark on Java {found.major} from {found.source}")


def home(folder: Path) -> Check:
    """Check that the home folder can be written, without making it.

    Args:
        folder: The folder, which need not exist yet.
    """
    from framework.stores.local.home import why_no_home

    there = folder.expanduser().resolve()
    if reason := why_no_home(there):
        return Check(name="home", ok=False, detail=reason, fix="choose another folder with --home")
    at = next(parent for parent in (there, *there.parents) if parent.exists())
    free = shutil.disk_usage(at).free
    ok = free >= ENOUGH_BYTES
    fix = "" if ok else f"free {ENOUGH_BYTES / 1e9:g} GB there, or choose another folder with --home"
    return Check(name="home", ok=ok, detail=f"{there} can be written, {free / 1e9:.0f} GB are free", fix=fix)

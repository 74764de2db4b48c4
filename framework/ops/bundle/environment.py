"""The serverless environment of the jobs: its version, and what is installed on top, pinned as the lock has it."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any

from framework.base.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

KEY = "default"
VERSION = "5"  # Python 3.12 and MLflow 3; version 4 still ships MLflow 2
OWN_WHEEL = "../../dist/*.whl"
DOMAIN_WHEELS = "${var.domain_wheels}"
CLIENT = "databricks-feature-engineering==0.18.2"
# The environment's own builds of these fit its Spark client; the wheel's ranges hold for them. MLflow from the package
# index refuses to register a model with feature lookups: only the platform's own does.
BROUGHT = ("mlflow-skinny", "numpy", "pandas", "pyarrow", "pydantic", "pyyaml", "rich")
# The same import as xgboost, without 300 MB of GPU libraries that every task would install.
ADDED = ("xgboost-cpu",)
_PIN = re.compile(r"^([\w.-]+)==([\w.]+)", re.MULTILINE)


def dependencies(folder: Path) -> list[str]:
    """Return what an environment installs: our wheel, exact pins, and the wheels of other teams.

    A list inside a list is no list of strings, so other teams' packages are one entry: a wheel, a package, or
    ``-r`` and a file of many.

    Args:
        folder: Folder of ``pyproject.toml`` and ``requirements.lock``.

    Returns:
        The entries, as pip reads them.

    Raises:
        ConfigError: If a file is missing, or a direct dependency is not locked.
    """
    project = tomllib.loads(_text(folder / "pyproject.toml"))["project"]
    direct = [re.split(r"[^\w.-]", text, maxsplit=1)[0] for text in project["dependencies"]]
    pins = {name.lower(): version for name, version in _PIN.findall(_text(folder / "requirements.lock"))}
    wanted = sorted([name for name in direct if name not in BROUGHT] + list(ADDED))
    for name in wanted:
        if name not in pins:
            raise ConfigError(what=f"'{name}' is not locked", where="requirements.lock", fix="run make lock")
    return [OWN_WHEEL, CLIENT, *(f"{name}=={pins[name]}" for name in wanted), DOMAIN_WHEELS]


def environments(folder: Path) -> list[dict[str, Any]]:
    """Return the environments of a job: one, which every task shares, so that it is built once and kept."""
    return [
        {"environment_key": KEY, "spec": {"environment_version": VERSION, "dependencies": dependencies(folder)}},
    ]


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            what=f"cannot read it: {error.strerror}", where=str(file), fix="run it in the folder that holds it"
        ) from error

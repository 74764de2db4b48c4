"""Typed, frozen settings, parsed once at the edge.

Sources, later ones win: a TOML file, environment variables ``HEALTH_MONITOR_<OPTION>``, the caller.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator

from framework.base.errors import ConfigError, nearest
from framework.core.secrets import check_address

ENVIRONMENT = "HEALTH_MONITOR_"
_OF_KUBERNETES = re.compile(r"_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_\w+)?)?)$")
"""Variables that Kubernetes sets in each pod for a service which is called health-monitor; they are no settings."""
LISTS = ("domains", "models", "tables")
"""Settings that are written as words separated by commas."""


class Frozen(BaseModel):
    """Base of all typed options: frozen, and an unknown key is an error that names the nearest."""

    # A value may be a secret that was written in the wrong place: no message repeats it.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    @classmethod
    def parse(cls, values: Mapping[str, Any], where: str) -> Self:
        """Validate options.

        Args:
            values: Raw options.
            where: Where they come from, for the message.

        Returns:
            The typed options.

        Raises:
            ConfigError: Naming the option, and the nearest known one.
        """
        for key in values:
            if key not in cls.model_fields:
                raise ConfigError(what=f"unknown option '{key}'", where=where, fix=nearest(key, cls.model_fields))
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            first = error.errors()[0]
            option = ".".join(str(part) for part in first["loc"])
            raise ConfigError(
                what=f"option '{option}' cannot be used: {first['msg']}",
                where=where,
                fix="give a value of the right kind",
            ) from error


class DomainOptions(Frozen):
    """Base of a domain's own options; ``section`` names them under ``options`` in the settings."""

    section: ClassVar[str]


class FileSink(Frozen):
    """A file that alerts are appended to, one JSON object a line.

    Args:
        kind: ``file``.
        path: The file; a relative one lies below ``home``.
    """

    kind: Literal["file"]
    path: Path = Path("alerts.jsonl")


class WebhookSink(Frozen):
    """An address that alerts are posted to.

    Args:
        kind: ``webhook``.
        url: Where the address is kept, ``env:NAME`` or ``secret:scope/key``; only one of this machine may stand here.
        shape: What the receiver understands.
        timeout: Seconds to wait for an answer.
        tries: Attempts for one message in a run.
    """

    kind: Literal["webhook"]
    url: Annotated[str, AfterValidator(check_address)]
    shape: Literal["plain", "slack", "teams"] = "plain"
    timeout: float = Field(default=10.0, gt=0, le=60)
    tries: int = Field(default=3, ge=1, le=10)


class Settings(Frozen):
    """Everything that a run depends on besides its data.

    Args:
        platform: ``local`` for the embedded runtime, ``databricks`` for Unity Catalog and the workspace's Spark.
        gold: Name of a gold source (``simulate``, ``system``), a folder of gold tables, or on Databricks the
            ``catalog.schema`` that holds them.
        engine: What the embedded runtime computes with: ``sail`` (needs no Java), ``spark`` (Spark itself), or
            ``auto``: Sail where it is installed, else Spark.
        home: Folder of the embedded runtime: tables, MLflow, artefacts, ledger.
        as_of: The day to act on; ``None`` for the newest day of the source.
        catalog: First level of table and model names.
        schema_name: Second level.
        domains: Domains to use; empty for all.
        models: Models to use; empty for all.
        tables: Feature tables to build; empty for all that the chosen models read.
        strict: Raise on a broken plugin instead of skipping it.
        seed: Seed of everything random.
        incomplete_days: Newest days neither trained on nor scored; ``None`` for what the source says.
        rebuild_days: Days that a daily feature build rebuilds.
        max_rows: Rows that a trainer may collect.
        time_zone: Zone of the workspaces' local time.
        max_feature_age: Days after which features are too old to score.
        refit: Fit each model once more on the days that judged it, before it is registered.
        scale: Size of a simulated gold layer; 1 is about a million rows.
        options: Options of the domains, by domain.
        alerts_per_day: Alerts that one model may raise about entities on a day; the others are counted in one more.
        alert_sinks: Where alerts are sent besides the table, by name.
    """

    platform: Literal["local", "databricks"] = "local"
    gold: str = "simulate"
    engine: Literal["auto", "sail", "spark"] = "auto"
    home: Path = Path(".health-monitor")
    as_of: date | None = None
    catalog: str = "main"
    schema_name: str = "health_monitor"
    domains: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    strict: bool = False
    seed: int = 7
    incomplete_days: int | None = Field(default=None, ge=0)
    rebuild_days: int = Field(default=3, ge=1)
    max_rows: int = Field(default=2_000_000, ge=1_000)
    time_zone: str = "UTC"
    max_feature_age: int = Field(default=3, ge=0)
    refit: bool = False
    scale: float = Field(default=0.1, gt=0)
    options: Mapping[str, Mapping[str, Any]] = Field(default_factory=dict)
    alerts_per_day: int = Field(default=20, ge=1)
    alert_sinks: Mapping[str, Annotated[FileSink | WebhookSink, Field(discriminator="kind")]] = Field(
        default_factory=dict
    )

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError) as error:  # 'Europe' is a folder
            raise ValueError(f"no time zone '{value}'") from error
        return value

    def inputs(self) -> dict[str, Any]:
        """Return what a unit's result depends on; where it is kept and what is selected do not matter."""
        unrelated = {"home", "domains", "models", "tables", "strict", "as_of", "alert_sinks"}
        return self.model_dump(mode="json", exclude=unrelated)

    @property
    def schema_path(self) -> str:
        """``catalog.schema``."""
        return f"{self.catalog}.{self.schema_name}"


def load_settings(given: Mapping[str, Any], file: Path | None = None) -> Settings:
    """Merge file, environment and the caller's options.

    Args:
        given: The caller's options; ``None`` values do not count.
        file: A TOML file, or ``None``.

    Returns:
        The settings.

    Raises:
        ConfigError: If the file cannot be read, or an option is unknown or unusable.
    """
    merged: dict[str, Any] = {}
    if file is not None:
        merged |= dict(Settings.parse(_read_toml(file), str(file)).model_dump(exclude_unset=True))
    merged |= _from_environment(os.environ)
    merged |= {key: value for key, value in given.items() if value is not None}
    return Settings.parse(merged, "settings")


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(what=f"cannot read it: {error}", where=str(file), fix="give a readable TOML file") from error


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in environment.items():
        if not name.startswith(ENVIRONMENT):
            continue
        if _OF_KUBERNETES.search(name):
            continue
        key = name.removeprefix(ENVIRONMENT).lower()
        found[key] = split_words(value) if key in LISTS else value
    return found


def split_words(text: str) -> tuple[str, ...]:
    """Return the words of a list that is written with commas."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


def parse_day(text: str, where: str) -> date:
    """Return a day written as ``YYYY-MM-DD``.

    Args:
        text: The day.
        where: The option that it was given to, for the message.

    Returns:
        The day.

    Raises:
        ConfigError: If it is no day.
    """
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(what=f"'{text}' is no day", where=where, fix="write YYYY-MM-DD") from error

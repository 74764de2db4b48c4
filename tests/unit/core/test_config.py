from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import pytest
from pydantic import Field, ValidationError

from framework.base.errors import ConfigError
from framework.core.config import DomainOptions, Settings, load_settings


class CostOptions(DomainOptions):
    section = "cost"
    budget: float = Field(default=100.0, gt=0)
    prices: Mapping[str, float] = Field(default_factory=dict)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    for name in list(os.environ):
        if name.startswith("HEALTH_MONITOR_"):
            monkeypatch.delenv(name)


@pytest.fixture
def file(tmp_path):
    def write(text):
        path = tmp_path / "settings.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_nothing_given_is_the_default():
    assert load_settings({}) == Settings()
    assert load_settings({"seed": None, "home": None}) == Settings()
    assert Settings().schema_path == "main.health_monitor"


def test_a_file_is_read_with_its_types(file):
    found = load_settings(
        {},
        file(
            'home = "there"\nas_of = 2025-03-01\nseed = 3\nscale = 1\ndomains = ["cost", "quality"]\n'
            "[options.cost]\nbudget = 5\n"
        ),
    )
    assert found.home == Path("there")
    assert found.as_of == date(2025, 3, 1)
    assert (found.seed, found.scale, found.domains) == (3, 1.0, ("cost", "quality"))
    assert CostOptions.parse(found.options["cost"], "options.cost").budget == 5.0


def test_the_environment_is_read_with_its_types(monkeypatch):
    for name, value in {
        "SEED": "11",
        "STRICT": "true",
        "AS_OF": "2025-03-01",
        "DOMAINS": "cost, quality,",
        "MODELS": "a",
        "CATALOG": "test",
        "SCALE": "0.5",
    }.items():
        monkeypatch.setenv(f"HEALTH_MONITOR_{name}", value)
    found = load_settings({})
    assert (found.seed, found.strict, found.as_of) == (11, True, date(2025, 3, 1))
    assert (found.domains, found.models) == (("cost", "quality"), ("a",))
    assert (found.catalog, found.scale) == ("test", 0.5)


def test_the_caller_wins_over_the_environment_and_that_over_the_file(file, monkeypatch):
    path = file('seed = 1\ncatalog = "file"\nscale = 2\n')
    monkeypatch.setenv("HEALTH_MONITOR_SEED", "2")
    monkeypatch.setenv("HEALTH_MONITOR_CATALOG", "environment")
    found = load_settings({"seed": 3}, path)
    assert (found.seed, found.catalog, found.scale) == (3, "environment", 2.0)


def test_a_default_in_code_does_not_win_over_the_file(file):
    assert load_settings({"seed": None}, file("seed = 1")).seed == 1


def test_an_unknown_option_names_the_nearest(file, monkeypatch):
    with pytest.raises(ConfigError, match=r"unknown option 'catlog'.*did you mean 'catalog'"):
        load_settings({"catlog": "x"})
    path = file("sed = 1")
    with pytest.raises(ConfigError, match=r"unknown option 'sed' \(in .*settings\.toml\).*did you mean 'seed'"):
        load_settings({}, path)
    monkeypatch.setenv("HEALTH_MONITOR_REBUILD_DAY", "1")
    with pytest.raises(ConfigError, match=r"unknown option 'rebuild_day'.*did you mean 'rebuild_days'"):
        load_settings({})


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("seed", "many"),
        ("as_of", "2025-13-01"),
        ("incomplete_days", -1),
        ("rebuild_days", 0),
        ("max_rows", 999),
        ("scale", 0),
        ("max_feature_age", -1),
        ("strict", "perhaps"),
        ("domains", 5),
        ("options", "cost"),
        ("time_zone", "Mars/Olympus"),
        ("time_zone", ""),
        ("time_zone", "../UTC"),
        ("time_zone", "Europe"),
    ],
)
def test_a_value_that_cannot_be_used_names_its_option(option, value):
    with pytest.raises(ConfigError, match=f"option '{option}' cannot be used"):
        load_settings({option: value})


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires"])
def test_time_zones_are_those_of_the_database(zone):
    assert load_settings({"time_zone": zone}).time_zone == zone


def test_a_file_that_cannot_be_read_is_named(tmp_path, file):
    with pytest.raises(ConfigError, match=r"cannot read it.*missing\.toml"):
        load_settings({}, tmp_path / "missing.toml")
    with pytest.raises(ConfigError, match=r"cannot read it.*settings\.toml"):
        load_settings({}, file("seed = = 3"))
    with pytest.raises(ConfigError, match="cannot read it"):
        load_settings({}, tmp_path)
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"cannot read it.*binary\.toml"):
        load_settings({}, tmp_path / "binary.toml")


def test_settings_are_frozen():
    with pytest.raises(ValidationError, match="frozen"):
        Settings().seed = 8


def test_a_domains_options_are_checked_like_all_others():
    assert CostOptions.parse({}, "options.cost").budget == 100.0
    assert CostOptions.parse({"prices": {"a/b": 2}}, "options.cost").prices == {"a/b": 2.0}
    with pytest.raises(ConfigError, match=r"unknown option 'budgets' \(in options\.cost\).*did you mean 'budget'"):
        CostOptions.parse({"budgets": 1}, "options.cost")
    with pytest.raises(ConfigError, match=r"option 'prices\.a/b' cannot be used"):
        CostOptions.parse({"prices": {"a/b": "cheap"}}, "options.cost")
    with pytest.raises(ConfigError, match="option 'budget' cannot be used"):
        CostOptions.parse({"budget": -1}, "options.cost")


@pytest.mark.parametrize(
    "name", ["SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_HTTP", "PORT", "PORT_80_TCP", "PORT_80_TCP_ADDR"]
)
def test_what_kubernetes_sets_for_a_service_of_that_name_is_no_setting(monkeypatch, name):
    monkeypatch.setenv(f"HEALTH_MONITOR_{name}", "tcp://10.0.0.1:80")
    assert load_settings({}, None).gold == "simulate"
    monkeypatch.setenv("HEALTH_MONITOR_PORTS", "1")
    with pytest.raises(ConfigError, match="ports"):
        load_settings({}, None)

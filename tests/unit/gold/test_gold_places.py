"""Where ``--gold`` leads: a source by its name, a schema on Databricks, a folder elsewhere."""

from __future__ import annotations

from datetime import date

import pytest

from framework.base.clock import Clock
from framework.base.errors import ConfigError
from framework.core.config import Settings
from framework.core.plugins import Offer, Registry
from framework.gold.catalog import is_schema, quoted
from framework.gold.runtime import Runtime
from framework.gold.view import GoldReader, GoldSource


class Named(GoldSource):
    """A source that only says that it was opened."""

    tables = ()
    incomplete_days = 0

    def __init__(self, name):
        self.name = name

    def open(self, runtime, where):
        return Opened(self.name, where)


class Opened(GoldReader):
    """A reader that knows where it came from."""

    def __init__(self, source, where):
        self.opened = source, where

    def read(self, table):
        return None

    def newest_day(self):
        return date(2026, 3, 1)


def place(gold, platform, sources=("catalog", "folder", "simulate", "system")):
    offers = {name: Offer("gold", Named(name)) for name in sources}
    nothing = {"builders": {}, "trainers": {}, "scorers": {}, "sinks": {}}
    plugins = Registry(domains={}, broken={}, sources=offers, **nothing)
    unused = dict.fromkeys(
        ("tables", "store", "open_registry", "open_spark", "to_arrow", "stage", "open_delta", "keep")
    )
    settings = Settings(gold=gold, platform=platform)
    runtime = Runtime(settings=settings, plugins=plugins, clock=Clock(), run_id="1", **unused)
    return runtime._opened[0]._gold.opened


@pytest.mark.parametrize(
    ("gold", "platform", "source"),
    [
        ("simulate", "local", "simulate"),
        ("system", "local", "system"),
        ("system", "databricks", "system"),
        ("lake.gold", "databricks", "catalog"),
        ("my-lake.gold_2", "databricks", "catalog"),
        ("lake.gold", "local", "folder"),
        ("exports/gold.v2", "databricks", "folder"),
        ("./gold", "databricks", "folder"),
        ("gold", "databricks", "folder"),
    ],
)
def test_a_name_decides_and_the_platform_where_it_could_be_two_things(gold, platform, source):
    assert place(gold, platform) == (source, gold)


def test_where_no_source_fits_the_nearest_name_is_told():
    with pytest.raises(ConfigError, match=r"'simulat'.*did you mean 'simulate'"):
        place("simulat", "databricks", sources=("catalog", "simulate"))


@pytest.mark.parametrize("word", ["lake", "lake.gold.t", "a b.c", "lake.`gold`", ".gold", "lake."])
def test_only_two_plain_levels_are_a_schema(word):
    assert not is_schema(word)


def test_levels_are_quoted_one_by_one():
    assert quoted("my-lake.gold.fact_usage") == "`my-lake`.`gold`.`fact_usage`"

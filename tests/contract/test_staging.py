"""Staging tables: a run's own go when it ends, those of killed runs when the next one starts, others stay."""

from __future__ import annotations

import atexit
from datetime import timedelta

import pytest

from framework.stores.databricks.staging import LIFETIME, PREFIX, Staging
from tests.conftest import NOW

pytestmark = pytest.mark.usefixtures("needs_client")


@pytest.fixture
def session(spark, tmp_path):
    from tests.contract.standin.catalog import UnityCatalog
    from tests.contract.standin.session import StandinSession

    catalog = UnityCatalog(tmp_path)
    catalog.create_schema("main.ml")
    return StandinSession(spark, catalog)


@pytest.fixture
def begin(session):
    """Return a function that begins a run; at the test's end all are as if killed."""
    begun = []

    def run(name, began=NOW):
        begun.append(Staging("main.ml", lambda: session, name, began))
        return begun[-1]

    yield run
    for staging in begun:
        atexit.unregister(staging.clear)


def names(session):
    return {row["tableName"] for row in session.sql("SHOW TABLES IN `main`.`ml`").collect()}


def test_a_run_drops_its_own_tables_and_no_others(session, begin):
    first, second = begin("first"), begin("second")
    assert first.stage(session.range(3)).count() == 3
    before = names(session)
    assert second.stage(session.range(4)).count() == 4
    assert before < names(session)
    second.clear()
    assert names(session) == before
    first.clear()
    first.clear()
    assert names(session) == set()


def test_what_is_kept_is_made_once_and_anew_after_clearing(session, begin):
    staging, made = begin("run"), []

    def make():
        made.append(1)
        return session.range(2)

    assert [staging.keep("runs", make).count() for _ in range(2)] == [2, 2]
    assert len(made) == 1
    staging.clear()
    assert staging.keep("runs", make).count() == 2
    assert len(made) == 2


def test_a_new_run_sweeps_what_a_killed_one_left_and_nothing_else(session, begin):
    session.sql("CREATE TABLE `main`.`ml`.`predictions` USING DELTA AS SELECT * FROM {rows}", rows=session.range(1))
    begin("killed", NOW - LIFETIME - timedelta(minutes=1)).stage(session.range(3))
    left = names(session) - {"predictions"}
    assert len(left) == 1
    assert next(iter(left)).startswith(PREFIX)
    begin("young", NOW - LIFETIME).stage(session.range(3))
    begin("now").stage(session.range(3))
    after = names(session)
    assert not left & after
    assert len(after) == 3
    assert "predictions" in after

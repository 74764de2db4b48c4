from __future__ import annotations

import pickle

import pytest

from framework.base import errors
from framework.base.errors import HealthMonitorError, MissingInputError, nearest

LEAVES = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, HealthMonitorError)]


@pytest.mark.parametrize("kind", LEAVES)
def test_an_error_says_what_where_and_how_to_mend_it(kind):
    error = kind(what="no table 'x'", where="main.health", fix="build it first")
    assert str(error) == "no table 'x' (in main.health). Fix: build it first"
    assert (error.what, error.where, error.fix) == ("no table 'x'", "main.health", "build it first")


@pytest.mark.parametrize("kind", LEAVES)
def test_an_error_survives_pickling(kind):
    again = pickle.loads(pickle.dumps(kind(what="a", where="b", fix="c")))  # noqa: S301 - made a line above
    assert type(again) is kind
    assert (again.what, again.where, again.fix, str(again)) == ("a", "b", "c", "a (in b). Fix: c")


def test_there_is_one_root_and_about_a_dozen_leaves():
    assert 10 <= len(LEAVES) <= 15
    assert issubclass(MissingInputError, errors.GoldError)


def test_the_nearest_word_is_named():
    assert nearest("relability", ["cost", "reliability", "security"]) == "did you mean 'reliability'?"


def test_where_none_is_near_all_are_listed():
    assert nearest("zzz", ["security", "cost"]) == "known are: cost, security"
    assert nearest("zzz", []) == "known are: none"

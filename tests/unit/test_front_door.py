"""The front door: every name is there, documented, and loaded only when it is asked for."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

import framework

LAZY = """
import sys
import framework
heavy = sorted({name.partition(".")[0] for name in sys.modules} & {"pyspark", "mlflow", "sklearn", "pandas", "pyarrow"})
inside = sorted(name for name in sys.modules if name.startswith("framework."))
assert not heavy and not inside, (heavy, inside)
framework.ModelSpec, framework.days
assert not any(name.startswith("framework.training") for name in sys.modules)
"""


def test_nothing_is_imported_before_it_is_asked_for():
    subprocess.run([sys.executable, "-c", LAZY], check=True, timeout=60)


@pytest.mark.parametrize("name", framework.__all__)
def test_each_name_is_there_and_documented(name):
    found = getattr(framework, name)
    assert name in framework.__doc__
    if inspect.isclass(found) or inspect.isfunction(found) or inspect.ismodule(found):
        assert inspect.getdoc(found)


def test_the_names_are_those_that_are_announced():
    assert dir(framework) == sorted(framework.__all__)
    with pytest.raises(AttributeError, match="no public name 'Nothing'"):
        _ = framework.Nothing

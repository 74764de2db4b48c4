"""Each house rule holds here, and each can fail."""

from pathlib import Path

import pytest

from tests.checks import house_rules

ROOT = Path(__file__).resolve().parents[2]
LOCKED = "[project]\nname = 'x'\ndependencies = ['rich>=13']\n"

# Rule, the file that breaks it, its text, and a text that does not.
PLANTED = [
    ("module_length", "framework/long.py", "x = 1\n" * 401, "x = 1\n" * 400),
    ("function_length", "domains/a/long.py", "def f():\n" + "    x = 1\n" * 40, "def f():\n" + "    x = 1\n" * 39),
    ("function_length", "jobs/long.py", "async def f():\n" + "    x = 1\n" * 40, "async def f(): ...\n"),
    ("no_print", "framework/noisy.py", "def f():\n    print(1)\n", "def f(out):\n    out.print(1)\n"),
    (
        "serverless",
        "framework/a.py",
        "def f(df):\n    return df.cache()\n",
        "import functools\n@functools.cache\ndef f(): ...\n",
    ),
    ("serverless", "domains/a/b.py", "def f(df):\n    return df.rdd\n", "def f(df):\n    return df.schema\n"),
    ("serverless", "framework/a.py", "def f(s):\n    s.conf.set('a', 'b')\n", "def f(s):\n    s.conf.get('a')\n"),
    ("serverless", "domains/a.py", "def f(d):\n    d.createOrReplaceTempView('v')\n", "def f(d):\n    d.count()\n"),
    ("serverless", "jobs/a.py", "here = __file__\n", "here = __name__\n"),
    ("thin_jobs", "jobs/a.py", "import pandas.core\n", "import argparse\nfrom framework.ops.cli import main\n"),
    ("thin_jobs", "jobs/a.py", "from domains.gold import plugin\n", "import sys\n"),
    ("front_door", "domains/a/b.py", "from framework.declare.model import days\n", "from framework import days\n"),
    ("front_door", "domains/a/b.py", "def f():\n    import framework.core.config\n", "import framework.testing\n"),
    (
        "front_door",
        "docs/a.md",
        "```python\nfrom framework.gold import view\n```\n",
        "```sh\nfrom framework.gold\n```\n",
    ),
    ("no_machine_paths", "docs/a.md", "see /" + "home/ann/notes\n", "see ~/notes and docs/home/index.md\n"),
    ("no_machine_paths", "framework/a.py", "x = '/" + "tmp/x'\n", "x = 'tmp/x'\n"),
    ("no_index_urls", "Makefile", "pip install --index-" + "url x\n", "pip install --no-index x\n"),
    ("lock", "requirements.lock", "rich==15.0 \\\n# via x\n", "rich==15.0 \\\n    --hash=sha256:0a\n"),
    ("lock", "requirements.lock", "--index-" + "url x\nrich==15.0\n", "rich==15.0 ; python_version >= '3'\n"),
    ("lock", "requirements.lock", "rich==12.0\n", "Rich==13.0\n"),
    ("lock", "requirements.lock", "typer==1.0\n", "typer==1.0\nrich==13.0\n"),
]


def broken(rule: str, root: Path, name: str, text: str) -> list[str]:
    (root / "pyproject.toml").write_text(LOCKED)
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text)
    return list(getattr(house_rules, rule)(root))


@pytest.mark.parametrize("rule", house_rules.RULES, ids=lambda rule: rule.__name__)
def test_rule_holds_in_this_repository(rule):
    assert list(rule(ROOT)) == []


@pytest.mark.parametrize(("rule", "name", "bad", "good"), PLANTED, ids=[f"{n}-{p[0]}" for n, p in enumerate(PLANTED)])
def test_rule_finds_a_planted_violation_and_only_that(rule, name, bad, good, tmp_path):
    found = broken(rule, tmp_path, name, bad)
    assert found
    assert name in found[0]
    assert broken(rule, tmp_path, name, good) == []


def test_every_rule_has_a_planted_violation():
    assert {rule.__name__ for rule in house_rules.RULES} == {rule for rule, *_ in PLANTED}


def test_local_engine_may_use_the_java_side(tmp_path):
    assert broken("serverless", tmp_path, "framework/stores/local/a.py", "def f(s):\n    return s.sparkContext\n") == []


def test_ignored_folders_are_not_read(tmp_path):
    (tmp_path / ".gitignore").write_text(".venv/\n")
    assert broken("no_machine_paths", tmp_path, ".venv/a.py", "x = '/" + "home/ann'\n") == []


def test_main_names_the_rule_and_fails(tmp_path, capsys):
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    assert house_rules.main(tmp_path) == 0
    (tmp_path / "framework").mkdir()
    (tmp_path / "framework" / "a.py").write_text("print(1)\n")
    assert house_rules.main(tmp_path) == 1
    assert "no_print: framework/a.py:1" in capsys.readouterr().out

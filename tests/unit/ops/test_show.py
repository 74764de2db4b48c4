"""``health-monitor show`` on real Delta tables, without Spark."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from framework.base.errors import TableError
from framework.ops.alerts_command import open_tables
from framework.ops.show import show_table

if TYPE_CHECKING:
    from pathlib import Path

ROWS = 30
TABLE = pa.table(
    {
        "job_id": [f"j{i}" for i in range(ROWS)],
        "as_of": [date(2026, 10, 1 + i % 3) for i in range(ROWS)],
        "seen_at": pa.array(
            [datetime(2026, 10, 1 + i % 3, 23, tzinfo=UTC) for i in range(ROWS)], pa.timestamp("us", tz="UTC")
        ),
        "score": [None if i == 4 else i / 10 for i in range(ROWS)],
        "runs": list(range(ROWS)),
        "late": [i % 2 == 0 for i in range(ROWS)],
        "tags": [["ä", "b,c"]] * ROWS,
    }
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("show") / "a home"
    runtime = open_tables({"home": folder})
    name = runtime.feature_table("things")
    runtime.tables.merge(name, TABLE, keys=["job_id"], description="things")
    moments = TABLE.select(["job_id", "seen_at"])
    runtime.tables.merge(runtime.feature_table("moments"), moments, keys=["job_id"], description="moments")
    return folder


def shown(home, capsys, table="things", *, where=(), columns=(), day="", limit=100, form="json"):
    code = show_table(open_tables({"home": home}), table, where=where, columns=columns, day=day, limit=limit, form=form)
    assert code == 0
    return capsys.readouterr().out


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


def test_the_tables_are_listed_with_their_rows(home, capsys):
    assert lines(shown(home, capsys, "")) == [{"table": "moments", "rows": ROWS}, {"table": "things", "rows": ROWS}]


@pytest.mark.parametrize(
    ("where", "rows"),
    [
        (["job_id=j7"], {7}),
        (["runs>27", "late=true"], {28}),
        (["score >= 2.8"], {28, 29}),
        (["as_of<2026-10-02", "runs<4"], {0, 3}),
        (["seen_at>=2026-10-03T00:00:00", "runs<6"], {2, 5}),
    ],
)
def test_conditions_take_values_in_the_columns_own_type(home, capsys, where, rows):
    assert {row["runs"] for row in lines(shown(home, capsys, where=where))} == rows


@pytest.mark.parametrize("table", ["things", "moments"])
def test_a_day_is_that_of_the_first_column_that_has_one(home, capsys, table):
    assert len(lines(shown(home, capsys, table, day="2026-10-02"))) == ROWS / 3


def test_csv_can_be_read_again_and_null_is_empty(home, capsys):
    text = shown(home, capsys, columns=("job_id", "score", "tags"), form="csv")
    found = {row["job_id"]: row for row in csv.DictReader(io.StringIO(text))}
    assert len(found) == ROWS
    assert found["j4"]["score"] == ""
    assert json.loads(found["j4"]["tags"]) == ["ä", "b,c"]


def test_no_more_rows_than_asked_for(home, capsys):
    show_table(open_tables({"home": home}), "things", where=(), columns=(), day="", limit=2, form="json")
    out, err = capsys.readouterr()
    assert len(lines(out)) == 2
    assert err == "2 of 30 rows; --limit N shows more\n"


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"table": "thing"}, "no such table.*'things'"),
        ({"columns": ("jobid",)}, "no column 'jobid'.*'job_id'"),
        ({"where": ["jobid=1"]}, "no column 'jobid'"),
        ({"where": ["runs"]}, "no condition.*column=value"),
        ({"where": ["runs=many"]}, "'many' is no int64"),
        ({"where": ["runs=99999999999999999999"]}, "is no int64"),
        ({"where": ["tags=b"]}, "'b' is no list"),
        ({"where": ["as_of=yesterday"]}, "'yesterday' is no date32"),
    ],
)
def test_a_slip_is_named(home, capsys, asked, message):
    with pytest.raises(TableError, match=message):
        shown(home, capsys, **asked)


def test_a_process_that_shows_many_rows_ends_well(home):
    command = [sys.executable, "-m", "framework", "show", "things", "--home", str(home), "--csv"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 21

"""A day at a time equals all at once; no day's row needs a later day; the audit finds what breaks either."""

from __future__ import annotations

import shutil
from datetime import UTC, date, datetime, time, timedelta

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from domains.reliability.job_features import ReliabilityFeatures
from domains.reliability.run_features import ReliabilityRunFeatures
from domains.simulator.write import simulate
from framework.base.errors import LeakageError
from framework.declare.formulas import daily, total
from framework.declare.gold import Days
from framework.declare.model import TableSpec, days
from framework.features.builder import DailyFeatures

TIMELINE = "fact_job_run_timeline"
DAY = timedelta(days=1)
BUILDERS = (ReliabilityFeatures, ReliabilityRunFeatures)

# ---------------------------------------------------------------- the product's two tables on simulated gold

LAST = date(2026, 8, 25)
"""A day on which a run's end of three days before comes in: as late as a row can be and still be taken in."""
KEPT = 300
"""Days of facts; more than the windows reach back, so that a daily build reads less than a full one."""
RUNS_OF = 2
"""Daily runs after the first build."""


def gold_of(folder, day):
    """Gold as it stood at the end of a day; its first day is always the same."""
    simulate(folder, scale=0.01, last_day=day, days=KEPT - (LAST - day).days, tables=[TIMELINE, "dim_cluster"])
    return folder


class Built:
    """Both tables: built day by day while gold grows, and at once when it is complete."""

    def __init__(self, open_runtime, folder):
        self.open, self.folder = open_runtime, folder
        self.changed = {builder: [] for builder in BUILDERS}
        for back in range(RUNS_OF, -1, -1):
            newest = LAST - back * DAY
            self.daily = self.runtime(gold_of(folder / str(newest), newest), "daily")
            for builder in BUILDERS:
                plan = builder().plan(self.daily, self.daily.as_of)
                assert plan.start == (None if back == RUNS_OF else self.daily.as_of - 2 * DAY)
                self.changed[builder].append(builder().build(self.daily, plan).written)
        self.at_once = self.runtime(folder / str(LAST), "at once")
        for builder in BUILDERS:
            builder().build(self.at_once, Days(None, self.at_once.as_of))

    def runtime(self, gold, home):
        # Rows arrive up to 70 hours late: with the newest day left out, three rebuilt days take them all in.
        newest = date.fromisoformat(gold.name)
        return self.open(gold, self.folder / home, as_of=newest, incomplete_days=1, rebuild_days=3)


@pytest.fixture(scope="module")
def built(open_runtime, tmp_path_factory):
    return Built(open_runtime, tmp_path_factory.mktemp("incremental"))


def stored(runtime, builder):
    return in_order(runtime.tables.read(runtime.feature_table(builder.table.name)), builder)


def in_order(table, builder):
    return table.sort_by([(key, "ascending") for key in builder.table.primary_key])


@pytest.mark.slow
@pytest.mark.parametrize("builder", BUILDERS)
def test_day_by_day_ends_in_the_rows_of_a_full_build(built, builder):
    bit_by_bit, whole = stored(built.daily, builder), stored(built.at_once, builder)
    assert bit_by_bit.num_rows == whole.num_rows > 100
    for column in whole.column_names:
        wrong = pc.sum(pc.invert(same(bit_by_bit[column], whole[column]))).as_py()
        assert not wrong, f"{wrong} rows differ in {column}"


def same(left, right):
    if pa.types.is_floating(left.type):
        near = pc.less(pc.abs(pc.subtract(left, right)), 1e-6)
        return pc.if_else(pc.or_(pc.is_null(left), pc.is_null(right)), both_null(left, right), near)
    return pc.coalesce(pc.equal(left, right), both_null(left, right))


def both_null(left, right):
    return pc.and_(pc.is_null(left), pc.is_null(right))


@pytest.mark.slow
def test_the_days_that_were_compared_had_late_rows(built):
    """Otherwise the test above proves little: the last day brought ends of runs of three days before."""
    earlier, last = (pq.read_table(built.folder / str(day) / f"{TIMELINE}.parquet") for day in (LAST - DAY, LAST))
    cut = datetime.combine(LAST - 2 * DAY, time.min, UTC)
    known = [t.filter(pc.less(t["period_end_time"], cut)).num_rows for t in (earlier, last)]
    assert known[1] > known[0]
    assert ReliabilityFeatures().history < KEPT - RUNS_OF
    assert all(written > 0 for counts in built.changed.values() for written in counts)


@pytest.mark.slow
@pytest.mark.parametrize("builder", BUILDERS)
def test_the_same_build_again_commits_nothing(built, builder):
    name = built.daily.feature_table(builder.table.name)
    version = built.daily.tables.version(name)
    again = built.runtime(built.folder / str(LAST), "daily")
    assert builder().build(again, builder().plan(again, again.as_of)).written == 0
    assert again.tables.version(name) == version


@pytest.mark.slow
@pytest.mark.parametrize(("builder", "back"), [(ReliabilityFeatures, 20), (ReliabilityRunFeatures, 1)])
def test_no_value_of_a_day_needs_gold_after_it(built, builder, back):
    runtime, day = built.at_once, built.at_once.as_of - back * DAY
    builder().audit(runtime, day)

    columns = [c.name for c in builder.table.features]
    known = Days(None, day)
    cut = in_order(runtime.collect(builder()._rows(runtime.gold(known), known)), builder)
    whole = stored(runtime, builder)
    midnight = datetime.combine(day + DAY, time.min, UTC)
    until = midnight if builder.table.time_type == "timestamp" else day + DAY
    whole = whole.filter(pc.less(whole[builder.table.time], pa.scalar(until, whole[builder.table.time].type)))
    assert cut.num_rows == whole.num_rows > 50
    # Not the day's rows alone: every row up to the day.
    leaking = [c for c in columns if not pc.all(same(cut[c], whole[c])).as_py()]
    assert leaking == []


# ---------------------------------------------------------------- planted mistakes on tiny gold


def table_of(*columns):
    return TableSpec(
        name="visits",
        description="one row per job and day",
        keys=("job_id",),
        time="visit_day",
        columns=(daily("visits", "count(*)", empty=0, description="visits"), *columns),
    )


class Visits(DailyFeatures):
    """Runs on the day they ended."""

    table = table_of(total("visits_3d", "visits", window=days(3), description="visits, last 3 days"))

    def events(self, gold):
        return gold.fact_job_run_timeline.selectExpr("job_id", "to_date(period_end_time) AS day")


class LooksAhead(Visits):
    """Its events bring a column of the next day along, which no reading of formulas can see."""

    table = table_of(
        daily("visits_next_day", "max(tomorrow)", description="visits tomorrow"),
        total("visits_3d", "visits", window=days(3), description="visits, last 3 days"),
    )

    def events(self, gold):
        ended = super().events(gold)
        counts = ended.groupBy("job_id", "day").count()
        later = counts.selectExpr("job_id", "date_sub(day, 1) AS day", "count AS tomorrow")
        return ended.join(later, ["job_id", "day"], "left")


class KnowsTheEnd(Visits):
    """Counts a run on the day of its start, though how it went is known at its end only."""

    table = table_of(
        daily("finished", "count_if(result_state = 'SUCCEEDED')", empty=0, description="runs that will have succeeded")
    )

    def events(self, gold):
        slices = gold.fact_job_run_timeline
        ended = (
            slices.where("result_state IS NOT NULL").select("run_id", "result_state").withColumnRenamed("run_id", "r")
        )
        begun = slices.where("result_state IS NULL").selectExpr("job_id", "run_id", "run_date", "period_start_time")
        return begun.join(ended, begun.run_id == ended.r, "left").selectExpr(
            "job_id", "to_date(period_start_time) AS day", "result_state"
        )


START = date(2026, 6, 1)


def visit(number, begin, end, state="SUCCEEDED"):
    return {
        "workspace_id": "w",
        "job_id": "j",
        "run_id": str(number),
        "period_start_time": begin,
        "period_end_time": end,
        "result_state": state,
    }


@pytest.fixture
def tiny(make_runtime, write_gold, tmp_path):
    """Ten days of one job: a short run each morning, more of them each day; a night run over each midnight."""
    rows = []
    for number in range(10):
        morning = datetime.combine(START + number * DAY, time(8), UTC)
        rows += [visit(f"{number}-{n}", morning, morning + timedelta(minutes=1 + n)) for n in range(number + 1)]
        late, next_day = morning.replace(hour=23), morning + DAY
        rows.append(visit(f"night {number}", late, late + timedelta(minutes=30), None))
        rows.append(visit(f"night {number}", late + timedelta(minutes=30), next_day))
    folder = write_gold(tmp_path / "gold", {TIMELINE: rows})

    def make(**settings):
        return make_runtime(folder, as_of=START + 8 * DAY, **settings)

    return make


def build_all(runtime, builder):
    return builder().build(runtime, Days(None, runtime.as_of))


def test_a_clean_table_passes_its_audit(tiny):
    runtime = tiny()
    assert build_all(runtime, Visits).written == 9
    Visits().audit(runtime, START + 4 * DAY)


def test_an_audit_of_another_day_or_of_no_rows_passes_nothing_over(tiny):
    runtime = tiny()
    Visits().build(runtime, Days(START + 6 * DAY, runtime.as_of))
    with pytest.raises(LeakageError, match="stored values of 2026-06-05 are not what gold gives: rows"):
        Visits().audit(runtime, START + 4 * DAY)


@pytest.mark.parametrize(("builder", "column"), [(LooksAhead, "visits_next_day"), (KnowsTheEnd, "finished")])
def test_a_column_that_reads_the_future_is_named(tiny, builder, column):
    runtime = tiny()
    build_all(runtime, builder)
    with pytest.raises(LeakageError, match=f"change when gold after that day is cut away: {column} \\("):
        builder().audit(runtime, START + 4 * DAY)


def test_rows_under_another_rows_date_are_found(tiny):
    runtime = tiny()
    build_all(runtime, Visits)
    name = runtime.feature_table("visits")
    table = stored(runtime, Visits)
    moved = pa.chunked_array([table["visit_day"].combine_chunks().take(pa.array([*range(1, table.num_rows), 0]))])
    shuffled = table.set_column(table.schema.get_field_index("visit_day"), table.schema.field("visit_day"), moved)
    assert runtime.tables.merge(name, shuffled, keys=Visits.table.primary_key) > 0
    with pytest.raises(
        LeakageError, match=r"stored values of 2026-06-05 are not what gold gives: visits, visits_3d \("
    ):
        Visits().audit(runtime, START + 4 * DAY)


def test_one_changed_value_is_found_and_named_alone(tiny):
    runtime = tiny()
    build_all(runtime, Visits)
    day = START + 4 * DAY
    one = runtime.rows_of_day(Visits.table, day, columns=None)
    at = one.schema.get_field_index("visits_3d")
    wrong = one.set_column(at, one.schema.field(at), pa.array([one["visits_3d"][0].as_py() + 1]))
    assert runtime.tables.merge(runtime.feature_table("visits"), wrong, keys=Visits.table.primary_key) == 1
    Visits().audit(runtime, day - DAY)
    with pytest.raises(LeakageError, match=r"are not what gold gives: visits_3d \("):
        Visits().audit(runtime, day)


# ---------------------------------------------------------------- what a daily run builds


class VisitsAnew(Visits):
    table = table_of(total("visits_3d", "visits", window=days(4), description="visits, last 3 days"))


class VisitsReworded(Visits):
    table = table_of(total("visits_3d", "visits", window=days(3), description="the same in other words", unit="visits"))


class VisitsAndMore(Visits):
    table = table_of(
        total("visits_3d", "visits", window=days(3), description="visits, last 3 days"),
        total("visits_7d", "visits", window=days(7), description="visits, last 7 days"),
    )


def test_a_daily_run_builds_the_days_that_can_change_and_those_it_missed(tiny):
    runtime = tiny(rebuild_days=2)
    newest = START + 4 * DAY
    assert Visits().plan(runtime, newest) == Days(None, newest)
    Visits().build(runtime, Days(None, newest))
    assert Visits().plan(runtime, newest) == Days(newest - DAY, newest)
    assert Visits().plan(runtime, newest + DAY) == Days(newest, newest + DAY)
    assert Visits().plan(runtime, newest + 4 * DAY) == Days(newest + DAY, newest + 4 * DAY)


def test_a_changed_formula_builds_everything_anew(tiny):
    runtime = tiny()
    build_all(runtime, Visits)
    partly = Days(runtime.as_of - 2 * DAY, runtime.as_of)
    assert VisitsReworded().plan(runtime, runtime.as_of) == partly
    for changed in (VisitsAnew, VisitsAndMore):
        assert changed().plan(runtime, runtime.as_of) == Days(None, runtime.as_of)


def test_a_table_built_with_its_new_formulas_is_as_good_as_new(tiny):
    runtime = tiny()
    build_all(runtime, Visits)
    assert build_all(runtime, VisitsAnew).written > 0
    assert VisitsAnew().plan(runtime, runtime.as_of) == Days(runtime.as_of - 2 * DAY, runtime.as_of)


def test_an_emptied_table_is_built_from_the_first_day(tiny):
    runtime = tiny()
    build_all(runtime, Visits)
    name = runtime.feature_table("visits")
    schema = runtime.tables.schema(name)
    shutil.rmtree(runtime.tables.path(name))
    runtime.tables.create(name, schema.empty_table(), keys=Visits.table.primary_key)
    assert Visits().plan(runtime, runtime.as_of) == Days(None, runtime.as_of)

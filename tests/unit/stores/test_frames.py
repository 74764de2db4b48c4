from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from framework.stores.frames import column_types, count, finish, is_spark, share_out, stamp

NAN = float("nan")
MOMENT = datetime(2025, 3, 2, tzinfo=UTC)
KINDS = ["pandas", "arrow"]


def brought(rows, kind):
    frame = pd.DataFrame(rows)
    return frame if kind == "pandas" else pa.Table.from_pandas(frame, preserve_index=False)


def plain(table, name):
    return table[name].to_pylist()


@pytest.mark.parametrize("kind", KINDS)
def test_pandas_and_arrow_are_not_spark(kind):
    frame = brought({"job_id": ["a", "b"]}, kind)
    assert not is_spark(frame)
    assert count(frame) == 2


@pytest.mark.parametrize("kind", KINDS)
def test_stamp_adds_constants_and_shifted_times(kind):
    ends = pd.to_datetime(["2025-03-01 10:00", "2025-03-01 11:30"], utc=True)
    found = stamp(
        brought({"run_id": ["a", "b"], "end_time": ends}, kind),
        constants={"model_version": 3, "as_of_date": date(2025, 3, 1), "scored_at": MOMENT, "is_fallback": False},
        shifts={"target_start": ("end_time", timedelta(0)), "target_end": ("end_time", timedelta(hours=24))},
    )
    assert isinstance(found, pd.DataFrame)
    assert found["model_version"].tolist() == [3, 3]
    assert found["as_of_date"].tolist() == [date(2025, 3, 1)] * 2
    assert found["target_start"].tolist() == list(ends)
    assert found["target_end"].tolist() == [end + pd.Timedelta(days=1) for end in ends]


@pytest.mark.parametrize("kind", KINDS)
def test_stamp_leaves_what_it_was_given_alone(kind):
    frame = brought({"run_id": ["a"]}, kind)
    stamp(frame, constants={"model_version": 3}, shifts={})
    assert (list(frame.columns) if kind == "pandas" else frame.column_names) == ["run_id"]


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_population_gets_its_columns_too(kind):
    empty = brought({"run_id": pd.Series([], dtype="str"), "end_time": pd.to_datetime([], utc=True)}, kind)
    stamped = stamp(
        empty, constants={"as_of_date": date(2025, 3, 1)}, shifts={"target_end": ("end_time", timedelta(1))}
    )
    assert len(stamped) == 0
    found = finish(stamped, keep=["run_id", "as_of_date", "target_end", "reasons"], naming=())
    assert found.num_rows == 0
    assert found.schema.field("as_of_date").type == pa.date32()
    assert found.schema.field("target_end").type == pa.timestamp("us", tz="UTC")


def scored(rows=2):
    facts = {
        "run_id": ["a", "b"],
        "prediction": [0.9, 0.1],
        "predicted_class": ["1", None],
        "is_anomaly": [1.0, 0.0],
        "model_version": [3, 3],
        "as_of_date": [date(2025, 3, 1)] * 2,
        "scored_at": [MOMENT] * 2,
        "unwanted": [1, 2],
        "reason_1_feature": ["failure_rate", "runs"],
        "reason_1_value": [0.9, 4.0],
        "reason_1_low": [0.0, 1.0],
        "reason_1_high": [0.2, 3.0],
        "reason_2_feature": ["runs", None],
        "reason_2_value": [NAN, NAN],
        "reason_2_low": [1.0, NAN],
        "reason_2_high": [3.0, NAN],
        "probability_0": [0.25, NAN],
        "probability_1": [0.75, 0.5],
    }
    return pd.DataFrame(facts).head(rows)


def test_finish_keeps_the_columns_asked_for_in_order_with_their_types():
    keep = ["run_id", "prediction", "is_anomaly", "as_of_date", "model_version", "scored_at"]
    found = finish(scored(), keep=keep, naming=())
    assert isinstance(found, pa.Table)
    assert found.column_names == keep
    types = [found.schema.field(name).type for name in keep]
    assert types == [pa.string(), pa.float64(), pa.int32(), pa.date32(), pa.int32(), pa.timestamp("us", tz="UTC")]
    assert plain(found, "is_anomaly") == [1, 0]
    assert plain(found, "scored_at") == [MOMENT] * 2


def test_reasons_become_a_list_in_order_of_rank_and_missing_values_null():
    found = plain(finish(scored(), keep=["reasons"], naming=()), "reasons")
    assert found[0] == [
        {"feature": "failure_rate", "value": 0.9, "low": 0.0, "high": 0.2},
        {"feature": "runs", "value": None, "low": 1.0, "high": 3.0},
    ]
    assert found[1][0] == {"feature": "runs", "value": 4.0, "low": 1.0, "high": 3.0}
    assert found[1][1] == {"feature": None, "value": None, "low": None, "high": None}


def test_a_model_without_reasons_has_an_empty_list():
    rows = scored().drop(columns=[name for name in scored() if name.startswith("reason_")])
    found = finish(rows, keep=["run_id", "reasons"], naming=())
    assert plain(found, "reasons") == [[], []]
    assert found.schema.field("reasons").type == finish(scored(), keep=["reasons"], naming=()).schema.field(0).type


@pytest.mark.parametrize("name", ["probabilities", "flags"])
def test_numbered_probabilities_become_a_map_by_name(name):
    found = finish(scored(), keep=[name], naming=("spill", "slow"))
    assert found.schema.field(name).type == pa.map_(pa.string(), pa.float64())
    first, second = (dict(row) for row in plain(found, name))
    assert first == {"spill": 0.25, "slow": 0.75}
    assert second["slow"] == 0.5
    assert np.isnan(second["spill"])


@pytest.mark.parametrize("rows", [0, 2])
def test_a_column_that_the_model_did_not_answer_is_null_with_its_own_type(rows):
    keep = ["prediction_p10", "target_end", "is_fallback", "served_as"]
    found = finish(scored(rows), keep=keep, naming=())
    kinds = [pa.float64(), pa.timestamp("us", tz="UTC"), pa.bool_(), pa.string()]
    assert [found.schema.field(name).type for name in keep] == kinds
    assert all(plain(found, name) == [None] * rows for name in keep)


def test_null_answers_stay_null():
    rows = scored().assign(prediction=[NAN, 0.5], is_anomaly=[NAN, 1.0], prediction_p90=[NAN, NAN])
    found = finish(rows, keep=["prediction", "is_anomaly", "prediction_p90", "predicted_class"], naming=())
    assert plain(found, "prediction") == [None, 0.5]
    assert plain(found, "is_anomaly") == [None, 1]
    assert plain(found, "prediction_p90") == [None, None]
    assert plain(found, "predicted_class") == ["1", None]


def test_an_empty_frame_finishes_to_the_same_schema():
    keep = ["run_id", "prediction", "predicted_class", "is_anomaly", "reasons", "flags", "as_of_date", "scored_at"]
    full = finish(scored(), keep=keep, naming=("spill", "slow"))
    empty = finish(scored(0), keep=keep, naming=("spill", "slow"))
    assert empty.num_rows == 0
    assert empty.schema == full.schema


def test_a_time_key_keeps_its_moment():
    rows = scored().assign(end_time=pd.to_datetime(["2025-03-01 10:00", "2025-03-01 11:00"]))
    found = finish(rows, keep=["end_time"], naming=())
    assert plain(found, "end_time")[0] == datetime(2025, 3, 1, 10, tzinfo=UTC)


def test_any_percentile_has_a_type():
    assert {column_types()[f"prediction_p{q}"] for q in (1, 5, 50, 99)} == {pa.float64()}


def test_forecasts_of_one_whole_add_up_to_1():
    rows = pa.table(
        {
            "workspace_id": ["a", "a", "b", "b", "c"],
            "prediction": [0.2, 0.6, 0.0, 0.0, 0.5],
            "prediction_p10": [0.1, 0.4, 0.0, 0.0, None],
            "model_version": pa.array([3] * 5, pa.int32()),
        }
    )
    found = share_out(rows, by=["workspace_id"], columns=["prediction", "prediction_p10"])
    assert found.schema == rows.schema
    assert plain(found, "prediction") == pytest.approx([0.25, 0.75, 0.5, 0.5, 1.0])
    assert plain(found, "prediction_p10")[:4] == pytest.approx([0.125, 0.5, 0.5, 0.5])
    assert plain(found, "prediction_p10")[4] is None

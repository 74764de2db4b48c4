from __future__ import annotations

import importlib
import logging
import pickle
import time
import warnings
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import yaml
from mlflow.types import ColSpec, Schema
from mlflow.types.schema import Array, DataType
from sklearn.linear_model import LinearRegression

from framework.base.errors import FeatureStoreError, RegistryError, ScoringError
from framework.core.keys import primary_key, timeseries_column
from framework.core.ports import FeatureLookup
from framework.stores.ddl import arrow_type, fields_of, spark_name
from framework.stores.local import feature_spec
from framework.stores.local.artifact import predicted
from framework.stores.local.store import LocalFeatureStore
from framework.stores.local.tables import LocalTables

DAILY = "main.health.job_features"
OWNERS = "main.health.owner_features"
MODEL = "main.health.duration"
RESULT = "struct<prediction:double,reasons:array<string>>"

SERVED = """
import pickle
from pathlib import Path

import mlflow
import pandas as pd


class Served(mlflow.pyfunc.PythonModel):
    def load_context(self, context):
        self.model = pickle.loads(Path(context.artifacts["model"]).read_bytes())

    def predict(self, context, model_input: pd.DataFrame, params=None):
        values = self.model.predict(model_input[["cost", "runs_7d", "size"]].fillna(0.0).to_numpy())
        return pd.DataFrame({"prediction": values, "reasons": [["cost"]] * len(values)})


mlflow.models.set_model(Served())
"""


def no_spark():
    raise AssertionError("no Spark is needed here")


def day(number):
    return date(2025, 1, number)


@pytest.fixture
def tables(tmp_path):
    return LocalTables(tmp_path / "tables", no_spark)


@pytest.fixture
def store(tables):
    return LocalFeatureStore(tables, no_spark)


@pytest.fixture(scope="session")
def registry(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mlflow")
    before = mlflow.get_tracking_uri(), mlflow.get_registry_uri()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow warns of its own parts when they are first loaded
        importlib.import_module("mlflow.pyfunc")
        importlib.import_module("mlflow.sklearn")
        mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
        mlflow.set_registry_uri(f"sqlite:///{folder}/mlflow.db")
        mlflow.set_experiment(experiment_id=mlflow.create_experiment("tests", (folder / "artifacts").as_uri()))
    yield folder
    mlflow.set_tracking_uri(before[0])
    mlflow.set_registry_uri(before[1])


def daily():
    return pd.DataFrame(
        {
            "job": ["a", "a", "b", "b"],
            "day": [day(1), day(3), day(1), day(2)],
            "cost": [1.0, None, 10.0, 20.0],
            "runs": pd.array([3, 4, 5, 6], dtype="int64"),
            "late": [True, False, True, None],
        }
    )


def owners():
    return pd.DataFrame({"owner": ["x", "y"], "size": [5.0, 7.0]})


def labels():
    return pd.DataFrame(
        {
            "job": ["a", "a", "b", None, "c", "b"],
            "day": [day(2), day(4), day(1), day(2), day(2), date(2024, 12, 31)],
            "owner": ["x", "y", "x", "x", "z", "y"],
            "y": [0.0, 1.0, 2.0, 3.0, 4.0, 5.0],
        }
    )


def create(store):
    store.create_table(name=DAILY, primary_keys=["job", "day"], timeseries_column="day", df=daily(), description="Jobs")
    store.create_table(name=OWNERS, primary_keys=["owner"], df=owners())


def lookups(**changes):
    by_day = {
        "table_name": DAILY,
        "lookup_key": ["job"],
        "feature_names": ["cost", "runs"],
        "rename_outputs": {"runs": "runs_7d"},
        "timestamp_lookup_key": "day",
    }
    return [FeatureLookup(**(by_day | changes)), FeatureLookup(table_name=OWNERS, lookup_key=["owner"])]


def training_set(store, **changes):
    options = {
        "df": labels(),
        "feature_lookups": lookups(),
        "label": "y",
        "exclude_columns": ["job", "day", "owner"],
    }
    return store.create_training_set(**(options | changes))


def test_a_feature_table_knows_its_keys(store, tables):
    create(store)
    schema = tables.schema(DAILY)
    assert primary_key(schema) == ["job", "day"]
    assert timeseries_column(schema) == "day"
    assert timeseries_column(tables.schema(OWNERS)) is None


def test_a_schema_alone_creates_an_empty_table_with_comments(store, tables):
    fields = [("owner", pa.string()), ("size", pa.float64()), ("seen", pa.timestamp("ns"))]
    schema = pa.schema([pa.field(name, kind, metadata={"comment": f"about {name}"}) for name, kind in fields])
    store.create_table(name=OWNERS, primary_keys=["owner"], schema=schema)
    assert tables.read(OWNERS).num_rows == 0
    assert tables.schema(OWNERS).field("size").metadata == {b"comment": b"about size"}
    assert store.write_table(name=OWNERS, df=owners()) == 2
    frame = store.create_training_set(
        df=pd.DataFrame({"owner": ["x", "q"]}),
        feature_lookups=[FeatureLookup(table_name=OWNERS, lookup_key=["owner"], feature_names=["size"])],
        label=None,
    ).to_pandas()
    assert frame["size"].fillna(-1).tolist() == [5.0, -1.0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "health.t"}, "three levels"),
        ({"name": "t"}, "three levels"),
        ({"name": "hive_metastore.a.t"}, "hive_metastore"),
        ({"name": "spark_catalog.a.t"}, "spark_catalog"),
        ({"primary_keys": ["job", "dya"]}, "did you mean 'day'"),
        ({"primary_keys": ["job"], "timeseries_column": "day"}, "is no primary key"),
        ({"primary_keys": ["job"]}, "repeat the key"),
        ({"df": None}, "neither rows nor a schema"),
        ({"df": daily().assign(job=None)}, "job"),
        ({"schema": pa.schema([("nope", pa.string())])}, "missing: nope"),
    ],
)
def test_tables_that_cannot_be_created(store, tables, change, message):
    options = {"name": DAILY, "primary_keys": ["job", "day"], "df": daily()}
    with pytest.raises(FeatureStoreError, match=message):
        store.create_table(**(options | change))
    assert tables.names("main.health") == []


def test_a_table_is_created_once(store):
    create(store)
    with pytest.raises(FeatureStoreError, match="exists already"):
        store.create_table(name=OWNERS, primary_keys=["owner"], df=owners())


def test_writing_merges_and_a_second_time_commits_nothing(store, tables):
    create(store)
    changed = daily().assign(runs=[3, 4, 5, 60])
    assert store.write_table(name=DAILY, df=changed) == 1
    version = tables.version(DAILY)
    assert store.write_table(name=DAILY, df=changed) == 0
    assert tables.version(DAILY) == version
    assert store.write_table(name=DAILY, df=changed.assign(extra="e")) == 4
    assert "extra" in tables.schema(DAILY).names


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mode": "overwrite"}, "use mode='merge'"),
        ({"name": "main.health.job_feature"}, "did you mean 'job_features'"),
        ({"df": daily().drop(columns="cost")}, "missing: cost"),
        ({"df": daily().assign(job=[None, "a", "b", "b"])}, "NULL in 1 of 4"),
        ({"df": pd.concat([daily(), daily()])}, "4 of 8 rows repeat"),
        ({"df": daily().assign(runs=0.5)}, "'runs' is int64 in the table and double"),
    ],
)
def test_rows_that_cannot_be_written(store, tables, change, message):
    create(store)
    options = {"name": DAILY, "df": daily()}
    with pytest.raises(FeatureStoreError, match=message):
        store.write_table(**(options | change))
    assert tables.version(DAILY) == 0


def test_a_plain_table_takes_some_columns(store, tables):
    store.create_table(name=OWNERS, primary_keys=["owner"], df=owners().assign(team="t"))
    assert store.write_table(name=OWNERS, df=owners().assign(size=1.0)) == 2
    assert set(tables.read(OWNERS)["team"].to_pylist()) == {"t"}


def test_a_training_set_is_frame_then_features_then_label(store):
    create(store)
    frame = training_set(store).to_pandas()
    assert list(frame) == ["cost", "runs_7d", "size", "y"]
    # a on day 2 sees day 1; on day 4 the row of day 3, whose cost is NULL and stays so; b sees its own day.
    assert frame["cost"].fillna(-1).tolist() == [1.0, -1.0, 10.0, -1.0, -1.0, -1.0]
    assert frame["runs_7d"].fillna(-1).tolist() == [3.0, 4.0, 5.0, -1.0, -1.0, -1.0]
    assert frame["size"].fillna(-1).tolist() == [5.0, 7.0, 5.0, 5.0, -1.0, 7.0]
    assert frame["y"].tolist() == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]


def test_arrow_and_pandas_frames_give_the_same(store):
    create(store)
    from_pandas = training_set(store, exclude_columns=[]).to_pandas()
    from_arrow = training_set(store, exclude_columns=[], df=pa.Table.from_pandas(labels())).to_pandas()
    pd.testing.assert_frame_equal(from_pandas, from_arrow)


def test_the_frames_index_does_not_matter(store):
    create(store)
    shuffled = labels().set_index(pd.Index([5, 4, 3, 2, 1, 0]))
    pd.testing.assert_frame_equal(training_set(store, df=shuffled).to_pandas(), training_set(store).to_pandas())


def test_a_window_of_zero_takes_the_exact_day(store):
    create(store)
    frame = training_set(store, feature_lookups=lookups(lookback_window=timedelta(0))).to_pandas()
    assert frame["runs_7d"].fillna(-1).tolist() == [-1.0, -1.0, 5.0, -1.0, -1.0, -1.0]


def test_a_window_of_a_day_looks_one_day_back(store):
    create(store)
    frame = training_set(store, feature_lookups=lookups(lookback_window=timedelta(days=1))).to_pandas()
    assert frame["runs_7d"].fillna(-1).tolist() == [3.0, 4.0, 5.0, -1.0, -1.0, -1.0]


def test_defaults_stand_for_null_and_for_no_row(store):
    create(store)
    changed = lookups(feature_names=["cost", "runs", "late"], default_values={"cost": 0.5, "runs_7d": 9, "late": True})
    frame = training_set(store, feature_lookups=changed).to_pandas()
    assert frame["cost"].tolist() == [1.0, 0.5, 10.0, 0.5, 0.5, 0.5]
    assert frame["runs_7d"].tolist() == [3, 4, 5, 9, 9, 9]
    assert frame["runs_7d"].dtype == "int64"
    assert frame["late"].tolist() == [True, False, True, True, True, True]


def test_all_features_come_in_alphabetical_order(store):
    create(store)
    frame = training_set(
        store, feature_lookups=lookups(feature_names=None)[:1], label=["y", "owner"], exclude_columns=[]
    )
    assert list(frame.to_pandas()) == ["job", "day", "cost", "late", "runs_7d", "y", "owner"]


def test_without_an_as_of_time_the_time_is_a_key(store):
    create(store)
    exact = lookups(timestamp_lookup_key=None, lookup_key=["job", "day"])
    frame = training_set(store, feature_lookups=exact).to_pandas()
    assert frame["runs_7d"].fillna(-1).tolist() == [-1.0, -1.0, 5.0, -1.0, -1.0, -1.0]


def test_a_time_of_day_is_cast_to_the_tables_day(store):
    create(store)
    noon = labels().assign(day=[datetime(2025, 1, 3, 12, tzinfo=UTC)] * 6)
    frame = training_set(store, df=noon).to_pandas()
    assert frame["runs_7d"].fillna(-1).tolist() == [4.0, 4.0, 6.0, -1.0, -1.0, 6.0]


def test_an_empty_frame_and_an_empty_table(store):
    store.create_table(
        name=OWNERS, primary_keys=["owner"], schema=pa.schema([("owner", pa.string()), ("size", pa.float64())])
    )
    only = [FeatureLookup(table_name=OWNERS, lookup_key=["owner"])]
    assert training_set(store, feature_lookups=only).to_pandas()["size"].isna().all()
    empty = pa.Table.from_pandas(labels()).slice(0, 0)
    assert training_set(store, feature_lookups=only, df=empty).to_pandas().shape == (0, 2)


def test_a_write_is_seen_by_the_next_training_set(store):
    create(store)
    assert training_set(store).to_pandas()["runs_7d"].iloc[0] == 3
    store.write_table(name=DAILY, df=daily().assign(runs=[30, 4, 5, 6]))
    assert training_set(store).to_pandas()["runs_7d"].iloc[0] == 30


def test_a_table_is_read_once_per_version(store, tables, monkeypatch):
    create(store)
    reads = []
    read = tables.read
    monkeypatch.setattr(tables, "read", lambda name, **rest: reads.append(name) or read(name, **rest))
    for _ in range(3):
        training_set(store).to_pandas()
    assert sorted(reads) == [DAILY, OWNERS]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"feature_lookups": lookups(table_name="main.health.job_featuers")}, "did you mean 'job_features'"),
        ({"feature_lookups": lookups(feature_names=["costs"])}, "unknown feature 'costs'.*did you mean 'cost'"),
        ({"feature_lookups": lookups(lookup_key=["jobs"])}, "no column 'jobs'.*did you mean 'job'"),
        ({"feature_lookups": lookups(lookup_key=["job", "owner"])}, "2 columns for the keys job"),
        ({"feature_lookups": lookups(timestamp_lookup_key="date")}, "no column 'date'"),
        (
            {"feature_lookups": [FeatureLookup(table_name=OWNERS, lookup_key=["owner"], timestamp_lookup_key="day")]},
            "no time-series",
        ),
        ({"feature_lookups": lookups(rename_outputs={"runs": "y"})}, "output name 'y' is taken"),
        ({"feature_lookups": lookups(rename_outputs={"runs": "size"})}, "output name 'size' is taken"),
        ({"feature_lookups": lookups(rename_outputs={"run": "r"})}, "rename_outputs names unknown 'run'"),
        ({"feature_lookups": lookups(default_values={"runs": 1})}, "default_values .* unknown 'runs'"),
        (
            {
                "feature_lookups": [
                    *lookups(),
                    lookups(lookback_window=timedelta(1), rename_outputs={"cost": "c", "runs": "r"})[0],
                ]
            },
            "different lookback",
        ),
        ({"label": "why"}, "no label column 'why'"),
        ({"exclude_columns": ["y"]}, "label 'y' is excluded"),
    ],
)
def test_training_sets_that_cannot_be(store, change, message):
    create(store)
    with pytest.raises(FeatureStoreError, match=message):
        training_set(store, **change)


def test_a_key_of_another_type_is_refused(store):
    create(store)
    with pytest.raises(FeatureStoreError, match="cast the frame's key"):
        training_set(store, df=labels().assign(job=1)).to_pandas()


def test_a_default_of_another_type_is_refused(store):
    create(store)
    with pytest.raises(FeatureStoreError, match="default 'x' is no bigint"):
        training_set(store, feature_lookups=lookups(default_values={"runs_7d": "x"})).to_pandas()


def test_a_plain_delta_table_is_no_feature_table(store, tables):
    tables.append(OWNERS, owners())
    with pytest.raises(FeatureStoreError, match="no primary key"):
        store.write_table(name=OWNERS, df=owners())


# ---------------------------------------------------------------- models


@pytest.fixture
def fitted(store, tmp_path, registry):
    create(store)
    training = training_set(store)
    frame = training.to_pandas()
    model = LinearRegression().fit(frame[["cost", "runs_7d", "size"]].fillna(0.0).to_numpy(), frame["y"])
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(model))
    (tmp_path / "served_model.py").write_text(SERVED)
    return training, model


def log(store, fitted, tmp_path, **changes):
    options = {
        "model": str(tmp_path / "served_model.py"),
        "artifact_path": "model",
        "training_set": fitted[0],
        "registered_model_name": MODEL,
        "artifacts": {"model": str(tmp_path / "model.pkl")},
        "output_schema": Schema([ColSpec("double", "prediction"), ColSpec(Array(DataType.string), "reasons")]),
        "pip_requirements": ["scikit-learn"],
        "tags": {"verdict": "passed"},
    }
    return store.log_model(**(options | changes))


def folder_of(logged):
    return Path(mlflow.artifacts.download_artifacts(f"models:/{logged.name}/{logged.version}"))


def test_a_logged_model_scores_from_keys_alone(store, fitted, tmp_path):
    logged = log(store, fitted, tmp_path)
    keys = labels()[["job", "day", "owner"]].set_index(pd.Index(list("uvwxyz")))
    scored = store.score_batch(model_uri=f"models:/{MODEL}/{logged.version}", df=keys, result_type=RESULT)
    features = fitted[0].to_pandas()[["cost", "runs_7d", "size"]].fillna(0.0).to_numpy()
    assert list(scored) == ["job", "day", "owner", "prediction", "reasons"]
    assert scored.index.tolist() == list("uvwxyz")
    np.testing.assert_array_equal(scored["prediction"], fitted[1].predict(features))
    assert [list(one) for one in scored["reasons"]] == [["cost"]] * 6
    from_arrow = store.score_batch(
        model_uri=f"models:/{MODEL}/{logged.version}",
        df=pa.Table.from_pandas(keys, preserve_index=False),
        result_type=RESULT,
    )
    assert from_arrow["prediction"].tolist() == scored["prediction"].tolist()


def test_versions_count_up_and_carry_their_tags(store, fitted, tmp_path):
    first, second = log(store, fitted, tmp_path), log(store, fitted, tmp_path, tags=None)
    assert second.version == first.version + 1
    version = mlflow.MlflowClient().get_model_version(MODEL, str(first.version))
    assert version.tags == {"verdict": "passed"}
    assert mlflow.MlflowClient().get_model_version(MODEL, str(second.version)).tags == {}


def test_a_run_owns_what_is_logged_in_it(store, fitted, tmp_path):
    with mlflow.start_run() as run:
        logged = log(store, fitted, tmp_path)
    assert mlflow.MlflowClient().get_model_version(MODEL, str(logged.version)).run_id == run.info.run_id


def test_an_alias_follows_its_version(store, fitted, tmp_path):
    logged = log(store, fitted, tmp_path)
    mlflow.MlflowClient().set_registered_model_alias(MODEL, "champion", str(logged.version))
    scored = store.score_batch(model_uri=f"models:/{MODEL}@champion", df=labels().drop(columns="y"), result_type=RESULT)
    assert len(scored) == 6


def test_the_artefact_has_the_clients_layout(store, fitted, tmp_path):
    logged = log(store, fitted, tmp_path)
    folder = folder_of(logged)
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    data = "data/feature_store"
    assert {"MLmodel", "conda.yaml", f"{data}/feature_spec.yaml", f"{data}/raw_model/MLmodel"} <= files
    outer = yaml.safe_load((folder / "MLmodel").read_text())
    assert outer["flavors"]["python_function"]["loader_module"] == "databricks.feature_store.mlflow_model"
    assert outer["flavors"]["python_function"]["data"] == data
    pip = yaml.safe_load((folder / "conda.yaml").read_text())["dependencies"][-1]["pip"]
    assert pip[-2:] == ["scikit-learn", "databricks-feature-lookup==1.*"]
    spec = feature_spec.load(folder / data)
    assert spec == fitted[0].spec
    assert [(one.name, one.include) for one in spec.columns] == [
        ("job", False),
        ("owner", False),
        ("cost", True),
        ("runs_7d", True),
        ("size", True),
    ]


def test_the_signature_needs_keys_and_allows_features(store, fitted, tmp_path):
    logged = log(store, fitted, tmp_path)
    signature = mlflow.models.get_model_info(f"models:/{MODEL}/{logged.version}").signature
    assert {one.name: one.required for one in signature.inputs} == {
        "job": True,
        "owner": True,
        "cost": False,
        "runs_7d": False,
        "size": False,
    }
    assert signature.inputs.input_dict()["runs_7d"].type == DataType.long
    assert signature.outputs.input_names() == ["prediction", "reasons"]
    assert [(one.name, one.default) for one in signature.params] == [("result_type", "NO_RESULT_TYPE")]


def test_no_path_of_this_machine_is_logged(store, fitted, tmp_path):
    folder = folder_of(log(store, fitted, tmp_path, input_example=pd.DataFrame({"cost": [1.0], "size": [2.0]})))
    for path in folder.rglob("*"):
        if path.is_file() and path.name != "registered_model_meta":
            text = path.read_bytes()
            assert str(tmp_path).encode() not in text, path
            assert b"/tmp" not in text, path
            assert str(Path.home()).encode() not in text, path


def test_the_raw_model_loads_anywhere_without_us(store, fitted, tmp_path):
    raw = folder_of(log(store, fitted, tmp_path)) / "data" / "feature_store" / "raw_model"
    (tmp_path / "served_model.py").unlink()
    (tmp_path / "model.pkl").unlink()
    model = mlflow.pyfunc.load_model(str(raw))
    assert model.metadata.signature.inputs is None
    row = pd.DataFrame({"cost": [1.0], "runs_7d": [2.0], "size": [3.0]})
    assert model.predict(row)["prediction"].tolist() == fitted[1].predict(row.to_numpy()).tolist()


def test_an_example_is_kept_but_not_tried(store, fitted, tmp_path, caplog):
    example = pd.DataFrame({"cost": [1.0], "runs_7d": [2.0], "size": [3.0]})
    with caplog.at_level(logging.WARNING, logger="mlflow"), warnings.catch_warnings():
        warnings.simplefilter("error")
        logged = log(store, fitted, tmp_path, input_example=example)
        log(store, fitted, tmp_path)
    assert caplog.records == []
    raw = folder_of(logged) / "data" / "feature_store" / "raw_model"
    kept = mlflow.models.Model.load(str(raw))
    assert kept.load_input_example(str(raw)).to_dict("list") == example.to_dict("list")
    assert kept.signature.inputs is None


def test_an_mlflow_that_refuses_lookups_is_named(store, fitted, tmp_path, monkeypatch):
    from mlflow.store._unity_catalog.registry import rest_store

    folder = folder_of(log(store, fitted, tmp_path))
    # What the package index's MLflow does in Unity Catalog's place, before it asks the workspace anything.
    monkeypatch.setattr(
        mlflow.MlflowClient, "create_model_version", lambda *_, **__: rest_store.get_feature_dependencies(str(folder))
    )
    with pytest.raises(RegistryError, match="the runtime's own MLflow 3"):
        log(store, fitted, tmp_path)


def test_logging_a_model_is_quick(store, fitted, tmp_path):
    log(store, fitted, tmp_path)
    start = time.process_time()  # not the wall: another lane may be busy beside this one
    for _ in range(3):
        log(store, fitted, tmp_path)
    assert (time.process_time() - start) / 3 < 0.3


def test_a_feature_that_the_frame_brings_is_used(store, fitted, tmp_path):
    logged = log(store, fitted, tmp_path)
    frame = labels().drop(columns="y").assign(size=100.0)
    scored = store.score_batch(model_uri=f"models:/{MODEL}/{logged.version}", df=frame, result_type=RESULT)
    features = fitted[0].to_pandas()[["cost", "runs_7d", "size"]].fillna(0.0).assign(size=100.0)
    np.testing.assert_array_equal(scored["prediction"], fitted[1].predict(features.to_numpy()))


def test_frames_that_cannot_be_scored(store, fitted, tmp_path):
    logged = log(store, fitted, tmp_path)
    uri, keys = f"models:/{MODEL}/{logged.version}", labels().drop(columns="y")
    with pytest.raises(ScoringError, match="the frame has no day, job"):
        store.score_batch(model_uri=uri, df=keys[["owner"]], result_type=RESULT)
    with pytest.raises(ScoringError, match=r"returns no 'predictions'.*did you mean 'prediction'"):
        store.score_batch(model_uri=uri, df=keys, result_type="struct<predictions:double>")
    with pytest.raises(ScoringError, match="columns named as outputs: prediction"):
        store.score_batch(model_uri=uri, df=keys.assign(prediction=1.0), result_type=RESULT)
    with pytest.raises(FeatureStoreError, match="unknown type"):
        store.score_batch(model_uri=uri, df=keys, result_type="struct<prediction:dobule>")


@pytest.mark.parametrize("uri", ["models:/main.health.none/1", f"models:/{MODEL}@nobody", "runs:/x/model", "models:/x"])
def test_models_that_are_not_there(store, registry, uri):
    with pytest.raises(RegistryError):
        store.score_batch(model_uri=uri, df=labels(), result_type="double")


def test_models_that_cannot_be_logged(store, fitted, tmp_path):
    with pytest.raises(FeatureStoreError, match="three levels"):
        log(store, fitted, tmp_path, registered_model_name="duration")
    with pytest.raises(FeatureStoreError, match="type object"):
        log(store, fitted, tmp_path, training_set=object())


def test_a_model_of_the_client_with_one_output_is_scored(store, registry, tmp_path):
    """An artefact as the client writes it for a scikit-learn model: an array, one output, excluded keys."""
    create(store)
    lookup = [FeatureLookup(table_name=OWNERS, lookup_key=["owner"])]
    spec = training_set(store, feature_lookups=lookup).spec
    data = tmp_path / "feature_store"
    data.mkdir()
    spec.save(data)
    model = LinearRegression().fit(pd.DataFrame({"size": [1.0, 2.0]}), [10.0, 20.0])
    mlflow.sklearn.save_model(
        model, str(data / "raw_model"), pip_requirements=["scikit-learn"], serialization_format="cloudpickle"
    )
    folder = tmp_path / "outer"
    mlflow.pyfunc.save_model(
        str(folder), loader_module="databricks.feature_store.mlflow_model", data_path=str(data), pip_requirements=["x"]
    )
    client = mlflow.MlflowClient()
    client.create_registered_model("main.health.plain")
    client.create_model_version("main.health.plain", source=str(folder))
    keys = pd.DataFrame({"owner": ["y", "x"]})
    scored = store.score_batch(model_uri="models:/main.health.plain/1", df=keys, result_type="double")
    assert scored["prediction"].round(6).tolist() == [70.0, 50.0]


def test_models_without_lookups_are_named(store, registry, tmp_path):
    mlflow.sklearn.save_model(
        LinearRegression().fit([[1.0]], [1.0]),
        str(tmp_path / "m"),
        pip_requirements=["x"],
        serialization_format="cloudpickle",
    )
    client = mlflow.MlflowClient()
    client.create_registered_model("main.health.bare")
    client.create_model_version("main.health.bare", source=str(tmp_path / "m"))
    with pytest.raises(FeatureStoreError, match="without feature lookups"):
        store.score_batch(model_uri="models:/main.health.bare/1", df=labels(), result_type="double")


# ---------------------------------------------------------------- feature_spec.yaml, types


def test_the_spec_is_written_as_the_client_writes_it(store):
    create(store)
    changed = lookups(lookback_window=timedelta(days=1), default_values={"runs_7d": 0}, feature_names=["runs"])
    spec = training_set(store, feature_lookups=changed[:1], exclude_columns=["job", "day"]).spec
    (table,) = spec.tables
    assert (
        spec.to_yaml()
        == f"""\
input_columns:
- job:
    data_type: string
    include: false
    topological_ordering: 0
    source: training_data
- owner:
    data_type: string
    topological_ordering: 1
    source: training_data
- runs_7d:
    table_name: main.health.job_features
    feature_name: runs
    lookup_key:
    - job
    timestamp_lookup_key:
    - day
    default_value: '0'
    data_type: bigint
    topological_ordering: 2
    source: feature_store
workspace_id: '0'
feature_store_client_version: 0.18.2
input_tables:
- main.health.job_features:
    table_id: {table.table_id}
    lookback_window: 86400.0
serialization_version: 11
"""
    )


@pytest.mark.parametrize(
    "content", [{"features": ["a.b.c"]}, {"input_columns": [{"f": {"udf_name": "u", "source": "on_demand_feature"}}]}]
)
def test_specs_beyond_lookups_are_refused(tmp_path, content):
    (tmp_path / "feature_spec.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(FeatureStoreError):
        feature_spec.load(tmp_path)


@pytest.mark.parametrize(
    "name",
    [
        "double",
        "timestamp",
        "decimal(10,2)",
        "array<string>",
        "map<string,array<double>>",
        "struct<a:int,b:array<struct<c:date,d:decimal(3,1)>>>",
        "tinyint",
        "binary",
    ],
)
def test_type_names_go_both_ways(name):
    assert spark_name(arrow_type(name)) == name


@pytest.mark.parametrize("name", ["", "number", "array<>", "struct<a>", "map<string>", "struct<a:int"])
def test_malformed_types_are_refused(name):
    with pytest.raises(FeatureStoreError):
        arrow_type(name)


def test_outputs_are_taken_by_name_or_by_place():
    two = fields_of("struct<a:double,b:double>")
    assert {name: list(one) for name, one in predicted(np.array([[1, 2], [3, 4]]), two).items()} == {
        "a": [1, 3],
        "b": [2, 4],
    }
    assert list(predicted([5.0], fields_of("double"))["prediction"]) == [5.0]
    with pytest.raises(ScoringError, match="2 outputs"):
        predicted(np.zeros(3), two)

from __future__ import annotations

import importlib
import pickle
import warnings
from datetime import UTC, date, datetime

import mlflow
import pandas as pd
import pyarrow as pa
import pytest
from deltalake import write_deltalake
from mlflow.types import ColSpec, Schema
from sklearn.linear_model import LinearRegression

from framework.base.errors import TableError
from framework.core.keys import metadata_of, primary_key
from framework.core.ports import FeatureLookup
from framework.stores.arrow import to_arrow
from framework.stores.local.store import LocalFeatureStore
from framework.stores.local.tables import LocalTables, open_delta

pytestmark = pytest.mark.spark

FEATURES = "main.health.features"

SERVED = """
import pickle
from pathlib import Path

import mlflow
import pandas as pd


class Served(mlflow.pyfunc.PythonModel):
    def load_context(self, context):
        self.model = pickle.loads(Path(context.artifacts["model"]).read_bytes())

    def predict(self, context, model_input: pd.DataFrame, params=None):
        values = self.model.predict(model_input.fillna(0.0).to_numpy())
        return pd.DataFrame({"prediction": values, "reasons": [["cost"]] * len(values)})


mlflow.models.set_model(Served())
"""


@pytest.fixture
def tables(tmp_path, spark):
    return LocalTables(tmp_path / "the tables", lambda: spark)


@pytest.fixture
def store(tables, spark):
    return LocalFeatureStore(tables, lambda: spark)


def rows(spark):
    values = [
        ("a", date(2025, 1, 1), 1.0, 3, datetime(2025, 1, 1, 6, tzinfo=UTC), [("x", 0.5)], {"k": 1.0}),
        ("a", date(2025, 1, 3), None, 4, None, None, None),
        ("b", date(2025, 1, 1), 10.0, None, datetime(2025, 1, 2, 6, tzinfo=UTC), [], {}),
    ]
    schema = (
        "job string, day date, cost double, runs bigint, seen timestamp, "
        "reasons array<struct<name:string,share:double>>, shares map<string,double>"
    )
    return spark.createDataFrame(values, schema)


def labels(spark):
    values = [("a", date(2025, 1, 2), 0.0), ("a", date(2025, 1, 4), 1.0), ("c", date(2025, 1, 4), 2.0)]
    return spark.createDataFrame(values, "job string, day date, y double")


def training_set(store, df):
    lookup = FeatureLookup(
        table_name=FEATURES, lookup_key=["job"], timestamp_lookup_key="day", feature_names=["cost", "runs", "seen"]
    )
    return store.create_training_set(df=df, feature_lookups=[lookup], label="y", exclude_columns=["job"])


def create(store, spark):
    store.create_table(name=FEATURES, primary_keys=["job", "day"], timeseries_column="day", df=rows(spark))


def in_order(frame, *by):
    return frame.sort_values(list(by)).reset_index(drop=True)


def test_a_table_comes_back_as_it_went_in(store, tables, spark):
    create(store, spark)
    back = store.read_table(name=FEATURES)
    assert [(one.name, one.dataType) for one in back.schema] == [(one.name, one.dataType) for one in rows(spark).schema]
    assert sorted(map(repr, back.collect())) == sorted(map(repr, rows(spark).collect()))
    assert primary_key(tables.schema(FEATURES)) == ["job", "day"]


def test_the_same_frame_again_commits_nothing(store, tables, spark):
    create(store, spark)
    assert store.write_table(name=FEATURES, df=rows(spark)) == 0
    assert tables.version(FEATURES) == 0
    assert store.write_table(name=FEATURES, df=store.read_table(name=FEATURES)) == 0


def test_files_from_before_a_column_read_null(store, tables, spark):
    create(store, spark)
    wide = rows(spark).selectExpr("*", "'o' as owner").where("job = 'b'")
    assert store.write_table(name=FEATURES, df=wide) == 1
    assert {row["owner"] for row in tables.spark(FEATURES).collect()} == {None, "o"}


def test_an_empty_table_has_its_columns(tables, spark):
    tables.create(
        "main.health.empty",
        pa.schema([("key", pa.string()), ("at", pa.timestamp("us", "UTC"))]).empty_table(),
        keys=["key"],
    )
    frame = tables.spark("main.health.empty")
    assert frame.count() == 0
    assert frame.dtypes == [("key", "string"), ("at", "timestamp")]


def test_comments_of_a_spark_schema_stay(tables, spark):
    schema = rows(spark).schema
    schema["cost"].metadata = {"comment": "USD"}
    tables.append("main.health.commented", spark.createDataFrame(rows(spark).collect(), schema))
    assert metadata_of(tables.schema("main.health.commented").field("cost")) == {"comment": "USD"}


def test_the_training_set_is_the_same_in_spark_and_pandas(store, spark):
    create(store, spark)
    training = training_set(store, labels(spark))
    from_spark = in_order(training.load_df().toPandas(), "y")
    from_pandas = in_order(training.to_pandas(), "y")
    assert list(from_pandas) == ["day", "cost", "runs", "seen", "y"]
    seen = {"seen": "datetime64[us]"}  # Spark and pandas do not always agree on the unit, and neither matters
    pd.testing.assert_frame_equal(from_spark.astype(seen), from_pandas.astype(seen))


def test_a_pandas_frame_gives_the_same_set(store, spark):
    create(store, spark)
    from_pandas = training_set(store, labels(spark).toPandas())
    pd.testing.assert_frame_equal(
        from_pandas.to_pandas(), in_order(training_set(store, labels(spark)).to_pandas(), "y")
    )
    assert from_pandas.load_df().dtypes == training_set(store, labels(spark)).load_df().dtypes


def test_spark_in_spark_out(store, spark, tmp_path):
    folder = tmp_path / "mlflow"
    folder.mkdir()
    before = mlflow.get_tracking_uri(), mlflow.get_registry_uri()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow warns of its own parts when they are first loaded
        importlib.import_module("mlflow.pyfunc")
        importlib.import_module("mlflow.sklearn")
        mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
        mlflow.set_registry_uri(f"sqlite:///{folder}/mlflow.db")
        mlflow.set_experiment(experiment_id=mlflow.create_experiment("spark", (folder / "artifacts").as_uri()))
    try:
        check_scoring(store, spark, tmp_path)
    finally:
        mlflow.set_tracking_uri(before[0])
        mlflow.set_registry_uri(before[1])


def check_scoring(store, spark, tmp_path):
    create(store, spark)
    lookup = FeatureLookup(table_name=FEATURES, lookup_key=["job"], timestamp_lookup_key="day", feature_names=["cost"])
    training = store.create_training_set(
        df=labels(spark), feature_lookups=[lookup], label="y", exclude_columns=["job", "day"]
    )
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(LinearRegression().fit([[0.0], [1.0]], [1.0, 3.0])))
    (tmp_path / "served.py").write_text(SERVED)
    logged = store.log_model(
        model=str(tmp_path / "served.py"),
        artifact_path="model",
        training_set=training,
        registered_model_name="main.health.model",
        artifacts={"model": str(tmp_path / "model.pkl")},
        output_schema=Schema([ColSpec("double", "prediction")]),
        pip_requirements=["scikit-learn"],
    )
    uri, kind = f"models:/{logged.name}/{logged.version}", "struct<prediction:double,reasons:array<string>>"
    scored = store.score_batch(model_uri=uri, df=labels(spark), result_type=kind)
    assert scored.dtypes == [*labels(spark).dtypes, ("prediction", "double"), ("reasons", "array<string>")]
    in_pandas = store.score_batch(model_uri=uri, df=labels(spark).toPandas(), result_type=kind)
    assert in_order(scored.toPandas(), "y")["prediction"].tolist() == pytest.approx([3.0, 1.0, 1.0])
    assert in_pandas["prediction"].tolist() == pytest.approx([3.0, 1.0, 1.0])


def test_a_foreign_delta_folder_is_read_at_its_newest_version(tmp_path, spark):
    folder = tmp_path / "gold runs"
    write_deltalake(str(folder), pa.table({"key": [1, 2]}))
    write_deltalake(str(folder), pa.table({"key": [3]}), mode="overwrite")
    assert [row["key"] for row in open_delta(spark, folder).collect()] == [3]
    assert to_arrow(open_delta(spark, folder)).schema.names == ["key"]


def test_folders_that_spark_would_read_wrongly_are_refused(tmp_path, spark):
    with pytest.raises(TableError, match="no Delta table"):
        open_delta(spark, tmp_path)
    write_deltalake(str(tmp_path / "t"), pa.table({"key": [1], "day": ["x"]}), partition_by=["day"])
    with pytest.raises(TableError, match="partition columns"):
        open_delta(spark, tmp_path / "t")

"""Times the embedded feature store against what it is measured by.

    python tests/benchmarks/bench_store.py --labels 1000000 --rows 1000000 --keys 10000 --score 1000000

As-of join: ``create_training_set(...).to_pandas()`` against ``polars.join_asof`` with the sort it needs.
Scoring: ``score_batch`` from keys alone against the bare ``predict`` on a ready matrix.
"""

# ruff: noqa: T201 - a benchmark speaks on stdout

from __future__ import annotations

import argparse
import pickle
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import mlflow
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
from mlflow.types import ColSpec, Schema
from sklearn.ensemble import HistGradientBoostingRegressor

from framework.core.ports import FeatureLookup
from framework.stores.local.store import LocalFeatureStore
from framework.stores.local.tables import LocalTables

if TYPE_CHECKING:
    from collections.abc import Callable

SERVED = """
import pickle
from pathlib import Path

import mlflow
import pandas as pd


class Served(mlflow.pyfunc.PythonModel):
    def load_context(self, context):
        self.model = pickle.loads(Path(context.artifacts["model"]).read_bytes())

    def predict(self, context, model_input: pd.DataFrame, params=None):
        return pd.DataFrame({"prediction": self.model.predict(model_input)})


mlflow.models.set_model(Served())
"""


def no_spark():
    raise AssertionError("the benchmark needs no Spark")


def timed(work: Callable[[], object], repeats: int = 3) -> tuple[float, object]:
    best, result = float("inf"), None
    for _ in range(repeats):
        start = time.perf_counter()
        result = work()
        best = min(best, time.perf_counter() - start)
    return best, result


def history(rng: np.random.Generator, rows: int, keys: int, features: int) -> pd.DataFrame:
    """Return rows of unique (key, ts) with random features."""
    start = int(datetime(2025, 1, 1, tzinfo=UTC).timestamp() * 1_000_000)
    frame = pd.DataFrame(
        {
            "key": np.char.add("job_", rng.integers(0, keys, rows).astype(str)),
            "ts": pd.to_datetime(start + rng.integers(0, 365 * 86_400_000_000, rows), unit="us", utc=True),
        }
    )
    for place in range(features):
        frame[f"f{place}"] = rng.normal(size=rows)
    return frame.drop_duplicates(["key", "ts"])


def polars_asof(labels: pd.DataFrame, rows: pd.DataFrame) -> Callable[[], pd.DataFrame]:
    left, right = pl.from_pandas(labels), pl.from_pandas(rows)
    return lambda: left.sort("ts").join_asof(right.sort("ts"), on="ts", by="key", check_sortedness=False).to_pandas()


def bench_asof(store: LocalFeatureStore, args: argparse.Namespace) -> None:
    rng = np.random.default_rng(0)
    rows, labels = history(rng, args.rows, args.keys, 5), history(rng, args.labels, args.keys, 0)
    labels["y"] = 1.0
    store.create_table(
        name="main.bench.asof", primary_keys=["key", "ts"], timeseries_column="ts", df=pa.Table.from_pandas(rows)
    )
    lookup = FeatureLookup(table_name="main.bench.asof", lookup_key=["key"], timestamp_lookup_key="ts")

    def ours() -> pd.DataFrame:
        # A new store each time: nothing is remembered from the run before, the Delta table is read again.
        fresh = LocalFeatureStore(store._tables, no_spark)
        return fresh.create_training_set(df=labels, feature_lookups=[lookup], label="y").to_pandas()

    seconds, result = timed(ours)
    reference, expected = timed(polars_asof(labels, rows))
    hits = int(result["f0"].notna().sum()), int(expected["f0"].notna().sum())
    sums = round(float(result["f0"].sum()), 3), round(float(expected["f0"].sum()), 3)
    print(f"as-of join     ours {seconds:.2f} s, polars {reference:.2f} s, ratio {seconds / reference:.2f}")
    print(f"               hits {hits[0]} and {hits[1]}, sums {sums[0]} and {sums[1]}")


def bench_score(store: LocalFeatureStore, args: argparse.Namespace, folder: Path) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(args.score, 20)), columns=[f"f{place:02d}" for place in range(20)])
    target = (frame**2).sum(axis=1) + rng.normal(size=args.score)
    model = HistGradientBoostingRegressor(max_iter=100, early_stopping=False)
    model.fit(frame.iloc[:100_000], target.iloc[:100_000])
    (folder / "model.pkl").write_bytes(pickle.dumps(model))
    (folder / "served.py").write_text(SERVED)
    keys = pd.DataFrame({"key": np.arange(args.score)})
    store.create_table(name="main.bench.wide", primary_keys=["key"], df=pd.concat([keys, frame], axis=1))
    training = store.create_training_set(
        df=keys.iloc[:10].assign(y=1.0),
        feature_lookups=[FeatureLookup(table_name="main.bench.wide", lookup_key=["key"])],
        label="y",
        exclude_columns=["key"],
    )

    def log():
        return store.log_model(
            model=str(folder / "served.py"),
            artifact_path="model",
            training_set=training,
            registered_model_name="main.bench.model",
            artifacts={"model": str(folder / "model.pkl")},
            output_schema=Schema([ColSpec("double", "prediction")]),
            pip_requirements=["scikit-learn"],
        )

    log_seconds, logged = timed(log)
    uri = f"models:/{logged.name}/{logged.version}"

    def ours() -> pd.DataFrame:
        fresh = LocalFeatureStore(store._tables, no_spark)
        return fresh.score_batch(model_uri=uri, df=keys, result_type="struct<prediction:double>")

    bare, expected = timed(lambda: model.predict(frame))
    seconds, result = timed(ours)
    again, _ = timed(lambda: store.score_batch(model_uri=uri, df=keys, result_type="struct<prediction:double>"))
    print(f"log a model    {log_seconds:.3f} s")
    print(f"score          ours {seconds:.2f} s, bare predict {bare:.2f} s, ratio {seconds / bare:.2f}")
    print(f"score again    ours {again:.2f} s, ratio {again / bare:.2f}")
    print(f"               equal to bare predict: {np.array_equal(result['prediction'], expected)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--labels", type=int, default=1_000_000)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--keys", type=int, default=10_000)
    parser.add_argument("--score", type=int, default=1_000_000)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
        mlflow.create_experiment("bench", artifact_location=(folder / "artifacts").as_uri())
        mlflow.set_experiment("bench")
        store = LocalFeatureStore(LocalTables(folder / "tables", no_spark), no_spark)
        bench_asof(store, args)
        bench_score(store, args, folder)


if __name__ == "__main__":
    sys.exit(main())

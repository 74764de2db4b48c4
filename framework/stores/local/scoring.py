"""Scoring a logged model from keys alone: the spec from its artefact, features as in training, one predict."""

from __future__ import annotations

import dataclasses
import re
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

from framework.base.errors import RegistryError, ScoringError
from framework.stores.arrow import column_of, to_arrow, to_pandas
from framework.stores.ddl import fields_of
from framework.stores.frames import is_spark
from framework.stores.local import feature_spec
from framework.stores.local.artifact import RAW_FOLDER, SPEC_FOLDER, predicted
from framework.stores.local.lookup import look_up
from framework.stores.spark_frames import to_spark

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyspark.sql import SparkSession

    from framework.core.ports import Frame
    from framework.stores.local.feature_spec import FeatureSpec
    from framework.stores.local.lookup import FeatureReader

_URI = re.compile(r"^models:/(?P<name>[^/@]+)(?:/(?P<version>\d+)|@(?P<alias>[^/@]+))$")
_KEPT_MODELS = 32


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Served:
    """A loaded model version.

    Args:
        spec: Its columns.
        predict: The raw model's predict.
    """

    spec: FeatureSpec
    predict: Callable[[pd.DataFrame], Any]


class Scorer:
    """Scores frames; a model version is loaded once.

    Args:
        reader: Where feature tables come from.
        spark: Returns the session, for frames that came from it.
    """

    def __init__(self, reader: FeatureReader, spark: Callable[[], SparkSession]) -> None:
        self._reader = reader
        self._spark = spark
        self._loaded: OrderedDict[tuple[str, str, str], Served] = OrderedDict()

    def score(self, model_uri: str, df: Frame, result_type: str) -> Frame:
        """Return the columns of a frame and the model's outputs.

        Args:
            model_uri: ``models:/name/version`` or ``models:/name@alias``.
            df: Keys and any other columns.
            result_type: DDL of the outputs.

        Returns:
            A Spark DataFrame for a Spark DataFrame, else pandas.

        Raises:
            ScoringError: If the frame lacks a column, or the model an output.
        """
        fields = fields_of(result_type)
        served = self._load(model_uri)
        frame = to_arrow(df) if is_spark(df) else df
        _check_columns(served.spec, frame, [field.name for field in fields], model_uri)
        outputs = predicted(served.predict(self._inputs(served.spec, frame)), fields)
        columns = {field.name: column_of(outputs[field.name], field.type) for field in fields}
        if is_spark(df):
            table = to_arrow(frame)
            whole = {**dict(zip(table.column_names, table.columns, strict=True)), **columns}
            return to_spark(self._spark(), pa.table(whole))
        base = frame if isinstance(frame, pd.DataFrame) else to_pandas(to_arrow(frame))
        added = to_pandas(pa.table(columns)).set_index(base.index)
        return pd.DataFrame({**dict(base.items()), **dict(added.items())}, copy=False)

    def _inputs(self, spec: FeatureSpec, frame: pd.DataFrame | pa.Table) -> pd.DataFrame:
        given = set(_names(frame))
        looked_up = [one for one in spec.features if one.include and one.name not in given]
        needed = sorted({key for one in looked_up for key in (*one.lookup_key, one.time_key) if key})
        names = [one.name for one in looked_up]
        features = look_up(self._reader, spec, to_arrow(frame, needed), names) if names else {}
        own = [name for name in spec.included if name not in features]
        kept = frame[own] if isinstance(frame, pd.DataFrame) else to_pandas(to_arrow(frame, own))
        found = to_pandas(pa.table(features)) if features else pd.DataFrame()
        columns = {
            name: found[name] if name in features else kept[name].reset_index(drop=True) for name in spec.included
        }
        return pd.DataFrame(columns, copy=False)

    def _load(self, model_uri: str) -> Served:
        import mlflow

        name, version = resolve(model_uri)
        key = (str(mlflow.get_registry_uri()), name, version)
        served = self._loaded.get(key)
        if served is None:
            folder = Path(mlflow.artifacts.download_artifacts(f"models:/{name}/{version}"))
            spec = feature_spec.load(folder / SPEC_FOLDER)
            raw = mlflow.pyfunc.load_model(str(folder / SPEC_FOLDER / RAW_FOLDER), suppress_warnings=True)
            served = self._loaded[key] = Served(spec=spec, predict=raw.predict)
        self._loaded.move_to_end(key)
        while len(self._loaded) > _KEPT_MODELS:
            self._loaded.popitem(last=False)
        return served


def resolve(model_uri: str) -> tuple[str, str]:
    """Return name and version of a model URI.

    Args:
        model_uri: ``models:/name/version`` or ``models:/name@alias``.

    Returns:
        Name and version; an alias is looked up each time, since it moves.

    Raises:
        RegistryError: If the URI has another form, or the registry does not know it.
    """
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    match = _URI.match(model_uri)
    if match is None:
        raise RegistryError(
            what="a model URI has another form",
            where=f"'{model_uri}'",
            fix="write models:/catalog.schema.model/version or models:/catalog.schema.model@alias",
        )
    client = MlflowClient()
    try:
        if match["alias"]:
            return match["name"], str(client.get_model_version_by_alias(match["name"], match["alias"]).version)
        return match["name"], str(client.get_model_version(match["name"], match["version"]).version)
    except MlflowException as problem:
        raise RegistryError(
            what=f"no such model version: {problem.message}", where=model_uri, fix="train it, or name another version"
        ) from problem


def _names(frame: pd.DataFrame | pa.Table) -> list[str]:
    return list(frame.columns) if isinstance(frame, pd.DataFrame) else list(frame.column_names)


def _check_columns(spec: FeatureSpec, frame: pd.DataFrame | pa.Table, outputs: list[str], model_uri: str) -> None:
    given = _names(frame)
    looked_up = [one for one in spec.features if one.name not in given]
    needed = {one.name for one in spec.sources} | {key for one in looked_up for key in (*one.lookup_key, one.time_key)}
    missing = sorted(name for name in needed if name and name not in given)
    if missing:
        raise ScoringError(
            what=f"the frame has no {', '.join(missing)}", where=model_uri, fix="bring all keys, times and own columns"
        )
    taken = sorted(set(outputs) & set(given))
    if taken:
        raise ScoringError(
            what=f"the frame has columns named as outputs: {', '.join(taken)}",
            where=model_uri,
            fix="rename or drop them",
        )

"""A logged model as the client lays it out: the raw model inside, its lookups beside it.

    MLmodel                                  loader module and signature of the client
    data/feature_store/feature_spec.yaml     which columns, from where
    data/feature_store/raw_model/            the served model, as code with its artifacts

The raw model loads with ``mlflow.pyfunc.load_model`` alone, so this package need not be installed
where it is served. No path of the machine that trained it is written.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import yaml

from framework.registry.models import example_optional

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    import pyarrow as pa
    from mlflow.models import Model, ModelSignature
    from mlflow.models.model import ModelInfo

    from framework.stores.local.feature_spec import FeatureSpec

LOADER = "databricks.feature_store.mlflow_model"
SPEC_FOLDER = Path("data") / "feature_store"
RAW_FOLDER = "raw_model"
NO_RESULT_TYPE = "NO_RESULT_TYPE"
_LOOKUP_PACKAGE = "databricks-feature-lookup==1.*"

_SIGNATURE_TYPES = {
    "tinyint": "integer",
    "smallint": "integer",
    "int": "integer",
    "bigint": "long",
    "float": "float",
    "double": "double",
    "boolean": "boolean",
    "date": "datetime",
    "timestamp": "datetime",
    "string": "string",
    "binary": "binary",
}


def signature_of(spec: FeatureSpec, outputs: Any) -> ModelSignature:
    """Return a model's signature: frame columns required, features optional, outputs as given.

    Args:
        spec: The model's columns.
        outputs: MLflow ``Schema`` of the outputs.

    Returns:
        The signature, with the parameter through which the client passes a result type.
    """
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema

    columns: list[Any] = [
        ColSpec(_SIGNATURE_TYPES[column.data_type], column.name, required=not column.table)
        for column in [*spec.sources, *spec.features]
        if column.data_type in _SIGNATURE_TYPES
    ]
    result_type = ParamSpec("result_type", DataType.string, NO_RESULT_TYPE)
    return ModelSignature(inputs=Schema(columns), outputs=outputs, params=ParamSchema([result_type]))


def log(
    *,
    model: str,
    name: str,
    spec: FeatureSpec,
    artifacts: Mapping[str, str],
    outputs: Any,
    pip_requirements: Sequence[str],
    input_example: pd.DataFrame | None,
) -> ModelInfo:
    """Log a model-from-code with its lookups in the active run.

    Args:
        model: Path of the Python file that defines the served model.
        name: Name of the logged model.
        spec: The model's columns.
        artifacts: Files that the served model loads, by name.
        outputs: MLflow ``Schema`` of what it returns.
        pip_requirements: What it needs.
        input_example: Synthetic rows of what the served model takes.

    Returns:
        What MLflow logged.
    """
    from mlflow.models import Model

    signature = signature_of(spec, outputs)
    with tempfile.TemporaryDirectory() as scratch:
        data = Path(scratch) / SPEC_FOLDER.name
        data.mkdir()
        _save_raw(data / RAW_FOLDER, model, artifacts, outputs, pip_requirements, input_example)
        spec.save(data)
        environment = _environment(data / RAW_FOLDER)

        def save(path: str, mlflow_model: Model, **_: object) -> None:
            _save_outer(path, mlflow_model, name, data, environment, signature)

        # Model.log and not pyfunc.log_model: that one would load the client's loader module, which is
        # absent here and, where present, connects to a workspace.
        flavor = SimpleNamespace(__name__="mlflow.pyfunc", save_model=save)
        info: ModelInfo = Model.log(artifact_path=None, name=name, flavor=flavor, flavor_name="pyfunc")
        return info


def predicted(values: Any, fields: Sequence[pa.Field]) -> dict[str, object]:
    """Return a model's outputs by field name.

    Args:
        values: What ``predict`` returned: a DataFrame, a dictionary of columns, an array or a list.
        fields: The outputs that the caller asked for.

    Returns:
        One column of values per field.

    Raises:
        ScoringError: If an output is missing.
    """
    import numpy as np
    import pandas as pd

    from framework.base.errors import ScoringError, nearest

    names = [field.name for field in fields]
    if isinstance(values, pd.Series) or not isinstance(values, pd.DataFrame | dict):
        array = np.asarray(values)
        if array.ndim == 1 and len(names) == 1:
            return {names[0]: array}
        if array.ndim == 2 and array.shape[1] == len(names):  # noqa: PLR2004 - rows and columns
            return {name: array[:, place] for place, name in enumerate(names)}
        raise ScoringError(
            what=f"the model returns shape {array.shape} for {len(names)} outputs",
            where=f"result_type {names}",
            fix="name as many outputs as the model has",
        )
    for name in names:
        if name not in values:
            raise ScoringError(
                what=f"the model returns no '{name}'", where="result_type", fix=nearest(name, map(str, values))
            )
    return {name: values[name] for name in names}


def _save_raw(
    path: Path,
    model: str,
    artifacts: Mapping[str, str],
    outputs: Any,
    pip_requirements: Sequence[str],
    input_example: pd.DataFrame | None,
) -> None:
    import mlflow
    from mlflow.models import Model, ModelSignature

    raw = Model()
    with example_optional():
        mlflow.pyfunc.save_model(
            str(path),
            python_model=str(model),
            artifacts=dict(artifacts),
            mlflow_model=raw,
            signature=ModelSignature(outputs=outputs),
            pip_requirements=list(pip_requirements),
            input_example=input_example,
        )
    flavor = raw.flavors["python_function"]
    # MLflow resolves both against the model's own folder; the paths of this machine would only tell tales.
    flavor["model_code_path"] = Path(flavor["model_code_path"]).name
    for artifact in flavor.get("artifacts", {}).values():
        artifact["uri"] = Path(artifact["path"]).name
    raw.save(str(path / "MLmodel"))


def _save_outer(
    path: str,
    mlflow_model: Model,
    name: str,
    data: Path,
    environment: dict[str, Any],
    signature: ModelSignature,
) -> None:
    import mlflow

    mlflow_model.artifact_path = name
    with example_optional():
        mlflow.pyfunc.save_model(
            path,
            mlflow_model=mlflow_model,
            loader_module=LOADER,
            data_path=str(data),
            conda_env=environment,
            signature=signature,
        )


def _environment(raw: Path) -> dict[str, Any]:
    """Return the raw model's environment plus what looks features up when the model is served."""
    environment: dict[str, Any] = yaml.safe_load((raw / "conda.yaml").read_text(encoding="utf-8"))
    for dependency in environment["dependencies"]:
        if isinstance(dependency, dict):
            dependency["pip"].append(_LOOKUP_PACKAGE)
    return environment

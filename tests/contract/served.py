"""A served model as code, small enough to read: a price per run, and what it looked at most."""

import json
from pathlib import Path

import mlflow
import pandas as pd


class Served(mlflow.pyfunc.PythonModel):
    """Answers ``2 * cost + rate``; a missing rate counts as 0."""

    def load_context(self, context):
        self.weights = json.loads(Path(context.artifacts["weights"]).read_text())

    def predict(self, context, model_input, params=None):
        answer = sum(model_input[name].astype(float).fillna(0.0) * weight for name, weight in self.weights.items())
        return pd.DataFrame({"prediction": answer, "reason": "cost"})


mlflow.models.set_model(Served())

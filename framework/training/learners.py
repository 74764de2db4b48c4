"""The four algorithm families, with settings that suit telemetry: few rows, noisy labels, NULLs, two cores.

A trainer's ``estimator`` returns one of them, or whatever else scikit-learn can fit.
"""

from __future__ import annotations

from typing import Any

SEED = 7


def boosted_trees(**overrides: Any) -> Any:
    """Return many slow trees that each see a fifth of the columns: features overlap, and rows are few."""
    from xgboost import XGBClassifier

    settings = {
        "n_estimators": 500,
        "learning_rate": 0.01,
        "max_depth": 4,
        "min_child_weight": 5,
        "subsample": 0.8,
        "colsample_bytree": 0.2,
        "reg_lambda": 5.0,
        "n_jobs": 2,
        "random_state": SEED,
    }
    return XGBClassifier(**settings | overrides)


def boosted_regression(*, share_of_columns: float = 1.0, **overrides: Any) -> Any:
    """Return histogram gradient boosting on absolute error, which the metric is; quantiles are clones of it.

    Args:
        share_of_columns: Share of the columns that each split looks at; all, where scikit-learn is older than 1.4.
        overrides: Other settings.
    """
    from sklearn.ensemble import HistGradientBoostingRegressor

    settings: dict[str, Any] = {
        "loss": "absolute_error",
        "quantile": 0.5,
        "max_iter": 150,
        "learning_rate": 0.05,
        "min_samples_leaf": 30,
        "random_state": SEED,
    }
    made = HistGradientBoostingRegressor(**settings | overrides)
    if share_of_columns < 1.0 and "max_features" in made.get_params():
        made.set_params(max_features=share_of_columns)
    return made


def on_log_scale(regression: Any) -> Any:
    """Return the regression on log(1 + y): for amounts and durations that span orders of magnitude."""
    import numpy as np
    from sklearn.compose import TransformedTargetRegressor

    return TransformedTargetRegressor(regression, func=np.log1p, inverse_func=np.expm1)


def as_multiple_of(column: str, regression: Any) -> Any:
    """Return the regression on the label's multiple of a column, on a log scale.

    Trees answer with labels that they have seen. Where a quantity changes for good, its multiple of what is usual
    stays what it was, and the forecast follows as soon as the usual does.

    Args:
        column: An input that holds what is usual, in units of the label and not negative.
        regression: The regression.
    """
    from framework.training.multiple import MultipleRegressor

    return MultipleRegressor(regression, column)


def in_whole_numbers(regression: Any) -> Any:
    """Return the regression rounded: for counts, where a half is never right.

    Fit it on squared error: on absolute error boosting stands still where most residuals are exactly 0.
    """
    import numpy as np
    from sklearn.compose import TransformedTargetRegressor

    return TransformedTargetRegressor(regression, func=np.positive, inverse_func=np.rint, check_inverse=False)


def forest(**overrides: Any) -> Any:
    """Return a light random forest behind a median imputer: a default one weighs a hundred megabytes."""
    from sklearn.ensemble import RandomForestClassifier

    settings: dict[str, Any] = {
        "n_estimators": 150,
        "min_samples_leaf": 10,
        "max_samples": 0.5,
        "n_jobs": 2,
        "random_state": SEED,
    }
    return _imputed(RandomForestClassifier(**settings | overrides))


def isolation_forest(*, heavy_tailed: bool = False, **overrides: Any) -> Any:
    """Return an isolation forest behind a median imputer.

    Args:
        heavy_tailed: Squeeze the inputs to a log scale, either way from 0, first: a forest cuts ranges evenly, so
            that a few huge values leave it blind for the rest.
        overrides: Settings of the forest.
    """
    import numpy as np
    from sklearn.ensemble import IsolationForest
    from sklearn.preprocessing import FunctionTransformer

    settings: dict[str, Any] = {"n_estimators": 200, "n_jobs": 2, "random_state": SEED}
    forest = IsolationForest(**settings | overrides)
    squeeze = FunctionTransformer(np.arcsinh, feature_names_out="one-to-one")
    return _imputed(squeeze, forest) if heavy_tailed else _imputed(forest)


def _imputed(*steps: Any) -> Any:
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline

    return make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), *steps)


def algorithm_of(estimator: Any) -> str:
    """Return the algorithm family of an estimator, whatever it is wrapped in: its name without the task."""
    if steps := getattr(estimator, "steps", None):
        return algorithm_of(steps[-1][1])
    for wrapped in ("regressor", "estimator"):
        inner = estimator.get_params(deep=False).get(wrapped)
        if inner is not None:
            return algorithm_of(inner)
    name = type(estimator).__name__.removeprefix("Hist").removesuffix("Classifier").removesuffix("Regressor")
    return {"XGB": "XGBoost"}.get(name, name)

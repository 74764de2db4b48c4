"""A framework for production machine learning over a platform's own telemetry.

Nothing is imported here, so that ``import framework`` works without Spark, MLflow or scikit-learn.
"""

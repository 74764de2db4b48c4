"""The production adapter: the unmodified feature-engineering client, Delta through Spark, MLflow on Unity Catalog."""

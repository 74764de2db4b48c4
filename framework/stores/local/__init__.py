"""The embedded adapters: Delta tables in a folder, exact as-of lookups, MLflow on SQLite."""

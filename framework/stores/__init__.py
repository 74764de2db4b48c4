"""The adapters of the ports to tables and features: embedded, and Databricks."""

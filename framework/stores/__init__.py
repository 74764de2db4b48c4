"""The ports to tables and features, and their adapters."""

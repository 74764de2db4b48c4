"""Quality: which tables drift, which are late, which will change their columns."""

"""Alerts: rules, rows, messages, sinks, deliveries, verdicts."""

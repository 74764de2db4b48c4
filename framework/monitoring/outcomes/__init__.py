"""Outcomes of predictions, performance, requests to train again."""

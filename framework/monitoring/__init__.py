"""What became of predictions: outcomes, drift, requests to train again, alerts."""

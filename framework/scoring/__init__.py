"""BatchScorer and the predictions to act on."""

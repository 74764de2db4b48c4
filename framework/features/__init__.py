"""FeatureBuilder and the calendar windows."""

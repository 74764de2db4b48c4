"""What everything stands on: errors, clock, logging, paths."""

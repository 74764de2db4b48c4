"""A deterministic simulator of the gold layer: one small world, seen through all of its tables."""

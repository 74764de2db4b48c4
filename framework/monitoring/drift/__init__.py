"""Drift: references, sketches, counting, and what is usual."""

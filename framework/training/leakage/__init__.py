"""Leakage checks: what a training is refused for, and what is asked about before it may be promoted."""

"""The doctor: what a run needs, checked before it, and the exact step for whatever is missing."""

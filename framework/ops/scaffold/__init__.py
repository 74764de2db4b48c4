"""Writes new domains and new models that train at once."""

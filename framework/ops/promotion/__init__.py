"""Copies of validated versions in another catalog."""

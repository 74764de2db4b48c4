"""Promotion of validated versions from one catalog into another."""

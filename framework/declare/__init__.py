"""Frozen declarations: models, feature tables, gold tables, formulas, labels."""

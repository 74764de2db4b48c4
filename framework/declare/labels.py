"""The columns that say when a row of gold, or a label, became known."""

KNOWN_AT = "known_at"
"""Column of every gold frame: when a row became known."""
LABEL_KNOWN_AT = "label_known_at"
"""Column of every label frame: when the label was settled; NULL while it is not."""

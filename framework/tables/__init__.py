"""Every table that the system itself writes, declared once."""

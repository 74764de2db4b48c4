"""Gold from the platform's own system tables: one view for each table of the contract."""

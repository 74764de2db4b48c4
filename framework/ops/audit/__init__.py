"""The audit: twenty rows computed from what is registered and stored."""

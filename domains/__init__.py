"""The domains: what is measured, foreseen and watched. Plumbing lives in ``framework``."""

"""The asset bundle: its generated jobs, and the checks that need no workspace."""

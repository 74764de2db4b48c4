"""The input contract: gold tables as declarations, and where they come from."""

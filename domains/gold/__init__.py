"""The input contract: gold tables as declarations, where they come from, and a simulator."""

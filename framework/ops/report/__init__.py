"""The report: one HTML file of what needs attention, how the models do, and what did not run."""

"""Cost: what is spent, where it jumps, who pays, and what could be saved."""

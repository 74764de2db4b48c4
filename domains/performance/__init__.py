"""Performance: how fast statements and warehouses will be, what slows them, what size they need."""

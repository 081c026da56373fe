"""Everything decisions stand on, kept equal in another process: what a pdp ships, and what follows it."""

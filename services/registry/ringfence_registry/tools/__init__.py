"""Tools: what each takes, returns and does to the world, and whether it may be called at present."""

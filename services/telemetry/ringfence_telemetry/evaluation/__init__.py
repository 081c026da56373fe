"""Whether agents do their work well, whether it is enough to serve, and whether it changes."""

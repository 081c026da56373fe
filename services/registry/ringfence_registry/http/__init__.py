"""What the registry serves over HTTP, to whoever reaches the port: cards, its keys, and its catalog."""

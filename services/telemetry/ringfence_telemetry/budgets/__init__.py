"""What agents may spend, and how much of it is left."""

"""A2A Agent Cards: what their bytes say, what is wrong with them, and what changed between two of them."""

"""Namespaces: who sees what is in them, and what is let into them."""

"""Signatures of cards: whose they are by the registry's own trust root, and the registry's own."""

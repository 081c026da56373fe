"""Clients of the conformance suite, and what they have in common."""

"""Policies everybody writes first, under a name: templates that expand to rules and limits anybody can read."""

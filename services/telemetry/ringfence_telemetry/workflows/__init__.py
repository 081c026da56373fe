"""Pieces of work across agents: when a trace is over, what became of it, and who is to blame."""

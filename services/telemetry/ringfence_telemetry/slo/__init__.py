"""Objectives of agents: pure arithmetic in exact fractions, and the service that counts, judges and tells."""

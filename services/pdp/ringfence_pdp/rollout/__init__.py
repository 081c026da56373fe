"""Bundles on their way to deciding: kept, tried beside the active one, put in force, taken back."""

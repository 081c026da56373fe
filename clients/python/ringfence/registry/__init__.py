"""The registry service's contract, by version."""

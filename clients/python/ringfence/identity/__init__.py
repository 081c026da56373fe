"""The identity service's contract, by version."""

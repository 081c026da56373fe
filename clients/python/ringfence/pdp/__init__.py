"""The pdp service's contract, by version."""

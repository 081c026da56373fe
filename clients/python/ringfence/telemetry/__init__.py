"""The telemetry service's contract, by version."""

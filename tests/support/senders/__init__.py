"""Agents that report to telemetry as agents elsewhere do: with SDKs and instrumentations as they are published."""

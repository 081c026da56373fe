"""ringfence_telemetry."""

"""What telemetry's tests share."""

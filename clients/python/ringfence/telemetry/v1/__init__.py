"""Messages and stubs generated from protos/ringfence/telemetry/v1."""
